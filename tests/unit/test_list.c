#include "proto/limits.h"
#include "server/objects/list.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct value text(const char *string) {
  struct value value;
  assert_true(value_text(bytes_of_text(string), &value));
  return value;
}

static struct list list_of(const int64_t *numbers, size_t count) {
  struct list list;
  list_init(&list);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(list_append(&list, value_int(numbers[i])), HF_REASON_NONE);
  }
  return list;
}

static void expect_list(const struct list *list, const int64_t *numbers, size_t count) {
  assert_int_equal(list->len, count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(list_at(list, i).integer, numbers[i]);
  }
}

static int expect_no_leak(void **state) {
  (void)state;
  malloc_hook_fail(0);
  return malloc_hook_live_bytes() == 0 ? 0 : -1;
}

static void test_list_position_counts_from_either_end(void **state) {
  (void)state;
  size_t position = 99;
  assert_true(list_position(3, 0, &position));
  assert_int_equal(position, 0);
  assert_true(list_position(3, -1, &position));
  assert_int_equal(position, 2);
  assert_true(list_position(3, -3, &position));
  assert_int_equal(position, 0);
  assert_false(list_position(3, 3, &position));
  assert_false(list_position(3, -4, &position));
  assert_false(list_position(0, 0, &position));
  assert_false(list_position(3, INT64_MIN, &position));
  assert_false(list_position(3, INT64_MAX, &position));
}

#define ABSENT INT64_C(-999)

/* What slice(start, stop, step).indices(len) says in Python. */
static void test_list_range_is_that_of_python(void **state) {
  (void)state;
  static const struct {
    size_t len;
    int64_t start, stop, step;
    int64_t expected_start;
    size_t expected_count;
  } rows[] = {
      {5, ABSENT, ABSENT, ABSENT, 0, 5},
      {5, 1, 3, ABSENT, 1, 2},
      {5, -2, ABSENT, ABSENT, 3, 2},
      {5, ABSENT, -2, ABSENT, 0, 3},
      {5, 3, 1, ABSENT, 3, 0},
      {5, 9, ABSENT, ABSENT, 5, 0},
      {5, -9, 9, 1, 0, 5},
      {5, ABSENT, ABSENT, 2, 0, 3},
      {5, 1, ABSENT, 2, 1, 2},
      {5, ABSENT, ABSENT, -1, 4, 5},
      {5, ABSENT, ABSENT, -2, 4, 3},
      {5, 3, 0, -1, 3, 3},
      {5, 9, -9, -3, 4, 2},
      {5, 0, 3, -1, 0, 0},
      {5, ABSENT, ABSENT, INT64_MAX, 0, 1},
      {5, ABSENT, ABSENT, INT64_MIN, 4, 1},
      {5, INT64_MIN, INT64_MAX, 1, 0, 5},
      {5, INT64_MAX, INT64_MIN, -1, 4, 5},
      {0, ABSENT, ABSENT, ABSENT, 0, 0},
      {0, ABSENT, ABSENT, -1, 0, 0},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct list_range range;
    const int64_t *start = rows[i].start == ABSENT ? NULL : &rows[i].start;
    const int64_t *stop = rows[i].stop == ABSENT ? NULL : &rows[i].stop;
    const int64_t *step = rows[i].step == ABSENT ? NULL : &rows[i].step;
    assert_int_equal(list_range_of(rows[i].len, start, stop, step, &range), HF_REASON_NONE);
    assert_int_equal(range.start, rows[i].expected_start);
    assert_int_equal(range.count, rows[i].expected_count);
  }
}

static void test_list_range_of_step_0_is_refused(void **state) {
  (void)state;
  int64_t step = 0;
  struct list_range range;
  assert_int_equal(list_range_of(3, NULL, NULL, &step, &range), HF_REASON_BAD_SLICE);
}

