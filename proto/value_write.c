/* Encodes a value as its Value message. */
#include "proto/holdfast.pb-c.h"
#include "proto/holdfast_fields.h"
#include "proto/value.h"
#include "proto/wire_field.h"

static uint8_t *write_real(uint8_t *at, double real) {
  at = wire_write_tag(at, HF_FIELD_VALUE_REAL, FIXED64);
  memcpy(at, &real, sizeof real); /* little endian, as this machine */
  return at + sizeof real;
}

static uint8_t *write_tuple(uint8_t *at, struct value tuple) {
  size_t count, bytes = 0;
  const struct value *items = value_items(&tuple, &count);
  for (size_t i = 0; i < count; i++) {
    bytes += wire_field_len(value_message_bytes(items[i]));
  }
  at = wire_write_head(at, HF_FIELD_VALUE_TUPLE, bytes);
  for (size_t i = 0; i < count; i++) {
    at = value_write(items[i],
                     wire_write_head(at, HF_FIELD_TUPLE_ITEMS, value_message_bytes(items[i])));
  }
  return at;
}

static uint8_t *write_reference(uint8_t *at, struct value reference) {
  size_t kind_bytes = reference.object_kind ? 2 : 0;
  at = wire_write_head(at, HF_FIELD_VALUE_REFERENCE,
                       1 + wire_varint_len(reference.object) + kind_bytes);
  at = wire_write_number(at, HF_FIELD_REFERENCE_OBJECT, reference.object);
  return kind_bytes ? wire_write_number(at, HF_FIELD_REFERENCE_KIND, reference.object_kind) : at;
}

static size_t part_bytes(struct bytes part) {
  return part.len ? wire_field_len(part.len) : 0;
}

static uint8_t *write_opaque(uint8_t *at, struct value opaque) {
  struct bytes codec, data;
  value_opaque_parts(&opaque, &codec, &data);
  at = wire_write_head(at, HF_FIELD_VALUE_OPAQUE, part_bytes(codec) + part_bytes(data));
  at = codec.len ? wire_write_bytes(at, HF_FIELD_OPAQUE_CODEC, codec) : at;
  return data.len ? wire_write_bytes(at, HF_FIELD_OPAQUE_DATA, data) : at;
}

uint8_t *value_write(struct value value, uint8_t *at) {
  switch ((enum value_kind)value.kind) {
    case VALUE_NONE:
      return wire_write_number(at, HF_FIELD_VALUE_NONE, HOLDFAST__NONE_VALUE__NONE);
    case VALUE_BOOL:
      return wire_write_number(at, HF_FIELD_VALUE_BOOLEAN, value.boolean);
    case VALUE_INT:
      return wire_write_number(at, HF_FIELD_VALUE_INTEGER, wire_to_zigzag(value.integer));
    case VALUE_UINT:
      return wire_write_number(at, HF_FIELD_VALUE_UNSIGNED, value.unsigned_integer);
    case VALUE_FLOAT:
      return write_real(at, value.real);
    case VALUE_TEXT:
      return wire_write_bytes(at, HF_FIELD_VALUE_TEXT, value_content(&value));
    case VALUE_BYTES:
      return wire_write_bytes(at, HF_FIELD_VALUE_BYTES, value_content(&value));
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
