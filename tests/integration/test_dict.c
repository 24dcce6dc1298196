/* Dicts through the client library: every operation and its errors. */
#include <pthread.h>

#include "tests/integration/world.h"

static hf_dict *open_dict(void) {
  hf_dict *dict;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  return dict;
}

static void fill(hf_dict *dict, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_int(i * i)));
  }
}

static void expect_entry(hf_dict *dict, hf_value key, hf_value expected) {
  hf_value value;
  expect_ok(hf_dict_get(dict, key, &value));
  expect_equal(value, expected);
}

static void test_dict_squares_read_back_in_order(void **state) {
  hf_dict *dict = open_dict();
  hf_value *keys, *values;
  size_t count;
  (void)state;
  fill(dict, 10);
  expect_ok(hf_dict_keys(dict, &keys, &count));
  EXPECT_INTS(keys, count, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  expect_ok(hf_dict_values(dict, &values, &count));
  EXPECT_INTS(values, count, 0, 1, 4, 9, 16, 25, 36, 49, 64, 81);
  hf_dict_close(dict);
}

static void test_dict_each_type_comes_back_as_it_was(void **state) {
  hf_dict *dict = open_dict();
  const hf_value inner[] = {hf_text("a"), hf_int(-1)};
  const hf_value items[] = {hf_tuple(inner, 2), hf_none(), hf_tuple(NULL, 0)};
  const hf_value values[] = {hf_none(),
                             hf_bool(true),
                             hf_int(INT64_MIN),
                             hf_int(INT64_MAX),
                             hf_uint(UINT64_MAX),
                             hf_float(-0.5),
                             hf_text(""),
                             hf_text_n("a\0b", 3),
                             hf_text("gr\xc3\xbc\xc3\x9f"),
                             hf_bytes("\xff\x00\x01", 3),
                             hf_bytes("", 0),
                             hf_tuple(items, 3),
                             hf_opaque("pickle", "\x80\x04N.", 4)};
  (void)state;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    expect_ok(hf_dict_set(dict, hf_text("k"), values[i]));
    expect_entry(dict, hf_text("k"), values[i]);
    expect_ok(hf_dict_set(dict, values[i], hf_int((int64_t)i)));
    expect_entry(dict, values[i], hf_int((int64_t)i));
  }
  hf_dict_close(dict);
}

static void test_dict_missing_key_is_not_found(void **state) {
  hf_dict *dict = open_dict();
  hf_value value = hf_int(7);
  struct hf_entry entry;
  bool found;
  (void)state;
  expect_fails(hf_dict_get(dict, hf_text("no"), &value), NOT_FOUND, NO_SUCH_KEY);
  assert_int_equal(value.integer, 7);
  expect_fails(hf_dict_delete(dict, hf_text("no")), NOT_FOUND, NO_SUCH_KEY);
  expect_fails(hf_dict_pop(dict, hf_text("no"), NULL, &value), NOT_FOUND, NO_SUCH_KEY);
  expect_fails(hf_dict_popitem(dict, &entry), NOT_FOUND, NO_SUCH_KEY);
  expect_fails(hf_dict_replace(dict, hf_text("no"), hf_none()), NOT_FOUND, NO_SUCH_KEY);
  expect_ok(hf_dict_contains(dict, hf_text("no"), &found));
  assert_false(found);
  hf_dict_close(dict);
}

static void test_dict_numbers_that_are_equal_are_one_key(void **state) {
  hf_dict *dict = open_dict();
  hf_value *keys;
  size_t count;
  (void)state;
  expect_ok(hf_dict_set(dict, hf_int(1), hf_text("int")));
  expect_ok(hf_dict_set(dict, hf_float(1.0), hf_text("float")));
  expect_ok(hf_dict_set(dict, hf_bool(true), hf_text("bool")));
  expect_ok(hf_dict_keys(dict, &keys, &count));
  EXPECT_INTS(keys, count, 1);
  expect_entry(dict, hf_int(1), hf_text("bool"));
  hf_dict_close(dict);
}

static void test_dict_pop_and_setdefault_behave_as_in_python(void **state) {
  hf_dict *dict = open_dict();
  const hf_value fallback = hf_text("none there");
  hf_value value;
  struct hf_entry entry;
  (void)state;
  fill(dict, 4);
  expect_ok(hf_dict_pop(dict, hf_int(1), NULL, &value));
  expect_equal(value, hf_int(1));
  expect_ok(hf_dict_pop(dict, hf_int(1), &fallback, &value));
  expect_equal(value, fallback);
  expect_ok(hf_dict_popitem(dict, &entry));
  expect_equal(entry.key, hf_int(3));
  expect_equal(entry.value, hf_int(9));
  expect_ok(hf_dict_setdefault(dict, hf_int(2), hf_none(), &value));
  expect_equal(value, hf_int(4));
  expect_ok(hf_dict_setdefault(dict, hf_int(5), hf_text("new"), &value));
  expect_equal(value, hf_text("new"));
  expect_ok(hf_dict_replace(dict, hf_int(5), hf_text("newer")));
  expect_entry(dict, hf_int(5), hf_text("newer"));
  hf_dict_close(dict);
}

