#include "server/engine/session.h"

#include "proto/base/chunk.h"

#include <stdlib.h>
#include <string.h>

struct session *session_new(const uint8_t id[HF_SESSION_BYTES], uint32_t grace_ms,
                            struct value client) {
  struct session *session = malloc(sizeof *session);
  if (!session) {
    return NULL;
  }
  *session =
      (struct session){.grace_ms = grace_ms,
                       .client = client,
                       .fixed_bytes = chunk_bytes(sizeof *session) + value_memory_bytes(client),
                       .tables_changed = true,
                       .process = PROCESS_ELSEWHERE,
                       .timer = {.kind = TIMER_SESSION}};
  memcpy(session->id, id, sizeof session->id);
  memcpy(&session->serial, id, sizeof session->serial);
  TAILQ_INIT(&session->forked);
  TAILQ_INIT(&session->waiters);
  TAILQ_INIT(&session->one_way_waiters);
  TAILQ_INIT(&session->reserved);
  wait_queue_init(&session->flushers, true);
  return session;
}

void session_retire_cells(struct session *session) {
  size_t position = 0;
  uint64_t object;
  void *share;
  while (map64_next(&session->cells, &position, &object, &share)) {
    cell_share_retire(share);
  }
  map64_deinit(&session->cells);
}

void session_free(struct session *session) {
  size_t position = 0;
  uint64_t sequence;
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
  map64_deinit(&session->holds);
  map64_deinit(&session->locks);
  map64_deinit(&session->expired);
  map64_deinit(&session->ends);
  map64_deinit(&session->permits);
  map64_deinit(&session->acting);
  map64_deinit(&session->reservations);
  value_release(session->client);
  free(session->failures);
  free(session);
}

static size_t tables_bytes(const struct session *session) {
  size_t bytes = map64_bytes(&session->window) + map64_bytes(&session->locks) +
                 map64_bytes(&session->expired) + map64_bytes(&session->permits) +
                 map64_bytes(&session->acting) + map64_bytes(&session->cells) +
                 map64_bytes(&session->ends) + map64_bytes(&session->reservations);
  bytes += session->failures ? chunk_bytes(HF_FAILURES_MAX * sizeof *session->failures) : 0;
  return session->fixed_bytes + bytes;
}

/* `window` is small, and used by each call. */
static void trim_tables(struct session *session) {
  map64_trim(&session->holds);
  map64_trim(&session->locks);
  map64_trim(&session->expired);
  map64_trim(&session->permits);
  map64_trim(&session->acting);
  map64_trim(&session->cells);
  map64_trim(&session->ends);
  map64_trim(&session->reservations);
}

void session_recount(struct session *session, struct memory *memory) {
  session->tables_changed = false;
  trim_tables(session);
  memory_recharge(memory, MEMORY_SESSIONS, &session->tables_bytes, tables_bytes(session));
  memory_recharge(memory, MEMORY_REFERENCES, &session->references_bytes,
                  map64_bytes(&session->holds));
}

void session_refund(struct session *session, struct memory *memory) {
  memory_refund(memory, MEMORY_SESSIONS, session->tables_bytes);
  memory_refund(memory, MEMORY_REFERENCES, session->references_bytes);
  memory_refund(memory, MEMORY_WINDOWS, session->window_bytes);
}

static void acknowledge_one(struct session *session, uint64_t sequence) {
  struct reply *reply = sequence ? map64_remove(&session->window, sequence) : NULL;
  if (reply && reply->pending) {
    (void)map64_set(&session->window, sequence, reply); /* there is room: one has just gone */
  } else if (reply) {
    session->window_bytes -= reply_memory_bytes(reply);
    reply_release(reply);
  }
}

/* When the numbers jump, walking the window is shorter than counting. */
static void acknowledge_all_up_to(struct session *session, uint64_t acked) {
  size_t position = 0;
  uint64_t sequence;
  void *reply;
  while (map64_next(&session->window, &position, &sequence, &reply)) {
    if (sequence <= acked && !((struct reply *)reply)->pending) {
      acknowledge_one(session, sequence);
      position = 0; /* removal moved slots */
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
  if (acked > session->highest) {
    acked = session->highest;
  }
  if (acked > session->acked) {
    if (acked - session->acked > 2 * HF_WINDOW_COUNT_MAX) {
      acknowledge_all_up_to(session, acked);
    } else {
      /* Counted in steps: `sequence <= acked` would hold for ever at the top of the range. */
      for (uint64_t left = acked - session->acked; left > 0; left--) {
        acknowledge_one(session, acked - left + 1);
      }
    }
    session->acked = acked;
    if (session->acked_also.count > 0) {
      sequences_remove_up_to(&session->acked_also, acked);
    }
  }
  session->window_bytes -= remembered_bytes(session);
  for (size_t i = 0; i < also_count; i++) {
    acknowledge_also(session, also[i]);
  }
  session->window_bytes += remembered_bytes(session);
}

void session_acknowledge(struct session *session, struct memory *memory, uint64_t acked,
                         const uint64_t *also, size_t also_count) {
  size_t counted_bytes = session->window_bytes;
  acknowledge(session, acked, also, also_count);
  memory_recharge(memory, MEMORY_WINDOWS, &counted_bytes, session->window_bytes);
}

struct reply *session_find_reply(const struct session *session, uint64_t sequence) {
  return map64_get(&session->window, sequence);
}

hf_reason session_check_sequence(const struct session *session, uint64_t sequence) {
  if (sequence <= session->acked || sequences_have(&session->acked_also, sequence)) {
    return HF_REASON_BAD_SEQUENCE;
  }
  if (session->window.count - session->pending_count >= HF_WINDOW_COUNT_MAX ||
      session->window_bytes >= HF_WINDOW_BYTES_MAX) {
    return HF_REASON_WINDOW_FULL;
  }
  return HF_REASON_NONE;
}

bool session_keep_reply(struct session *session, struct reply *reply) {
  if (!session_set(session, &session->window, reply->sequence, reply)) {
    return false;
  }
  reply_acquire(reply);
  session_note_sequence(session, reply->sequence);
  return true;
}

bool session_note_sequence(struct session *session, uint64_t sequence) {
  bool is_highest = sequence > session->highest;
  if (is_highest) {
    session->highest = sequence;
  }
  return is_highest;
}

void session_note_failure(struct session *session, uint64_t sequence, const struct reply *reply) {
  session->one_way_failed++;
  if (!session->failures) {
    session->failures = malloc(HF_FAILURES_MAX * sizeof *session->failures);
    session->tables_changed = true;
  }
  if (session->failures && session->failures_count < HF_FAILURES_MAX) {
    session->failures[session->failures_count++] =
        (struct reply_failure){sequence, reply->reason, reply->late};
  }
}

uint64_t session_one_way_finished(const struct session *session) {
  const struct waiter *oldest = TAILQ_FIRST(&session->one_way_waiters);
  return oldest ? oldest->reply->sequence - 1 : session->one_way_received;
}

bool session_hold(struct session *session, uint64_t object) {
  uintptr_t count = (uintptr_t)map64_get(&session->holds, object);
  return session_set(session, &session->holds, object, (void *)(count + 1));
}

uint64_t session_unhold(struct session *session, uint64_t object, uint64_t count) {
  uintptr_t had = (uintptr_t)map64_get(&session->holds, object);
  if (count >= had) {
    session_remove(session, &session->holds, object);
    cell_share_release(session_remove(session, &session->cells, object));
    return had;
  }
  session_set(session, &session->holds, object, (void *)(had - (uintptr_t)count));
  return count;
}
