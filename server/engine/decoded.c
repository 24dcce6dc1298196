#include "server/engine/decoded.h"

#include "proto/base/chunk.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>

/* The value of a Value message. wire.h passes over unknown fields, so that `unknown_fields` of a
 * message, with a count of 0, is free to point here. */
struct decoded_value {
  struct value value;
  struct decoded_value *next;
};

/* What may come to the unpacked message: its values, and copies of its bytes. */
#define MORE_BYTES (HF_FIELDS_MAX * sizeof(struct decoded_value) * 2 + 2 * HF_FRAME_BYTES_MAX)

static bool keep_message(struct decoded *decoded, ProtobufCMessage *message,
                         const struct value_hash_key *hash_key);

/* Keys, and what a wait compares by a digest. */
static bool is_hashed(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  return strcmp(field->name, "key") == 0 || strcmp(field->name, "known") == 0 ||
         message->descriptor == &holdfast__key_equals__descriptor;
}

/* From here on a tuple's hash, which a wait for a change of it may ask for, takes longer than a batch may. */
#define SLOW_TUPLE_BYTES ((size_t)64 << 10)

static bool is_slow_to_hash(struct value value) {
  return value.kind == VALUE_TUPLE && value_memory_bytes(value) >= SLOW_TUPLE_BYTES;
}

static ProtobufCBinaryData data_of(struct bytes bytes) {
  return (ProtobufCBinaryData){bytes.len, (uint8_t *)bytes.data};
}

/* The message's bytes are the value's from now on: it does not need the body. */
static void borrow(Holdfast__Value *message, const struct value *value) {
  struct bytes codec, data;
  size_t count;
  const struct value *items;
  switch (message->kind_case) {
    case HOLDFAST__VALUE__KIND_TEXT:
      message->text = data_of(value_content(value));
      break;
    case HOLDFAST__VALUE__KIND_BYTES:
      message->bytes = data_of(value_content(value));
      break;
    case HOLDFAST__VALUE__KIND_OPAQUE:
      value_opaque_parts(value, &codec, &data);
      message->opaque->codec = data_of(codec);
      message->opaque->data = data_of(data);
      break;
    case HOLDFAST__VALUE__KIND_TUPLE:
      items = value_items(value, &count);
      for (size_t i = 0; i < count; i++) {
        borrow(message->tuple->items[i], &items[i]);
      }
      break;
    default:
      break;
  }
}

static bool keep_value(struct decoded *decoded, Holdfast__Value *message, bool hashes,
                       const struct value_hash_key *hash_key) {
  struct decoded_value *kept = arena_alloc(&decoded->arena, sizeof *kept);
  if (!kept || value_from_message(message, &kept->value)) {
    return false;
  }
  kept->next = decoded->values;
  decoded->values = kept;
  decoded->memory_bytes += value_memory_bytes(kept->value);
  message->base.unknown_fields = (ProtobufCMessageUnknownField *)kept;
  borrow(message, &kept->value);
  if (hashes || is_slow_to_hash(kept->value)) {
    (void)value_hash(hash_key, kept->value); /* a large one keeps it */
  }
  return true;
}

static bool keep_bytes(struct decoded *decoded, ProtobufCBinaryData *bytes) {
  if (bytes->len == 0) {
    return true;
  }
  uint8_t *copy = arena_alloc(&decoded->arena, bytes->len);
  if (!copy) {
    return false;
  }
  memcpy(copy, bytes->data, bytes->len);
  bytes->data = copy;
  return true;
}

/* NULL part: it was not sent. */
static bool keep_part(struct decoded *decoded, ProtobufCMessage *part, bool hashes,
                      const struct value_hash_key *hash_key) {
  bool is_value = part && part->descriptor == &holdfast__value__descriptor;
  if (is_value) {
    return keep_value(decoded, (Holdfast__Value *)part, hashes, hash_key);
  }
  return !part || keep_message(decoded, part, hash_key);
}

static bool keep_field(struct decoded *decoded, const ProtobufCFieldDescriptor *field,
                       ProtobufCMessage *message, const struct value_hash_key *hash_key) {
  char *member = (char *)message + field->offset;
  const void *quantifier = (const char *)message + field->quantifier_offset;
  bool is_arm = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
  if (is_arm && *(const uint32_t *)quantifier != field->id) {
    return true;
  }
  bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  size_t count = is_repeated ? *(const size_t *)quantifier : 1;
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
    ProtobufCMessage **parts = is_repeated ? *(ProtobufCMessage ***)member : (void *)member;
    bool hashes = is_hashed(message, field), keeps = true;
    for (size_t i = 0; keeps && i < count; i++) {
      keeps = keep_part(decoded, parts[i], hashes, hash_key);
    }
    return keeps;
  }
  return field->type != PROTOBUF_C_TYPE_BYTES || is_repeated || /* holdfast.proto has none */
         keep_bytes(decoded, (ProtobufCBinaryData *)member);
}

/* No deeper than wire.h lets a message be. */
static bool keep_message(struct decoded *decoded, ProtobufCMessage *message,
                         const struct value_hash_key *hash_key) {
  const ProtobufCMessageDescriptor *descriptor = message->descriptor;
  bool keeps = true;
  for (unsigned i = 0; keeps && i < descriptor->n_fields; i++) {
    keeps = keep_field(decoded, &descriptor->fields[i], message, hash_key);
  }
  return keeps;
}

hf_reason decoded_read(struct bytes body, const struct value_hash_key *hash_key,
                       struct decoded **decoded) {
  struct decoded *made = malloc(sizeof *made);
  *decoded = NULL;
  if (!made) {
    return HF_REASON_NO_MEMORY;
  }
  *made = (struct decoded){.memory_bytes = chunk_bytes(sizeof *made)};
  arena_init(&made->arena, HF_UNPACK_BYTES_MAX);
  hf_reason reason = wire_unpack_request(body, &made->arena, &made->message);
  if (reason) {
    decoded_free(made);
    return reason;
  }
  made->arena.budget_bytes += MORE_BYTES;
  made->is_whole = keep_message(made, &made->message->base, hash_key);
  made->memory_bytes += arena_memory_bytes(&made->arena);
  *decoded = made;
  return HF_REASON_NONE;
}

void decoded_free(struct decoded *list) {
  while (list) {
    struct decoded *next = list->next;
    for (struct decoded_value *kept = list->values; kept; kept = kept->next) {
      value_release(kept->value);
    }
    arena_deinit(&list->arena);
    free(list);
    list = next;
  }
}

hf_reason decoded_value(const Holdfast__Value *message, struct value *out) {
  const void *kept = message ? message->base.unknown_fields : NULL;
  if (!kept) {
    return value_from_message(message, out);
  }
  *out = value_retain(((const struct decoded_value *)kept)->value);
  return HF_REASON_NONE;
}
