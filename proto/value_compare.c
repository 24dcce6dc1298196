/* Values: equality, hash, order and sums, as in Python 3.11.
 *
 * One difference: NaN equals NaN. Python's containers treat an object as equal to itself; a value
 * here has no identity. Otherwise a NaN key could be stored repeatedly and never be found.
 */
#include "proto/value.h"
#include "proto/value_box.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#define TWO_TO_63 0x1p63
#define TWO_TO_64 0x1p64

/* ---------------------------------------------------------------- numbers */

static bool is_number(struct value value) {
  return value.kind >= VALUE_BOOL && value.kind <= VALUE_FLOAT;
}

/* The integer of a bool, INT or UINT. */
static __int128 integer_of(struct value value) {
  return value.kind == VALUE_UINT   ? (__int128)value.unsigned_integer
         : value.kind == VALUE_BOOL ? (__int128)value.boolean
                                    : (__int128)value.integer;
}

static double real_of(struct value value) {
  return value.kind == VALUE_FLOAT ? value.real : (double)integer_of(value);
}

static int order_of(bool less, bool greater) {
  return (int)greater - (int)less;
}

/* Compares exactly, without rounding either number. */
static int compare_integer_real(__int128 integer, double real) {
  if (real >= TWO_TO_64) {
    return -1;
  }
  if (real < -TWO_TO_63) {
    return 1;
  }
  __int128 whole = (__int128)real; /* truncates */
  if (integer != whole) {
    return order_of(integer<whole, integer> whole);
  }
  double rest = real - (double)whole;
  return order_of(rest > 0, rest < 0);
}

/* NaN is neither less nor greater than a number, and equals NaN. */
static int compare_numbers(struct value a, struct value b) {
  bool a_is_real = a.kind == VALUE_FLOAT;
  bool b_is_real = b.kind == VALUE_FLOAT;
  bool a_is_nan = a_is_real && isnan(a.real);
  bool b_is_nan = b_is_real && isnan(b.real);
  if (a_is_nan || b_is_nan) {
    return a_is_nan && b_is_nan ? 0 : 1;
  }
  if (a_is_real && b_is_real) {
    return order_of(a.real<b.real, a.real> b.real);
  }
  if (a_is_real) {
    return -compare_integer_real(integer_of(b), a.real);
  }
  if (b_is_real) {
    return compare_integer_real(integer_of(a), b.real);
  }
  return order_of(integer_of(a) < integer_of(b), integer_of(a) > integer_of(b));
}

hf_reason value_add(struct value a, struct value b, struct value *sum) {
  if (!is_number(a) || !is_number(b)) {
    return HF_REASON_WRONG_TYPE;
  }
  if (a.kind == VALUE_FLOAT || b.kind == VALUE_FLOAT) {
    *sum = value_float(real_of(a) + real_of(b));
    return HF_REASON_NONE;
  }
  __int128 total = integer_of(a) + integer_of(b);
  if (total < INT64_MIN || total > UINT64_MAX) {
    return HF_REASON_OVERFLOW;
  }
  *sum = total < 0 ? value_int((int64_t)total) : value_uint((uint64_t)total);
  return HF_REASON_NONE;
}

/* ---------------------------------------------------------------- equality */

static bool equal_tuples(const struct tuple_box *a, const struct tuple_box *b) {
  if (a->head.len != b->head.len) {
    return false;
  }
  for (uint32_t i = 0; i < a->head.len; i++) {
    if (!value_equal(a->items[i], b->items[i])) {
      return false;
    }
  }
  return true;
}

bool value_equal(struct value a, struct value b) {
  if (memcmp(&a, &b, sizeof a) == 0) {
    return true;
  }
  if (is_number(a)) {
    return is_number(b) && compare_numbers(a, b) == 0;
  }
  if (a.kind != b.kind) {
    return false;
  }
  switch (a.kind) {
    case VALUE_TEXT:
    case VALUE_BYTES: /* if either is inline, the 16 bytes have been compared already */
      return a.small_len == VALUE_BOXED && b.small_len == VALUE_BOXED &&
             bytes_equal(value_content(&a), value_content(&b));
    case VALUE_TUPLE:
      return equal_tuples(value_tuple_box(a), value_tuple_box(b));
    case VALUE_OPAQUE:
      return a.box->len == b.box->len &&
             value_opaque_box(a)->codec_len == value_opaque_box(b)->codec_len &&
             memcmp(value_opaque_box(a)->data, value_opaque_box(b)->data, a.box->len) == 0;
    case VALUE_REFERENCE: /* ids are never reused, so the id determines the kind */
      return a.object == b.object;
    default:
      return true;
  }
}

/* ---------------------------------------------------------------- hash */

static uint64_t make_hash(const struct value_hash_key *key, struct value value);

/* Kinds that are never equal have different hash keys, so no prefix needs to be copied. */
static uint64_t hash_bytes(const struct value_hash_key *key, enum value_kind kind, const void *data,
                           size_t len) {
  struct value_hash_key of_kind = *key;
  of_kind.bytes[0] ^= (uint8_t)kind;
  uint64_t hash;
  _Static_assert(sizeof hash == crypto_shorthash_BYTES, "a SipHash has 64 bits");
  _Static_assert(sizeof of_kind == crypto_shorthash_KEYBYTES, "a SipHash key has 128 bits");
  crypto_shorthash((unsigned char *)&hash, data, len, of_kind.bytes);
  return hash;
}