static void test_dict_update_copy_and_clear(void **state) {
  hf_dict *dict = open_dict();
  const struct hf_entry update[] = {{hf_int(1), hf_text("one")}, {hf_int(9), hf_text("nine")}};
  const hf_value wanted[] = {hf_int(9), hf_int(77), hf_int(1)};
  struct hf_entry *entries;
  size_t count;
  uint64_t len;
  (void)state;
  fill(dict, 2);
  expect_ok(hf_dict_update(dict, update, 2));
  expect_ok(hf_dict_update(dict, NULL, 0));
  expect_ok(hf_dict_items(dict, &entries, &count));
  assert_int_equal(count, 3);
  assert_true(hf_value_equal(entries[1].value, hf_text("one")));
  hf_entries_free(entries, count);
  expect_ok(hf_dict_copy(dict, &entries, &count));
  assert_int_equal(count, 3);
  hf_entries_free(entries, count);
  expect_ok(hf_dict_get_many(dict, wanted, 3, &entries, &count));
  assert_int_equal(count, 2);
  hf_entries_free(entries, count);
  expect_ok(hf_dict_clear(dict));
  expect_ok(hf_dict_len(dict, &len));
  assert_int_equal(len, 0);
  expect_ok(hf_dict_items(dict, &entries, &count));
  assert_int_equal(count, 0);
  hf_entries_free(entries, count);
  hf_dict_close(dict);
}

static void test_dict_add_counts_and_refuses_text(void **state) {
  hf_dict *dict = open_dict();
  hf_value sum;
  (void)state;
  expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(5), &sum));
  expect_equal(sum, hf_int(5));
  expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(-7), NULL));
  expect_entry(dict, hf_text("n"), hf_int(-2));
  expect_ok(hf_dict_set(dict, hf_text("t"), hf_text("x")));
  expect_fails(hf_dict_add(dict, hf_text("t"), hf_int(1), &sum), INVALID_ARGUMENT, WRONG_TYPE);
  expect_ok(hf_dict_set(dict, hf_text("big"), hf_uint(UINT64_MAX)));
  expect_fails(hf_dict_add(dict, hf_text("big"), hf_int(1), &sum), OUT_OF_RANGE, OVERFLOW);
  expect_entry(dict, hf_text("big"), hf_uint(UINT64_MAX));
  hf_dict_close(dict);
}

static void test_dict_compare_and_set_swaps_only_what_it_expects(void **state) {
  hf_dict *dict = open_dict();
  const hf_value one = hf_int(1), two = hf_int(2);
  hf_value found;
  bool swapped;
  (void)state;
  expect_ok(hf_dict_compare_and_set(dict, hf_text("k"), NULL, &one, &swapped, &found));
  assert_true(swapped);
  expect_equal(found, hf_none());
  expect_ok(hf_dict_compare_and_set(dict, hf_text("k"), &two, &one, &swapped, &found));
  assert_false(swapped);
  expect_equal(found, hf_int(1));
  expect_ok(hf_dict_compare_and_set(dict, hf_text("k"), &one, NULL, &swapped, NULL));
  assert_true(swapped);
  expect_fails(hf_dict_get(dict, hf_text("k"), &found), NOT_FOUND, NO_SUCH_KEY);
  hf_dict_close(dict);
}

static void test_dict_scan_visits_all_and_notices_a_change(void **state) {
  hf_dict *dict = open_dict();
  struct hf_dict_scan scan = {.strict = true, .page_count = 7};
  const struct hf_entry *entry;
  int64_t expected = 0;
  (void)state;
  fill(dict, 50);
  do {
    expect_ok(hf_dict_next(dict, &scan, &entry));
    if (entry != NULL) {
      assert_int_equal(entry->key.integer, expected++);
    }
  } while (entry != NULL);
  assert_int_equal(expected, 50);
  for (int i = 0; i < 7; i++) {
    expect_ok(hf_dict_next(dict, &scan, &entry));
  }
  expect_ok(hf_dict_set(dict, hf_text("more"), hf_none()));
  expect_fails(hf_dict_next(dict, &scan, &entry), ABORTED, SIZE_CHANGED);
  hf_dict_scan_stop(&scan);
  hf_dict_close(dict);
}

