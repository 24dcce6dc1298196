#include "server/dispatch/encode.h"

#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"

#include <string.h>

/* Counts all of the Response, and writes those of its bytes that are in [from, from + room). */
struct writer {
  uint8_t *at; /* of byte `from`; room 0: it only counts */
  size_t from, room;
  size_t len; /* counted so far */
  const char *version;
  struct encoding *encoding; /* hints for the next part, of the outermost message; or NULL */
};

static void put_byte(struct writer *writer, uint8_t byte) {
  size_t offset = writer->len++ - writer->from; /* beyond any room when it is before `from` */
  if (offset < writer->room) {
    writer->at[offset] = byte;
  }
}

/* What of the run is in the window. */
static void put_run(struct writer *writer, const void *data, size_t len) {
  size_t end = writer->from + writer->room;
  size_t first = writer->len > writer->from ? writer->len : writer->from;
  size_t last = writer->len + len < end ? writer->len + len : end;
  if (first < last) {
    memcpy(writer->at + (first - writer->from), (const uint8_t *)data + (first - writer->len),
           last - first);
  }
  writer->len += len;
}

static bool is_behind_window(const struct writer *writer) {
  return writer->len >= writer->from + writer->room;
}

#define SMALL_BYTES 64 /* a sequence, and two numbers in a message */
#define SMALL_BYTES_MAX ((size_t)1 << 10)

/* A varint that the window may cut, or that is outside of it. Not inlined, and calls nothing, so
 * that put_varint needs no stack frame. */
__attribute__((noinline)) static void put_cut_varint(struct writer *writer, uint64_t number) {
  uint8_t bytes[VARINT_BYTES_MAX];
  size_t len = wire_write_varint(bytes, number);
  for (size_t i = 0; i < len; i++) {
    put_byte(writer, bytes[i]);
  }
}

static void put_varint(struct writer *writer, uint64_t number) {
  if (number < 0x80) { /* tags, nearly all of them */
    put_byte(writer, (uint8_t)number);
    return;
  }
  if (writer->room == 0) {
    writer->len += wire_varint_len(number);
    return;
  }
  size_t offset = writer->len - writer->from; /* as in put_byte */
  if (offset < writer->room && writer->room - offset >= VARINT_BYTES_MAX) {
    writer->len += wire_write_varint(writer->at + offset, number);
    return;
  }
  put_cut_varint(writer, number);
}

static void put_tag(struct writer *writer, uint32_t field, enum wire_type type) {
  put_varint(writer, wire_tag(field, type));
}

/* An arm of a oneof: also when it is 0. */
static void put_arm(struct writer *writer, uint32_t field, uint64_t number) {
  put_tag(writer, field, VARINT);
  put_varint(writer, number);
}

/* A plain field: 0 is left out. */
static void put_number(struct writer *writer, uint32_t field, uint64_t number) {
  if (number) {
    put_arm(writer, field, number);
  }
}

static void put_bytes_arm(struct writer *writer, uint32_t field, struct bytes bytes) {
  put_tag(writer, field, DELIMITED);
  put_varint(writer, bytes.len);
  put_run(writer, bytes.data, bytes.len);
}

static void put_bytes(struct writer *writer, uint32_t field, struct bytes bytes) {
  if (bytes.len) {
    put_bytes_arm(writer, field, bytes);
  }
}

typedef void put_fields(struct writer *writer, const void *item);

static size_t count_fields(const struct writer *writer, put_fields *put, const void *item) {
  struct writer counting = {.version = writer->version};
  put(&counting, item);
  return counting.len;
}

/* A sub-message of that length, whose fields `put` writes. */
static void put_counted(struct writer *writer, uint32_t field, size_t len, put_fields *put,
                        const void *item) {
  put_tag(writer, field, DELIMITED);
  put_varint(writer, len);
  if (is_behind_window(writer) || writer->len + len <= writer->from) {
    writer->len += len;
  } else {
    put(writer, item);
  }
}

