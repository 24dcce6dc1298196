/* The checker finds what it is there for: small histories, good and bad. Times are in steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/checker.h"
#include "tests/support/random.h"

#define RECORDS_MAX 512

static struct history_record story[RECORDS_MAX];
static size_t story_count;

static const uint64_t entry = (uint64_t)HISTORY_ENTRY << 56, cell = (uint64_t)HISTORY_CELL << 56,
                      queue = (uint64_t)HISTORY_QUEUE << 56, lock = (uint64_t)HISTORY_LOCK << 56;

static struct history_record *add(uint64_t subject, uint64_t from, uint64_t until, int operation,
                                  int64_t argument, int64_t result) {
  assert_true(story_count < RECORDS_MAX);
  struct history_record *record = &story[story_count++];
  *record = (struct history_record){.invoked_ns = from,
                                    .returned_ns = until,
                                    .subject = subject,
                                    .argument = argument,
                                    .result = result,
                                    .operation = (uint8_t)operation,
                                    .outcome = HISTORY_DONE};
  return record;
}

static void add_unknown(uint64_t subject, uint64_t from, int operation, int64_t argument) {
  add(subject, from, 0, operation, argument, 0)->outcome = HISTORY_UNKNOWN;
}

static void add_refused(uint64_t subject, uint64_t from, uint64_t until, int operation) {
  add(subject, from, until, operation, 0, HISTORY_ABSENT)->outcome = HISTORY_REFUSED;
}

static void add_swap(uint64_t from, uint64_t until, int64_t expected, int64_t desired,
                     int64_t found) {
  struct history_record *record = add(cell, from, until, HISTORY_COMPARE_AND_SET, desired, found);
  record->expected = expected;
  record->outcome = expected == found ? HISTORY_DONE : HISTORY_REFUSED;
}

/* Judges what was added since the last time. */
static struct checker_report judge(void) {
  struct checker_report report;
  checker_run(story, story_count, &report);
  assert_int_equal(report.undecided, 0);
  story_count = 0;
  return report;
}

static void expect_good(void) {
  struct checker_report report = judge();
  if (report.violations > 0) {
    fail_msg("not a violation: %s", report.findings[0]);
  }
}

static void expect_bad(const char *what) {
  struct checker_report report = judge();
  assert_true(report.violations > 0);
  if (strncmp(report.findings[0], what, strlen(what)) != 0) {
    fail_msg("found '%s' instead of '%s'", report.findings[0], what);
  }
}

static const char unexplained[] = "no order explains this result";

/* ---------------------------------------------------------------- entries and cells */

static void test_register_in_sequence_is_good(void **state) {
  (void)state;
  add_refused(entry, 1, 2, HISTORY_GET);
  add(entry, 3, 4, HISTORY_SET, 7, 0);
  add(entry, 5, 6, HISTORY_GET, 0, 7);
  add(entry, 7, 8, HISTORY_ADD, 2, 9);
  add(entry, 9, 10, HISTORY_DELETE, 0, 0);
  add_refused(entry, 11, 12, HISTORY_DELETE);
  add(entry, 13, 14, HISTORY_ADD, 5, 5);
  expect_good();
}

static void test_register_of_overlapping_calls_takes_any_order(void **state) {
  (void)state;
  add(cell, 1, 10, HISTORY_SET, 1, 0);
  add(cell, 2, 9, HISTORY_SET, 2, 0);
  add(cell, 3, 4, HISTORY_GET, 0, 2);
  add(cell, 5, 6, HISTORY_GET, 0, 1);
  expect_good();
}

static void test_register_with_a_stale_read_is_bad(void **state) {
  (void)state;
  add(cell, 1, 2, HISTORY_SET, 1, 0);
  add(cell, 3, 4, HISTORY_SET, 2, 0);
  add(cell, 5, 6, HISTORY_GET, 0, 1);
  expect_bad(unexplained);
}

