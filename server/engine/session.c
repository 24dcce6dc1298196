#include "server/engine/session.h"

#include "proto/base/chunk.h"
#include "server/engine/command.h"

#include <stdlib.h>
#include <string.h>

#define FAILURES_BYTES chunk_bytes(HF_FAILURES_MAX * sizeof(struct reply_failure))

static void charge(struct session *session, size_t bytes) {
  memory_charge(session->memory, MEMORY_SESSIONS, bytes);
  session->tables_bytes += bytes;
}

static void refund(struct session *session, size_t bytes) {
  memory_refund(session->memory, MEMORY_SESSIONS, bytes);
  session->tables_bytes -= bytes;
}

/* Its client chooses the numbers in its tables, or in which order they leave them. */
static void set_secrets(struct session *session, const struct value_hash_key *hash_key) {
  uint64_t secret = value_hash(hash_key, value_uint(session->serial));
  struct map64 *const tables[] = {&session->window,  &session->references, &session->locks,
                                  &session->expired, &session->permits,    &session->acting,
                                  &session->cells,   &session->ends,       &session->reservations};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    tables[i]->secret = secret;
  }
}

struct session *session_new(const uint8_t id[HF_SESSION_BYTES], uint32_t grace_ms,
                            struct value client, const struct value_hash_key *hash_key,
                            struct memory *memory) {
  struct session *session = malloc(sizeof *session);
  if (!session) {
    return NULL;
  }
  *session = (struct session){.grace_ms = grace_ms,
                              .client = client,
                              .memory = memory,
                              .process = PROCESS_ELSEWHERE,
                              .timer = {.kind = TIMER_SESSION}};
  memcpy(session->id, id, sizeof session->id);
  memcpy(&session->serial, id, sizeof session->serial);
  set_secrets(session, hash_key);
  TAILQ_INIT(&session->forked);
  TAILQ_INIT(&session->waiters);
  TAILQ_INIT(&session->one_way_waiters);
  TAILQ_INIT(&session->reserved);
  wait_queue_init(&session->flushers, true);
  charge(session, chunk_bytes(sizeof *session) + value_memory_bytes(client));
  return session;
}

void session_retire_cells(struct session *session) {
  uint64_t position = 0, object;
  void *share;
  while (map64_next(&session->cells, &position, &object, &share)) {
    cell_share_retire(share);
  }
  map64_deinit(&session->cells);
}

void session_free(struct session *session) {
  uint64_t position = 0, sequence;
  void *reply, *share;
  while (map64_next(&session->window, &position, &sequence, &reply)) {
    reply_release(reply);
  }
  map64_deinit(&session->window);
  sequences_deinit(&session->acked_also);
  position = 0;
  while (map64_next(&session->cells, &position, &sequence, &share)) {
    cell_share_release(share);
  }
  map64_deinit(&session->cells);
  map64_deinit(&session->references);
  map64_deinit(&session->locks);
  map64_deinit(&session->expired);
  map64_deinit(&session->ends);
  map64_deinit(&session->permits);
  map64_deinit(&session->acting);
  map64_deinit(&session->reservations);
  value_release(session->client);
  free(session->failures);
  memory_refund(session->memory, MEMORY_SESSIONS, session->tables_bytes);
  memory_refund(session->memory, MEMORY_REFERENCES, session->references_bytes);
  memory_refund(session->memory, MEMORY_WINDOWS, session->window_bytes);
  free(session);
}

/* ---- tables */

static void recharge(struct session *session, const struct map64 *table, size_t counted_bytes) {
  size_t bytes = map64_counted_bytes(table);
  if (bytes == counted_bytes) {
    return;
  }
  bool is_of_references = table == &session->references;
  size_t *charged = is_of_references ? &session->references_bytes : &session->tables_bytes;
  memory_recharge(session->memory, is_of_references ? MEMORY_REFERENCES : MEMORY_SESSIONS, charged,
                  *charged + bytes - counted_bytes);
}

bool session_set(struct session *session, struct map64 *table, uint64_t key, void *value) {
  size_t counted_bytes = map64_counted_bytes(table);
  bool is_set = map64_set(table, key, value);
  recharge(session, table, counted_bytes);
  return is_set;
}

void *session_remove(struct session *session, struct map64 *table, uint64_t key) {
  size_t counted_bytes = map64_counted_bytes(table);
  void *removed = map64_remove(table, key);
  recharge(session, table, counted_bytes);
  session->has_sparse_tables |= map64_is_sparse(table);
  return removed;
}

/* `window` is small, and used by each call. */
void session_trim(struct session *session) {
  session->has_sparse_tables = false;
  map64_trim(&session->references);
  map64_trim(&session->locks);
  map64_trim(&session->expired);
  map64_trim(&session->permits);
  map64_trim(&session->acting);
  map64_trim(&session->cells);
  map64_trim(&session->ends);
  map64_trim(&session->reservations);
}

/* ---- acknowledgements */

/* Few replies are pending: those are put back, which needs no memory. */
static void acknowledge_one(struct session *session, uint64_t sequence) {
  size_t counted_bytes = map64_counted_bytes(&session->window);
  struct reply *reply = sequence ? map64_remove(&session->window, sequence) : NULL;
  if (reply && reply->pending) {
    (void)map64_set(&session->window, sequence, reply);
  } else if (reply) {
    recharge(session, &session->window, counted_bytes);
    session->window_bytes -= reply_memory_bytes(reply);
    reply_release(reply);
  }
}