static void test_list_as_a_queue_stays_small(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  size_t most = 0;
  for (int64_t i = 0; i < 100000; i++) {
    assert_int_equal(list_append(&list, value_int(i)), HF_REASON_NONE);
    if (i >= 100) {
      assert_int_equal(list_remove_at(&list, 0).integer, i - 100);
    }
    most = list_memory_bytes(&list) > most ? list_memory_bytes(&list) : most;
  }
  assert_true(most < 100 * 16 * 5);
  while (list.len > 0) {
    list_remove_at(&list, 0);
  }
  assert_int_equal(list_memory_bytes(&list), 0);
  list_deinit(&list);
}

static void test_list_pushing_at_both_ends_is_cheap(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  for (int64_t i = 0; i < 200000; i++) { /* hours, if each push moved all items */
    struct value item = value_int(i);
    assert_int_equal(list_insert(&list, i % 2 ? 0 : list.len, &item, 1), HF_REASON_NONE);
  }
  assert_int_equal(list_at(&list, 0).integer, 199999);
  assert_int_equal(list_at(&list, 199999).integer, 199998);
  assert_int_equal(list_at(&list, 100000).integer, 0);
  list_deinit(&list);
}

static void test_list_append_beyond_the_limit_is_refused(void **state) {
  (void)state;
  struct list list = {.len = HF_LENGTH_MAX}; /* never read */
  assert_int_equal(list_append(&list, value_int(1)), HF_REASON_OBJECT_TOO_BIG);
  assert_int_equal(list.len, HF_LENGTH_MAX);
}

static void test_list_sort_orders_numbers_exactly(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  int64_t big = (INT64_C(1) << 53) + 1;
  list_append(&list, value_uint(UINT64_MAX));
  list_append(&list, value_int(big));
  list_append(&list, value_float(0x1p53));
  list_append(&list, value_bool(true));
  list_append(&list, value_float(-0.5));
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NONE);
  assert_true(value_equal(list_at(&list, 0), value_float(-0.5)));
  assert_true(value_equal(list_at(&list, 1), value_int(1)));
  assert_int_equal(list_at(&list, 2).kind, VALUE_FLOAT);
  assert_int_equal(list_at(&list, 3).integer, big);
  assert_int_equal(list_at(&list, 4).kind, VALUE_UINT);
  list_deinit(&list);
}

/* 1, 1.0 and true are equal: they keep their order, in reverse too. */
static void test_list_sort_is_stable_both_ways(void **state) {
  (void)state;
  for (int reverse = 0; reverse < 2; reverse++) {
    struct list list;
    list_init(&list);
    for (int i = 0; i < 99; i++) {
      struct value forms[] = {value_int(1), value_float(1.0), value_bool(true)};
      assert_int_equal(list_append(&list, forms[i % 3]), HF_REASON_NONE);
      assert_int_equal(list_append(&list, value_int(i % 2 ? 0 : 2)), HF_REASON_NONE);
    }
    assert_int_equal(list_sort(&list, reverse, NULL), HF_REASON_NONE);
    size_t first = reverse ? 50 : 49; /* behind the 50 twos, or the 49 zeros */
    const uint8_t kinds[] = {VALUE_INT, VALUE_FLOAT, VALUE_BOOL};
    for (size_t i = 0; i < 99; i++) {
      assert_int_equal(list_at(&list, first + i).kind, kinds[i % 3]);
    }
    list_deinit(&list);
  }
}

static void test_list_sort_of_mixed_kinds_leaves_the_list(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  list_append(&list, value_int(3));
  list_append(&list, value_int(1));
  list_append(&list, value_int(2));
  list_append(&list, text("a text that is not a number"));
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NOT_ORDERED);
  assert_int_equal(list_at(&list, 0).integer, 3);
  assert_int_equal(list_at(&list, 1).integer, 1);
  assert_int_equal(list_at(&list, 3).kind, VALUE_TEXT);
  list_deinit(&list);
}

/* It would take hours if the text were read for each comparison. */
static void test_list_sort_of_one_long_text_many_times_is_quick(void **state) {
  (void)state;
  struct list list, removed;
  struct value text;
  char *letters = calloc(1, 1u << 20);
  assert_true(value_text(bytes_of(letters, 1u << 20), &text));
  free(letters);
  list_init(&list);
  list_init(&removed);
  assert_int_equal(list_append(&list, text), HF_REASON_NONE);
  assert_int_equal(list_repeat(&list, 1 << 20, &removed, NULL), HF_REASON_NONE);
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NONE);
  list_deinit(&list);
}