static void test_register_that_goes_back_is_bad(void **state) {
  (void)state;
  add(cell, 1, 20, HISTORY_SET, 1, 0);
  add(cell, 3, 4, HISTORY_GET, 0, 1);
  add(cell, 5, 6, HISTORY_GET, 0, 0);
  expect_bad(unexplained);
}

static void test_register_with_a_lost_update_is_bad(void **state) {
  (void)state;
  add(cell, 1, 10, HISTORY_ADD, 1, 1);
  add(cell, 2, 9, HISTORY_ADD, 1, 1);
  expect_bad(unexplained);
}

static void test_register_with_a_repeated_update_is_bad(void **state) {
  (void)state;
  add(cell, 1, 2, HISTORY_ADD, 1, 1);
  add(cell, 3, 4, HISTORY_ADD, 1, 3);
  expect_bad(unexplained);
}

static void test_register_swapped_by_two_is_bad(void **state) {
  (void)state;
  add_swap(1, 10, 0, 5, 0);
  add_swap(2, 9, 0, 6, 5);
  expect_good();
  add_swap(1, 10, 0, 5, 0);
  add_swap(2, 9, 0, 6, 0);
  expect_bad(unexplained);
}

static void test_register_with_unknown_calls_takes_both_endings(void **state) {
  (void)state;
  add_unknown(cell, 1, HISTORY_SET, 5);
  add(cell, 2, 3, HISTORY_GET, 0, 0);
  add(cell, 4, 5, HISTORY_GET, 0, 5);
  expect_good();
  add_unknown(cell, 1, HISTORY_SET, 5);
  add(cell, 2, 3, HISTORY_GET, 0, 0);
  expect_good();
  add_unknown(cell, 1, HISTORY_ADD, 1);
  add(cell, 2, 3, HISTORY_GET, 0, 2);
  expect_bad(unexplained);
}

static void test_register_with_an_unknown_call_that_happened_twice_is_bad(void **state) {
  (void)state;
  add_unknown(cell, 1, HISTORY_SET, 5);
  add(cell, 2, 3, HISTORY_GET, 0, 5);
  add(cell, 4, 5, HISTORY_SET, 6, 0);
  add(cell, 6, 7, HISTORY_GET, 0, 5);
  expect_bad(unexplained);
}

static void test_register_result_before_its_cause_is_bad(void **state) {
  (void)state;
  add(cell, 1, 2, HISTORY_GET, 0, 5);
  add_unknown(cell, 3, HISTORY_SET, 5);
  expect_bad(unexplained);
}

/* Histories made by a real order, with times around the moment each call happened: all good; with
 * one result changed to a number that was never there: bad. */
static void test_register_of_random_orders(void **state) {
  (void)state;
  struct random randomness = {42};
  for (int round = 0; round < 200; round++) {
    int64_t number = 0;
    for (uint64_t moment = 100; moment < 300; moment++) {
      uint64_t from = moment * 10 - random_below(&randomness, 80);
      uint64_t until = moment * 10 + 1 + random_below(&randomness, 80);
      if (random_below(&randomness, 2) == 0) {
        number += 3;
        add(cell, from, until, HISTORY_ADD, 3, number);
      } else {
        add(cell, from, until, HISTORY_GET, 0, number);
      }
    }
    if (round % 2 == 0) {
      expect_good();
    } else {
      story[random_below(&randomness, story_count)].result += 1;
      expect_bad(unexplained);
    }
  }
}

static void test_register_with_too_many_calls_under_way_is_undecided(void **state) {
  (void)state;
  struct checker_report report;
  for (uint64_t i = 0; i < 65; i++) {
    add_unknown(cell, i + 1, HISTORY_SET, (int64_t)i);
  }
  checker_run(story, story_count, &report);
  story_count = 0;
  assert_int_equal(report.undecided, 1);
}

/* ---------------------------------------------------------------- queues */

