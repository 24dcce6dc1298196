/* Lists through the client library: every operation and its errors. */
#include "tests/integration/world.h"

static hf_list *open_list(int64_t count) {
  hf_list *list;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  for (int64_t i = 0; i < count; i++) {
    expect_ok(hf_list_append(list, hf_int(i)));
  }
  return list;
}

#define EXPECT_LIST(list, ...)                           \
  do {                                                   \
    hf_value *all_;                                      \
    size_t all_count_;                                   \
    expect_ok(hf_list_copy((list), &all_, &all_count_)); \
    EXPECT_INTS(all_, all_count_, __VA_ARGS__);          \
  } while (0)

static void test_list_index_counts_from_both_ends(void **state) {
  hf_list *list = open_list(3);
  hf_value value;
  (void)state;
  expect_ok(hf_list_get(list, -1, &value));
  expect_equal(value, hf_int(2));
  expect_ok(hf_list_set(list, -3, hf_int(10)));
  expect_ok(hf_list_insert(list, 1, hf_int(11)));
  expect_ok(hf_list_insert(list, 100, hf_int(12)));
  expect_ok(hf_list_delete(list, 2));
  EXPECT_LIST(list, 10, 11, 2, 12);
  expect_fails(hf_list_get(list, 4, &value), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_list_set(list, -5, hf_none()), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_list_delete(list, 4), OUT_OF_RANGE, BAD_INDEX);
  hf_list_close(list);
}

static void test_list_slices_behave_as_in_python(void **state) {
  hf_list *list = open_list(6);
  const hf_value two[] = {hf_int(70), hf_int(80)};
  const struct hf_slice every_third = {HF_OMITTED, HF_OMITTED, 3};
  const struct hf_slice backwards = {HF_OMITTED, HF_OMITTED, -2};
  hf_value *values;
  size_t count;
  (void)state;
  expect_ok(hf_list_get_slice(list, HF_SLICE_ALL, &values, &count));
  EXPECT_INTS(values, count, 0, 1, 2, 3, 4, 5);
  expect_ok(hf_list_get_slice(list, backwards, &values, &count));
  EXPECT_INTS(values, count, 5, 3, 1);
  expect_ok(hf_list_get_slice(list, (struct hf_slice){10, 20, HF_OMITTED}, &values, &count));
  assert_int_equal(count, 0);
  hf_values_free(values, count);
  expect_ok(hf_list_set_slice(list, every_third, two, 2));
  EXPECT_LIST(list, 70, 1, 2, 80, 4, 5);
  expect_fails(hf_list_set_slice(list, every_third, two, 1), INVALID_ARGUMENT, BAD_SLICE);
  expect_fails(hf_list_get_slice(list, (struct hf_slice){0, 1, 0}, &values, &count),
               INVALID_ARGUMENT, BAD_SLICE);
  expect_ok(hf_list_set_slice(list, (struct hf_slice){1, 3, HF_OMITTED}, two, 1));
  expect_ok(hf_list_delete_slice(list, (struct hf_slice){-2, HF_OMITTED, HF_OMITTED}));
  EXPECT_LIST(list, 70, 70, 80);
  hf_list_close(list);
}

static void test_list_pop_and_remove(void **state) {
  hf_list *list = open_list(3);
  hf_value value;
  (void)state;
  expect_ok(hf_list_pop(list, HF_OMITTED, &value));
  expect_equal(value, hf_int(2));
  expect_ok(hf_list_pop(list, 0, &value));
  expect_equal(value, hf_int(0));
  expect_fails(hf_list_pop(list, 1, &value), OUT_OF_RANGE, BAD_INDEX);
  expect_ok(hf_list_remove(list, hf_float(1.0)));
  expect_fails(hf_list_remove(list, hf_int(1)), NOT_FOUND, NO_SUCH_VALUE);
  expect_fails(hf_list_pop(list, HF_OMITTED, &value), OUT_OF_RANGE, IS_EMPTY);
  hf_list_close(list);
}

