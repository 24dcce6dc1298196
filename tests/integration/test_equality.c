/* One equality: the library's, the server's, and that of what both do in shared memory. */
#include <math.h>

#include "tests/integration/world.h"

enum { NUMBERS = 17 };

static void fill_numbers(hf_value numbers[NUMBERS]) {
  const hf_value all[NUMBERS] = {
      hf_bool(false),
      hf_bool(true),
      hf_int(0),
      hf_int(1),
      hf_int(-1),
      hf_int(INT64_MIN),
      hf_int(INT64_MAX),
      hf_uint(1ull << 63),
      hf_uint(UINT64_MAX),
      hf_float(0.0),
      hf_float(-0.0),
      hf_float(1.0),
      hf_float((double)NAN),
      hf_float(-(double)NAN),
      hf_float((double)INFINITY),
      hf_float(0x1p63),
      hf_float(0x1p64),
  };
  memcpy(numbers, all, sizeof all);
}

static void test_equality_is_the_same_on_both_sides(void **state) {
  hf_value numbers[NUMBERS];
  hf_list *list;
  int equal_count = 0;
  (void)state;
  fill_numbers(numbers);
  for (int i = 0; i < NUMBERS; i++) {
    expect_ok(hf_list_open(world.conn, NULL, &list));
    expect_ok(hf_list_append(list, numbers[i]));
    for (int j = 0; j < NUMBERS; j++) {
      bool contains;
      expect_ok(hf_list_contains(list, numbers[j], &contains));
      assert_int_equal(contains, hf_value_equal(numbers[i], numbers[j]));
      equal_count += contains;
    }
    hf_list_close(list);
  }
  /* {false, 0, 0.0, -0.0}, {true, 1, 1.0}, the NaNs, {2^63 twice}, and six alone. */
  assert_int_equal(equal_count, 16 + 9 + 4 + 4 + 6);
}

static void test_equality_of_nan_as_key_and_in_compare_and_set(void **state) {
  const hf_value nan = hf_float((double)NAN), nan_tuple = hf_tuple(&nan, 1), one = hf_int(1);
  hf_dict *dict;
  hf_cell *cell;
  hf_value found;
  uint64_t len;
  bool swapped;
  (void)state;
  assert_true(hf_value_equal(nan_tuple, nan_tuple));
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, nan, nan));
  expect_ok(hf_dict_set(dict, hf_float(-(double)NAN), nan));
  expect_ok(hf_dict_len(dict, &len));
  assert_int_equal(len, 1);
  expect_ok(hf_dict_compare_and_set(dict, nan, &nan, &one, &swapped, NULL));
  assert_true(swapped);
  hf_dict_close(dict);
  expect_ok(hf_cell_open(world.conn, NULL, 'd', nan, &cell));
  expect_ok(hf_cell_compare_and_set(cell, nan, hf_int(1), &swapped, &found));
  assert_true(swapped);
  hf_cell_close(cell);
}

static int set_to_one(void *cell) {
  sleep_ms(100);
  return hf_cell_set(cell, hf_int(1)) == HF_OK ? 0 : 1;
}

static void wait_for_change_of(hf_cell *cell) {
  const hf_value nan = hf_float((double)NAN);
  hf_value value;
  expect_ok(hf_cell_set(cell, nan));
  expect_fails(hf_cell_wait(cell, nan, 60, &value), DEADLINE_EXCEEDED, NOT_CHANGED);
  pid_t child = child_start(set_to_one, cell);
  expect_ok(hf_cell_wait(cell, nan, 5000, &value));
  expect_equal(value, hf_float(1));
  assert_int_equal(child_end(child), 0);
  expect_ok(hf_cell_set(cell, nan));
  expect_ok(hf_cell_wait(cell, hf_float(1), 5000, &value));
  assert_true(isnan(value.real));
  hf_cell_close(cell);
}

static void test_equality_of_nan_in_waits_for_a_change(void **state) {
  const hf_value nan = hf_float((double)NAN);
  hf_cell *cell;
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'd', hf_int(0), &cell));
  wait_for_change_of(cell);
  expect_ok(hf_raw_cell_open(world.conn, NULL, 'f', hf_int(0), &cell));
  wait_for_change_of(cell);
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_text("k"), nan));
  expect_fails(hf_dict_wait(dict, hf_text("k"), &nan, 60, &value), DEADLINE_EXCEEDED, NOT_CHANGED);
  hf_dict_close(dict);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_equality_is_the_same_on_both_sides),
    cmocka_unit_test(test_equality_of_nan_as_key_and_in_compare_and_set),
    cmocka_unit_test(test_equality_of_nan_in_waits_for_a_change),
};

WORLD_MAIN("equality", tests)