static void test_list_sort_of_one_of_anything_is_fine(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NONE);
  list_append(&list, value_none());
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NONE);
  list_append(&list, value_none());
  assert_int_equal(list_sort(&list, false, NULL), HF_REASON_NOT_ORDERED);
  list_deinit(&list);
}

static void test_list_repeat_shares_and_counts(void **state) {
  (void)state;
  struct list list, removed;
  list_init(&list);
  list_init(&removed);
  list_append(&list, text("a text of more than fourteen bytes"));
  assert_int_equal(list_repeat(&list, 1000, &removed, NULL), HF_REASON_NONE);
  assert_int_equal(list.len, 1000);
  assert_int_equal(list_repeat(&list, INT64_MAX, &removed, NULL), HF_REASON_OBJECT_TOO_BIG);
  assert_int_equal(list_repeat(&list, (HF_LENGTH_MAX / 1000) + 1, &removed, NULL),
                   HF_REASON_OBJECT_TOO_BIG);
  assert_int_equal(list.len, 1000);
  assert_int_equal(list_repeat(&list, -1, &removed, NULL), HF_REASON_NONE);
  assert_int_equal(list.len, 0);
  assert_int_equal(removed.len, 1000);
  assert_int_equal(list_repeat(&list, INT64_MAX, &removed, NULL), HF_REASON_NONE); /* [] * n */
  list_deinit(&removed);
  list_deinit(&list);
}

static void test_list_bytes_of_copies_are_about_those_of_repeating(void **state) {
  (void)state;
  const size_t counts[] = {1, 2, 100, 1000};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    struct list list, removed;
    size_t expected;
    list_init(&list);
    list_init(&removed);
    for (size_t j = 0; j < counts[i]; j++) {
      list_append(&list, text("a text of more than fourteen bytes"));
    }
    size_t once = list_memory_bytes(&list);
    assert_true(list_bytes_of_copies(&list, 999, &expected));
    assert_false(list_bytes_of_copies(&list, SIZE_MAX / 8, &(size_t){0}));
    assert_int_equal(list_repeat(&list, 1000, &removed, NULL), HF_REASON_NONE);
    assert_in_range(list_memory_bytes(&list) - once, expected - expected / 10,
                    expected + expected / 10);
    list_deinit(&list);
  }
}

/* Half a minute and more, if each insertion moved a good part of the items. */
static void test_list_insertion_anywhere_is_cheap(void **state) {
  (void)state;
  struct list list;
  list_init(&list);
  struct random random = {.state = 1};
  for (int64_t i = 0; i < 1000000; i++) {
    struct value item = value_int(i);
    size_t position = random_below(&random, list.len + 1);
    assert_int_equal(list_insert(&list, position, &item, 1), HF_REASON_NONE);
  }
  assert_true(list_memory_bytes(&list) < 1000000 * sizeof(struct value) * 2);
  while (list.len > 0) {
    list_remove_at(&list, random_below(&random, list.len));
  }
  assert_int_equal(list_memory_bytes(&list), 0);
}

/* ---- stopping */

static bool stop_at_third(void *ctx) {
  return ++*(int *)ctx == 3;
}

static hf_reason stop_sort(struct list *list, struct list *removed, const struct list_stop *stop) {
  (void)removed;
  return list_sort(list, true, stop);
}
static hf_reason stop_repeat(struct list *list, struct list *removed,
                             const struct list_stop *stop) {
  return list_repeat(list, 2, removed, stop);
}
static hf_reason stop_removal(struct list *list, struct list *removed,
                              const struct list_stop *stop) {
  struct list_range range = {.start = 0, .step = 2, .count = list->len / 2};
  return list_remove_range(list, range, removed, stop);
}

