#include "server/objects/dict.h"
#include "tests/support/malloc_hook.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct value_hash_key hash_key = {{3, 1, 4, 1, 5, 9, 2, 6}};

static struct value text(const char *string) {
  struct value value;
  assert_true(value_text(bytes_of_text(string), &value));
  return value;
}

static void set(struct dict *dict, struct value key, int64_t number) {
  assert_int_equal(dict_set(dict, key, value_int(number), NULL), HF_REASON_NONE);
}

static int64_t get(const struct dict *dict, struct value key) {
  struct value found;
  assert_true(dict_get(dict, key, &found));
  assert_int_equal(found.kind, VALUE_INT);
  return found.integer;
}

static int setup(void **state) {
  *state = dict_new(&hash_key);
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  dict_free(*state);
  return malloc_hook_live_bytes() == 0 ? 0 : -1; /* a leak fails */
}

static void test_dict_empty_has_nothing(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  uint64_t cursor = 0;
  assert_int_equal(dict_len(dict), 0);
  assert_false(dict_get(dict, value_int(1), &value));
  assert_false(dict_remove(dict, value_int(1), &key, &value));
  assert_false(dict_remove_last(dict, &key, &value));
  assert_false(dict_next(dict, &cursor, &key, &value));
  dict_clear(dict);
  dict_free(NULL);
}

static void test_dict_set_replaces_and_keeps_the_first_key(void **state) {
  struct dict *dict = *state;
  struct value old;
  struct value key;
  struct value value;
  assert_int_equal(dict_set(dict, value_int(1), text("one"), &old), HF_REASON_NONE);
  assert_true(value_is_absent(old));
  assert_int_equal(dict_set(dict, value_float(1.0), text("uno"), &old), HF_REASON_NONE);
  assert_memory_equal(value_content(&old).data, "one", 3);
  assert_int_equal(dict_set(dict, value_bool(true), text("eins"), NULL), HF_REASON_NONE);
  assert_int_equal(dict_len(dict), 1);
  assert_true(dict_remove(dict, value_float(1.0), &key, &value));
  assert_int_equal(key.kind, VALUE_INT);
  assert_memory_equal(value_content(&value).data, "eins", 4);
}

static void test_dict_text_and_bytes_are_different_keys(void **state) {
  struct dict *dict = *state;
  struct value bytes;
  assert_true(value_bytes(bytes_of_text("a"), &bytes));
  set(dict, text("a"), 1);
  set(dict, bytes, 2);
  assert_int_equal(dict_len(dict), 2);
  assert_int_equal(get(dict, text("a")), 1);
  assert_int_equal(get(dict, bytes), 2);
}

static void test_dict_nan_is_one_key(void **state) {
  struct dict *dict = *state;
  set(dict, value_float(NAN), 1);
  set(dict, value_float(-NAN), 2);
  assert_int_equal(dict_len(dict), 1);
  assert_int_equal(get(dict, value_float(NAN)), 2);
}

static void test_dict_remove_last_goes_backwards(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  for (int64_t i = 0; i < 2000; i++) {
    set(dict, value_int(i), i);
  }
  for (int64_t i = 1; i < 1999; i++) { /* the first and the last stay */
    assert_true(dict_remove(dict, value_int(i), &key, &value));
  }
  assert_true(dict_remove_last(dict, &key, &value));
  assert_int_equal(key.integer, 1999);
  assert_true(dict_remove_last(dict, &key, &value));
  assert_int_equal(key.integer, 0);
  assert_false(dict_remove_last(dict, &key, &value));
}

static void test_dict_cursor_stays_good_while_entries_go(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  uint64_t cursor = 0;
  for (int64_t i = 0; i < 1500; i++) {
    set(dict, value_int(i), i);
  }
  for (int64_t i = 0; i < 1500; i += 100) { /* packs the pages under the cursor */
    assert_true(dict_next(dict, &cursor, &key, &value));
    assert_int_equal(key.integer, i);
    for (int64_t gone = i; gone < i + 100; gone++) {
      struct value gone_key;
      struct value gone_value;
      assert_true(dict_remove(dict, value_int(gone), &gone_key, &gone_value));
    }
  }
  assert_false(dict_next(dict, &cursor, &key, &value));
}

static void test_dict_cursor_from_before_a_clear_meets_new_entries(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  uint64_t cursor = 0;
  set(dict, value_int(1), 1);
  assert_true(dict_next(dict, &cursor, &key, &value));
  dict_clear(dict);
  set(dict, value_int(2), 2);
  assert_true(dict_next(dict, &cursor, &key, &value));
  assert_int_equal(key.integer, 2);
}

static void test_dict_cursor_beyond_the_end_finds_nothing(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  uint64_t cursor = UINT64_MAX; /* as a peer may send it */
  set(dict, value_int(1), 1);
  assert_false(dict_next(dict, &cursor, &key, &value));
}

/* It takes a quarter more than it counts for at most, and some segments of an
 * index that was split by what was undone. */
static void expect_honest_memory(const struct dict *dict) {
  assert_in_range(malloc_hook_live_bytes(), 0, dict_memory_bytes(dict) * 5 / 4 + 16384);
}

