#include "server/dispatch/encode_value.h"

#include "proto/holdfast_fields.h"
#include "proto/value.h"

static void put_tuple(struct writer *writer, const void *item) {
  size_t count;
  const struct value *items = value_items(item, &count);
  for (size_t i = 0; i < count; i++) {
    encode_message(writer, HF_FIELD_TUPLE_ITEMS, encode_value, &items[i]);
  }
}

static void put_reference(struct writer *writer, const void *item) {
  const struct value *reference = item;
  encode_number(writer, HF_FIELD_REFERENCE_OBJECT, reference->object);
  encode_number(writer, HF_FIELD_REFERENCE_KIND, reference->object_kind);
}

static void put_opaque(struct writer *writer, const void *item) {
  struct bytes codec, data;
  value_opaque_parts(item, &codec, &data);
  encode_bytes(writer, HF_FIELD_OPAQUE_CODEC, codec);
  encode_bytes(writer, HF_FIELD_OPAQUE_DATA, data);
}

static void put_real(struct writer *writer, double real) {
  encode_tag(writer, HF_FIELD_VALUE_REAL, FIXED64);
  encode_run(writer, &real, sizeof real); /* little endian, as this machine */
}

void encode_value(struct writer *writer, const void *item) {
  const struct value *value = item;
  switch ((enum value_kind)value->kind) {
    case VALUE_NONE:
      encode_arm(writer, HF_FIELD_VALUE_NONE, 0);
      break;
    case VALUE_BOOL:
      encode_arm(writer, HF_FIELD_VALUE_BOOLEAN, value->boolean);
      break;
    case VALUE_INT:
      encode_arm(writer, HF_FIELD_VALUE_INTEGER, wire_to_zigzag(value->integer));
      break;
    case VALUE_UINT:
      encode_arm(writer, HF_FIELD_VALUE_UNSIGNED, value->unsigned_integer);
      break;
    case VALUE_FLOAT:
      put_real(writer, value->real);
      break;
    case VALUE_TEXT:
      encode_bytes_arm(writer, HF_FIELD_VALUE_TEXT, value_content(value));
      break;
    case VALUE_BYTES:
      encode_bytes_arm(writer, HF_FIELD_VALUE_BYTES, value_content(value));
      break;
    case VALUE_TUPLE:
      encode_message(writer, HF_FIELD_VALUE_TUPLE, put_tuple, value);
      break;
    case VALUE_REFERENCE:
      encode_message(writer, HF_FIELD_VALUE_REFERENCE, put_reference, value);
      break;
    case VALUE_OPAQUE:
      encode_message(writer, HF_FIELD_VALUE_OPAQUE, put_opaque, value);
      break;
    case VALUE_ABSENT:
      break;
  }
}
