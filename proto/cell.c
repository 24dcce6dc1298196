#include "proto/cell.h"

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

/* A word of a range of any element type; an aligned word has no partial element. */
typedef uint64_t __attribute__((may_alias)) range_word;

static size_t elements_before_word(const char *at, size_t element_bytes, size_t count) {
  size_t until_word = (size_t)(-(uintptr_t)at % sizeof(range_word)) / element_bytes;
  return until_word < count ? until_word : count;
}

static void read_one_by_one(const struct cell_type *type, const char *from, size_t count,
                            char *to) {
  for (size_t i = 0; i < count; i++) {
    uint64_t bits = cell_read(type, from, i);
    bits = type->code == '?' ? bits != 0 : bits;
    memcpy(to + i * type->bytes, &bits, type->bytes); /* little-endian, as this machine */
  }
}

void cell_read_range(const struct cell_type *type, const void *elements, size_t idx, size_t count,
                     void *to) {
  const char *from = (const char *)elements + idx * type->bytes;
  size_t head = type->code == '?' ? count : elements_before_word(from, type->bytes, count);
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

/* ---- sums and exchanges */

/* The bound of compare-and-set attempts on a raw cell to which another thread writes continuously.
 */
#define TRIES_MAX 1000

static bool update(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   uint64_t found, uint64_t desired) {
  if (is_locked) {
    cell_write(type, elements, idx, desired);
    return true;
  }
  return cell_replace(type, elements, idx, found, desired);
}

/* Adds bits to an integer in one instruction, modulo its size; returns the bits before. */
static uint64_t fetch_add(const struct cell_type *type, void *elements, size_t idx, uint64_t bits) {
  void *element = (char *)elements + idx * type->bytes;
  switch (type->bytes) {
    case 1:
      return __atomic_fetch_add((uint8_t *)element, (uint8_t)bits, __ATOMIC_SEQ_CST);
    case 2:
      return __atomic_fetch_add((uint16_t *)element, (uint16_t)bits, __ATOMIC_SEQ_CST);
    case 4:
      return __atomic_fetch_add((uint32_t *)element, (uint32_t)bits, __ATOMIC_SEQ_CST);
    default:
      return __atomic_fetch_add((uint64_t *)element, bits, __ATOMIC_SEQ_CST);
  }
}

/* When others have written too often in between. An integer loses none of theirs, and is out of its range for a
 * moment if the sum is; of other types a write of theirs may be lost. */
static hf_reason add_at_last(const struct cell_type *type, void *elements, size_t idx,
                             uint64_t found, struct value amount, uint64_t *sum) {
  if (type->is_float || type->code == '?' || type->code == 'c') {
    cell_write(type, elements, idx, *sum);
    return HF_REASON_NONE;
  }
  uint64_t difference = *sum - found;
  hf_reason reason = cell_add_bits(type, fetch_add(type, elements, idx, difference), amount, sum);
  if (reason) {
    (void)fetch_add(type, elements, idx, -difference);
  }
  return reason;
}

hf_reason cell_add(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   struct value amount, uint64_t *sum) {
  for (unsigned tries = 0;; tries++) {
    uint64_t found = cell_read(type, elements, idx);
    hf_reason reason = cell_add_bits(type, found, amount, sum);
    if (reason) {
      return reason;
    }
    if (!is_locked && tries == TRIES_MAX) {
      return add_at_last(type, elements, idx, found, amount, sum);
    }
    if (update(type, elements, idx, is_locked, found, *sum)) {
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
