#include "proto/base/chunk.h"
#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"
#include "proto/value.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/value_message.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LONG_TEXT "a text of more than fourteen bytes"

static const struct value_hash_key hash_key = {{1, 2, 3}};

static struct value text(const char *string) {
  struct value value;
  assert_true(value_text(bytes_of_text(string), &value));
  return value;
}

static struct value bytes(const char *string) {
  struct value value;
  assert_true(value_bytes(bytes_of_text(string), &value));
  return value;
}

/* The items are taken. */
static struct value pair(struct value first, struct value second) {
  struct value items[] = {first, second};
  struct value value;
  assert_true(value_tuple(items, 2, &value));
  return value;
}

static ProtobufCBinaryData data_of(const char *string, size_t len) {
  static uint8_t copies[8][64];
  static size_t next;
  uint8_t *copy = copies[next++ % 8];
  memcpy(copy, string, len);
  return (ProtobufCBinaryData){len, copy};
}

static struct value opaque(const char *codec, const char *data) {
  Holdfast__Opaque opaque_message = HOLDFAST__OPAQUE__INIT;
  Holdfast__Value message = HOLDFAST__VALUE__INIT;
  opaque_message.codec = data_of(codec, strlen(codec));
  opaque_message.data = data_of(data, strlen(data));
  message.kind_case = HOLDFAST__VALUE__KIND_OPAQUE;
  message.opaque = &opaque_message;
  struct value value;
  assert_int_equal(value_from_message(&message, &value), HF_REASON_NONE);
  return value;
}

static int expect_no_leak(void **state) {
  (void)state;
  malloc_hook_fail(0);
  return malloc_hook_live_bytes() == 0 ? 0 : -1;
}

/* ---------------------------------------------------------------- making */

static void test_value_strings_keep_their_content_at_any_length(void **state) {
  (void)state;
  char string[40];
  memset(string, 'x', sizeof string);
  for (size_t len = 0; len < sizeof string; len++) {
    struct value value;
    assert_true(value_bytes(bytes_of(string, len), &value));
    assert_int_equal(value_content(&value).len, len);
    if (len > 0) {
      assert_memory_equal(value_content(&value).data, string, len);
    }
    size_t box_bytes = len <= VALUE_SMALL_BYTES_MAX ? 0 : chunk_bytes(len + 8);
    assert_int_equal(value_memory_bytes(value), box_bytes);
    assert_int_equal(malloc_hook_live_bytes(), box_bytes);
    value_release(value);
  }
  struct value number = value_int(1);
  assert_int_equal(value_content(&number).len, 0);
}

static void test_value_text_of_16_bytes_costs_one_small_chunk(void **state) {
  (void)state;
  struct value value = text("sixteen bytes ok");
  assert_int_equal(value_memory_bytes(value), 32);
  value_release(value);
}

static void test_value_uint_is_int_where_it_fits(void **state) {
  (void)state;
  assert_int_equal(value_uint(INT64_MAX).kind, VALUE_INT);
  assert_int_equal(value_uint((uint64_t)INT64_MAX + 1).kind, VALUE_UINT);
}

static void test_value_box_lives_until_its_last_release(void **state) {
  (void)state;
  struct value tuple = pair(text(LONG_TEXT), pair(value_none(), bytes(LONG_TEXT)));
  assert_int_equal(value_memory_bytes(tuple), malloc_hook_live_bytes());
  struct value same = value_retain(tuple);
  value_release(tuple);
  assert_int_equal(value_memory_bytes(same), malloc_hook_live_bytes());
  value_release(same);
  assert_int_equal(malloc_hook_live_bytes(), 0);
}

static void test_value_without_memory_takes_nothing(void **state) {
  (void)state;
  struct value out = value_int(7);
  malloc_hook_fail(1);
  assert_false(value_text(bytes_of_text(LONG_TEXT), &out));
  malloc_hook_fail(1);
  assert_false(value_bytes(bytes_of_text(LONG_TEXT), &out));
  malloc_hook_fail(1);
  assert_false(value_tuple(NULL, 0, &out));
  malloc_hook_fail(1);
  assert_true(value_text(bytes_of_text("fourteen bytes"), &out)); /* needs none */
}

static void add_object(void *ctx, uint64_t object) {
  *(uint64_t *)ctx += object;
}