static void test_list_that_is_stopped_is_as_it_was(void **state) {
  (void)state;
  hf_reason (*const operations[])(struct list *, struct list *, const struct list_stop *) = {
      stop_sort, stop_repeat, stop_removal};
  for (size_t i = 0; i < COUNT(operations); i++) {
    struct list list, removed;
    int asked = 0;
    struct list_stop stop = {.stop = stop_at_third, .ctx = &asked};
    list_init(&list);
    list_init(&removed);
    for (int64_t number = 0; number < 50000; number++) {
      assert_int_equal(list_append(&list, value_int(number)), HF_REASON_NONE);
    }
    size_t bytes = list_memory_bytes(&list);
    assert_int_equal(operations[i](&list, &removed, &stop), HF_REASON_STOPPING);
    assert_int_equal(asked, 3);
    assert_int_equal(removed.len, 0);
    assert_int_equal(list.len, 50000);
    assert_int_equal(list_memory_bytes(&list), bytes);
    for (int64_t number = 0; number < 50000; number++) {
      assert_int_equal(list_at(&list, (size_t)number).integer, number);
    }
    list_deinit(&list);
  }
}

static void test_list_scratch_is_what_is_said(void **state) {
  (void)state;
  struct list list, removed;
  list_init(&list);
  list_init(&removed);
  for (int64_t number = 0; number < 50000; number++) {
    assert_int_equal(list_append(&list, value_int(number)), HF_REASON_NONE);
  }
  size_t before = malloc_hook_live_bytes();
  malloc_hook_record_peak();
  assert_int_equal(list_sort(&list, true, NULL), HF_REASON_NONE);
  assert_int_equal(malloc_hook_most_bytes(), before + list_sort_scratch_bytes(&list));
  struct list_range range = {.start = 0, .step = 3, .count = 10000};
  size_t scratch = list_range_scratch_bytes(&list, range);
  malloc_hook_record_peak();
  assert_int_equal(list_remove_range(&list, range, &removed, NULL), HF_REASON_NONE);
  size_t after = list_memory_bytes(&list) + list_memory_bytes(&removed);
  assert_true(malloc_hook_most_bytes() <= after * 5 / 4 + scratch);
  list_deinit(&list);
  list_deinit(&removed);
}

/* ---- no memory */