/* A float with an integral value of 64 bits hashes as that integer. */
static uint64_t hash_real(const struct value_hash_key *key, double real) {
  if (real >= -TWO_TO_63 && real < TWO_TO_64) {
    struct value whole = real < 0 ? value_int((int64_t)real) : value_uint((uint64_t)real);
    if (compare_integer_real(integer_of(whole), real) == 0) {
      return value_hash(key, whole);
    }
  }
  if (isnan(real)) {
    return hash_bytes(key, VALUE_FLOAT, "nan", 3);
  }
  return hash_bytes(key, VALUE_FLOAT, &real, sizeof real);
}

static uint64_t hash_tuple(const struct value_hash_key *key, const struct tuple_box *box) {
  uint64_t state[2] = {box->head.len, 0};
  for (uint32_t i = 0; i < box->head.len; i++) {
    state[1] = value_hash(key, box->items[i]);
    state[0] = hash_bytes(key, VALUE_TUPLE, state, sizeof state);
  }
  return hash_bytes(key, VALUE_TUPLE, state, sizeof state);
}

/* The cached hash of the value's box; NULL: none. */
static _Atomic uint64_t *kept_hash(struct value value) {
  if (!value_has_box(value)) {
    return NULL;
  }
  size_t len = value.box->len;
  switch (value.kind) {
    case VALUE_TUPLE:
      return box_hash(value.box, tuple_box_bytes(len));
    case VALUE_OPAQUE:
      return box_hash(value.box, opaque_box_bytes(len));
    default:
      return box_hash(value.box, text_box_bytes(len));
  }
}

uint64_t value_hash(const struct value_hash_key *key, struct value value) {
  _Atomic uint64_t *kept = kept_hash(value);
  uint64_t hash = kept ? atomic_load_explicit(kept, memory_order_relaxed) : 0;
  if (hash == 0) {
    hash = make_hash(key, value);
    if (kept) {
      atomic_store_explicit(kept, hash, memory_order_relaxed);
    }
  }
  return hash;
}

static uint64_t make_hash(const struct value_hash_key *key, struct value value) {
  switch (value.kind) {
    case VALUE_BOOL: {
      int64_t integer = value.boolean;
      return hash_bytes(key, VALUE_INT, &integer, sizeof integer);
    }
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_REFERENCE:
      return hash_bytes(key, value.kind, &value.unsigned_integer, sizeof value.unsigned_integer);
    case VALUE_FLOAT:
      return hash_real(key, value.real);
    case VALUE_TEXT:
    case VALUE_BYTES: {
      struct bytes content = value_content(&value);
      return hash_bytes(key, value.kind, content.data, content.len);
    }
    case VALUE_TUPLE:
      return hash_tuple(key, value_tuple_box(value));
    case VALUE_OPAQUE: { /* codec_len is hashed too; it is directly before the bytes */
      const struct opaque_box *box = value_opaque_box(value);
      return hash_bytes(key, VALUE_OPAQUE, &box->codec_len, sizeof box->codec_len + box->head.len);
    }
    default:
      return hash_bytes(key, value.kind, "", 0);
  }
}

/* ---------------------------------------------------------------- digests */

struct value_digest value_digest(const struct value_hash_key *key, struct value value) {
  if (!value_has_box(value)) {
    return (struct value_digest){.small = value, .kind = value.kind};
  }
  return (struct value_digest){
      .hash = value_hash(key, value), .len = value.box->len, .kind = value.kind};
}

bool value_matches(const struct value_hash_key *key, struct value value,
                   const struct value_digest *digest) {
  if (!value_is_absent(digest->small)) {
    return value_equal(value, digest->small);
  }
  return value_has_box(value) && value.kind == digest->kind && value.box->len == digest->len &&
         value_hash(key, value) == digest->hash;
}

/* ---------------------------------------------------------------- order */

static int compare_content(struct bytes a, struct bytes b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
  return order != 0 ? order : order_of(a.len<b.len, a.len> b.len);
}

/* Compares by the first unequal items, then by length. */
static hf_reason compare_tuples(const struct tuple_box *a, const struct tuple_box *b, int *order) {
  uint32_t common = a->head.len < b->head.len ? a->head.len : b->head.len;
  for (uint32_t i = 0; i < common; i++) {
    if (!value_equal(a->items[i], b->items[i])) {
      return value_compare(a->items[i], b->items[i], order);
    }
  }
  *order = order_of(a->head.len<b->head.len, a->head.len> b->head.len);
  return HF_REASON_NONE;
}

/* A list may contain a large value many times: equal boxes need not be read. */
static bool is_same_box(struct value a, struct value b) {
  return value_has_box(a) && memcmp(&a, &b, sizeof a) == 0;
}

hf_reason value_compare(struct value a, struct value b, int *order) {
  if (is_number(a) && is_number(b)) {
    *order = compare_numbers(a, b);
    return HF_REASON_NONE;
  }
  if (a.kind != b.kind) {
    return HF_REASON_NOT_ORDERED;
  }
  switch (a.kind) {
    case VALUE_TEXT: /* UTF-8 sorts as its code points */
    case VALUE_BYTES:
      if (is_same_box(a, b)) {
        *order = 0;
        return HF_REASON_NONE;
      }
      *order = compare_content(value_content(&a), value_content(&b));
      return HF_REASON_NONE;
    case VALUE_TUPLE:
      if (is_same_box(a, b)) {
        *order = 0;
        return HF_REASON_NONE;
      }
      return compare_tuples(value_tuple_box(a), value_tuple_box(b), order);
    default:
      return HF_REASON_NOT_ORDERED;
  }
}
