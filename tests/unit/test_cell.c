#include "proto/cell.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CODES "cbB?hHiIlLqQfd"

static struct value bytes(const char *string, size_t len) {
  struct value value;
  assert_true(value_bytes(bytes_of(string, len), &value));
  return value;
}

/* Both ways of storing do the same. */
static hf_reason store(char typecode, uint8_t *elements, size_t idx, struct value value) {
  const struct cell_type *type = cell_type_of(typecode);
  uint64_t bits;
  hf_reason reason = cell_bits(type, value, &bits);
  if (!reason) {
    cell_write(type, elements, idx, bits);
    assert_int_equal(cell_plain_read(type, elements, idx), bits);
    cell_write(type, elements, idx, ~bits);
    cell_plain_write(type, elements, idx, bits);
  }
  return reason;
}

static struct value load(char typecode, const uint8_t *elements, size_t idx) {
  const struct cell_type *type = cell_type_of(typecode);
  return cell_value(type, cell_read(type, elements, idx));
}

static void expect_stored(char typecode, struct value value, struct value expected) {
  _Alignas(8) uint8_t elements[3 * 8];
  memset(elements, 0x5a, sizeof elements);
  size_t size = cell_element_bytes(typecode);
  assert_int_equal(store(typecode, elements, 1, value), HF_REASON_NONE);
  struct value loaded = load(typecode, elements, 1);
  assert_int_equal(loaded.kind, expected.kind);
  assert_true(value_equal(loaded, expected));
  for (size_t i = 0; i < size; i++) { /* the neighbours were left alone */
    assert_int_equal(elements[i], 0x5a);
    assert_int_equal(elements[2 * size + i], 0x5a);
  }
}

static void expect_refused(char typecode, struct value value, hf_reason reason) {
  _Alignas(8) uint8_t element[8];
  uint8_t before[8];
  memset(element, 0x5a, sizeof element);
  memcpy(before, element, sizeof before);
  assert_int_equal(store(typecode, element, 0, value), reason);
  assert_memory_equal(element, before, sizeof before);
}

static void test_cell_element_bytes_are_those_of_c(void **state) {
  (void)state;
  const size_t sizes[] = {1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 4, 8};
  for (size_t i = 0; i < strlen(CODES); i++) {
    assert_int_equal(cell_element_bytes(CODES[i]), sizes[i]);
  }
}

static void test_cell_unknown_typecode_is_refused(void **state) {
  (void)state;
  const char *unknown = "auxDe \n0Z";
  for (size_t i = 0; i <= strlen(unknown); i++) { /* and the NUL at the end */
    assert_int_equal(cell_element_bytes(unknown[i]), 0);
    assert_null(cell_type_of(unknown[i]));
  }
}

static void test_cell_integers_hold_their_range_and_no_more(void **state) {
  (void)state;
  static const struct {
    char code;
    int64_t min;
    int64_t max;
  } rows[] = {
      {'b', SCHAR_MIN, SCHAR_MAX}, {'B', 0, UCHAR_MAX},     {'h', SHRT_MIN, SHRT_MAX},
      {'H', 0, USHRT_MAX},         {'i', INT_MIN, INT_MAX}, {'I', 0, UINT_MAX},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_stored(rows[i].code, value_int(rows[i].min), value_int(rows[i].min));
    expect_stored(rows[i].code, value_int(rows[i].max), value_int(rows[i].max));
    expect_stored(rows[i].code, value_bool(true), value_int(1));
    expect_refused(rows[i].code, value_int(rows[i].min - 1), HF_REASON_OVERFLOW);
    expect_refused(rows[i].code, value_int(rows[i].max + 1), HF_REASON_OVERFLOW);
    expect_refused(rows[i].code, value_int(INT64_MIN), HF_REASON_OVERFLOW);
    expect_refused(rows[i].code, value_uint(UINT64_MAX), HF_REASON_OVERFLOW);
  }
}

static void test_cell_64_bit_integers_hold_their_range_and_no_more(void **state) {
  (void)state;
  for (const char *code = "lq"; *code; code++) {
    expect_stored(*code, value_int(INT64_MIN), value_int(INT64_MIN));
    expect_stored(*code, value_int(INT64_MAX), value_int(INT64_MAX));
    expect_refused(*code, value_uint((uint64_t)INT64_MAX + 1), HF_REASON_OVERFLOW);
  }
  for (const char *code = "LQ"; *code; code++) {
    expect_stored(*code, value_uint(UINT64_MAX), value_uint(UINT64_MAX));
    expect_stored(*code, value_int(7), value_int(7));
    expect_refused(*code, value_int(-1), HF_REASON_OVERFLOW);
  }
}