static void test_value_references_are_found_in_tuples(void **state) {
  (void)state;
  struct value tuple =
      pair(value_reference(100, 1), pair(value_reference(20, 2), pair(value_int(3), value_none())));
  struct value plain = pair(value_int(1), pair(value_int(2), value_none()));
  uint64_t sum = 0;
  value_each_reference(tuple, add_object, &sum);
  value_each_reference(plain, add_object, &sum);
  assert_int_equal(sum, 120);
  assert_true(value_has_reference(tuple));
  assert_false(value_has_reference(plain));
  assert_int_equal(value_check_key(tuple), HF_REASON_NOT_HASHABLE);
  assert_int_equal(value_check_key(value_reference(1, 1)), HF_REASON_NOT_HASHABLE);
  assert_int_equal(value_check_key(plain), HF_REASON_NONE);
  value_release(tuple);
  value_release(plain);
}

/* ---------------------------------------------------------------- equality, hash, order */

/* Rows of equal values; values of different rows differ, and hash differently. */
static void test_value_equality_and_hash_are_those_of_python(void **state) {
  (void)state;
  const int64_t big = INT64_C(1) << 53;
  struct value rows[][3] = {
      {value_int(1), value_float(1.0), value_bool(true)},
      {value_int(0), value_float(-0.0), value_bool(false)},
      {value_int(big), value_float(0x1p53), value_int(big)},
      {value_int(big + 1), value_int(big + 1), value_int(big + 1)},
      {value_uint(UINT64_C(1) << 63), value_float(0x1p63), value_float(0x1p63)},
      {value_uint(UINT64_MAX), value_uint(UINT64_MAX), value_uint(UINT64_MAX)},
      {value_float(0x1p64), value_float(0x1p64), value_float(0x1p64)},
      {value_int(INT64_MIN), value_float(-0x1p63), value_float(-0x1p63)},
      {value_int(INT64_MAX), value_int(INT64_MAX), value_int(INT64_MAX)},
      {value_int(-1), value_float(-1.0), value_int(-1)},
      {value_float(0.5), value_float(0.5), value_float(0.5)},
      {value_float(INFINITY), value_float(INFINITY), value_float(HUGE_VAL)},
      {value_float(-INFINITY), value_float(-INFINITY), value_float(-INFINITY)},
      {value_float(NAN), value_float(-NAN), value_float(NAN)},
      {value_none(), value_none(), value_none()},
      {text(""), text(""), text("")},
      {bytes(""), bytes(""), bytes("")},
      {text("1"), text("1"), text("1")},
      {bytes("1"), bytes("1"), bytes("1")},
      {text(LONG_TEXT), text(LONG_TEXT), text(LONG_TEXT)},
      {bytes(LONG_TEXT), bytes(LONG_TEXT), bytes(LONG_TEXT)},
      {pair(value_int(1), text("a")), pair(value_float(1.0), text("a")),
       pair(value_bool(true), text("a"))},
      {pair(value_int(1), bytes("a")), pair(value_int(1), bytes("a")),
       pair(value_int(1), bytes("a"))},
      {pair(text("a"), value_int(1)), pair(text("a"), value_int(1)), pair(text("a"), value_int(1))},
      {opaque("ab", "c"), opaque("ab", "c"), opaque("ab", "c")},
      {opaque("a", "bc"), opaque("a", "bc"), opaque("a", "bc")},
      {opaque("a", "bd"), opaque("a", "bd"), opaque("a", "bd")},
      {value_reference(5, 1), value_reference(5, 1), value_reference(5, 2)},
      {value_reference(6, 1), value_reference(6, 1), value_reference(6, 1)},
  };
  for (size_t i = 0; i < COUNT(rows) * 3; i++) {
    for (size_t j = 0; j < COUNT(rows) * 3; j++) {
      struct value a = rows[i / 3][i % 3];
      struct value b = rows[j / 3][j % 3];
      assert_int_equal(value_equal(a, b), i / 3 == j / 3);
      assert_int_equal(value_hash(&hash_key, a) == value_hash(&hash_key, b), i / 3 == j / 3);
    }
  }
  for (size_t i = 0; i < COUNT(rows) * 3; i++) {
    value_release(rows[i / 3][i % 3]);
  }
}