static void test_queue_in_order_is_good(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 10);
  add(queue, 7, 8, HISTORY_TAKE, 0, 11);
  add_refused(queue, 9, 10, HISTORY_TAKE);
  expect_good();
}

static void test_queue_of_overlapping_calls_takes_any_order(void **state) {
  (void)state;
  add(queue, 1, 4, HISTORY_PUT, 10, 0);
  add(queue, 2, 3, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  add(queue, 7, 8, HISTORY_TAKE, 0, 10);
  add(queue, 9, 10, HISTORY_PUT, 12, 0);
  add(queue, 11, 12, HISTORY_PUT, 13, 0);
  add(queue, 13, 20, HISTORY_TAKE, 0, 12);
  add(queue, 14, 15, HISTORY_TAKE, 0, 13);
  expect_good();
}

static void test_queue_with_a_duplicate_item_is_bad(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_TAKE, 0, 10);
  add(queue, 5, 6, HISTORY_TAKE, 0, 10);
  expect_bad("an item came out twice");
}

static void test_queue_with_a_lost_item_is_bad_unless_a_take_is_unknown(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  expect_bad("an item was lost");
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add_unknown(queue, 3, HISTORY_TAKE, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  assert_int_equal(judge().missing, 1);
}

static void test_queue_with_an_unknown_put_takes_both_endings(void **state) {
  (void)state;
  add_unknown(queue, 1, HISTORY_PUT, 10);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  expect_good();
  add_unknown(queue, 1, HISTORY_PUT, 10);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  add(queue, 7, 8, HISTORY_TAKE, 0, 10);
  expect_good();
}

static void test_queue_with_an_invented_item_is_bad(void **state) {
  (void)state;
  add(queue, 5, 6, HISTORY_TAKE, 0, 10);
  expect_bad("an item came out that nobody put");
  add(queue, 5, 6, HISTORY_TAKE, 0, 10);
  add(queue, 7, 8, HISTORY_PUT, 10, 0);
  expect_bad("an item came out before it was put");
}

static void test_queue_out_of_order_is_bad(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  add(queue, 7, 8, HISTORY_TAKE, 0, 10);
  expect_bad("an item that was put before was still inside");
}

static void test_queue_out_of_order_after_an_unknown_take_is_excused_once(void **state) {
  (void)state;
  for (int late_count = 1; late_count <= 2; late_count++) {
    add(queue, 1, 2, HISTORY_PUT, 10, 0);
    add(queue, 3, 4, HISTORY_PUT, 11, 0);
    add(queue, 5, 6, HISTORY_PUT, 12, 0);
    add_unknown(queue, 7, HISTORY_TAKE, 0);
    add(queue, 8, 9, HISTORY_TAKE, 0, late_count == 1 ? 11 : 12);
    add(queue, 10, 11, HISTORY_TAKE, 0, late_count == 1 ? 10 : 11);
    add(queue, 12, 13, HISTORY_TAKE, 0, late_count == 1 ? 12 : 10);
    struct checker_report report = judge();
    assert_int_equal(report.late, 1);
    assert_int_equal(report.violations, late_count - 1);
  }
}

static void test_queue_out_of_order_before_an_unknown_take_is_bad(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add(queue, 3, 4, HISTORY_PUT, 11, 0);
  add(queue, 5, 6, HISTORY_TAKE, 0, 11);
  add(queue, 7, 8, HISTORY_TAKE, 0, 10);
  add_unknown(queue, 9, HISTORY_TAKE, 0);
  expect_bad("an item that was put before was still inside");
}

static void test_queue_empty_with_an_item_inside_is_bad(void **state) {
  (void)state;
  add(queue, 1, 2, HISTORY_PUT, 10, 0);
  add_refused(queue, 3, 4, HISTORY_TAKE);
  add(queue, 5, 6, HISTORY_TAKE, 0, 10);
  expect_bad("an item that was put before was still inside");
}

/* ---------------------------------------------------------------- locks */

static void test_lock_in_turns_is_good(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 1);
  add(lock, 1, 6, HISTORY_ACQUIRE, 0, 2);
  add(lock, 3, 5, HISTORY_RELEASE, 1, 0);
  add(lock, 7, 8, HISTORY_RELEASE, 2, 0);
  expect_good();
}