static void test_cell_integers_refuse_other_types(void **state) {
  (void)state;
  for (const char *code = "bBhHiIlLqQ?c"; *code; code++) {
    expect_refused(*code, value_float(1.0), HF_REASON_WRONG_TYPE);
    expect_refused(*code, value_none(), HF_REASON_WRONG_TYPE);
    expect_refused(*code, value_reference(1, 1), HF_REASON_WRONG_TYPE);
  }
  expect_refused('i', bytes("1", 1), HF_REASON_WRONG_TYPE);
}

static void test_cell_bool_is_true_or_false(void **state) {
  (void)state;
  const uint8_t left_by_a_client = 0xff;
  expect_stored('?', value_bool(true), value_bool(true));
  expect_stored('?', value_int(0), value_bool(false));
  expect_refused('?', value_int(2), HF_REASON_OVERFLOW);
  assert_true(value_equal(load('?', &left_by_a_client, 0), value_bool(true)));
}

static void test_cell_char_is_one_byte(void **state) {
  (void)state;
  expect_stored('c', bytes("\0", 1), bytes("\0", 1));
  expect_stored('c', bytes("\xff", 1), bytes("\xff", 1));
  expect_stored('c', value_int(65), bytes("A", 1));
  expect_refused('c', bytes("", 0), HF_REASON_WRONG_TYPE);
  expect_refused('c', bytes("ab", 2), HF_REASON_WRONG_TYPE);
  expect_refused('c', value_int(256), HF_REASON_OVERFLOW);
}

static void test_cell_double_takes_every_number(void **state) {
  (void)state;
  expect_stored('d', value_float(3.1415927), value_float(3.1415927));
  expect_stored('d', value_float(INFINITY), value_float(INFINITY));
  expect_stored('d', value_float(NAN), value_float(NAN));
  expect_stored('d', value_int(-3), value_float(-3.0));
  expect_stored('d', value_uint(UINT64_MAX), value_float(0x1p64));
  expect_stored('d', value_bool(true), value_float(1.0));
  expect_refused('d', bytes("1", 1), HF_REASON_WRONG_TYPE);
  expect_refused('f', value_none(), HF_REASON_WRONG_TYPE);
}

static void test_cell_float_rounds_and_has_a_range(void **state) {
  (void)state;
  expect_stored('f', value_float(0.1), value_float((double)0.1f));
  expect_stored('f', value_float((double)FLT_MAX), value_float((double)FLT_MAX));
  expect_stored('f', value_float(-INFINITY), value_float(-INFINITY));
  expect_stored('f', value_int(16777217), value_float(16777216.0));
  expect_refused('f', value_float(1e39), HF_REASON_OVERFLOW);
  expect_refused('f', value_float(-1e39), HF_REASON_OVERFLOW);
}

/* Whatever the first element and the alignment: as element by element. */
static void test_cell_ranges_copy_each_element(void **state) {
  (void)state;
  for (const char *code = CODES; *code; code++) {
    const struct cell_type *type = cell_type_of(*code);
    for (size_t first = 0; first < 9; first++) {
      uint64_t elements[24] = {0}, copy[24] = {0};
      uint8_t from[24 * 8 + 1];
      for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (uint8_t)(i + 1);
      }
      cell_write_range(type, elements, first, 13, from + 1); /* not aligned */
      cell_read_range(type, elements, first, 13, (uint8_t *)copy + 1);
      for (size_t i = 0; i < 24; i++) {
        uint64_t expected = 0;
        if (i >= first && i < first + 13) {
          memcpy(&expected, from + 1 + (i - first) * type->bytes, type->bytes);
          expected = *code == '?' ? 1 : expected;
        }
        assert_int_equal(cell_read(type, elements, i), expected);
      }
      assert_memory_equal((uint8_t *)copy + 1, (uint8_t *)elements + first * type->bytes,
                          13 * type->bytes);
      assert_int_equal(((uint8_t *)copy)[1 + 13 * type->bytes], 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cell_element_bytes_are_those_of_c),
      cmocka_unit_test(test_cell_unknown_typecode_is_refused),
      cmocka_unit_test(test_cell_integers_hold_their_range_and_no_more),
      cmocka_unit_test(test_cell_64_bit_integers_hold_their_range_and_no_more),
      cmocka_unit_test(test_cell_integers_refuse_other_types),
      cmocka_unit_test(test_cell_bool_is_true_or_false),
      cmocka_unit_test(test_cell_char_is_one_byte),
      cmocka_unit_test(test_cell_double_takes_every_number),
      cmocka_unit_test(test_cell_float_rounds_and_has_a_range),
      cmocka_unit_test(test_cell_ranges_copy_each_element),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