static void test_value_hash_depends_on_the_key(void **state) {
  (void)state;
  const struct value_hash_key other = {{1, 2, 3, 4}};
  assert_int_not_equal(value_hash(&hash_key, value_int(1)), value_hash(&other, value_int(1)));
  assert_int_not_equal(value_hash(&hash_key, text("a")), value_hash(&other, text("a")));
}

static struct value long_bytes(uint8_t last) {
  static uint8_t content[5000];
  struct value value;
  content[sizeof content - 1] = last;
  assert_true(value_bytes(bytes_of(content, sizeof content), &value));
  return value;
}

static struct value long_tuple(struct value last) {
  struct value items[200], value;
  for (size_t i = 0; i < COUNT(items); i++) {
    items[i] = value_int((int64_t)i);
  }
  items[COUNT(items) - 1] = last;
  assert_true(value_tuple(items, COUNT(items), &value));
  return value;
}

/* Twice: the second search for a long value finds its hash. */
static void test_value_digest_matches_what_is_equal(void **state) {
  (void)state;
  struct value rows[][2] = {
      {value_int(1), value_float(1)},
      {text("a"), text("a")},
      {text("a text that needs a box"), text("a text that needs a box")},
      {long_bytes(1), long_bytes(1)},
      {long_bytes(2), long_bytes(2)},
      {long_tuple(value_int(1)), long_tuple(value_bool(true))},
      {long_tuple(text("a")), long_tuple(text("a"))},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct value_digest digest = value_digest(&hash_key, rows[i][0]);
    for (size_t j = 0; j < 2 * COUNT(rows); j++) {
      assert_int_equal(value_matches(&hash_key, rows[j % COUNT(rows)][1], &digest),
                       i == j % COUNT(rows));
    }
  }
  for (size_t i = 0; i < COUNT(rows); i++) {
    value_release(rows[i][0]);
    value_release(rows[i][1]);
  }
}

/* Ascending rows of values that can be ordered among each other. */
static void expect_ascending(const struct value *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < count; j++) {
      int order = 99;
      assert_int_equal(value_compare(values[i], values[j], &order), HF_REASON_NONE);
      assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
    }
  }
  for (size_t i = 0; i < count; i++) {
    value_release(values[i]);
  }
}

static void test_value_order_of_numbers_is_exact(void **state) {
  (void)state;
  const int64_t big = INT64_C(1) << 53;
  struct value numbers[] = {
      value_float(-INFINITY),
      value_float(-0x1p64),
      value_int(INT64_MIN),
      value_int(-big - 1),
      value_float(-0x1p53),
      value_float(-1.5),
      value_int(-1),
      value_float(-0.5),
      value_bool(false),
      value_float(0x1p-1074),
      value_float(0.5),
      value_bool(true),
      value_float(1.5),
      value_int(2),
      value_float(0x1p53),
      value_int(big + 1),
      value_int(INT64_MAX),
      value_float(0x1p63),
      value_uint((UINT64_C(1) << 63) + 1),
      value_uint(UINT64_MAX),
      value_float(0x1p64),
      value_float(INFINITY),
  };
  expect_ascending(numbers, COUNT(numbers));
}

static void test_value_order_of_strings_is_by_content_then_length(void **state) {
  (void)state;
  struct value texts[] = {text(""),
                          text("a"),
                          text("a text of less"),
                          text(LONG_TEXT),
                          text(LONG_TEXT "s"),
                          text("b"),
                          text("\xc3\xa4"),
                          text("\xef\xbf\xbd"),
                          text("\xf0\x9f\x98\x80")};
  struct value strings[] = {bytes(""), bytes("\x01"), bytes("\x7f"), bytes("\x80"), bytes("\xff")};
  expect_ascending(texts, COUNT(texts));
  expect_ascending(strings, COUNT(strings));
}

static void test_value_order_of_tuples_is_by_the_first_difference(void **state) {
  (void)state;
  struct value none;
  assert_true(value_tuple(NULL, 0, &none));
  struct value tuples[] = {
      none,
      pair(value_int(1), value_int(9)),
      pair(value_int(2), text("a")),
      pair(value_float(2.0), text("b")),
      pair(value_int(3), pair(value_none(), value_int(1))),
      pair(value_int(3), pair(value_none(), value_int(2))),
  };
  expect_ascending(tuples, COUNT(tuples));
}

