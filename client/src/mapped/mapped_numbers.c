#include "client/src/mapped/mapped_numbers.h"

struct value mapped_input(const hf_value *value) {
  struct value input = value_none();
  struct value number = value_number(value);
  if (!value_is_absent(number)) {
    return number;
  }
  if (value->type == HF_TYPE_BYTES && value->size == 1) { /* one byte is stored inline */
    (void)value_bytes(bytes_of(value->bytes, 1), &input);
  }
  return input;
}

hf_reason mapped_output(hf_object *object, uint64_t bits, hf_value *value) {
  struct value output = cell_value(object->mapped.type, bits);
  switch (output.kind) {
    case VALUE_BOOL:
      *value = hf_bool(output.boolean);
      return HF_REASON_NONE;
    case VALUE_INT:
      *value = hf_int(output.integer);
      return HF_REASON_NONE;
    case VALUE_UINT:
      *value = hf_uint(output.unsigned_integer);
      return HF_REASON_NONE;
    case VALUE_FLOAT:
      *value = hf_float(output.real);
      return HF_REASON_NONE;
    default: {
      struct bytes content = value_content(&output);
      Holdfast__Value message = HOLDFAST__VALUE__INIT;
      message.kind_case = HOLDFAST__VALUE__KIND_BYTES;
      message.bytes = (ProtobufCBinaryData){content.len, (uint8_t *)content.data};
      return value_from_wire(object->conn, &message, value);
    }
  }
}

/* Indexed by hf_access: the typecode with the C type's range. */
static const char typecodes[] = {
    [HF_ACCESS_I32] = 'i', [HF_ACCESS_I64] = 'q', [HF_ACCESS_F64] = 'd'};

hf_status mapped_take_number(hf_value *value, int access, void *number) {
  const struct cell_type *type = cell_type_of(typecodes[access]);
  uint64_t bits;
  hf_reason reason = cell_bits(type, value_number(value), &bits);
  if (reason == HF_REASON_NONE) {
    cell_plain_write(type, number, 0, bits);
  }
  hf_value_clear(value);
  return reason == HF_REASON_NONE ? HF_OK : error_reason(reason);
}
