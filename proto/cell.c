#include "proto/cell.h"

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

/* By typecode. */
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

/* ---- bits in memory */

uint64_t cell_read(const struct cell_type *type, const void *elements, size_t idx) {
  const void *element = (const char *)elements + idx * type->bytes;
  switch (type->bytes) {
    case 1:
      return __atomic_load_n((const uint8_t *)element, __ATOMIC_RELAXED);
    case 2:
      return __atomic_load_n((const uint16_t *)element, __ATOMIC_RELAXED);
    case 4:
      return __atomic_load_n((const uint32_t *)element, __ATOMIC_RELAXED);
    default:
      return __atomic_load_n((const uint64_t *)element, __ATOMIC_RELAXED);
  }
}

void cell_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits) {
  void *element = (char *)elements + idx * type->bytes;
  switch (type->bytes) {
    case 1:
      __atomic_store_n((uint8_t *)element, (uint8_t)bits, __ATOMIC_RELAXED);
      break;
    case 2:
      __atomic_store_n((uint16_t *)element, (uint16_t)bits, __ATOMIC_RELAXED);
      break;
    case 4:
      __atomic_store_n((uint32_t *)element, (uint32_t)bits, __ATOMIC_RELAXED);
      break;
    default:
      __atomic_store_n((uint64_t *)element, bits, __ATOMIC_RELAXED);
  }
}

/* A word of the range, whatever the type of its elements: an aligned one has no part of an element. */
typedef uint64_t __attribute__((may_alias)) range_word;

static size_t elements_before_word(const char *at, size_t element_bytes, size_t count) {
  size_t until_word = (size_t)(-(uintptr_t)at % sizeof(range_word)) / element_bytes;
  return until_word < count ? until_word : count;
}

static void read_one_by_one(const struct cell_type *type, const char *from, size_t count,
                            char *to) {
  for (size_t i = 0; i < count; i++) {
    uint64_t bits = cell_read(type, from, i);
    memcpy(to + i * type->bytes, &bits, type->bytes); /* little-endian, as this machine */
  }
}

void cell_read_range(const struct cell_type *type, const void *elements, size_t idx, size_t count,
                     void *to) {
  const char *from = (const char *)elements + idx * type->bytes;
  size_t head = elements_before_word(from, type->bytes, count);
  size_t words = (count - head) * type->bytes / sizeof(range_word);
  char *next = (char *)to + head * type->bytes;
  const range_word *word = (const range_word *)(const void *)(from + head * type->bytes);
  read_one_by_one(type, from, head, to);
  for (size_t i = 0; i < words; i++) {
    uint64_t bits = __atomic_load_n(&word[i], __ATOMIC_RELAXED);
    memcpy(next + i * sizeof bits, &bits, sizeof bits);
  }
  size_t done = head + words * sizeof(range_word) / type->bytes;
  read_one_by_one(type, from + done * type->bytes, count - done, (char *)to + done * type->bytes);
}

static void write_one_by_one(const struct cell_type *type, char *to, size_t count,
                             const char *from) {
  for (size_t i = 0; i < count; i++) {
    uint64_t bits = 0;
    memcpy(&bits, from + i * type->bytes, type->bytes);
    cell_write(type, to, i, type->code == '?' ? bits != 0 : bits);
  }
}

void cell_write_range(const struct cell_type *type, void *elements, size_t idx, size_t count,
                      const void *from) {
  char *to = (char *)elements + idx * type->bytes;
  size_t head = type->code == '?' ? count : elements_before_word(to, type->bytes, count);
  size_t words = (count - head) * type->bytes / sizeof(range_word);
  const char *next = (const char *)from + head * type->bytes;
  range_word *word = (range_word *)(void *)(to + head * type->bytes);
  write_one_by_one(type, to, head, from);
  for (size_t i = 0; i < words; i++) {
    uint64_t bits;
    memcpy(&bits, next + i * sizeof bits, sizeof bits);
    __atomic_store_n(&word[i], bits, __ATOMIC_RELAXED);
  }
  size_t done = head + words * sizeof(range_word) / type->bytes;
  write_one_by_one(type, to + done * type->bytes, count - done,
                   (const char *)from + done * type->bytes);
}

