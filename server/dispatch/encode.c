#include "server/dispatch/encode.h"

#include "proto/holdfast.pb-c.h"
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
  while (number >= 0x80) {
    put_byte(writer, (uint8_t)(number | 0x80));
    number >>= 7;
  }
  put_byte(writer, (uint8_t)number);
}

static void put_tag(struct writer *writer, unsigned field, enum wire_type type) {
  put_varint(writer, field << 3 | type);
}

/* An arm of a oneof: also when it is 0. */
static void put_arm(struct writer *writer, unsigned field, uint64_t number) {
  put_tag(writer, field, VARINT);
  put_varint(writer, number);
}

/* A plain field: 0 is left out. */
static void put_number(struct writer *writer, unsigned field, uint64_t number) {
  if (number) {
    put_arm(writer, field, number);
  }
}

static void put_bytes_arm(struct writer *writer, unsigned field, struct bytes bytes) {
  put_tag(writer, field, DELIMITED);
  put_varint(writer, bytes.len);
  put_run(writer, bytes.data, bytes.len);
}

static void put_bytes(struct writer *writer, unsigned field, struct bytes bytes) {
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
static void put_counted(struct writer *writer, unsigned field, size_t len, put_fields *put,
                        const void *item) {
  put_tag(writer, field, DELIMITED);
  put_varint(writer, len);
  if (is_behind_window(writer) || writer->len + len <= writer->from) {
    writer->len += len;
  } else {
    put(writer, item);
  }
}

static void put_message(struct writer *writer, unsigned field, put_fields *put, const void *item) {
  put_counted(writer, field, count_fields(writer, put, item), put, item);
}

/* ---- values */

static void put_value(struct writer *writer, const void *item);

static void put_tuple(struct writer *writer, const void *item) {
  size_t count;
  const struct value *items = value_items(item, &count);
  for (size_t i = 0; i < count; i++) {
    put_message(writer, 1, put_value, &items[i]);
  }
}

static void put_reference(struct writer *writer, const void *item) {
  const struct value *reference = item;
  put_number(writer, 1, reference->object);
  put_number(writer, 2, reference->object_kind);
}

static void put_opaque(struct writer *writer, const void *item) {
  struct bytes codec, data;
  value_opaque_parts(item, &codec, &data);
  put_bytes(writer, 1, codec);
  put_bytes(writer, 2, data);
}

static void put_real(struct writer *writer, double real) {
  put_tag(writer, HOLDFAST__VALUE__KIND_REAL, FIXED64);
  put_run(writer, &real, sizeof real); /* little endian, as this machine */
}

static void put_value(struct writer *writer, const void *item) {
  const struct value *value = item;
  switch ((enum value_kind)value->kind) {
    case VALUE_NONE:
      put_arm(writer, HOLDFAST__VALUE__KIND_NONE, 0);
      break;
    case VALUE_BOOL:
      put_arm(writer, HOLDFAST__VALUE__KIND_BOOLEAN, value->boolean);
      break;
    case VALUE_INT:
      put_arm(writer, HOLDFAST__VALUE__KIND_INTEGER, wire_to_zigzag(value->integer));
      break;
    case VALUE_UINT:
      put_arm(writer, HOLDFAST__VALUE__KIND_UNSIGNED, value->unsigned_integer);
      break;
    case VALUE_FLOAT:
      put_real(writer, value->real);
      break;
    case VALUE_TEXT:
      put_bytes_arm(writer, HOLDFAST__VALUE__KIND_TEXT, value_content(value));
      break;
    case VALUE_BYTES:
      put_bytes_arm(writer, HOLDFAST__VALUE__KIND_BYTES, value_content(value));
      break;
    case VALUE_TUPLE:
      put_message(writer, HOLDFAST__VALUE__KIND_TUPLE, put_tuple, value);
      break;
    case VALUE_REFERENCE:
      put_message(writer, HOLDFAST__VALUE__KIND_REFERENCE, put_reference, value);
      break;
    case VALUE_OPAQUE:
      put_message(writer, HOLDFAST__VALUE__KIND_OPAQUE, put_opaque, value);
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
    put_message(writer, 1, put_value, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_entry(struct writer *writer, const void *item) {
  const struct value *key_and_value = item;
  put_message(writer, 1, put_value, &key_and_value[0]);
  put_message(writer, 2, put_value, &key_and_value[1]);
}

static void put_entries(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i + 1 < reply->values_count; i += 2) {
    size_t item_at = writer->len;
    put_message(writer, 1, put_entry, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_page(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_entries(writer, reply);
  put_number(writer, 2, reply->cursor);
  put_number(writer, 3, reply->length);
}

static void put_session(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_bytes(writer, 1, bytes_of(reply->session, sizeof reply->session));
  put_number(writer, 2, reply->grace_ms);
  put_number(writer, 3, HF_WINDOW_COUNT_MAX);
  put_number(writer, 4, HF_IN_FLIGHT_MAX);
  put_number(writer, 5, HF_FRAME_BYTES_MAX);
  if (reply->door) {
    put_bytes(writer, 6, bytes_of_text(reply->door));
  }
}

static struct bytes text_of(const struct value *text) {
  return value_is_absent(*text) ? (struct bytes){0} : value_content(text);
}

static void put_object(struct writer *writer, const void *item) {
  const struct reply_object *object = item;
  put_number(writer, 1, object->id);
  put_number(writer, 2, (uint64_t)object->kind);
  put_bytes(writer, 3, text_of(&object->name));
  put_number(writer, 4, object->created);
  put_number(writer, 5, object->length);
  put_number(writer, 6, wire_to_zigzag(object->maxsize));
  put_bytes(writer, 7, bytes_of(&object->typecode, object->typecode != 0));
  put_number(writer, 8, object->waiting);
  put_number(writer, 9, object->holds);
  put_number(writer, 10, object->locked);
  put_bytes(writer, 11, text_of(&object->holder));
  put_number(writer, 12, object->token);
  put_number(writer, 13, object->unfinished);
  put_number(writer, 14, object->value);
  put_number(writer, 15, object->parties);
  put_number(writer, 16, object->arrived);
  put_number(writer, 17, object->broken);
  put_number(writer, 18, object->delayed);
  put_number(writer, 19, object->reserved);
  put_number(writer, 20, object->buried);
  put_number(writer, 21, object->shut_down);
  put_number(writer, 22, object->lease_ms);
  put_number(writer, 23, object->segment);
  put_number(writer, 24, object->offset);
  put_number(writer, 25, object->bytes);
}

static void put_objects(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->objects_count; i++) {
    put_message(writer, 1, put_object, &reply->objects[i]);
  }
  put_number(writer, 2, reply->more);
  if (reply->after.kind == VALUE_TEXT) {
    put_bytes(writer, 3, value_content(&reply->after));
  } else if (!value_is_absent(reply->after)) {
    put_number(writer, 4, reply->after.unsigned_integer);
  }
}

static void put_grant(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, 1, reply->token);
  put_number(writer, 2, reply->owner_died);
}

static void put_arrival(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, 1, reply->index);
  put_number(writer, 2, reply->acts);
}

static void put_failure(struct writer *writer, const void *item) {
  const struct reply_failure *failure = item;
  hf_status status = failure->late ? HF_DEADLINE_EXCEEDED : hf_reason_status(failure->reason);
  put_number(writer, 1, failure->sequence);
  put_number(writer, 2, (uint64_t)status);
  put_bytes(writer, 3, bytes_of_text(hf_reason_name(failure->reason)));
}

static void put_flushed(struct writer *writer, const void *item) {
  const struct reply_flushed *flushed = item;
  put_number(writer, 1, flushed->received);
  put_number(writer, 2, flushed->finished);
  put_number(writer, 3, flushed->failed);
  for (size_t i = 0; i < flushed->failures_count; i++) {
    put_message(writer, 4, put_failure, &flushed->failures[i]);
  }
}

struct use_of_server {
  const struct reply_server *server;
  enum memory_use use;
};

static void put_use(struct writer *writer, const void *item) {
  const struct use_of_server *of = item;
  put_bytes(writer, 1, bytes_of_text(memory_use_name(of->use)));
  put_number(writer, 2, of->server->memory_used[of->use]);
  put_number(writer, 3, of->use == MEMORY_WAITERS ? of->server->waiters_bytes_max : 0);
}

static void put_server(struct writer *writer, const void *item) {
  const struct reply_server *server = item;
  put_bytes(writer, 1, bytes_of_text(writer->version));
  put_number(writer, 2, server->uptime_ms);
  put_number(writer, 3, server->sessions);
  put_number(writer, 4, server->objects);
  put_number(writer, 5, server->waiting);
  put_number(writer, 6, server->requests);
  put_number(writer, 7, server->duplicates);
  put_number(writer, 8, server->connections);
  put_number(writer, 9, server->memory_bytes);
  put_number(writer, 10, server->deadlocks);
  put_number(writer, 11, server->shared_cells);
  put_number(writer, 12, server->shared_places);
  for (int use = 0; use < MEMORY_USES; use++) {
    put_message(writer, 13, put_use, &(struct use_of_server){server, (enum memory_use)use});
  }
  put_number(writer, 14, server->memory_bytes_max);
}

static void put_exchange(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, 1, reply->swapped);
  if (!value_is_absent(reply->found)) {
    put_message(writer, 2, put_value, &reply->found);
  }
}

static void put_reservation(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, 1, reply->reservation);
  put_message(writer, 2, put_value, &reply->item);
  put_number(writer, 3, reply->tries);
  put_number(writer, 4, wire_to_zigzag(reply->priority));
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
  put_number(writer, 1, reply->first);
  put_message(writer, 2, put_outcome, reply->outcomes[0]);
}

static void put_results(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i < reply->outcomes_count; i++) {
    size_t item_at = writer->len;
    put_message(writer, 1, put_outcome, reply->outcomes[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_party(struct writer *writer, const void *item) {
  const struct reply_party *party = item;
  put_bytes(writer, 1, text_of(&party->client));
  put_number(writer, 2, party->session);
  put_number(writer, 3, party->caller);
  put_number(writer, 4, party->waited_ms);
}

static void put_lock(struct writer *writer, const void *item) {
  const struct reply_lock *lock = item;
  put_number(writer, 1, lock->object);
  put_number(writer, 2, (uint64_t)lock->kind);
  put_bytes(writer, 3, text_of(&lock->name));
  put_number(writer, 4, lock->held);
  if (lock->holder.session) {
    put_message(writer, 5, put_party, &lock->holder);
  }
  put_number(writer, 6, lock->token);
  put_number(writer, 7, lock->depth);
  put_number(writer, 8, lock->lease_ms);
  for (size_t i = 0; i < lock->waiters_count; i++) {
    put_message(writer, 9, put_party, &lock->waiters[i]);
  }
  put_number(writer, 10, lock->deadlocked);
  put_number(writer, 11, lock->more_waiters);
}

static void put_locks(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->locks_count; i++) {
    put_message(writer, 1, put_lock, &reply->locks[i]);
  }
  put_number(writer, 2, reply->more_locks);
  put_number(writer, 3, reply->after_lock);
}

/* A result that may be long: it is counted once, whatever the number of its parts. */
static void put_array(struct writer *writer, unsigned field, put_fields *put,
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
    case REPLY_NOTHING:
      break;
    case REPLY_VALUE:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_VALUE, put_value, &reply->value);
      break;
    case REPLY_VALUES:
      put_array(writer, HOLDFAST__RESPONSE__RESULT_VALUES, put_values, reply);
      break;
    case REPLY_ENTRIES:
      put_array(writer, HOLDFAST__RESPONSE__RESULT_ENTRIES, put_entries, reply);
      break;
    case REPLY_FLAG:
      put_arm(writer, HOLDFAST__RESPONSE__RESULT_FLAG, reply->flag);
      break;
    case REPLY_COUNT:
      put_arm(writer, HOLDFAST__RESPONSE__RESULT_COUNT, wire_to_zigzag(reply->count));
      break;
    case REPLY_SESSION:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_SESSION, put_session, reply);
      break;
    case REPLY_OBJECT:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_OBJECT, put_object, &reply->objects[0]);
      break;
    case REPLY_OBJECTS:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_OBJECTS, put_objects, reply);
      break;
    case REPLY_GRANT:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_GRANT, put_grant, reply);
      break;
    case REPLY_PAGE:
      put_array(writer, HOLDFAST__RESPONSE__RESULT_PAGE, put_page, reply);
      break;
    case REPLY_FLUSHED:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_FLUSHED, put_flushed, reply->flushed);
      break;
    case REPLY_SERVER:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_SERVER, put_server, reply->server);
      break;
    case REPLY_PAYLOAD:
      put_bytes_arm(writer, HOLDFAST__RESPONSE__RESULT_PAYLOAD, value_content(&reply->value));
      break;
    case REPLY_EXCHANGE:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_EXCHANGE, put_exchange, reply);
      break;
    case REPLY_ARRIVAL:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_ARRIVAL, put_arrival, reply);
      break;
    case REPLY_RESERVATION:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_RESERVATION, put_reservation, reply);
      break;
    case REPLY_FIRST:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_FIRST, put_first, reply);
      break;
    case REPLY_RESULTS:
      put_array(writer, HOLDFAST__RESPONSE__RESULT_RESULTS, put_results, reply);
      break;
    case REPLY_LOCKS:
      put_message(writer, HOLDFAST__RESPONSE__RESULT_LOCKS, put_locks, reply);
      break;
  }
}

static void put_response(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_number(writer, 1, reply->sequence);
  if (reply->reason) {
    put_number(writer, 2, (uint64_t)reply_status(reply));
    put_bytes(writer, 3, bytes_of_text(hf_reason_name(reply->reason)));
    put_bytes(writer, 4, bytes_of_text(hf_reason_sentence(reply->reason)));
    put_number(writer, 5, reply->part);
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

void encode_part(const struct reply *reply, const char *version, struct encoding *encoding,
                 uint8_t *body, size_t len) {
  struct writer writer = {
      .at = body, .from = encoding->done, .room = len, .version = version, .encoding = encoding};
  put_response(&writer, reply);
  encoding->done += len;
}