static hf_reason insert_one(struct list *list, struct list *removed) {
  struct value item = value_int(7);
  (void)removed;
  return list_insert(list, list->len / 2, &item, 1);
}
static hf_reason insert_first(struct list *list, struct list *removed) {
  struct value item = value_int(7);
  (void)removed;
  return list_insert(list, 0, &item, 1);
}
static hf_reason insert_at(struct list *list, size_t position) {
  struct value items[700];
  memset(items, 0, sizeof items);
  return list_insert(list, position, items, COUNT(items));
}
static hf_reason insert_many(struct list *list, struct list *removed) {
  (void)removed;
  return insert_at(list, 5);
}
static hf_reason append_many(struct list *list, struct list *removed) {
  (void)removed;
  return insert_at(list, list->len);
}
static hf_reason remove_some(struct list *list, struct list *removed) {
  struct list_range range = {.start = 1, .step = 2, .count = list->len / 2 - 1};
  return list_remove_range(list, range, removed, NULL);
}
static hf_reason remove_slice(struct list *list, struct list *removed) {
  struct list_range range = {.start = 1, .step = 1, .count = list->len / 2};
  return list_remove_range(list, range, removed, NULL);
}
static hf_reason replace(struct list *list, size_t count, size_t by, struct list *removed) {
  struct value items[700];
  memset(items, 0, sizeof items);
  struct list_range range = {.start = 2, .step = 1, .count = count};
  return list_replace_range(list, range, items, by, removed);
}
static hf_reason replace_by_more(struct list *list, struct list *removed) {
  return replace(list, 3, 700, removed);
}
static hf_reason replace_by_fewer(struct list *list, struct list *removed) {
  return replace(list, list->len - 5, 1, removed);
}
static hf_reason replace_by_as_many(struct list *list, struct list *removed) {
  return replace(list, 6, 6, removed);
}
static hf_reason sort(struct list *list, struct list *removed) {
  (void)removed;
  return list_sort(list, true, NULL);
}
static hf_reason repeat(struct list *list, struct list *removed) {
  return list_repeat(list, 7, removed, NULL);
}
static hf_reason split(struct list *list, struct list *removed) {
  struct list tail;
  hf_reason reason = list_split(list, list->len / 3, &tail);
  if (!reason) {
    *removed = tail;
  }
  return reason;
}
/* The list joins itself. */
static hf_reason concat(struct list *list, struct list *removed) {
  struct list tail;
  (void)removed;
  hf_reason reason = list_split(list, list->len / 3, &tail);
  if (!reason && (reason = list_concat(list, &tail))) { /* one failure is all there is */
    assert_int_equal(list_concat(list, &tail), HF_REASON_NONE);
  }
  return reason;
}
static hf_reason hold(struct list *list, struct list *removed) {
  (void)removed;
  bool is_pinned = list_pin(list, 3);
  list_unpin(list);
  return is_pinned ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

/* Each allocation of each operation fails once: NO_MEMORY and no change, or the operation could do
 * without. Answers how often it failed. */
static size_t expect_all_or_nothing(hf_reason (*operation)(struct list *, struct list *),
                                    const int64_t *items, size_t count) {
  size_t refusals = 0;
  for (size_t nth = 1;; nth++) {
    struct list list = list_of(items, count);
    struct list removed;
    list_init(&removed);
    malloc_hook_fail(nth);
    hf_reason reason = operation(&list, &removed);
    bool failed = malloc_hook_has_failed();
    malloc_hook_fail(0);
    if (reason != HF_REASON_NONE) {
      assert_true(failed);
      assert_int_equal(reason, HF_REASON_NO_MEMORY);
      expect_list(&list, items, count);
      assert_int_equal(removed.len, 0);
      refusals++;
    }
    list_deinit(&list);
    list_deinit(&removed);
    assert_int_equal(malloc_hook_live_bytes(), 0);
    if (!failed) {
      break;
    }
  }
  return refusals;
}

static void test_list_without_memory_changes_nothing(void **state) {
  (void)state;
  hf_reason (*const operations[])(struct list *, struct list *) = {insert_one,
                                                                   insert_first,
                                                                   insert_many,
                                                                   append_many,
                                                                   remove_some,
                                                                   remove_slice,
                                                                   replace_by_more,
                                                                   replace_by_fewer,
                                                                   replace_by_as_many,
                                                                   sort,
                                                                   repeat,
                                                                   split,
                                                                   hold,
                                                                   concat};
  static int64_t items[256 * 64];
  for (size_t i = 0; i < COUNT(items); i++) {
    items[i] = (int64_t)i;
  }
  const size_t counts[] = {12, 256, 2000, COUNT(items)};
  for (size_t i = 0; i < COUNT(operations); i++) {
    size_t refusals = 0;
    for (size_t j = 0; j < COUNT(counts); j++) {
      refusals += expect_all_or_nothing(operations[i], items, counts[j]);
    }
    assert_true(refusals > 0);
  }
}

#define LIST_TEST(name) cmocka_unit_test_teardown(name, expect_no_leak)

int main(void) {
  const struct CMUnitTest tests[] = {
      LIST_TEST(test_list_position_counts_from_either_end),
      LIST_TEST(test_list_range_is_that_of_python),
      LIST_TEST(test_list_range_of_step_0_is_refused),
      LIST_TEST(test_list_as_a_queue_stays_small),
      LIST_TEST(test_list_pushing_at_both_ends_is_cheap),
      LIST_TEST(test_list_append_beyond_the_limit_is_refused),
      LIST_TEST(test_list_sort_orders_numbers_exactly),
      LIST_TEST(test_list_sort_is_stable_both_ways),
      LIST_TEST(test_list_sort_of_mixed_kinds_leaves_the_list),
      LIST_TEST(test_list_sort_of_one_of_anything_is_fine),
      LIST_TEST(test_list_sort_of_one_long_text_many_times_is_quick),
      LIST_TEST(test_list_repeat_shares_and_counts),
      LIST_TEST(test_list_bytes_of_copies_are_about_those_of_repeating),
      LIST_TEST(test_list_insertion_anywhere_is_cheap),
      LIST_TEST(test_list_that_is_stopped_is_as_it_was),
      LIST_TEST(test_list_scratch_is_what_is_said),
      LIST_TEST(test_list_without_memory_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
