/* Decoding: any bytes become a request or a reason, within the arena's budget; and every value in a
 * request has one canonical form, which it keeps on the way to the wire and back.
 */
#include "proto/limits.h"
#include "proto/value.h"
#include "proto/wire.h"
#include "tests/support/value_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct value_hash_key hash_key = {"sixteen secrets"};

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

/* The bytes a value is on the wire; *packed is freed by the caller. */
static size_t pack_value(const struct value *value, uint8_t **packed) {
  struct arena arena;
  Holdfast__Value message;
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  require(value_to_message(value, &arena, &message));
  size_t len = holdfast__value__get_packed_size(&message);
  *packed = malloc(len + 1);
  require(*packed != NULL && holdfast__value__pack(&message, *packed) == len);
  arena_deinit(&arena);
  return len;
}

static void check_value(const Holdfast__Value *message) {
  struct value value, again = {0};
  uint8_t *packed, *packed_again;
  if (value_from_message(message, &value) != HF_REASON_NONE) {
    return;
  }
  size_t len = pack_value(&value, &packed);
  Holdfast__Value *unpacked = holdfast__value__unpack(NULL, len, packed);
  require(unpacked != NULL && value_from_message(unpacked, &again) == HF_REASON_NONE);
  size_t len_again = pack_value(&again, &packed_again);
  require(bytes_equal(bytes_of(packed, len), bytes_of(packed_again, len_again)));
  require(value_hash(&hash_key, value) == value_hash(&hash_key, again));
  require(value_memory_bytes(value) == value_memory_bytes(again));
  require(value_equal(value, again) == value_equal(again, value));
  holdfast__value__free_unpacked(unpacked, NULL);
  free(packed);
  free(packed_again);
  value_release(value);
  value_release(again);
}

static void check_message(const ProtobufCMessage *message);

static void check_field(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
  const char *member = (const char *)message + field->offset;
  const char *quantifier = (const char *)message + field->quantifier_offset;
  if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
    return;
  }
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)member;
    for (size_t i = 0; i < *(const size_t *)quantifier; i++) {
      check_message(items[i]);
    }
    return;
  }
  if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
      *(const uint32_t *)quantifier != field->id) {
    return;
  }
  const ProtobufCMessage *inner = *(ProtobufCMessage *const *)member;
  if (inner != NULL) {
    check_message(inner);
  }
}

/* Checks the values in it. */
static void check_message(const ProtobufCMessage *message) {
  if (message->descriptor == &holdfast__value__descriptor) {
    check_value((const Holdfast__Value *)message);
    return;
  }
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    check_field(&message->descriptor->fields[i], message);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena arena;
  Holdfast__Request *request;
  Holdfast__Response *response;
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  if (wire_unpack_request(bytes_of(data, size), &arena, &request) == HF_REASON_NONE) {
    check_message(&request->base);
  }
  require(arena.used_bytes <= HF_UNPACK_BYTES_MAX);
  arena_reset(&arena);
  if (wire_unpack_response(bytes_of(data, size), &arena, &response) == HF_REASON_NONE) {
    check_message(&response->base);
  }
  arena_deinit(&arena);
  return 0;
}