static void put_message(struct writer *writer, uint32_t field, put_fields *put, const void *item) {
  put_counted(writer, field, count_fields(writer, put, item), put, item);
}

/* ---- values */

static void put_value(struct writer *writer, const void *item);

static void put_tuple(struct writer *writer, const void *item) {
  size_t count;
  const struct value *items = value_items(item, &count);
  for (size_t i = 0; i < count; i++) {
    put_message(writer, HF_FIELD_TUPLE_ITEMS, put_value, &items[i]);
  }
}

static void put_reference(struct writer *writer, const void *item) {
  const struct value *reference = item;
  put_number(writer, HF_FIELD_REFERENCE_OBJECT, reference->object);
  put_number(writer, HF_FIELD_REFERENCE_KIND, reference->object_kind);
}

static void put_opaque(struct writer *writer, const void *item) {
  struct bytes codec, data;
  value_opaque_parts(item, &codec, &data);
  put_bytes(writer, HF_FIELD_OPAQUE_CODEC, codec);
  put_bytes(writer, HF_FIELD_OPAQUE_DATA, data);
}

static void put_real(struct writer *writer, double real) {
  put_tag(writer, HF_FIELD_VALUE_REAL, FIXED64);
  put_run(writer, &real, sizeof real); /* little endian, as this machine */
}

static void put_value(struct writer *writer, const void *item) {
  const struct value *value = item;
  switch ((enum value_kind)value->kind) {
    case VALUE_NONE:
      put_arm(writer, HF_FIELD_VALUE_NONE, 0);
      break;
    case VALUE_BOOL:
      put_arm(writer, HF_FIELD_VALUE_BOOLEAN, value->boolean);
      break;
    case VALUE_INT:
      put_arm(writer, HF_FIELD_VALUE_INTEGER, wire_to_zigzag(value->integer));
      break;
    case VALUE_UINT:
      put_arm(writer, HF_FIELD_VALUE_UNSIGNED, value->unsigned_integer);
      break;
    case VALUE_FLOAT:
      put_real(writer, value->real);
      break;
    case VALUE_TEXT:
      put_bytes_arm(writer, HF_FIELD_VALUE_TEXT, value_content(value));
      break;
    case VALUE_BYTES:
      put_bytes_arm(writer, HF_FIELD_VALUE_BYTES, value_content(value));
      break;
    case VALUE_TUPLE:
      put_message(writer, HF_FIELD_VALUE_TUPLE, put_tuple, value);
      break;
    case VALUE_REFERENCE:
      put_message(writer, HF_FIELD_VALUE_REFERENCE, put_reference, value);
      break;
    case VALUE_OPAQUE:
      put_message(writer, HF_FIELD_VALUE_OPAQUE, put_opaque, value);
      break;
    case VALUE_ABSENT:
      break;
  }
}

/* ---- results */

/* An array of the outermost message begins where the window does, instead of at its beginning: what
 * the window before it ended in. */
static size_t first_item(struct writer *writer) {
  const struct encoding *encoding = writer->encoding;
  if (encoding == NULL || encoding->item == 0) {
    return 0;
  }
  writer->len = encoding->item_at;
  return encoding->item;
}

/* Whether the array's other items are none of this window's. */
static bool ends_before(struct writer *writer, size_t item, size_t item_at) {
  if (writer->encoding == NULL || !is_behind_window(writer)) {
    return false;
  }
  writer->encoding->item = item;
  writer->encoding->item_at = item_at;
  return true;
}

