/* Values: construction and comparison. */
#include "client/src/call/values.h"

#include <string.h>

hf_value hf_none(void) {
  return (hf_value){.type = HF_TYPE_NONE};
}

hf_value hf_bool(bool boolean) {
  return (hf_value){.type = HF_TYPE_BOOL, .boolean = boolean};
}

hf_value hf_int(int64_t integer) {
  return (hf_value){.type = HF_TYPE_INT, .integer = integer};
}

hf_value hf_uint(uint64_t integer) {
  if (integer <= INT64_MAX) {
    return hf_int((int64_t)integer);
  }
  return (hf_value){.type = HF_TYPE_UINT, .unsigned_integer = integer};
}

hf_value hf_float(double real) {
  return (hf_value){.type = HF_TYPE_FLOAT, .real = real};
}

hf_value hf_text(const char *text) {
  return hf_text_n(text, strlen(text));
}

hf_value hf_text_n(const char *text, size_t size) {
  return (hf_value){.type = HF_TYPE_TEXT, .text = text, .size = size};
}

hf_value hf_bytes(const void *bytes, size_t size) {
  return (hf_value){.type = HF_TYPE_BYTES, .bytes = bytes, .size = size};
}

hf_value hf_tuple(const hf_value *items, size_t count) {
  return (hf_value){.type = HF_TYPE_TUPLE, .items = items, .size = count};
}

hf_value hf_opaque(const char *codec, const void *data, size_t size) {
  return (hf_value){.type = HF_TYPE_OPAQUE, .codec = codec, .bytes = data, .size = size};
}

/* ---------------------------------------------------------------- equality */

struct value value_number(const hf_value *value) {
  switch (value->type) {
    case HF_TYPE_BOOL:
      return value_bool(value->boolean);
    case HF_TYPE_INT:
      return value_int(value->integer);
    case HF_TYPE_UINT:
      return value_uint(value->unsigned_integer);
    case HF_TYPE_FLOAT:
      return value_float(value->real);
    default:
      return (struct value){0};
  }
}

static bool contents_equal(const hf_value *a, const hf_value *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static bool tuples_equal(const hf_value *a, const hf_value *b) {
  for (size_t i = 0; a->size == b->size && i < a->size; i++) {
    if (!hf_value_equal(a->items[i], b->items[i])) {
      return false;
    }
  }
  return a->size == b->size;
}

bool hf_value_equal(hf_value a, hf_value b) {
  struct value number_a = value_number(&a), number_b = value_number(&b);
  if (!value_is_absent(number_a) && !value_is_absent(number_b)) {
    return value_equal(number_a, number_b);
  }
  if (a.type != b.type) {
    return false;
  }
  switch (a.type) {
    case HF_TYPE_NONE:
      return true;
    case HF_TYPE_TEXT:
    case HF_TYPE_BYTES:
      return contents_equal(&a, &b);
    case HF_TYPE_OPAQUE:
      return strcmp(a.codec, b.codec) == 0 && contents_equal(&a, &b);
    case HF_TYPE_TUPLE:
      return tuples_equal(&a, &b);
    case HF_TYPE_REFERENCE:
      return a.object == b.object;
    default:
      return false;
  }
}
