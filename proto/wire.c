#include "proto/wire.h"

#include "proto/limits.h"
#include "proto/wire_field.h"

/* A reply may be a whole container: its length and the arena's budget bound it, rather than the
 * count of fields. */
#define REPLY_FIELDS_MAX (HF_FRAME_BYTES_MAX / 2)
#define REPEATED_FIRST 4 /* the initial capacity in items; doubles */

struct decoder {
  struct arena *arena;
  size_t fields_count;
  size_t fields_max;
  unsigned depth;
  hf_reason malformed; /* the reason for bytes that are no message */
};

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
                                                  uint32_t number) {
  /* Most messages have the fields 1, 2, 3. */
  if (number <= descriptor->n_fields && descriptor->fields[number - 1].id == number) {
    return &descriptor->fields[number - 1];
  }
  return protobuf_c_message_descriptor_get_field(descriptor, number);
}

static enum wire_type expected_type(const ProtobufCFieldDescriptor *descriptor) {
  _Static_assert(VARINT == 0, "what all others are");
  static const uint8_t types[PROTOBUF_C_TYPE_MESSAGE + 1] = {
      [PROTOBUF_C_TYPE_DOUBLE] = FIXED64,
      [PROTOBUF_C_TYPE_STRING] = DELIMITED,
      [PROTOBUF_C_TYPE_BYTES] = DELIMITED,
      [PROTOBUF_C_TYPE_MESSAGE] = DELIMITED,
  };
  return (enum wire_type)types[descriptor->type];
}

static hf_reason decode_message(struct decoder *decoder, struct bytes body,
                                const ProtobufCMessageDescriptor *descriptor,
                                ProtobufCMessage **message);

static hf_reason copy_string(struct decoder *decoder, struct bytes content, char **string) {
  char *copy = arena_alloc(decoder->arena, content.len + 1);
  if (!copy) {
    return HF_REASON_REQUEST_TOO_BIG;
  }
  memcpy(copy, content.data, content.len);
  copy[content.len] = 0;
  *string = copy;
  return HF_REASON_NONE;
}

/* Stores the field's value at `member`, whose type is in the descriptor. */
static hf_reason store(struct decoder *decoder, const ProtobufCFieldDescriptor *descriptor,
                       const struct wire_field *field, void *member) {
  switch (descriptor->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      return decode_message(decoder, field->content, descriptor->descriptor, member);
    case PROTOBUF_C_TYPE_BYTES:
      *(ProtobufCBinaryData *)member =
          (ProtobufCBinaryData){field->content.len, (uint8_t *)field->content.data};
      return HF_REASON_NONE;
    case PROTOBUF_C_TYPE_STRING:
      return copy_string(decoder, field->content, member);
    case PROTOBUF_C_TYPE_SINT64:
      *(int64_t *)member = wire_from_zigzag(field->integer);
      return HF_REASON_NONE;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
      *(uint64_t *)member = field->integer;
      return HF_REASON_NONE;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
      *(uint32_t *)member = (uint32_t)field->integer;
      return HF_REASON_NONE;
    case PROTOBUF_C_TYPE_BOOL:
      *(protobuf_c_boolean *)member = field->integer != 0;
      return HF_REASON_NONE;
    default:
      return decoder->malformed; /* a type that holdfast.proto does not use */
  }
}

static size_t item_bytes(const ProtobufCFieldDescriptor *descriptor) {
  return descriptor->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *) : sizeof(uint64_t);
}

/* Reserves one more item of a repeated field; NULL: the arena is exhausted. The capacity is the
 * count rounded up to a power of two. */
static void *add_item(struct decoder *decoder, const ProtobufCFieldDescriptor *descriptor,
                      ProtobufCMessage *message) {
  size_t *count = (size_t *)((char *)message + descriptor->quantifier_offset);
  char **items = (char **)((char *)message + descriptor->offset);
  size_t size = item_bytes(descriptor);
  bool full = *count == 0 || (*count >= REPEATED_FIRST && (*count & (*count - 1)) == 0);
  if (full) {
    char *grown = arena_alloc(decoder->arena, (*count ? 2 * *count : REPEATED_FIRST) * size);
    if (!grown) {
      return NULL;
    }
    if (*count) {
      memcpy(grown, *items, *count * size);
    }
    *items = grown;
  }
  return *items + size * (*count)++;
}