static void test_value_order_of_other_kinds_is_refused(void **state) {
  (void)state;
  struct value kinds[] = {value_int(1),
                          text("1"),
                          bytes("1"),
                          value_none(),
                          value_reference(1, 1),
                          opaque("a", "b"),
                          pair(value_none(), value_int(1)),
                          pair(value_int(1), value_int(1))};
  int order;
  for (size_t i = 0; i < COUNT(kinds); i++) {
    for (size_t j = 0; j < COUNT(kinds); j++) {
      bool alike = i == j && (i < 3 || i > 5);
      assert_int_equal(value_compare(kinds[i], kinds[j], &order),
                       alike ? HF_REASON_NONE : HF_REASON_NOT_ORDERED);
    }
  }
  for (size_t i = 0; i < COUNT(kinds); i++) {
    value_release(kinds[i]);
  }
}

static void test_value_nan_is_less_than_nothing(void **state) {
  (void)state;
  struct value others[] = {value_int(1), value_float(-INFINITY), value_float(INFINITY),
                           value_float(NAN)};
  for (size_t i = 0; i < COUNT(others); i++) {
    int order = -1;
    assert_int_equal(value_compare(value_float(NAN), others[i], &order), HF_REASON_NONE);
    assert_true(order >= 0);
    assert_int_equal(value_compare(others[i], value_float(NAN), &order), HF_REASON_NONE);
    assert_true(order >= 0);
  }
}

static void test_value_sum_stays_exact_or_overflows(void **state) {
  (void)state;
  struct value max = value_uint(UINT64_MAX);
  struct value min = value_int(INT64_MIN);
  struct {
    struct value a, b, sum;
  } rows[] = {
      {value_int(2), value_int(-3), value_int(-1)},
      {value_bool(true), value_bool(true), value_int(2)},
      {value_int(INT64_MAX), value_int(1), value_uint(UINT64_C(1) << 63)},
      {max, value_int(-1), value_uint(UINT64_MAX - 1)},
      {max, min, value_int(INT64_MAX)},
      {value_int(1), value_float(0.5), value_float(1.5)},
      {max, value_float(0), value_float(0x1p64)},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct value sum;
    assert_int_equal(value_add(rows[i].a, rows[i].b, &sum), HF_REASON_NONE);
    assert_int_equal(sum.kind, rows[i].sum.kind);
    assert_true(value_equal(sum, rows[i].sum));
  }
  struct value untouched = value_int(7);
  assert_int_equal(value_add(max, value_int(1), &untouched), HF_REASON_OVERFLOW);
  assert_int_equal(value_add(min, value_int(-1), &untouched), HF_REASON_OVERFLOW);
  assert_int_equal(value_add(text("1"), value_int(1), &untouched), HF_REASON_WRONG_TYPE);
  assert_int_equal(value_add(value_int(1), value_none(), &untouched), HF_REASON_WRONG_TYPE);
  assert_int_equal(untouched.integer, 7);
}

/* ---------------------------------------------------------------- wire */

static hf_reason read_text(const char *string, size_t len) {
  Holdfast__Value message = HOLDFAST__VALUE__INIT;
  message.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  message.text = data_of(string, len);
  struct value value;
  hf_reason reason = value_from_message(&message, &value);
  if (reason == HF_REASON_NONE) {
    assert_int_equal(value_content(&value).len, len);
    value_release(value);
  }
  return reason;
}

