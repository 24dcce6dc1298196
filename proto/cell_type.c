#include "proto/cell_type.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define CELL_TYPES(X)                              \
  X('c', false, char, 0, UCHAR_MAX)                \
  X('b', false, signed char, SCHAR_MIN, SCHAR_MAX) \
  X('B', false, unsigned char, 0, UCHAR_MAX)       \
  X('?', false, bool, 0, 1)                        \
  X('h', false, short, SHRT_MIN, SHRT_MAX)         \
  X('H', false, unsigned short, 0, USHRT_MAX)      \
  X('i', false, int, INT_MIN, INT_MAX)             \
  X('I', false, unsigned, 0, UINT_MAX)             \
  X('l', false, long, LONG_MIN, LONG_MAX)          \
  X('L', false, unsigned long, 0, ULONG_MAX)       \
  X('q', false, long long, LLONG_MIN, LLONG_MAX)   \
  X('Q', false, unsigned long long, 0, ULLONG_MAX) \
  X('f', true, float, 0, 0)                        \
  X('d', true, double, 0, 0)

/* The typecodes. */
static const struct cell_type types[] = {
#define TYPE_ROW(code, is_float, ctype, min, max) \
  [code] = {code, is_float, sizeof(ctype), min, max},
    CELL_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

const struct cell_type *cell_type_of(char typecode) {
  size_t position = (unsigned char)typecode;
  bool is_one = position < sizeof types / sizeof *types && types[position].bytes > 0;
  return is_one ? &types[position] : NULL;
}

size_t cell_element_bytes(char typecode) {
  const struct cell_type *type = cell_type_of(typecode);
  return type ? type->bytes : 0;
}

/* ---- bits and values */

static double real_of_bits(const struct cell_type *type, uint64_t bits) {
  if (type->bytes == sizeof(float)) {
    uint32_t word = (uint32_t)bits;
    float real;
    memcpy(&real, &word, sizeof real);
    return (double)real;
  }
  double real;
  memcpy(&real, &bits, sizeof real);
  return real;
}

struct value cell_value(const struct cell_type *type, uint64_t bits) {
  if (type->is_float) {
    return value_float(real_of_bits(type, bits));
  }
  if (type->code == '?') { /* a client may have stored any byte; bool is 0 or 1 */
    return value_bool(bits != 0);
  }
  if (type->code == 'c') {
    struct value value = {0};
    uint8_t byte = (uint8_t)bits;
    (void)value_bytes(bytes_of(&byte, 1), &value); /* one byte is stored inline */
    return value;
  }
  if (type->min == 0) {
    return value_uint(bits);
  }
  unsigned unused_bits = 64 - 8u * type->bytes; /* sign-extends */
  return value_int((int64_t)(bits << unused_bits) >> unused_bits);
}

static hf_reason bits_of_float(const struct cell_type *type, struct value value, uint64_t *bits) {
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
    memcpy(bits, &real, sizeof real);
    return HF_REASON_NONE;
  }
  float rounded = (float)real;
  if (isinf(rounded) && !isinf(real)) {
    return HF_REASON_OVERFLOW;
  }
  uint32_t word;
  memcpy(&word, &rounded, sizeof word);
  *bits = word;
  return HF_REASON_NONE;
}

static hf_reason bits_of_integer(const struct cell_type *type, struct value value, uint64_t *bits) {
  switch (value.kind) {
    case VALUE_BOOL:
      *bits = value.boolean;
      return HF_REASON_NONE;
    case VALUE_INT:
      if (value.integer < type->min || (value.integer > 0 && (uint64_t)value.integer > type->max)) {
        return HF_REASON_OVERFLOW;
      }
      *bits = (uint64_t)value.integer & (UINT64_MAX >> (64 - 8u * type->bytes));
      return HF_REASON_NONE;
    case VALUE_UINT:
      if (value.unsigned_integer > type->max) {
        return HF_REASON_OVERFLOW;
      }
      *bits = value.unsigned_integer;
      return HF_REASON_NONE;
    default:
      return HF_REASON_WRONG_TYPE;
  }
}

hf_reason cell_bits(const struct cell_type *type, struct value value, uint64_t *bits) {
  if (type->is_float) {
    return bits_of_float(type, value, bits);
  }
  if (type->code == 'c' && value.kind == VALUE_BYTES) { /* as in ctypes, c accepts an integer too */
    struct bytes content = value_content(&value);
    if (content.len != 1) {
      return HF_REASON_WRONG_TYPE;
    }
    *bits = content.data[0];
    return HF_REASON_NONE;
  }
  return bits_of_integer(type, value, bits);
}

/* The common case of value_add and cell_bits in one step: a signed integer type. false: another
 * case. */
static bool add_signed(const struct cell_type *type, uint64_t found, struct value amount,
                       uint64_t *sum) {
  unsigned unused_bits = 64 - 8u * type->bytes;
  int64_t total;
  if (type->min >= 0 || amount.kind != VALUE_INT ||
      __builtin_add_overflow((int64_t)(found << unused_bits) >> unused_bits, amount.integer,
                             &total) ||
      total < type->min || total > (int64_t)type->max) {
    return false;
  }
  *sum = (uint64_t)total & (UINT64_MAX >> unused_bits);
  return true;
}

hf_reason cell_add_bits(const struct cell_type *type, uint64_t found, struct value amount,
                        uint64_t *sum) {
  struct value total;
  if (add_signed(type, found, amount, sum)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = value_add(cell_value(type, found), amount, &total);
  return reason ? reason : cell_bits(type, total, sum);
}

/* ---- plain memory */

uint64_t cell_plain_read(const struct cell_type *type, const void *elements, size_t idx) {
  uint64_t bits = 0; /* the machine is little-endian */
  memcpy(&bits, (const char *)elements + idx * type->bytes, type->bytes);
  return bits;
}

void cell_plain_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits) {
  memcpy((char *)elements + idx * type->bytes, &bits, type->bytes);
}