static void put_values(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i < reply->values_count; i++) {
    size_t item_at = writer->len;
    put_message(writer, HF_FIELD_VALUES_ITEMS, put_value, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_entry(struct writer *writer, const void *item) {
  const struct value *key_and_value = item;
  put_message(writer, HF_FIELD_ENTRY_KEY, put_value, &key_and_value[0]);
  put_message(writer, HF_FIELD_ENTRY_VALUE, put_value, &key_and_value[1]);
}

static void put_entries(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i + 1 < reply->values_count; i += 2) {
    size_t item_at = writer->len;
    put_message(writer, HF_FIELD_ENTRIES_ITEMS, put_entry, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

_Static_assert(HF_FIELD_PAGE_ITEMS == HF_FIELD_ENTRIES_ITEMS, "put_entries is for both");

static void put_page(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_entries(writer, reply);
  put_number(writer, HF_FIELD_PAGE_CURSOR, reply->cursor);
  put_number(writer, HF_FIELD_PAGE_LENGTH, reply->length);
}

static void put_session(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_bytes(writer, HF_FIELD_SESSION_ID, bytes_of(reply->session, sizeof reply->session));
  put_number(writer, HF_FIELD_SESSION_GRACE_MS, reply->grace_ms);
  put_number(writer, HF_FIELD_SESSION_WINDOW_COUNT, HF_WINDOW_COUNT_MAX);
  put_number(writer, HF_FIELD_SESSION_IN_FLIGHT_COUNT, HF_IN_FLIGHT_MAX);
  put_number(writer, HF_FIELD_SESSION_FRAME_BYTES_MAX, HF_FRAME_BYTES_MAX);
  if (reply->local_handshake) {
    put_bytes(writer, HF_FIELD_SESSION_LOCAL_HANDSHAKE, bytes_of_text(reply->local_handshake));
  }
}

static struct bytes text_of(const struct value *text) {
  return value_is_absent(*text) ? (struct bytes){0} : value_content(text);
}

static void put_object(struct writer *writer, const void *item) {
  const struct reply_object *object = item;
  put_number(writer, HF_FIELD_OBJECT_ID, object->id);
  put_number(writer, HF_FIELD_OBJECT_KIND, (uint64_t)object->kind);
  put_bytes(writer, HF_FIELD_OBJECT_NAME, text_of(&object->name));
  put_number(writer, HF_FIELD_OBJECT_CREATED, object->created);
  put_number(writer, HF_FIELD_OBJECT_LENGTH, object->length);
  put_number(writer, HF_FIELD_OBJECT_MAXSIZE, wire_to_zigzag(object->maxsize));
  put_bytes(writer, HF_FIELD_OBJECT_TYPECODE, bytes_of(&object->typecode, object->typecode != 0));
  put_number(writer, HF_FIELD_OBJECT_WAITING, object->waiting);
  put_number(writer, HF_FIELD_OBJECT_REFERENCES, object->references);
  put_number(writer, HF_FIELD_OBJECT_LOCKED, object->locked);
  put_bytes(writer, HF_FIELD_OBJECT_OWNER, text_of(&object->owner));
  put_number(writer, HF_FIELD_OBJECT_TOKEN, object->token);
  put_number(writer, HF_FIELD_OBJECT_UNFINISHED, object->unfinished);
  put_number(writer, HF_FIELD_OBJECT_VALUE, object->value);
  put_number(writer, HF_FIELD_OBJECT_PARTIES, object->parties);
  put_number(writer, HF_FIELD_OBJECT_ARRIVED, object->arrived);
  put_number(writer, HF_FIELD_OBJECT_BROKEN, object->broken);
  put_number(writer, HF_FIELD_OBJECT_DELAYED, object->delayed);
  put_number(writer, HF_FIELD_OBJECT_RESERVED, object->reserved);
  put_number(writer, HF_FIELD_OBJECT_BURIED, object->buried);
  put_number(writer, HF_FIELD_OBJECT_SHUT_DOWN, object->shut_down);
  put_number(writer, HF_FIELD_OBJECT_LEASE_MS, object->lease_ms);
  put_number(writer, HF_FIELD_OBJECT_SEGMENT, object->segment);
  put_number(writer, HF_FIELD_OBJECT_OFFSET, object->offset);
  put_number(writer, HF_FIELD_OBJECT_BYTES, object->bytes);
}

static void put_objects(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->objects_count; i++) {
    put_message(writer, HF_FIELD_OBJECTS_ITEMS, put_object, &reply->objects[i]);
  }
  put_number(writer, HF_FIELD_OBJECTS_MORE, reply->more);
  if (reply->after.kind == VALUE_TEXT) {
    put_bytes(writer, HF_FIELD_OBJECTS_AFTER, value_content(&reply->after));
  } else if (!value_is_absent(reply->after)) {
    put_number(writer, HF_FIELD_OBJECTS_AFTER_OBJECT, reply->after.unsigned_integer);
  }
}

static void put_grant(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_GRANT_TOKEN, reply->token);
  put_number(writer, HF_FIELD_GRANT_OWNER_DIED, reply->owner_died);
}

static void put_arrival(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_ARRIVAL_INDEX, reply->index);
  put_number(writer, HF_FIELD_ARRIVAL_ACTS, reply->acts);
}

static void put_failure(struct writer *writer, const void *item) {
  const struct reply_failure *failure = item;
  hf_status status = failure->late ? HF_DEADLINE_EXCEEDED : hf_reason_status(failure->reason);
  put_number(writer, HF_FIELD_FAILURE_SEQUENCE, failure->sequence);
  put_number(writer, HF_FIELD_FAILURE_STATUS, (uint64_t)status);
  put_bytes(writer, HF_FIELD_FAILURE_REASON, bytes_of_text(hf_reason_name(failure->reason)));
}

static void put_flushed(struct writer *writer, const void *item) {
  const struct reply_flushed *flushed = item;
  put_number(writer, HF_FIELD_FLUSHED_RECEIVED, flushed->received);
  put_number(writer, HF_FIELD_FLUSHED_FINISHED, flushed->finished);
  put_number(writer, HF_FIELD_FLUSHED_FAILED, flushed->failed);
  for (size_t i = 0; i < flushed->failures_count; i++) {
    put_message(writer, HF_FIELD_FLUSHED_FAILURES, put_failure, &flushed->failures[i]);
  }
}

struct use_of_server {
  const struct reply_server *server;
  enum memory_use use;
};

static void put_use(struct writer *writer, const void *item) {
  const struct use_of_server *of = item;
  put_bytes(writer, HF_FIELD_MEMORY_USE_NAME, bytes_of_text(memory_use_name(of->use)));
  put_number(writer, HF_FIELD_MEMORY_USE_BYTES, of->server->memory_used[of->use]);
  put_number(writer, HF_FIELD_MEMORY_USE_BYTES_MAX,
             of->use == MEMORY_WAITERS ? of->server->waiters_bytes_max : 0);
}

static void put_user(struct writer *writer, const void *item) {
  const struct reply_user *user = item;
  put_bytes(writer, HF_FIELD_USER_USE_NAME, bytes_of(user->name, user->name_len));
  put_number(writer, HF_FIELD_USER_USE_REMOVED, user->is_gone);
  put_number(writer, HF_FIELD_USER_USE_MEMORY_BYTES, user->memory_bytes);
  put_number(writer, HF_FIELD_USER_USE_OBJECTS, user->objects);
  put_number(writer, HF_FIELD_USER_USE_SESSIONS, user->sessions);
  put_number(writer, HF_FIELD_USER_USE_CONNECTIONS, user->connections);
  put_number(writer, HF_FIELD_USER_USE_WAITING, user->waiting);
}

static void put_journal(struct writer *writer, const void *item) {
  const struct reply_journal *journal = item;
  put_number(writer, HF_FIELD_JOURNAL_INDEX, journal->index);
  put_number(writer, HF_FIELD_JOURNAL_COMMITTED, journal->committed);
  put_number(writer, HF_FIELD_JOURNAL_JOURNAL_BYTES, journal->journal_bytes);
  put_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_INDEX, journal->snapshot_index);
  put_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_BYTES, journal->snapshot_bytes);
  put_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_AGE_MS, journal->snapshot_age_ms);
  put_number(writer, HF_FIELD_JOURNAL_FSYNC_P99_US, journal->fsync_p99_ns / 1000);
  put_number(writer, HF_FIELD_JOURNAL_UNSYNCED_MS, journal->unsynced_ms);
  put_number(writer, HF_FIELD_JOURNAL_FULL, journal->is_full);
  put_number(writer, HF_FIELD_JOURNAL_COMPACTING, journal->is_compacting);
  put_bytes(writer, HF_FIELD_JOURNAL_FSYNC, bytes_of_text(journal->fsync));
}