static void test_list_searching(void **state) {
  hf_list *list = open_list(4);
  uint64_t index, count, len;
  bool found;
  (void)state;
  expect_ok(hf_list_append(list, hf_int(1)));
  expect_ok(hf_list_index(list, hf_int(1), HF_OMITTED, HF_OMITTED, &index));
  assert_int_equal(index, 1);
  expect_ok(hf_list_index(list, hf_int(1), 2, HF_OMITTED, &index));
  assert_int_equal(index, 4);
  expect_fails(hf_list_index(list, hf_int(1), 2, -1, &index), NOT_FOUND, NO_SUCH_VALUE);
  expect_ok(hf_list_count(list, hf_bool(true), &count));
  assert_int_equal(count, 2);
  expect_ok(hf_list_contains(list, hf_text("1"), &found));
  assert_false(found);
  expect_ok(hf_list_contains(list, hf_int(3), &found));
  assert_true(found);
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, 5);
  hf_list_close(list);
}

static void test_list_sort_orders_or_leaves_alone(void **state) {
  hf_list *list = open_list(3);
  (void)state;
  expect_ok(hf_list_sort(list, true));
  EXPECT_LIST(list, 2, 1, 0);
  expect_ok(hf_list_reverse(list));
  EXPECT_LIST(list, 0, 1, 2);
  expect_ok(hf_list_sort(list, true));
  expect_ok(hf_list_append(list, hf_text("x")));
  expect_fails(hf_list_sort(list, false), INVALID_ARGUMENT, NOT_ORDERED);
  expect_ok(hf_list_remove(list, hf_text("x")));
  EXPECT_LIST(list, 2, 1, 0);
  hf_list_close(list);
}

static void test_list_concat_and_repeat(void **state) {
  hf_list *list = open_list(2);
  const hf_value more[] = {hf_int(8), hf_int(9)};
  hf_value *result;
  size_t count;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_concat(list, more, 2, &result, &count));
  EXPECT_INTS(result, count, 0, 1, 8, 9);
  expect_ok(hf_list_repeat(list, 2, &result, &count));
  EXPECT_INTS(result, count, 0, 1, 0, 1);
  expect_ok(hf_list_repeat(list, -1, &result, &count));
  assert_int_equal(count, 0);
  hf_values_free(result, count);
  EXPECT_LIST(list, 0, 1);
  expect_ok(hf_list_repeat_in_place(list, 2));
  expect_ok(hf_list_extend(list, more, 2));
  EXPECT_LIST(list, 0, 1, 0, 1, 8, 9);
  expect_fails(hf_list_repeat_in_place(list, INT64_MAX), RESOURCE_EXHAUSTED, OBJECT_TOO_BIG);
  expect_ok(hf_list_clear(list));
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, 0);
  hf_list_close(list);
}

static void test_list_add_and_compare_and_set(void **state) {
  hf_list *list = open_list(2);
  hf_value value;
  bool swapped;
  (void)state;
  expect_ok(hf_list_add(list, -1, hf_int(41), &value));
  expect_equal(value, hf_int(42));
  expect_ok(hf_list_add(list, 0, hf_float(0.5), NULL));
  expect_fails(hf_list_add(list, 2, hf_int(1), &value), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_list_add(list, 0, hf_text("1"), &value), INVALID_ARGUMENT, WRONG_TYPE);
  expect_ok(hf_list_compare_and_set(list, 0, hf_float(0.5), hf_int(7), &swapped, &value));
  assert_true(swapped);
  expect_equal(value, hf_float(0.5));
  expect_ok(hf_list_compare_and_set(list, 0, hf_float(0.5), hf_int(8), &swapped, NULL));
  assert_false(swapped);
  expect_fails(hf_list_compare_and_set(list, 9, hf_int(1), hf_int(2), &swapped, NULL), OUT_OF_RANGE,
               BAD_INDEX);
  EXPECT_LIST(list, 7, 42);
  hf_list_close(list);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_list_index_counts_from_both_ends),
    cmocka_unit_test(test_list_slices_behave_as_in_python),
    cmocka_unit_test(test_list_pop_and_remove),
    cmocka_unit_test(test_list_searching),
    cmocka_unit_test(test_list_sort_orders_or_leaves_alone),
    cmocka_unit_test(test_list_concat_and_repeat),
    cmocka_unit_test(test_list_add_and_compare_and_set),
};

WORLD_MAIN("list", tests)
