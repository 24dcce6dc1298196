#include "proto/wire.h"

#include "proto/limits.h"
#include "proto/wire_field.h"

/* A reply may be a whole container: its length and the arena's budget bound it, rather than the
 * count of fields. */
#define REPLY_FIELDS_MAX (HF_FRAME_BYTES_MAX / 2)
#define REPEATED_FIRST 4 /* the initial capacity in items; doubles */

struct decoder {
  struct arena *arena;
  size_t fields_left; /* that a body may have */
  unsigned depth;
  hf_reason malformed; /* the reason for bytes that are no message */
};

/* Where a field goes. All zero: there is no such field. */
struct slot {
  uint8_t type; /* PROTOBUF_C_TYPE_... */
  uint8_t wire; /* enum wire_type */
  bool repeated;
  uint16_t offset;     /* of the member: a value, or a pointer to those of a repeated field */
  uint16_t quantifier; /* offset of the oneof's case, or of the repeated field's count; 0: none */
  const struct layout *made; /* of a message; NULL: it is none */
};

struct layout {
  const ProtobufCMessageDescriptor *descriptor;
  const struct slot *slots; /* by number */
  size_t slots_count;
};

#include "proto/holdfast_layouts.h"

static hf_reason decode_message(struct decoder *decoder, struct bytes body,
                                const struct layout *layout, ProtobufCMessage **message);

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

/* Stores the field's value at `member`. */
static inline hf_reason store(struct decoder *decoder, const struct slot *slot,
                              const struct wire_field *field, void *member) {
  switch (slot->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      return decode_message(decoder, field->content, slot->made, member);
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
      return HF_REASON_NONE; /* a number between those in use, see layouts.cmake */
  }
}

static size_t item_bytes(const struct slot *slot) {
  return slot->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *) : sizeof(uint64_t);
}

/* Reserves one more item of a repeated field; NULL: the arena is exhausted. The capacity is the
 * count rounded up to a power of two. */
static void *add_item(struct decoder *decoder, const struct slot *slot, ProtobufCMessage *message) {
  size_t *count = (size_t *)((char *)message + slot->quantifier);
  char **items = (char **)((char *)message + slot->offset);
  size_t size = item_bytes(slot);
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
static hf_reason store_packed(struct decoder *decoder, const struct slot *slot,
                              struct bytes content, ProtobufCMessage *message) {
  struct wire_reader numbers = {content.data, content.data + content.len};
  while (numbers.next < numbers.end) {
    uint64_t number;
    if (!wire_read_varint(&numbers, &number)) {
      return decoder->malformed;
    }
    if (decoder->fields_left-- == 0) {
      return HF_REASON_TOO_MANY_FIELDS;
    }
    uint64_t *item = add_item(decoder, slot, message);
    if (!item) {
      return HF_REASON_REQUEST_TOO_BIG;
    }
    *item = number;
  }
  return HF_REASON_NONE;
}

/* A field of another wire type than its slot's. At offset 0 a message has its descriptor, and no field. */
static hf_reason store_other(struct decoder *decoder, const struct slot *slot,
                             const struct wire_field *field, ProtobufCMessage *message) {
  if (slot->offset == 0) {
    return HF_REASON_NONE;
  }
  bool is_packed = slot->repeated && slot->wire == VARINT && field->type == DELIMITED;
  return is_packed ? store_packed(decoder, slot, field->content, message) : decoder->malformed;
}

static inline hf_reason store_field(struct decoder *decoder, const struct layout *layout,
                                    const struct wire_field *field, ProtobufCMessage *message) {
  if (field->number >= layout->slots_count) {
    return HF_REASON_NONE;
  }
  const struct slot *slot = &layout->slots[field->number];
  if (field->type != (enum wire_type)slot->wire) {
    return store_other(decoder, slot, field, message);
  }
  char *member = (char *)message + slot->offset;
  if (slot->repeated) {
    member = add_item(decoder, slot, message);
    if (!member) {
      return HF_REASON_REQUEST_TOO_BIG;
    }
  } else if (slot->quantifier > 0) {
    *(uint32_t *)((char *)message + slot->quantifier) = field->number;
  }
  return store(decoder, slot, field, member);
}

static inline hf_reason decode_fields(struct decoder *decoder, struct bytes body,
                                      const struct layout *layout, ProtobufCMessage *message) {
  struct wire_reader reader = {body.data, body.data + body.len};
  struct wire_field field = {.content = bytes_of("", 0)};
  while (reader.next < reader.end) {
    if (decoder->fields_left-- == 0) {
      return HF_REASON_TOO_MANY_FIELDS;
    }
    if (!wire_read_field(&reader, &field)) {
      return decoder->malformed;
    }
    hf_reason reason = store_field(decoder, layout, &field, message);
    if (reason) {
      return reason;
    }
  }
  return HF_REASON_NONE;
}

/* Sets *message only if the whole body was valid. */
static hf_reason decode_message(struct decoder *decoder, struct bytes body,
                                const struct layout *layout, ProtobufCMessage **message) {
  if (decoder->depth == HF_DEPTH_MAX) {
    return HF_REASON_TOO_DEEP;
  }
  ProtobufCMessage *made = arena_alloc(decoder->arena, layout->descriptor->sizeof_message);
  if (!made) {
    return HF_REASON_REQUEST_TOO_BIG;
  }
  layout->descriptor->message_init(made);
  decoder->depth++;
  hf_reason reason = decode_fields(decoder, body, layout, made);
  decoder->depth--;
  if (!reason) {
    *message = made;
  }
  return reason;
}

static hf_reason unpack(struct bytes body, struct arena *arena, const struct layout *layout,
                        size_t fields_max, hf_reason malformed, ProtobufCMessage **message) {
  struct decoder decoder = {.arena = arena, .fields_left = fields_max, .malformed = malformed};
  return decode_message(&decoder, body, layout, message);
}

hf_reason wire_unpack_request(struct bytes body, struct arena *arena, Holdfast__Request **request) {
  return unpack(body, arena, &layout_request, HF_FIELDS_MAX, HF_REASON_BAD_REQUEST,
                (ProtobufCMessage **)request);
}

hf_reason wire_unpack_response(struct bytes body, struct arena *arena,
                               Holdfast__Response **response) {
  return unpack(body, arena, &layout_response, REPLY_FIELDS_MAX, HF_REASON_BAD_REPLY,
                (ProtobufCMessage **)response);
}

hf_reason wire_unpack_value(struct bytes body, struct arena *arena, Holdfast__Value **value) {
  return unpack(body, arena, &layout_value, REPLY_FIELDS_MAX, HF_REASON_BAD_VALUE,
                (ProtobufCMessage **)value);
}
