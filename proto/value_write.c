/* A value becomes the bytes of its Value message. */
#include "proto/holdfast.pb-c.h"
#include "proto/value.h"
#include "proto/wire_field.h"

static uint8_t *write_tag(uint8_t *at, unsigned field, enum wire_type type) {
  return at + wire_write_varint(at, field << 3 | type);
}

static uint8_t *write_number(uint8_t *at, unsigned field, uint64_t number) {
  at = write_tag(at, field, VARINT);
  return at + wire_write_varint(at, number);
}

/* The head of bytes, or of a message, of that length. */
static uint8_t *write_head(uint8_t *at, unsigned field, size_t len) {
  at = write_tag(at, field, DELIMITED);
  return at + wire_write_varint(at, len);
}

static uint8_t *write_bytes(uint8_t *at, unsigned field, struct bytes bytes) {
  at = write_head(at, field, bytes.len);
  if (bytes.len > 0) {
    memcpy(at, bytes.data, bytes.len);
  }
  return at + bytes.len;
}

static uint8_t *write_real(uint8_t *at, double real) {
  at = write_tag(at, HOLDFAST__VALUE__KIND_REAL, FIXED64);
  memcpy(at, &real, sizeof real); /* little endian, as this machine */
  return at + sizeof real;
}

static uint8_t *write_tuple(uint8_t *at, struct value tuple) {
  size_t count, bytes = 0;
  const struct value *items = value_items(&tuple, &count);
  for (size_t i = 0; i < count; i++) {
    size_t len = value_message_bytes(items[i]);
    bytes += 1 + wire_varint_len(len) + len;
  }
  at = write_head(at, HOLDFAST__VALUE__KIND_TUPLE, bytes);
  for (size_t i = 0; i < count; i++) {
    at = value_write(items[i], write_head(at, 1, value_message_bytes(items[i])));
  }
  return at;
}

static uint8_t *write_reference(uint8_t *at, struct value reference) {
  size_t kind_bytes = reference.object_kind ? 2 : 0;
  at = write_head(at, HOLDFAST__VALUE__KIND_REFERENCE,
                  1 + wire_varint_len(reference.object) + kind_bytes);
  at = write_number(at, 1, reference.object);
  return kind_bytes ? write_number(at, 2, reference.object_kind) : at;
}

static size_t part_bytes(struct bytes part) {
  return part.len ? 1 + wire_varint_len(part.len) + part.len : 0;
}

static uint8_t *write_opaque(uint8_t *at, struct value opaque) {
  struct bytes codec, data;
  value_opaque_parts(&opaque, &codec, &data);
  at = write_head(at, HOLDFAST__VALUE__KIND_OPAQUE, part_bytes(codec) + part_bytes(data));
  at = codec.len ? write_bytes(at, 1, codec) : at;
  return data.len ? write_bytes(at, 2, data) : at;
}

uint8_t *value_write(struct value value, uint8_t *at) {
  switch ((enum value_kind)value.kind) {
    case VALUE_NONE:
      return write_number(at, HOLDFAST__VALUE__KIND_NONE, HOLDFAST__NONE_VALUE__NONE);
    case VALUE_BOOL:
      return write_number(at, HOLDFAST__VALUE__KIND_BOOLEAN, value.boolean);
    case VALUE_INT:
      return write_number(at, HOLDFAST__VALUE__KIND_INTEGER, wire_to_zigzag(value.integer));
    case VALUE_UINT:
      return write_number(at, HOLDFAST__VALUE__KIND_UNSIGNED, value.unsigned_integer);
    case VALUE_FLOAT:
      return write_real(at, value.real);
    case VALUE_TEXT:
      return write_bytes(at, HOLDFAST__VALUE__KIND_TEXT, value_content(&value));
    case VALUE_BYTES:
      return write_bytes(at, HOLDFAST__VALUE__KIND_BYTES, value_content(&value));
    case VALUE_TUPLE:
      return write_tuple(at, value);
    case VALUE_REFERENCE:
      return write_reference(at, value);
    case VALUE_OPAQUE:
      return write_opaque(at, value);
    case VALUE_ABSENT:
      break;
  }
  return at;
}