static void test_lock_with_overlapping_owner_is_bad(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 1);
  add(lock, 3, 4, HISTORY_ACQUIRE, 0, 2);
  add(lock, 5, 6, HISTORY_RELEASE, 1, 0);
  expect_bad("two owned the lock at once");
}

static void test_lock_of_a_owner_that_failed_may_pass_on(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 1);
  add(lock, 3, 4, HISTORY_ACQUIRE, 0, 2);
  add_unknown(lock, 5, HISTORY_RELEASE, 1);
  expect_good();
}

static void test_lock_with_a_falling_token_is_bad(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 2);
  add(lock, 5, 6, HISTORY_ACQUIRE, 0, 1);
  expect_bad("a later grant has a smaller token");
}

static void test_lock_with_a_token_given_twice_is_bad(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 1);
  add(lock, 5, 6, HISTORY_ACQUIRE, 0, 1);
  expect_bad("a token was given twice");
}

static void test_lock_released_twice_is_bad(void **state) {
  (void)state;
  add(lock, 1, 2, HISTORY_ACQUIRE, 0, 1);
  add(lock, 3, 4, HISTORY_RELEASE, 1, 0);
  add(lock, 5, 6, HISTORY_RELEASE, 1, 0);
  expect_bad("a grant was released that was not owned");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_register_in_sequence_is_good),
      cmocka_unit_test(test_register_of_overlapping_calls_takes_any_order),
      cmocka_unit_test(test_register_with_a_stale_read_is_bad),
      cmocka_unit_test(test_register_that_goes_back_is_bad),
      cmocka_unit_test(test_register_with_a_lost_update_is_bad),
      cmocka_unit_test(test_register_with_a_repeated_update_is_bad),
      cmocka_unit_test(test_register_swapped_by_two_is_bad),
      cmocka_unit_test(test_register_with_unknown_calls_takes_both_endings),
      cmocka_unit_test(test_register_with_an_unknown_call_that_happened_twice_is_bad),
      cmocka_unit_test(test_register_result_before_its_cause_is_bad),
      cmocka_unit_test(test_register_of_random_orders),
      cmocka_unit_test(test_register_with_too_many_calls_under_way_is_undecided),
      cmocka_unit_test(test_queue_in_order_is_good),
      cmocka_unit_test(test_queue_of_overlapping_calls_takes_any_order),
      cmocka_unit_test(test_queue_with_a_duplicate_item_is_bad),
      cmocka_unit_test(test_queue_with_a_lost_item_is_bad_unless_a_take_is_unknown),
      cmocka_unit_test(test_queue_with_an_unknown_put_takes_both_endings),
      cmocka_unit_test(test_queue_with_an_invented_item_is_bad),
      cmocka_unit_test(test_queue_out_of_order_is_bad),
      cmocka_unit_test(test_queue_out_of_order_after_an_unknown_take_is_excused_once),
      cmocka_unit_test(test_queue_out_of_order_before_an_unknown_take_is_bad),
      cmocka_unit_test(test_queue_empty_with_an_item_inside_is_bad),
      cmocka_unit_test(test_lock_in_turns_is_good),
      cmocka_unit_test(test_lock_with_overlapping_owner_is_bad),
      cmocka_unit_test(test_lock_of_a_owner_that_failed_may_pass_on),
      cmocka_unit_test(test_lock_with_a_falling_token_is_bad),
      cmocka_unit_test(test_lock_with_a_token_given_twice_is_bad),
      cmocka_unit_test(test_lock_released_twice_is_bad),
  };
  return cmocka_run_group_tests_name("fault.checker", tests, NULL, NULL);
}