static void put_server(struct writer *writer, const void *item) {
  const struct reply_server *server = item;
  put_bytes(writer, HF_FIELD_SERVER_VERSION, bytes_of_text(writer->version));
  put_number(writer, HF_FIELD_SERVER_UPTIME_MS, server->uptime_ms);
  put_number(writer, HF_FIELD_SERVER_SESSIONS, server->sessions);
  put_number(writer, HF_FIELD_SERVER_OBJECTS, server->objects);
  put_number(writer, HF_FIELD_SERVER_WAITING, server->waiting);
  put_number(writer, HF_FIELD_SERVER_REQUESTS, server->requests);
  put_number(writer, HF_FIELD_SERVER_DUPLICATES, server->duplicates);
  put_number(writer, HF_FIELD_SERVER_CONNECTIONS, server->connections);
  put_number(writer, HF_FIELD_SERVER_MEMORY_BYTES, server->memory_bytes);
  put_number(writer, HF_FIELD_SERVER_DEADLOCKS, server->deadlocks);
  put_number(writer, HF_FIELD_SERVER_SHARED_CELLS, server->shared_cells);
  put_number(writer, HF_FIELD_SERVER_SEGMENT_CELLS, server->segment_cells);
  for (int use = 0; use < MEMORY_USES; use++) {
    put_message(writer, HF_FIELD_SERVER_MEMORY, put_use,
                &(struct use_of_server){server, (enum memory_use)use});
  }
  put_number(writer, HF_FIELD_SERVER_MEMORY_BYTES_MAX, server->memory_bytes_max);
  for (size_t i = 0; i < server->users_count; i++) {
    put_message(writer, HF_FIELD_SERVER_USERS, put_user, &server->users[i]);
  }
  if (server->has_journal) {
    put_message(writer, HF_FIELD_SERVER_JOURNAL, put_journal, &server->journal);
  }
}