static bool replace_1(uint8_t *element, uint64_t expected, uint64_t desired) {
  uint8_t found = (uint8_t)expected;
  return __atomic_compare_exchange_n(element, &found, (uint8_t)desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

static bool replace_2(uint16_t *element, uint64_t expected, uint64_t desired) {
  uint16_t found = (uint16_t)expected;
  return __atomic_compare_exchange_n(element, &found, (uint16_t)desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

static bool replace_4(uint32_t *element, uint64_t expected, uint64_t desired) {
  uint32_t found = (uint32_t)expected;
  return __atomic_compare_exchange_n(element, &found, (uint32_t)desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

static bool replace_8(uint64_t *element, uint64_t expected, uint64_t desired) {
  uint64_t found = (uint64_t)expected;
  return __atomic_compare_exchange_n(element, &found, (uint64_t)desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

bool cell_replace(const struct cell_type *type, void *elements, size_t idx, uint64_t expected,
                  uint64_t desired) {
  void *element = (char *)elements + idx * type->bytes;
  switch (type->bytes) {
    case 1:
      return replace_1(element, expected, desired);
    case 2:
      return replace_2(element, expected, desired);
    case 4:
      return replace_4(element, expected, desired);
    default:
      return replace_8(element, expected, desired);
  }
}

/* ---- bits as values */

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
  if (type->code == '?') { /* whatever a client left in shared memory, it is true or false here */
    return value_bool(bits != 0);
  }
  if (type->code == 'c') {
    struct value value = {0};
    uint8_t byte = (uint8_t)bits;
    (void)value_bytes(bytes_of(&byte, 1), &value); /* one byte needs no memory */
    return value;
  }
  if (type->min == 0) {
    return value_uint(bits);
  }
  unsigned unused_bits = 64 - 8u * type->bytes; /* a negative number's high bits become 1 */
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
  if (type->code == 'c' && value.kind == VALUE_BYTES) { /* as in ctypes, an integer will do too */
    struct bytes content = value_content(&value);
    if (content.len != 1) {
      return HF_REASON_WRONG_TYPE;
    }
    *bits = content.data[0];
    return HF_REASON_NONE;
  }
  return bits_of_integer(type, value, bits);
}

/* ---- both */

/* Whoever would keep others from a raw cell by writing to it all the time succeeds that often. */
#define TRIES_MAX 1000

static bool update(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   uint64_t found, uint64_t desired) {
  if (is_locked) {
    cell_write(type, elements, idx, desired);
    return true;
  }
  return cell_replace(type, elements, idx, found, desired);
}

/* The common case of value_sum and cell_bits in one step. false: it is not that. */
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

static hf_reason add_bits(const struct cell_type *type, uint64_t found, struct value amount,
                          uint64_t *sum) {
  struct value total;
  if (add_signed(type, found, amount, sum)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = value_sum(cell_value(type, found), amount, &total);
  return reason ? reason : cell_bits(type, total, sum);
}

hf_reason cell_add(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   struct value amount, uint64_t *sum) {
  for (unsigned tries = 0;; tries++) {
    uint64_t found = cell_read(type, elements, idx);
    hf_reason reason = add_bits(type, found, amount, sum);
    if (reason) {
      return reason;
    }
    if (update(type, elements, idx, is_locked || tries == TRIES_MAX, found, *sum)) {
      return HF_REASON_NONE;
    }
  }
}

hf_reason cell_compare_and_set(const struct cell_type *type, void *elements, size_t idx,
                               bool is_locked, struct value expected, struct value desired,
                               bool *swapped, uint64_t *found) {
  uint64_t bits;
  *swapped = false;
  for (unsigned tries = 0; !*swapped && tries < TRIES_MAX; tries++) {
    *found = cell_read(type, elements, idx);
    if (!value_equal(cell_value(type, *found), expected)) {
      return HF_REASON_NONE;
    }
    hf_reason reason = cell_bits(type, desired, &bits);
    if (reason) {
      return reason;
    }
    *swapped = update(type, elements, idx, is_locked, *found, bits);
  }
  return HF_REASON_NONE;
}

struct value cell_load(char typecode, const void *elements, size_t idx) {
  const struct cell_type *type = cell_type_of(typecode);
  return type ? cell_value(type, cell_read(type, elements, idx)) : (struct value){0};
}

hf_reason cell_store(char typecode, void *elements, size_t idx, struct value value) {
  const struct cell_type *type = cell_type_of(typecode);
  uint64_t bits;
  hf_reason reason = type ? cell_bits(type, value, &bits) : HF_REASON_WRONG_TYPE;
  if (!reason) {
    cell_write(type, elements, idx, bits);
  }
  return reason;
}