static void test_value_text_must_be_utf8(void **state) {
  (void)state;
  static const char *const good[] = {"",
                                     "plain",
                                     "\x7f",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xee\x80\x80",
                                     "\xef\xbf\xbf",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {"\x80",
                                    "\xbf",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc2",
                                    "\xc2\x7f",
                                    "\xc2\xc0",
                                    "\xe0\x80\x80",
                                    "\xe0\x9f\xbf",
                                    "\xed\xa0\x80",
                                    "\xed\xbf\xbf",
                                    "\xe2\x82",
                                    "\xe2\x82\x7f",
                                    "\xf0\x80\x80\x80",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xff",
                                    "\xfe",
                                    "\xf0\x9f\x98",
                                    "\xf0\x9f\x98\x7f"};
  for (size_t shift = 0; shift < 20; shift++) { /* at each offset of the eight-byte steps */
    char string[64];
    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
      bool is_good = i < COUNT(good);
      int len = snprintf(string, sizeof string, "%.*s%s", (int)shift, "abcdefghijklmnopqrst",
                         is_good ? good[i] : bad[i - COUNT(good)]);
      assert_int_equal(read_text(string, (size_t)len),
                       is_good ? HF_REASON_NONE : HF_REASON_BAD_TEXT);
      memcpy(string + len, "tail tail", 9);
      assert_int_equal(read_text(string, (size_t)len + 9),
                       is_good ? HF_REASON_NONE : HF_REASON_BAD_TEXT);
    }
  }
  assert_int_equal(read_text("with\0nul", 8), HF_REASON_NONE);
}

/* Onto the wire, packed, unpacked and back. value_write gives the same bytes. */
static struct value travel(struct value value) {
  struct arena arena;
  arena_init(&arena, 1 << 20);
  Holdfast__Value message;
  assert_true(value_to_message(&value, &arena, &message));
  uint8_t packed[1024];
  assert_true(holdfast__value__get_packed_size(&message) <= sizeof packed);
  size_t len = holdfast__value__pack(&message, packed);
  arena_deinit(&arena);
  uint8_t written[1024];
  assert_ptr_equal(value_write(value, written), written + value_message_bytes(value));
  assert_int_equal(value_message_bytes(value), len);
  assert_memory_equal(written, packed, len);
  Holdfast__Value *unpacked = holdfast__value__unpack(NULL, len, packed);
  assert_non_null(unpacked);
  struct value arrived;
  assert_int_equal(value_from_message(unpacked, &arrived), HF_REASON_NONE);
  holdfast__value__free_unpacked(unpacked, NULL);
  return arrived;
}

static void test_value_of_each_kind_survives_the_wire(void **state) {
  (void)state;
  struct value empty_tuple;
  assert_true(value_tuple(NULL, 0, &empty_tuple));
  struct value values[] = {value_none(),
                           value_bool(true),
                           value_bool(false),
                           value_int(INT64_MIN),
                           value_int(0),
                           value_uint(UINT64_MAX),
                           value_float(-0.0),
                           value_float(NAN),
                           text(""),
                           text("small"),
                           text(LONG_TEXT),
                           bytes(""),
                           bytes("\xff"),
                           bytes(LONG_TEXT),
                           empty_tuple,
                           pair(pair(text(LONG_TEXT), value_none()), value_reference(9, 3)),
                           value_reference(7, 11),
                           opaque("pickle", LONG_TEXT),
                           opaque("", "")};
  for (size_t i = 0; i < COUNT(values); i++) {
    struct value arrived = travel(values[i]);
    assert_int_equal(arrived.kind, values[i].kind);
    assert_int_equal(value_memory_bytes(arrived), value_memory_bytes(values[i]));
    assert_true(value_equal(arrived, values[i]));
    if (arrived.kind == VALUE_REFERENCE) {
      assert_int_equal(arrived.object_kind, values[i].object_kind);
    }
    value_release(arrived);
    value_release(values[i]);
  }
}

static void test_value_from_message_makes_unsigned_canonical(void **state) {
  (void)state;
  Holdfast__Value message = HOLDFAST__VALUE__INIT;
  message.kind_case = HOLDFAST__VALUE__KIND_UNSIGNED;
  message.unsigned_ = 5;
  struct value value;
  assert_int_equal(value_from_message(&message, &value), HF_REASON_NONE);
  assert_int_equal(value.kind, VALUE_INT);
}

static void test_value_from_message_without_content_is_bad(void **state) {
  (void)state;
  Holdfast__Value message = HOLDFAST__VALUE__INIT;
  struct value value = value_int(7);
  assert_int_equal(value_from_message(NULL, &value), HF_REASON_BAD_VALUE);
  assert_int_equal(value_from_message(&message, &value), HF_REASON_BAD_VALUE);
  const Holdfast__Value__KindCase pointers[] = {
      HOLDFAST__VALUE__KIND_TUPLE, HOLDFAST__VALUE__KIND_REFERENCE, HOLDFAST__VALUE__KIND_OPAQUE};
  for (size_t i = 0; i < COUNT(pointers); i++) {
    message.kind_case = pointers[i];
    assert_int_equal(value_from_message(&message, &value), HF_REASON_BAD_VALUE);
  }
  assert_true(value_is_absent(value)); /* nothing to release */
}