static void put_exchange(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_EXCHANGE_SWAPPED, reply->swapped);
  if (!value_is_absent(reply->found)) {
    put_message(writer, HF_FIELD_EXCHANGE_FOUND, put_value, &reply->found);
  }
}

static void put_reservation(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_RESERVATION_ID, reply->reservation);
  put_message(writer, HF_FIELD_RESERVATION_VALUE, put_value, &reply->item);
  put_number(writer, HF_FIELD_RESERVATION_TRIES, reply->tries);
  put_number(writer, HF_FIELD_RESERVATION_PRIORITY, wire_to_zigzag(reply->priority));
}

static void put_response(struct writer *writer, const void *item);

/* The hints are the outermost message's. */
static void put_outcome(struct writer *writer, const void *item) {
  struct encoding *encoding = writer->encoding;
  writer->encoding = NULL;
  put_response(writer, item);
  writer->encoding = encoding;
}

static void put_first(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_CHOSEN_INDEX, reply->first);
  put_message(writer, HF_FIELD_CHOSEN_OUTCOME, put_outcome, reply->outcomes[0]);
}

static void put_results(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i < reply->outcomes_count; i++) {
    size_t item_at = writer->len;
    put_message(writer, HF_FIELD_RESULTS_ITEMS, put_outcome, reply->outcomes[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_party(struct writer *writer, const void *item) {
  const struct reply_party *party = item;
  put_bytes(writer, HF_FIELD_PARTY_CLIENT, text_of(&party->client));
  put_number(writer, HF_FIELD_PARTY_SESSION, party->session);
  put_number(writer, HF_FIELD_PARTY_THREAD, party->thread);
  put_number(writer, HF_FIELD_PARTY_WAITED_MS, party->waited_ms);
}

static void put_lock(struct writer *writer, const void *item) {
  const struct reply_lock *lock = item;
  put_number(writer, HF_FIELD_LOCK_OBJECT, lock->object);
  put_number(writer, HF_FIELD_LOCK_KIND, (uint64_t)lock->kind);
  put_bytes(writer, HF_FIELD_LOCK_NAME, text_of(&lock->name));
  put_number(writer, HF_FIELD_LOCK_OWNED, lock->owned);
  if (lock->owner.session) {
    put_message(writer, HF_FIELD_LOCK_OWNER, put_party, &lock->owner);
  }
  put_number(writer, HF_FIELD_LOCK_TOKEN, lock->token);
  put_number(writer, HF_FIELD_LOCK_DEPTH, lock->depth);
  put_number(writer, HF_FIELD_LOCK_LEASE_MS, lock->lease_ms);
  for (size_t i = 0; i < lock->waiters_count; i++) {
    put_message(writer, HF_FIELD_LOCK_WAITERS, put_party, &lock->waiters[i]);
  }
  put_number(writer, HF_FIELD_LOCK_DEADLOCKED, lock->deadlocked);
  put_number(writer, HF_FIELD_LOCK_MORE_WAITERS, lock->more_waiters);
}

static void put_locks(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->locks_count; i++) {
    put_message(writer, HF_FIELD_LOCKS_ITEMS, put_lock, &reply->locks[i]);
  }
  put_number(writer, HF_FIELD_LOCKS_MORE, reply->more_locks);
  put_number(writer, HF_FIELD_LOCKS_AFTER, reply->after_lock);
}

/* A result that may be long: it is counted once, whatever the number of its parts. */
static void put_array(struct writer *writer, uint32_t field, put_fields *put,
                      const struct reply *reply) {
  struct encoding *encoding = writer->encoding;
  size_t len = encoding != NULL ? encoding->array_len : 0;
  if (len == 0) {
    len = count_fields(writer, put, reply);
  }
  if (encoding != NULL) {
    encoding->array_len = len;
  }
  put_counted(writer, field, len, put, reply);
}

static void put_result(struct writer *writer, const struct reply *reply) {
  switch (reply->shape) {
    case REPLY_BACKUP: /* never as such */
    case REPLY_NOTHING:
      break;
    case REPLY_VALUE:
      put_message(writer, HF_FIELD_RESPONSE_VALUE, put_value, &reply->value);
      break;
    case REPLY_VALUES:
      put_array(writer, HF_FIELD_RESPONSE_VALUES, put_values, reply);
      break;
    case REPLY_ENTRIES:
      put_array(writer, HF_FIELD_RESPONSE_ENTRIES, put_entries, reply);
      break;
    case REPLY_FLAG:
      put_arm(writer, HF_FIELD_RESPONSE_FLAG, reply->flag);
      break;
    case REPLY_COUNT:
      put_arm(writer, HF_FIELD_RESPONSE_COUNT, wire_to_zigzag(reply->count));
      break;
    case REPLY_SESSION:
      put_message(writer, HF_FIELD_RESPONSE_SESSION, put_session, reply);
      break;
    case REPLY_OBJECT:
      put_message(writer, HF_FIELD_RESPONSE_OBJECT, put_object, &reply->objects[0]);
      break;
    case REPLY_OBJECTS:
      put_message(writer, HF_FIELD_RESPONSE_OBJECTS, put_objects, reply);
      break;
    case REPLY_GRANT:
      put_message(writer, HF_FIELD_RESPONSE_GRANT, put_grant, reply);
      break;
    case REPLY_PAGE:
      put_array(writer, HF_FIELD_RESPONSE_PAGE, put_page, reply);
      break;
    case REPLY_FLUSHED:
      put_message(writer, HF_FIELD_RESPONSE_FLUSHED, put_flushed, reply->flushed);
      break;
    case REPLY_SERVER:
      put_message(writer, HF_FIELD_RESPONSE_SERVER, put_server, reply->server);
      break;
    case REPLY_PAYLOAD:
      put_bytes_arm(writer, HF_FIELD_RESPONSE_PAYLOAD, value_content(&reply->value));
      break;
    case REPLY_EXCHANGE:
      put_message(writer, HF_FIELD_RESPONSE_EXCHANGE, put_exchange, reply);
      break;
    case REPLY_ARRIVAL:
      put_message(writer, HF_FIELD_RESPONSE_ARRIVAL, put_arrival, reply);
      break;
    case REPLY_RESERVATION:
      put_message(writer, HF_FIELD_RESPONSE_RESERVATION, put_reservation, reply);
      break;
    case REPLY_FIRST:
      put_message(writer, HF_FIELD_RESPONSE_CHOSEN, put_first, reply);
      break;
    case REPLY_RESULTS:
      put_array(writer, HF_FIELD_RESPONSE_RESULTS, put_results, reply);
      break;
    case REPLY_LOCKS:
      put_message(writer, HF_FIELD_RESPONSE_LOCKS, put_locks, reply);
      break;
  }
}

static void put_response(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, HF_FIELD_RESPONSE_SEQUENCE, reply->sequence);
  if (reply->reason) {
    put_number(writer, HF_FIELD_RESPONSE_STATUS, (uint64_t)reply_status(reply));
    put_bytes(writer, HF_FIELD_RESPONSE_REASON, bytes_of_text(hf_reason_name(reply->reason)));
    put_bytes(writer, HF_FIELD_RESPONSE_MESSAGE,
              value_is_absent(reply->sentence) ? bytes_of_text(hf_reason_sentence(reply->reason))
                                               : value_content(&reply->sentence));
    put_number(writer, HF_FIELD_RESPONSE_PART, reply->part);
  } else {
    put_result(writer, reply);
  }
}

size_t encode_reply_len(const struct reply *reply, const char *version) {
  struct writer writer = {.version = version};
  put_response(&writer, reply);
  return writer.len;
}

size_t encode_reply_small_bytes(const struct reply *reply) {
  if (reply->reason) {
    return 0;
  }
  switch (reply->shape) {
    case REPLY_NOTHING:
    case REPLY_FLAG:
    case REPLY_COUNT:
    case REPLY_GRANT:
      return SMALL_BYTES;
    case REPLY_VALUE: {
      size_t bytes = reply_bytes_of(reply->value);
      return bytes <= SMALL_BYTES_MAX ? bytes : 0;
    }
    default:
      return 0;
  }
}

size_t encode_reply(const struct reply *reply, const char *version, uint8_t *body) {
  struct writer writer = {.at = body, .room = SIZE_MAX, .version = version};
  put_response(&writer, reply);
  return writer.len;
}

struct bytes encode_reply_tail(const struct reply *reply) {
  bool is_plain = reply->shape == REPLY_VALUE &&
                  (reply->value.kind == VALUE_BYTES || reply->value.kind == VALUE_TEXT);
  return !reply->reason && (is_plain || reply->shape == REPLY_PAYLOAD)
             ? value_content(&reply->value)
             : bytes_of(NULL, 0);
}

void encode_part(const struct reply *reply, const char *version, struct encoding *encoding,
                 uint8_t *body, size_t len) {
  struct writer writer = {
      .at = body, .from = encoding->done, .room = len, .version = version, .encoding = encoding};
  put_response(&writer, reply);
  encoding->done += len;
}
