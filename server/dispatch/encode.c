#include "server/dispatch/encode.h"

#include "proto/holdfast_fields.h"
#include "server/dispatch/encode_report.h"
#include "server/dispatch/encode_value.h"
#include "server/dispatch/encode_writer.h"

#define SMALL_BYTES 64 /* a sequence, and two numbers in a message */
#define SMALL_BYTES_MAX ((size_t)1 << 10)

/* ---- arrays, in parts */

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
  if (writer->encoding == NULL || !encode_is_behind_window(writer)) {
    return false;
  }
  writer->encoding->item = item;
  writer->encoding->item_at = item_at;
  return true;
}

/* A result that may be long: it is counted once, whatever the number of its parts. */
static void put_array(struct writer *writer, uint32_t field, encode_fields *put,
                      const struct reply *reply) {
  struct encoding *encoding = writer->encoding;
  size_t len = encoding != NULL ? encoding->array_len : 0;
  if (len == 0) {
    len = encode_count(writer, put, reply);
  }
  if (encoding != NULL) {
    encoding->array_len = len;
  }
  encode_counted(writer, field, len, put, reply);
}

/* ---- results */

static void put_values(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i < reply->values_count; i++) {
    size_t item_at = writer->len;
    encode_message(writer, HF_FIELD_VALUES_ITEMS, encode_value, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_entry(struct writer *writer, const void *item) {
  const struct value *key_and_value = item;
  encode_message(writer, HF_FIELD_ENTRY_KEY, encode_value, &key_and_value[0]);
  encode_message(writer, HF_FIELD_ENTRY_VALUE, encode_value, &key_and_value[1]);
}

static void put_entries(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i + 1 < reply->values_count; i += 2) {
    size_t item_at = writer->len;
    encode_message(writer, HF_FIELD_ENTRIES_ITEMS, put_entry, &reply->values[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

_Static_assert(HF_FIELD_PAGE_ITEMS == HF_FIELD_ENTRIES_ITEMS, "put_entries is for both");

static void put_page(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  put_entries(writer, reply);
  encode_number(writer, HF_FIELD_PAGE_CURSOR, reply->cursor);
  encode_number(writer, HF_FIELD_PAGE_LENGTH, reply->length);
}

static void put_session(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_bytes(writer, HF_FIELD_SESSION_ID, bytes_of(reply->session, sizeof reply->session));
  encode_number(writer, HF_FIELD_SESSION_GRACE_MS, reply->grace_ms);
  encode_number(writer, HF_FIELD_SESSION_WINDOW_COUNT, HF_WINDOW_COUNT_MAX);
  encode_number(writer, HF_FIELD_SESSION_IN_FLIGHT_COUNT, HF_IN_FLIGHT_MAX);
  encode_number(writer, HF_FIELD_SESSION_FRAME_BYTES_MAX, HF_FRAME_BYTES_MAX);
  if (reply->local_handshake) {
    encode_bytes(writer, HF_FIELD_SESSION_LOCAL_HANDSHAKE, bytes_of_text(reply->local_handshake));
  }
}

static void put_grant(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_number(writer, HF_FIELD_GRANT_TOKEN, reply->token);
  encode_number(writer, HF_FIELD_GRANT_OWNER_DIED, reply->owner_died);
}

static void put_arrival(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_number(writer, HF_FIELD_ARRIVAL_INDEX, reply->index);
  encode_number(writer, HF_FIELD_ARRIVAL_ACTS, reply->acts);
  encode_number(writer, HF_FIELD_ARRIVAL_ROUND, reply->round);
}

static void put_failure(struct writer *writer, const void *item) {
  const struct reply_failure *failure = item;
  hf_status status = failure->late ? HF_DEADLINE_EXCEEDED : hf_reason_status(failure->reason);
  encode_number(writer, HF_FIELD_FAILURE_SEQUENCE, failure->sequence);
  encode_number(writer, HF_FIELD_FAILURE_STATUS, (uint64_t)status);
  encode_bytes(writer, HF_FIELD_FAILURE_REASON, bytes_of_text(hf_reason_name(failure->reason)));
}

static void put_flushed(struct writer *writer, const void *item) {
  const struct reply_flushed *flushed = item;
  encode_number(writer, HF_FIELD_FLUSHED_RECEIVED, flushed->received);
  encode_number(writer, HF_FIELD_FLUSHED_FINISHED, flushed->finished);
  encode_number(writer, HF_FIELD_FLUSHED_FAILED, flushed->failed);
  for (size_t i = 0; i < flushed->failures_count; i++) {
    encode_message(writer, HF_FIELD_FLUSHED_FAILURES, put_failure, &flushed->failures[i]);
  }
}

static void put_exchange(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_number(writer, HF_FIELD_EXCHANGE_SWAPPED, reply->swapped);
  if (!value_is_absent(reply->found)) {
    encode_message(writer, HF_FIELD_EXCHANGE_FOUND, encode_value, &reply->found);
  }
}

static void put_reservation(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_number(writer, HF_FIELD_RESERVATION_ID, reply->reservation);
  encode_message(writer, HF_FIELD_RESERVATION_VALUE, encode_value, &reply->item);
  encode_number(writer, HF_FIELD_RESERVATION_TRIES, reply->tries);
  encode_number(writer, HF_FIELD_RESERVATION_PRIORITY, wire_to_zigzag(reply->priority));
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
  encode_number(writer, HF_FIELD_CHOSEN_INDEX, reply->first);
  encode_message(writer, HF_FIELD_CHOSEN_OUTCOME, put_outcome, reply->outcomes[0]);
}

static void put_results(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = first_item(writer); i < reply->outcomes_count; i++) {
    size_t item_at = writer->len;
    encode_message(writer, HF_FIELD_RESULTS_ITEMS, put_outcome, reply->outcomes[i]);
    if (ends_before(writer, i, item_at)) {
      return;
    }
  }
}

static void put_result(struct writer *writer, const struct reply *reply) {
  switch (reply->shape) {
    case REPLY_BACKUP: /* never as such */
    case REPLY_NOTHING:
      break;
    case REPLY_VALUE:
      encode_message(writer, HF_FIELD_RESPONSE_VALUE, encode_value, &reply->value);
      break;
    case REPLY_VALUES:
      put_array(writer, HF_FIELD_RESPONSE_VALUES, put_values, reply);
      break;
    case REPLY_ENTRIES:
      put_array(writer, HF_FIELD_RESPONSE_ENTRIES, put_entries, reply);
      break;
    case REPLY_FLAG:
      encode_arm(writer, HF_FIELD_RESPONSE_FLAG, reply->flag);
      break;
    case REPLY_COUNT:
      encode_arm(writer, HF_FIELD_RESPONSE_COUNT, wire_to_zigzag(reply->count));
      break;
    case REPLY_SESSION:
      encode_message(writer, HF_FIELD_RESPONSE_SESSION, put_session, reply);
      break;
    case REPLY_OBJECT:
      encode_message(writer, HF_FIELD_RESPONSE_OBJECT, encode_object, &reply->objects[0]);
      break;
    case REPLY_OBJECTS:
      encode_message(writer, HF_FIELD_RESPONSE_OBJECTS, encode_objects, reply);
      break;
    case REPLY_GRANT:
      encode_message(writer, HF_FIELD_RESPONSE_GRANT, put_grant, reply);
      break;
    case REPLY_PAGE:
      put_array(writer, HF_FIELD_RESPONSE_PAGE, put_page, reply);
      break;
    case REPLY_FLUSHED:
      encode_message(writer, HF_FIELD_RESPONSE_FLUSHED, put_flushed, reply->flushed);
      break;
    case REPLY_SERVER:
      encode_message(writer, HF_FIELD_RESPONSE_SERVER, encode_server, reply->server);
      break;
    case REPLY_PAYLOAD:
      encode_bytes_arm(writer, HF_FIELD_RESPONSE_PAYLOAD, value_content(&reply->value));
      break;
    case REPLY_EXCHANGE:
      encode_message(writer, HF_FIELD_RESPONSE_EXCHANGE, put_exchange, reply);
      break;
    case REPLY_ARRIVAL:
      encode_message(writer, HF_FIELD_RESPONSE_ARRIVAL, put_arrival, reply);
      break;
    case REPLY_RESERVATION:
      encode_message(writer, HF_FIELD_RESPONSE_RESERVATION, put_reservation, reply);
      break;
    case REPLY_FIRST:
      encode_message(writer, HF_FIELD_RESPONSE_CHOSEN, put_first, reply);
      break;
    case REPLY_RESULTS:
      put_array(writer, HF_FIELD_RESPONSE_RESULTS, put_results, reply);
      break;
    case REPLY_LOCKS:
      encode_message(writer, HF_FIELD_RESPONSE_LOCKS, encode_locks, reply);
      break;
  }
}

static void put_response(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  encode_number(writer, HF_FIELD_RESPONSE_SEQUENCE, reply->sequence);
  if (reply->reason) {
    encode_number(writer, HF_FIELD_RESPONSE_STATUS, (uint64_t)reply_status(reply));
    encode_bytes(writer, HF_FIELD_RESPONSE_REASON, bytes_of_text(hf_reason_name(reply->reason)));
    encode_bytes(writer, HF_FIELD_RESPONSE_MESSAGE,
                 value_is_absent(reply->sentence) ? bytes_of_text(hf_reason_sentence(reply->reason))
                                                  : value_content(&reply->sentence));
    encode_number(writer, HF_FIELD_RESPONSE_PART, reply->part);
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