static void test_dict_bad_values_are_refused(void **state) {
  hf_dict *dict = open_dict();
  hf_value nested[20];
  hf_value reference = hf_reference(HF_AS_OBJECT(dict));
  const hf_value broken = {.type = (hf_type)99};
  (void)state;
  nested[0] = hf_int(1);
  for (size_t i = 1; i < 20; i++) {
    nested[i] = hf_tuple(&nested[i - 1], 1);
  }
  expect_fails(hf_dict_set(dict, hf_int(1), nested[19]), INVALID_ARGUMENT, TOO_DEEP);
  expect_ok(hf_dict_set(dict, hf_int(1), nested[12]));
  expect_fails(hf_dict_set(dict, reference, hf_int(1)), INVALID_ARGUMENT, NOT_HASHABLE);
  expect_fails(hf_dict_set(dict, hf_int(1), hf_text("\xff")), INVALID_ARGUMENT, BAD_TEXT);
  expect_fails(hf_dict_set(dict, hf_int(1), broken), INVALID_ARGUMENT, BAD_VALUE);
  expect_ok(hf_ping(world.conn, NULL));
  hf_dict_close(dict);
}

static void test_dict_too_big_request_and_reply_are_refused(void **state) {
  hf_dict *dict = open_dict();
  const size_t size = 17u << 20, half = 9u << 20;
  char *bytes = calloc(1, size);
  struct hf_entry *entries;
  size_t count;
  (void)state;
  expect_fails(hf_dict_set(dict, hf_int(1), hf_bytes(bytes, size)), RESOURCE_EXHAUSTED,
               REQUEST_TOO_BIG);
  expect_ok(hf_dict_set(dict, hf_int(1), hf_bytes(bytes, half)));
  expect_entry(dict, hf_int(1), hf_bytes(bytes, half));
  expect_ok(hf_dict_set(dict, hf_int(2), hf_bytes(bytes, half)));
  expect_fails(hf_dict_items(dict, &entries, &count), RESOURCE_EXHAUSTED, REPLY_TOO_BIG);
  free(bytes);
  hf_dict_close(dict);
}

static void *set_later(void *dict) {
  await_waiting(1);
  return (void *)(intptr_t)hf_dict_set(dict, hf_text("k"), hf_int(2));
}

static void *delete_later(void *dict) {
  await_waiting(1);
  return (void *)(intptr_t)hf_dict_delete(dict, hf_text("k"));
}

static void test_dict_wait_for_a_key_and_for_a_change(void **state) {
  const hf_value two = hf_int(2), equal = hf_float(2.0), other = hf_text("2");
  hf_dict *dict = open_dict();
  pthread_t thread;
  hf_value value;
  void *status;
  (void)state;
  expect_fails(hf_dict_wait(dict, hf_text("k"), NULL, 0, &value), DEADLINE_EXCEEDED, NOT_CHANGED);
  assert_int_equal(pthread_create(&thread, NULL, set_later, dict), 0);
  expect_ok(hf_dict_wait(dict, hf_text("k"), NULL, 5000, &value));
  expect_equal(value, two);
  pthread_join(thread, &status);
  assert_null(status);
  expect_ok(hf_dict_wait(dict, hf_text("k"), &other, HF_FOREVER, &value));
  expect_equal(value, two);
  expect_ok(hf_dict_set(dict, hf_text("another"), hf_int(1)));
  expect_fails(hf_dict_wait(dict, hf_text("k"), &equal, 20, &value), DEADLINE_EXCEEDED,
               NOT_CHANGED);
  assert_int_equal(pthread_create(&thread, NULL, delete_later, dict), 0);
  expect_fails(hf_dict_wait(dict, hf_text("k"), &two, 5000, &value), NOT_FOUND, NO_SUCH_KEY);
  pthread_join(thread, &status);
  assert_null(status);
  expect_fails(hf_dict_wait(dict, hf_text("k"), NULL, -2, &value), INVALID_ARGUMENT,
               NEGATIVE_TIMEOUT);
  hf_dict_close(dict);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dict_squares_read_back_in_order),
    cmocka_unit_test(test_dict_each_type_comes_back_as_it_was),
    cmocka_unit_test(test_dict_missing_key_is_not_found),
    cmocka_unit_test(test_dict_numbers_that_are_equal_are_one_key),
    cmocka_unit_test(test_dict_pop_and_setdefault_behave_as_in_python),
    cmocka_unit_test(test_dict_update_copy_and_clear),
    cmocka_unit_test(test_dict_add_counts_and_refuses_text),
    cmocka_unit_test(test_dict_compare_and_set_swaps_only_what_it_expects),
    cmocka_unit_test(test_dict_scan_visits_all_and_notices_a_change),
    cmocka_unit_test(test_dict_bad_values_are_refused),
    cmocka_unit_test(test_dict_too_big_request_and_reply_are_refused),
    cmocka_unit_test(test_dict_wait_for_a_key_and_for_a_change),
};

WORLD_MAIN("dict", tests)