/* `depth` tuples in one another, around a text. */
static hf_reason read_nested(size_t depth, struct value *out) {
  Holdfast__Value messages[HF_TUPLE_DEPTH_MAX + 2];
  Holdfast__Tuple tuples[HF_TUPLE_DEPTH_MAX + 2];
  Holdfast__Value *items[HF_TUPLE_DEPTH_MAX + 2][2];
  holdfast__value__init(&messages[0]);
  messages[0].kind_case = HOLDFAST__VALUE__KIND_TEXT;
  messages[0].text = data_of(LONG_TEXT, strlen(LONG_TEXT));
  for (size_t i = 1; i <= depth; i++) {
    holdfast__value__init(&messages[i]);
    holdfast__tuple__init(&tuples[i]);
    items[i][0] = &messages[0];
    items[i][1] = &messages[i - 1];
    tuples[i].n_items = 2;
    tuples[i].items = items[i];
    messages[i].kind_case = HOLDFAST__VALUE__KIND_TUPLE;
    messages[i].tuple = &tuples[i];
  }
  return value_from_message(&messages[depth], out);
}

static void test_value_from_message_bounds_the_depth(void **state) {
  (void)state;
  struct value value;
  assert_int_equal(read_nested(HF_TUPLE_DEPTH_MAX, &value), HF_REASON_NONE);
  assert_int_equal(value_memory_bytes(value), malloc_hook_live_bytes());
  value_release(value);
  assert_int_equal(read_nested(HF_TUPLE_DEPTH_MAX + 1, &value), HF_REASON_TOO_DEEP);
  assert_int_equal(malloc_hook_live_bytes(), 0);
}

static void test_value_from_message_without_memory_leaves_nothing(void **state) {
  (void)state;
  struct value value;
  size_t failures = 0;
  for (size_t nth = 1;; nth++) {
    malloc_hook_fail(nth);
    hf_reason reason = read_nested(4, &value);
    malloc_hook_fail(0);
    if (reason == HF_REASON_NONE) {
      break;
    }
    assert_int_equal(reason, HF_REASON_NO_MEMORY);
    assert_int_equal(malloc_hook_live_bytes(), 0);
    failures++;
  }
  assert_int_equal(failures, 9); /* four tuples, five texts */
  value_release(value);
}

#define VALUE_TEST(name) cmocka_unit_test_teardown(name, expect_no_leak)

int main(void) {
  const struct CMUnitTest tests[] = {
      VALUE_TEST(test_value_strings_keep_their_content_at_any_length),
      VALUE_TEST(test_value_text_of_16_bytes_costs_one_small_chunk),
      VALUE_TEST(test_value_uint_is_int_where_it_fits),
      VALUE_TEST(test_value_box_lives_until_its_last_release),
      VALUE_TEST(test_value_without_memory_takes_nothing),
      VALUE_TEST(test_value_references_are_found_in_tuples),
      VALUE_TEST(test_value_equality_and_hash_are_those_of_python),
      VALUE_TEST(test_value_hash_depends_on_the_key),
      VALUE_TEST(test_value_digest_matches_what_is_equal),
      VALUE_TEST(test_value_order_of_numbers_is_exact),
      VALUE_TEST(test_value_order_of_strings_is_by_content_then_length),
      VALUE_TEST(test_value_order_of_tuples_is_by_the_first_difference),
      VALUE_TEST(test_value_order_of_other_kinds_is_refused),
      VALUE_TEST(test_value_nan_is_less_than_nothing),
      VALUE_TEST(test_value_sum_stays_exact_or_overflows),
      VALUE_TEST(test_value_text_must_be_utf8),
      VALUE_TEST(test_value_of_each_kind_survives_the_wire),
      VALUE_TEST(test_value_from_message_makes_unsigned_canonical),
      VALUE_TEST(test_value_from_message_without_content_is_bad),
      VALUE_TEST(test_value_from_message_bounds_the_depth),
      VALUE_TEST(test_value_from_message_without_memory_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