/* When the numbers jump, walking the window is shorter than counting. */
static void acknowledge_all_up_to(struct session *session, uint64_t acked) {
  uint64_t position = 0, sequence;
  void *reply;
  while (map64_next(&session->window, &position, &sequence, &reply)) {
    if (sequence <= acked) {
      acknowledge_one(session, sequence);
    }
  }
}

static size_t remembered_bytes(const struct session *session) {
  return sequences_memory_bytes(&session->acked_also);
}

/* Beyond the cumulative acknowledgement the reply goes only if the session remembers that it had
 * been there: else the request would be applied again when it came again. */
static void acknowledge_also(struct session *session, uint64_t sequence) {
  const struct reply *reply = session_find_reply(session, sequence);
  bool is_pending = reply && reply->pending;
  if (sequence <= session->acked) {
    acknowledge_one(session, sequence);
  } else if (sequence <= session->highest && !is_pending &&
             sequences_add(&session->acked_also, sequence)) {
    acknowledge_one(session, sequence);
  }
}

static void acknowledge(struct session *session, uint64_t acked, const uint64_t *also,
                        size_t also_count) {
  session->window_bytes -= remembered_bytes(session);
  if (acked > session->highest) {
    acked = session->highest;
  }
  if (acked > session->acked) {
    if (acked - session->acked > 2 * HF_WINDOW_COUNT_MAX) {
      acknowledge_all_up_to(session, acked);
    } else {
      /* Counts steps: `sequence <= acked` would be true for ever at the top of the range. */
      for (uint64_t left = acked - session->acked; left > 0; left--) {
        acknowledge_one(session, acked - left + 1);
      }
    }
    session->acked = acked;
    if (session->acked_also.count > 0) {
      sequences_remove_up_to(&session->acked_also, acked);
    }
  }
  for (size_t i = 0; i < also_count; i++) {
    acknowledge_also(session, also[i]);
  }
  session->window_bytes += remembered_bytes(session);
}

void session_acknowledge(struct session *session, uint64_t acked, const uint64_t *also,
                         size_t also_count) {
  size_t counted_bytes = session->window_bytes;
  acknowledge(session, acked, also, also_count);
  memory_recharge(session->memory, MEMORY_WINDOWS, &counted_bytes, session->window_bytes);
}

struct reply *session_find_reply(const struct session *session, uint64_t sequence) {
  return map64_get(&session->window, sequence);
}

bool session_keep_reply(struct session *session, struct reply *reply) {
  if (!session_set(session, &session->window, reply->sequence, reply)) {
    return false;
  }
  reply_acquire(reply);
  session_record_sequence(session, reply->sequence);
  return true;
}

hf_reason session_check_room(const struct session *session, uint64_t sequence, bool may_wait) {
  size_t count = session->window.count, pending = session->pending_count;
  if (sequence <= session->acked || sequences_have(&session->acked_also, sequence)) {
    return HF_REASON_BAD_SEQUENCE;
  }
  if (count - pending >= HF_WINDOW_COUNT_MAX || session->window_bytes >= HF_WINDOW_BYTES_MAX) {
    return HF_REASON_WINDOW_FULL;
  }
  bool is_large = count - (may_wait ? 0 : pending) >= HF_SMALL_WINDOW_COUNT;
  return is_large && memory_is_exhausted(session->memory) ? HF_REASON_MEMORY_FULL : HF_REASON_NONE;
}

bool session_record_sequence(struct session *session, uint64_t sequence) {
  bool is_highest = sequence > session->highest;
  if (is_highest) {
    session->highest = sequence;
  }
  return is_highest;
}

void session_remember_failure(struct session *session, struct reply_failure failure) {
  if (!session->failures &&
      (session->failures = malloc(HF_FAILURES_MAX * sizeof *session->failures))) {
    charge(session, FAILURES_BYTES);
  }
  if (session->failures && session->failures_count < HF_FAILURES_MAX) {
    session->failures[session->failures_count++] = failure;
  }
}

void session_record_failure(struct session *session, uint64_t sequence, const struct reply *reply) {
  session->one_way_failed++;
  session_remember_failure(session, (struct reply_failure){sequence, reply->reason, reply->late});
}

void session_forget_failures(struct session *session) {
  if (session->failures) {
    refund(session, FAILURES_BYTES);
    free(session->failures);
    session->failures = NULL;
  }
  session->one_way_failed = 0;
  session->failures_count = 0;
}

uint64_t session_one_way_finished(const struct session *session) {
  const struct waiter *oldest = TAILQ_FIRST(&session->one_way_waiters);
  return oldest ? oldest->reply->sequence - 1 : session->one_way_received;
}

static void *reference_entry(uint64_t count, unsigned rights) {
  return (void *)(uintptr_t)(count << REFERENCE_RIGHTS_BITS | rights);
}

unsigned session_rights_to(const struct session *session, uint64_t object) {
  return reference_rights(map64_get(&session->references, object));
}

bool session_add_reference(struct session *session, uint64_t object, unsigned rights) {
  const void *entry = map64_get(&session->references, object);
  return session_set(session, &session->references, object,
                     reference_entry(reference_count(entry) + 1, reference_rights(entry) | rights));
}

uint64_t session_drop_references(struct session *session, uint64_t object, uint64_t count) {
  const void *entry = map64_get(&session->references, object);
  uint64_t had = reference_count(entry);
  if (count >= had) {
    session_remove(session, &session->references, object);
    cell_share_release(session_remove(session, &session->cells, object));
    return had;
  }
  session_set(session, &session->references, object,
              reference_entry(had - count, reference_rights(entry)));
  return count;
}
