#include "server/objects/cell.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* What the elements of a typecode are: size, and the range of the integer ones. */
struct cell_type {
  char code;
  bool is_float;
  uint8_t bytes;
  int64_t min;
  uint64_t max;
};

static const struct cell_type types[] = {
    {'c', false, sizeof(char), 0, UCHAR_MAX},
    {'b', false, sizeof(signed char), SCHAR_MIN, SCHAR_MAX},
    {'B', false, sizeof(unsigned char), 0, UCHAR_MAX},
    {'?', false, sizeof(bool), 0, 1},
    {'h', false, sizeof(short), SHRT_MIN, SHRT_MAX},
    {'H', false, sizeof(unsigned short), 0, USHRT_MAX},
    {'i', false, sizeof(int), INT_MIN, INT_MAX},
    {'I', false, sizeof(unsigned), 0, UINT_MAX},
    {'l', false, sizeof(long), LONG_MIN, LONG_MAX},
    {'L', false, sizeof(unsigned long), 0, ULONG_MAX},
    {'q', false, sizeof(long long), LLONG_MIN, LLONG_MAX},
    {'Q', false, sizeof(unsigned long long), 0, ULLONG_MAX},
    {'f', true, sizeof(float), 0, 0},
    {'d', true, sizeof(double), 0, 0},
};

static const struct cell_type *find_type(char typecode) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (types[i].code == typecode) {
      return &types[i];
    }
  }
  return NULL;
}

size_t cell_element_bytes(char typecode) {
  const struct cell_type *type = find_type(typecode);
  return type ? type->bytes : 0;
}

static struct value load_float(const struct cell_type *type, const void *element) {
  if (type->bytes == sizeof(float)) {
    float real;
    memcpy(&real, element, sizeof real);
    return value_float((double)real);
  }
  double real;
  memcpy(&real, element, sizeof real);
  return value_float(real);
}

/* Widens; a negative number's high bits become 1. */
static struct value load_integer(const struct cell_type *type, const void *element) {
  uint64_t bits = 0;
  switch (type->bytes) {
    case 1:
      bits = *(const uint8_t *)element;
      break;
    case 2: {
      uint16_t half;
      memcpy(&half, element, sizeof half);
      bits = half;
      break;
    }
    case 4: {
      uint32_t word;
      memcpy(&word, element, sizeof word);
      bits = word;
      break;
    }
    default:
      memcpy(&bits, element, sizeof bits);
  }
  if (type->min == 0) {
    return value_uint(bits);
  }
  unsigned unused_bits = 64 - 8u * type->bytes;
  return value_int((int64_t)(bits << unused_bits) >> unused_bits);
}

struct value cell_load(char typecode, const void *elements, size_t idx) {
  const struct cell_type *type = find_type(typecode);
  if (!type) {
    return (struct value){0};
  }
  const uint8_t *element = (const uint8_t *)elements + idx * type->bytes;
  if (type->is_float) {
    return load_float(type, element);
  }
  if (typecode == '?') { /* whatever a client left in shared memory, it is true or false here */
    return value_bool(*element != 0);
  }
  if (typecode == 'c') {
    struct value value = {0};
    (void)value_bytes(bytes_of(element, 1), &value); /* one byte needs no memory */
    return value;
  }
  return load_integer(type, element);
}

static hf_reason store_float(const struct cell_type *type, void *element, struct value value) {
  double real;
  switch (value.kind) {
    case VALUE_FLOAT:
      real = value.real;
      break;
    case VALUE_BOOL:
      real = value.boolean;
      break;
    case VALUE_INT:
      real = (double)value.integer;
      break;
    case VALUE_UINT:
      real = (double)value.unsigned_integer;
      break;
    default:
      return HF_REASON_WRONG_TYPE;
  }
  if (type->bytes == sizeof real) {
    memcpy(element, &real, sizeof real);
    return HF_REASON_NONE;
  }
  float rounded = (float)real;
  if (isinf(rounded) && !isinf(real)) {
    return HF_REASON_OVERFLOW;
  }
  memcpy(element, &rounded, sizeof rounded);
  return HF_REASON_NONE;
}

/* Little or big endian, the low bytes of a number are found by going through its own type. */
static void store_bits(const struct cell_type *type, void *element, uint64_t bits) {
  uint8_t byte = (uint8_t)bits;
  uint16_t half = (uint16_t)bits;
  uint32_t word = (uint32_t)bits;
  const void *from = type->bytes == 1   ? (const void *)&byte
                     : type->bytes == 2 ? (const void *)&half
                     : type->bytes == 4 ? (const void *)&word
                                        : (const void *)&bits;
  memcpy(element, from, type->bytes);
}

static hf_reason store_integer(const struct cell_type *type, void *element, struct value value) {
  switch (value.kind) {
    case VALUE_BOOL:
      store_bits(type, element, value.boolean);
      return HF_REASON_NONE;
    case VALUE_INT:
      if (value.integer < type->min || (value.integer > 0 && (uint64_t)value.integer > type->max)) {
        return HF_REASON_OVERFLOW;
      }
      store_bits(type, element, (uint64_t)value.integer);
      return HF_REASON_NONE;
    case VALUE_UINT:
      if (value.unsigned_integer > type->max) {
        return HF_REASON_OVERFLOW;
      }
      store_bits(type, element, value.unsigned_integer);
      return HF_REASON_NONE;
    default:
      return HF_REASON_WRONG_TYPE;
  }
}

hf_reason cell_store(char typecode, void *elements, size_t idx, struct value value) {
  const struct cell_type *type = find_type(typecode);
  if (!type) {
    return HF_REASON_WRONG_TYPE;
  }
  uint8_t *element = (uint8_t *)elements + idx * type->bytes;
  if (type->is_float) {
    return store_float(type, element, value);
  }
  if (typecode == 'c' && value.kind == VALUE_BYTES) { /* as in ctypes, an integer will do too */
    struct bytes content = value_content(&value);
    if (content.len != 1) {
      return HF_REASON_WRONG_TYPE;
    }
    *element = content.data[0];
    return HF_REASON_NONE;
  }
  return store_integer(type, element, value);
}