static void test_dict_clear_releases_everything(void **state) {
  struct dict *dict = *state;
  size_t empty_bytes = dict_memory_bytes(dict);
  for (int64_t i = 0; i < 3000; i++) {
    char name[40];
    snprintf(name, sizeof name, "a rather long name, number %d", (int)i);
    set(dict, text(name), i);
  }
  assert_true(dict_memory_bytes(dict) > empty_bytes + 3000 * 64);
  dict_clear(dict);
  assert_int_equal(dict_len(dict), 0);
  assert_int_equal(dict_memory_bytes(dict), empty_bytes);
  assert_int_equal(malloc_hook_live_bytes(), empty_bytes);
}

static void test_dict_small_is_cheap(void **state) {
  struct dict *dict = *state;
  for (int64_t i = 0; i < 3; i++) {
    set(dict, value_int(i), i);
  }
  assert_true(dict_memory_bytes(dict) < 800);
  expect_honest_memory(dict);
}

static void test_dict_large_is_dense(void **state) {
  struct dict *dict = *state;
  const int64_t count = 200000;
  for (int64_t i = 0; i < count; i++) {
    set(dict, value_int(i), i);
  }
  assert_true(dict_memory_bytes(dict) < 56 * (size_t)count);
  expect_honest_memory(dict);
  for (int64_t i = 0; i < count; i += 997) {
    assert_int_equal(get(dict, value_int(i)), i);
  }
}

static void test_dict_emptied_gives_its_memory_back(void **state) {
  struct dict *dict = *state;
  struct value key;
  struct value value;
  size_t empty_bytes = dict_memory_bytes(dict);
  for (int64_t i = 0; i < 50000; i++) {
    set(dict, value_int(i), i);
  }
  for (int64_t i = 0; i < 50000; i++) { /* in an order of its own */
    assert_true(dict_remove(dict, value_int(i * 7919 % 50000), &key, &value));
  }
  assert_int_equal(dict_len(dict), 0);
  assert_true(dict_memory_bytes(dict) < empty_bytes + 200);
}

/* Every allocation on the way to some thousand entries fails once: nothing taken, nothing lost. */
static void test_dict_set_without_memory_changes_nothing(void **state) {
  struct dict *dict = *state;
  size_t failures = 0;
  for (int64_t i = 0; i < 3000; i++) {
    for (size_t nth = 1;; nth++) {
      malloc_hook_fail(nth);
      hf_reason reason = dict_set(dict, value_int(i), value_int(i), NULL);
      bool failed = malloc_hook_has_failed();
      malloc_hook_fail(0);
      if (reason == HF_REASON_NONE) {
        break; /* whether something failed or not: packing can do without */
      }
      assert_true(failed);
      assert_int_equal(reason, HF_REASON_NO_MEMORY);
      assert_int_equal(dict_len(dict), i);
      struct value found;
      assert_false(dict_get(dict, value_int(i), &found));
      failures++;
    }
    expect_honest_memory(dict);
  }
  assert_true(failures > 30);
  for (int64_t i = 0; i < 3000; i++) {
    assert_int_equal(get(dict, value_int(i)), i);
  }
}

static void test_dict_remove_without_memory_works(void **state) {
  struct dict *dict = *state;
  for (int64_t i = 0; i < 5000; i++) {
    set(dict, value_int(i), i);
  }
  for (int64_t i = 0; i < 5000; i++) {
    struct value key;
    struct value value;
    malloc_hook_fail(1);
    assert_true(dict_remove(dict, value_int(i * 7919 % 5000), &key, &value));
    malloc_hook_fail(0);
  }
  for (int64_t i = 0; i < 5000; i++) { /* and it is as good as new */
    set(dict, value_int(i), i);
    assert_int_equal(get(dict, value_int(i)), i);
  }
  expect_honest_memory(dict);
}

static void test_dict_new_without_memory_is_null(void **state) {
  (void)state;
  malloc_hook_fail(1);
  assert_null(dict_new(&hash_key));
  malloc_hook_fail(0);
}

#define DICT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      DICT_TEST(test_dict_empty_has_nothing),
      DICT_TEST(test_dict_set_replaces_and_keeps_the_first_key),
      DICT_TEST(test_dict_text_and_bytes_are_different_keys),
      DICT_TEST(test_dict_nan_is_one_key),
      DICT_TEST(test_dict_remove_last_goes_backwards),
      DICT_TEST(test_dict_cursor_stays_good_while_entries_go),
      DICT_TEST(test_dict_cursor_from_before_a_clear_meets_new_entries),
      DICT_TEST(test_dict_cursor_beyond_the_end_finds_nothing),
      DICT_TEST(test_dict_clear_releases_everything),
      DICT_TEST(test_dict_small_is_cheap),
      DICT_TEST(test_dict_large_is_dense),
      DICT_TEST(test_dict_emptied_gives_its_memory_back),
      DICT_TEST(test_dict_set_without_memory_changes_nothing),
      DICT_TEST(test_dict_remove_without_memory_works),
      DICT_TEST(test_dict_new_without_memory_is_null),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