/* Repeated numbers arrive packed into one field, or one by one; both are legal. */
static hf_reason store_packed(struct decoder *decoder, const ProtobufCFieldDescriptor *descriptor,
                              struct bytes content, ProtobufCMessage *message) {
  struct wire_reader numbers = {content.data, content.data + content.len};
  while (numbers.next < numbers.end) {
    uint64_t number;
    if (!wire_read_varint(&numbers, &number)) {
      return decoder->malformed;
    }
    if (++decoder->fields_count > decoder->fields_max) {
      return HF_REASON_TOO_MANY_FIELDS;
    }
    uint64_t *item = add_item(decoder, descriptor, message);
    if (!item) {
      return HF_REASON_REQUEST_TOO_BIG;
    }
    *item = number;
  }
  return HF_REASON_NONE;
}

static hf_reason store_repeated(struct decoder *decoder, const ProtobufCFieldDescriptor *descriptor,
                                const struct wire_field *field, ProtobufCMessage *message) {
  bool is_number = expected_type(descriptor) == VARINT;
  if (is_number && field->type == DELIMITED) {
    return store_packed(decoder, descriptor, field->content, message);
  }
  if (field->type != expected_type(descriptor)) {
    return decoder->malformed;
  }
  void *item = add_item(decoder, descriptor, message);
  return item ? store(decoder, descriptor, field, item) : HF_REASON_REQUEST_TOO_BIG;
}

static hf_reason store_field(struct decoder *decoder, const struct wire_field *field,
                             ProtobufCMessage *message) {
  const ProtobufCFieldDescriptor *descriptor = find_field(message->descriptor, field->number);
  if (!descriptor) {
    return HF_REASON_NONE;
  }
  if (descriptor->label == PROTOBUF_C_LABEL_REPEATED) {
    return store_repeated(decoder, descriptor, field, message);
  }
  if (field->type != expected_type(descriptor)) {
    return decoder->malformed;
  }
  if (descriptor->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    *(uint32_t *)((char *)message + descriptor->quantifier_offset) = descriptor->id;
  }
  return store(decoder, descriptor, field, (char *)message + descriptor->offset);
}

static hf_reason decode_fields(struct decoder *decoder, struct bytes body,
                               ProtobufCMessage *message) {
  struct wire_reader reader = {body.data, body.data + body.len};
  struct wire_field field = {.content = bytes_of("", 0)};
  while (reader.next < reader.end) {
    if (++decoder->fields_count > decoder->fields_max) {
      return HF_REASON_TOO_MANY_FIELDS;
    }
    if (!wire_read_field(&reader, &field)) {
      return decoder->malformed;
    }
    hf_reason reason = store_field(decoder, &field, message);
    if (reason) {
      return reason;
    }
  }
  return HF_REASON_NONE;
}

/* Sets *message only if the whole body was valid. */
static hf_reason decode_message(struct decoder *decoder, struct bytes body,
                                const ProtobufCMessageDescriptor *descriptor,
                                ProtobufCMessage **message) {
  if (decoder->depth == HF_DEPTH_MAX) {
    return HF_REASON_TOO_DEEP;
  }
  ProtobufCMessage *made = arena_alloc(decoder->arena, descriptor->sizeof_message);
  if (!made) {
    return HF_REASON_REQUEST_TOO_BIG;
  }
  descriptor->message_init(made);
  decoder->depth++;
  hf_reason reason = decode_fields(decoder, body, made);
  decoder->depth--;
  if (!reason) {
    *message = made;
  }
  return reason;
}

static hf_reason unpack(struct bytes body, struct arena *arena,
                        const ProtobufCMessageDescriptor *descriptor, size_t fields_max,
                        hf_reason malformed, ProtobufCMessage **message) {
  struct decoder decoder = {.arena = arena, .fields_max = fields_max, .malformed = malformed};
  return decode_message(&decoder, body, descriptor, message);
}

hf_reason wire_unpack_request(struct bytes body, struct arena *arena, Holdfast__Request **request) {
  return unpack(body, arena, &holdfast__request__descriptor, HF_FIELDS_MAX, HF_REASON_BAD_REQUEST,
                (ProtobufCMessage **)request);
}

hf_reason wire_unpack_response(struct bytes body, struct arena *arena,
                               Holdfast__Response **response) {
  return unpack(body, arena, &holdfast__response__descriptor, REPLY_FIELDS_MAX, HF_REASON_BAD_REPLY,
                (ProtobufCMessage **)response);
}

hf_reason wire_unpack_value(struct bytes body, struct arena *arena, Holdfast__Value **value) {
  return unpack(body, arena, &holdfast__value__descriptor, REPLY_FIELDS_MAX, HF_REASON_BAD_VALUE,
                (ProtobufCMessage **)value);
}
