#include "client/src/mapped/mapped_numbers.h"

struct value mapped_input(const hf_value *value) {
  struct value input = value_none();
  struct value number = value_number(value);
  if (!value_is_absent(number)) {
    return number;
  }
  if (value->type == HF_TYPE_BYTES && value->size == 1) { /* one byte needs no memory */
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

static hf_reason store_real(const hf_value *value, double *number) {
  double real = value->type == HF_TYPE_FLOAT  ? value->real
                : value->type == HF_TYPE_UINT ? (double)value->unsigned_integer
                : value->type == HF_TYPE_INT  ? (double)value->integer
                                              : value->boolean;
  *number = real;
  return HF_REASON_NONE;
}

static hf_reason store_integer(const hf_value *value, int access, void *number) {
  int64_t integer = value->type == HF_TYPE_BOOL ? value->boolean : value->integer;
  if (value->type == HF_TYPE_FLOAT) {
    return HF_REASON_WRONG_TYPE;
  }
  if (value->type == HF_TYPE_UINT ||
      (access == HF_ACCESS_I32 && (integer < INT32_MIN || integer > INT32_MAX))) {
    return HF_REASON_OVERFLOW;
  }
  if (access == HF_ACCESS_I32) {
    *(int32_t *)number = (int32_t)integer;
  } else {
    *(int64_t *)number = integer;
  }
  return HF_REASON_NONE;
}

hf_status mapped_take_number(hf_value *value, int access, void *number) {
  bool is_number = value->type == HF_TYPE_BOOL || value->type == HF_TYPE_INT ||
                   value->type == HF_TYPE_UINT || value->type == HF_TYPE_FLOAT;
  hf_reason reason = !is_number                ? HF_REASON_WRONG_TYPE
                     : access == HF_ACCESS_F64 ? store_real(value, number)
                                               : store_integer(value, access, number);
  hf_value_clear(value);
  return reason == HF_REASON_NONE ? HF_OK : error_reason(reason);
}
