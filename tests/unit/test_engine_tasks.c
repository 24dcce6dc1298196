/* Stories of items of a queue: priorities, delays, many at once, shutdown, memory. */
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/story_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* 1, 2, 3 ... count */
static void put_many(uint64_t connection, uint64_t sequence, const char *queue, size_t count,
                     int64_t timeout_ms) {
  static Holdfast__Value values[HF_MANY_COUNT_MAX + 1];
  static Holdfast__Value *items[HF_MANY_COUNT_MAX + 1];
  Holdfast__QueuePutMany message = HOLDFAST__QUEUE_PUT_MANY__INIT;
  for (size_t i = 0; i < count; i++) {
    values[i] = (Holdfast__Value)HOLDFAST__VALUE__INIT;
    values[i].kind_case = HOLDFAST__VALUE__KIND_INTEGER;
    values[i].integer = (int64_t)i + 1;
    items[i] = &values[i];
  }
  message.items = items;
  message.n_items = count;
  TASKS_ASK(connection, sequence, queue, timeout_ms, PUT_MANY, &message);
}

/* ---- priorities and delays */

static void test_put_lower_priorities_go_first_and_equal_ones_in_order(void **state) {
  (void)state;
  tasks_fill("q", 2);
  tasks_put(1, 0, "q", 10, 5, 0, FOREVER);
  tasks_put(1, 0, "q", 20, -5, 0, FOREVER);
  tasks_put(1, 0, "q", 21, -5, 0, FOREVER);
  tasks_put(1, 0, "q", 30, INT64_MIN, 0, FOREVER);
  tasks_put(1, 0, "q", 40, INT64_MAX, 0, FOREVER);
  tasks_put(1, 0, "q", 3, 0, 0, FOREVER);
  story_forget(&tasks_story);
  tasks_get_many(2, 1, "q", 100, 0);
  story_expect(&tasks_story, "2 <- #1 OK 30 20 21 1 2 3 10 40\n");
}

static void test_put_delayed_is_not_to_be_had_before(void **state) {
  (void)state;
  tasks_put(1, 1, "q", 1, 0, 100, FOREVER);
  tasks_put(1, 2, "q", 2, 0, 50, FOREVER);
  tasks_get(2, 1, "q", 0);
  tasks_get(2, 2, "q", FOREVER);
  tasks_expect_counts("q", 0, 2, 0, 0, 2);
  story_pass_ms(&tasks_story, 49);
  story_expect(&tasks_story,
               "1 <- #1 OK\n1 <- #2 OK\n"
               "2 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY\n");
  story_pass_ms(&tasks_story, 1);
  story_expect(&tasks_story, "2 <- #2 OK 2\n");
  story_pass_ms(&tasks_story, 1000);
  tasks_expect_counts("q", 1, 0, 0, 0, 2);
}

static void test_put_delayed_lines_up_when_it_is_due(void **state) {
  (void)state;
  tasks_put(1, 0, "q", 10, 0, 100, FOREVER);
  tasks_put(1, 0, "q", 20, 0, 100, FOREVER);
  tasks_put(1, 0, "q", 30, -1, 100, FOREVER);
  tasks_fill("q", 2);
  story_pass_ms(&tasks_story, 100);
  tasks_put(1, 0, "q", 3, 0, 0, FOREVER);
  story_forget(&tasks_story);
  tasks_get_many(2, 1, "q", 100, 0);
  story_expect(&tasks_story, "2 <- #1 OK 30 1 2 10 20 3\n");
}

static void test_put_delayed_for_longer_than_there_is_time_never_comes(void **state) {
  (void)state;
  tasks_put(1, 0, "q", 1, 0, UINT64_MAX, FOREVER);
  tasks_put(1, 0, "q", 1, 0, UINT64_C(1) << 63, FOREVER);
  story_pass_ms(&tasks_story, UINT64_C(1) << 40);
  tasks_expect_counts("q", 0, 2, 0, 0, 2);
  assert_int_equal(engine_next_deadline_ns(tasks_story.engine), UINT64_MAX);
}

static void test_put_delayed_counts_for_maxsize_but_not_for_size(void **state) {
  (void)state;
  tasks_put(1, 1, "two", 1, 0, 100, FOREVER);
  tasks_put(1, 2, "two", 2, 3, 0, FOREVER);
  tasks_put(1, 3, "two", 3, 0, 0, 0);
  TASKS_ASK(1, 4, "two", FOREVER, SIZE, &(Holdfast__QueueSize)HOLDFAST__QUEUE_SIZE__INIT);
  TASKS_ASK(1, 5, "two", FOREVER, FULL, &(Holdfast__QueueFull)HOLDFAST__QUEUE_FULL__INIT);
  tasks_reserve(2, 1, "two", 0, 0); /* reserved ones need no room */
  tasks_put(1, 6, "two", 4, 0, 0, 0);
  TASKS_ASK(1, 7, "two", FOREVER, EMPTY, &(Holdfast__QueueEmpty)HOLDFAST__QUEUE_EMPTY__INIT);
  story_expect(&tasks_story,
               "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 RESOURCE_EXHAUSTED QUEUE_FULL\n"
               "1 <- #4 OK 1\n1 <- #5 OK yes\n2 <- #1 OK 2, reserved as 1\n1 <- #6 OK\n"
               "1 <- #7 OK no\n");
  story_disconnect(&tasks_story, 2);
  story_pass_ms(&tasks_story, 5000); /* and may come back beyond it */
  tasks_expect_counts("two", 3, 0, 0, 0, 3);
}

/* ---- many */

static void test_get_many_waits_for_one_and_takes_what_is_there(void **state) {
  (void)state;
  tasks_get_many(1, 1, "q", 3, FOREVER);
  tasks_get_many(1, 2, "q", 3, 10);
  tasks_fill("q", 1);
  story_pass_ms(&tasks_story, 10);
  story_expect(&tasks_story, "1 <- #2 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  tasks_fill("q", 4);
  tasks_get_many(1, 3, "q", 3, 0);
  tasks_get_many(1, 4, "q", UINT32_MAX, 0);
  tasks_get_many(1, 5, "q", 3, 0);
  tasks_get_many(1, 6, "q", 0, 0);
  story_expect(&tasks_story,
               "1 <- #3 OK 1 2 3\n1 <- #4 OK 4\n"
               "1 <- #5 RESOURCE_EXHAUSTED QUEUE_EMPTY\n"
               "1 <- #6 INVALID_ARGUMENT BAD_ARGUMENT\n");
}

static void test_get_many_makes_room_for_all_who_wait(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= 4; i++) {
    tasks_put(1, i, "two", (int64_t)i, 0, 0, FOREVER);
  }
  tasks_get_many(2, 1, "two", 10, 0);
  story_expect(&tasks_story, "1 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK 1 2\n1 <- #3 OK\n1 <- #4 OK\n");
}

static void test_put_many_waits_for_room_at_its_place(void **state) {
  (void)state;
  put_many(1, 1, "two", 5, FOREVER);
  tasks_put(2, 1, "two", 9, 0, 0, FOREVER);
  tasks_expect_counts("two", 2, 0, 0, 0, 2);
  tasks_get(3, 1, "two", 0);
  tasks_get_many(3, 2, "two", 2, 0);
  story_expect(&tasks_story, "3 <- #1 OK 1\n3 <- #2 OK 2 3\n1 <- #1 OK 5\n");
  tasks_get_many(3, 3, "two", 2, 0);
  tasks_get(3, 4, "two", FOREVER);
  story_expect(&tasks_story, "3 <- #3 OK 4 5\n2 <- #1 OK\n3 <- #4 OK 9\n");
}

static void test_put_many_answers_how_many_it_put(void **state) {
  (void)state;
  put_many(1, 1, "two", 3, 0);
  put_many(1, 2, "two", 3, 0);
  put_many(1, 3, "two", 3, 50);
  put_many(2, 1, "two", 3, 100);
  tasks_get(3, 1, "two", 0);
  story_pass_ms(&tasks_story, 50);
  story_pass_ms(&tasks_story, 50);
  story_expect(&tasks_story,
               "1 <- #1 OK 2\n1 <- #2 RESOURCE_EXHAUSTED QUEUE_FULL\n3 <- #1 OK 1\n"
               "1 <- #3 OK 1\n2 <- #1 DEADLINE_EXCEEDED QUEUE_FULL\n");
  put_many(1, 4, "q", 0, FOREVER);
  put_many(1, 5, "q", HF_MANY_COUNT_MAX, FOREVER);
  put_many(1, 6, "q", HF_MANY_COUNT_MAX + 1, FOREVER);
  story_expect(&tasks_story,
               "1 <- #4 OK 0\n1 <- #5 OK 10000\n1 <- #6 INVALID_ARGUMENT BAD_ARGUMENT\n");
}

static void test_put_many_that_has_put_some_says_so_however_it_ends(void **state) {
  (void)state;
  put_many(1, 1, "two", 3, FOREVER);
  put_many(2, 1, "two", 3, FOREVER);
  tasks_shut_down(3, 1, "two", false);
  story_expect(&tasks_story,
               "3 <- #1 OK\n1 <- #1 OK 2\n2 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
  story_open(&tasks_story, 4, 3, HOLDFAST__KIND__QUEUE, "one", 1);
  put_many(1, 2, "one", 3, FOREVER);
  put_many(2, 2, "one", 3, FOREVER);
  story_forget(&tasks_story);
  apply_drain(tasks_story.engine);
  assert_non_null(strstr(tasks_story.text, "1 <- #2 OK 1\n"));
  assert_non_null(strstr(tasks_story.text, "2 <- #2 UNAVAILABLE STOPPING\n"));
}

static void test_put_many_with_a_bad_item_puts_none(void **state) {
  (void)state;
  Holdfast__Value good = HOLDFAST__VALUE__INIT, bad = HOLDFAST__VALUE__INIT;
  Holdfast__Value *items[] = {&good, &bad};
  Holdfast__QueuePutMany message = HOLDFAST__QUEUE_PUT_MANY__INIT;
  good.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  message.items = items;
  message.n_items = 2;
  TASKS_ASK(1, 1, "q", FOREVER, PUT_MANY, &message);
  story_expect(&tasks_story, "1 <- #1 INVALID_ARGUMENT BAD_VALUE\n");
  tasks_expect_counts("q", 0, 0, 0, 0, 0);
}

/* Six texts of 3 MiB: five fit a reply. */
static void test_get_many_leaves_what_does_not_fit_the_reply(void **state) {
  (void)state;
  static uint8_t text[3u << 20];
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut message = HOLDFAST__QUEUE_PUT__INIT;
  memset(text, 'x', sizeof text);
  value.kind_case = HOLDFAST__VALUE__KIND_BYTES;
  value.bytes = (ProtobufCBinaryData){sizeof text, text};
  message.value = &value;
  tasks_story.engine->memory.max = 64u << 20;
  for (int i = 0; i < 6; i++) {
    TASKS_ASK(1, 0, "q", FOREVER, PUT, &message);
  }
  tasks_get_many(2, 1, "q", 6, 0);
  tasks_expect_counts("q", 2, 0, 0, 0, 6);
  tasks_get_many(2, 2, "q", 6, 0);
  tasks_expect_counts("q", 0, 0, 0, 0, 6);
}

/* ---- shutdown */

static void test_shutdown_refuses_puts_and_lets_gets_finish(void **state) {
  (void)state;
  tasks_fill("two", 2);
  tasks_put(1, 1, "two", 3, 0, 0, FOREVER);
  tasks_shut_down(2, 1, "two", false);
  tasks_put(1, 2, "two", 4, 0, 0, FOREVER);
  put_many(1, 3, "two", 4, FOREVER);
  tasks_get(3, 1, "two", FOREVER);
  tasks_reserve(3, 2, "two", 0, FOREVER);
  story_expect(&tasks_story,
               "2 <- #1 OK\n1 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #2 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #3 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "3 <- #1 OK 1\n3 <- #2 OK 2, reserved as 1\n");
  tasks_get(1, 4, "two", FOREVER); /* it may come back */
  tasks_get(1, 5, "two", 0);
  tasks_get_many(1, 6, "two", 1, 10);
  story_pass_ms(&tasks_story, 10);
  story_expect(&tasks_story,
               "1 <- #5 RESOURCE_EXHAUSTED QUEUE_EMPTY\n1 <- #6 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  tasks_ack(3, 3, "two", 1);
  tasks_reserve(3, 4, "two", 0, FOREVER);
  tasks_shut_down(2, 2, "two", false);
  story_expect(&tasks_story,
               "3 <- #3 OK\n1 <- #4 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "3 <- #4 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n2 <- #2 OK\n");
}

static void test_shutdown_answers_all_waiters(void **state) {
  (void)state;
  tasks_get(1, 1, "q", FOREVER);
  tasks_get_many(1, 2, "q", 2, FOREVER);
  tasks_reserve(2, 1, "q", 0, FOREVER);
  tasks_shut_down(3, 1, "q", false);
  story_expect(&tasks_story,
               "3 <- #1 OK\n1 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #2 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "2 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
}

static void test_shutdown_waits_for_what_is_delayed_or_reserved(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_put(4, 0, "q", 2, 0, 100, 0);
  tasks_get(2, 1, "q", FOREVER);
  tasks_get(3, 1, "q", FOREVER);
  tasks_shut_down(4, 3, "q", false);
  story_forget(&tasks_story);
  story_pass_ms(&tasks_story, 100);
  story_expect(&tasks_story, "2 <- #1 OK 2\n");
  tasks_bury(1, 2, 1);
  story_expect(&tasks_story, "1 <- #2 OK\n3 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
  tasks_kick(1, 3, 0);
  tasks_get(3, 2, "q", FOREVER);
  story_expect(&tasks_story, "1 <- #3 OK 1\n3 <- #2 OK 1\n");
}

static void test_immediate_shutdown_drops_what_waits_and_joins_return(void **state) {
  (void)state;
  tasks_fill("q", 3);
  tasks_put(4, 0, "q", 4, 5, 0, 0);
  tasks_put(4, 0, "q", 5, 0, 100, 0);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_join(2, 1, "q", FOREVER);
  story_forget(&tasks_story);
  tasks_shut_down(3, 1, "q", true);
  tasks_expect_counts("q", 0, 0, 1, 0, 1);
  tasks_ack(1, 2, "q", 1);
  story_expect(&tasks_story, "3 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK\n");
  tasks_fill("two", 2);
  tasks_join(2, 2, "two", FOREVER);
  tasks_shut_down(3, 2, "two", true);
  tasks_shut_down(3, 3, "two", true);
  story_expect(&tasks_story, "3 <- #2 OK\n2 <- #2 OK\n3 <- #3 OK\n");
  story_pass_ms(&tasks_story, 1000);
  tasks_expect_counts("q", 0, 0, 0, 0, 0);
}

/* ---- memory */

static void test_memory_of_tasks_is_counted_and_large_queues_are_deferred(void **state) {
  (void)state;
  size_t empty = tasks_object("q")->memory_bytes;
  for (int i = 0; i < 1000; i++) {
    tasks_put(4, 0, "q", i, i % 3, (uint64_t)i % 7, 0);
    story_forget(&tasks_story);
  }
  size_t full = tasks_object("q")->memory_bytes;
  assert_true(full - empty > 850 * sizeof(struct task));
  assert_true(tasks_story.engine->memory.total > full);
  tasks_delete_queue(1, 1);
  struct object *deferred = engine_take_deferred(tasks_story.engine);
  assert_non_null(deferred);
  apply_freed(tasks_story.engine, engine_free_deferred(deferred));
  assert_true(tasks_story.engine->memory.total < full);
}

static void test_immediate_shutdown_of_a_large_queue_leaves_it_to_others(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) {
    tasks_put(4, 0, "q", i, i % 3, (uint64_t)i % 7, 0);
    story_forget(&tasks_story);
  }
  tasks_shut_down(1, 1, "q", true);
  struct object *deferred = engine_take_deferred(tasks_story.engine);
  assert_non_null(deferred);
  apply_freed(tasks_story.engine, engine_free_deferred(deferred));
  story_pass_ms(&tasks_story, 1000);
  tasks_expect_counts("q", 0, 0, 0, 0, 0);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, tasks_set_up, tasks_tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_put_lower_priorities_go_first_and_equal_ones_in_order),
      STORY(test_put_delayed_is_not_to_be_had_before),
      STORY(test_put_delayed_lines_up_when_it_is_due),
      STORY(test_put_delayed_for_longer_than_there_is_time_never_comes),
      STORY(test_put_delayed_counts_for_maxsize_but_not_for_size),
      STORY(test_get_many_waits_for_one_and_takes_what_is_there),
      STORY(test_get_many_makes_room_for_all_who_wait),
      STORY(test_put_many_waits_for_room_at_its_place),
      STORY(test_put_many_answers_how_many_it_put),
      STORY(test_put_many_that_has_put_some_says_so_however_it_ends),
      STORY(test_put_many_with_a_bad_item_puts_none),
      STORY(test_get_many_leaves_what_does_not_fit_the_reply),
      STORY(test_shutdown_refuses_puts_and_lets_gets_finish),
      STORY(test_shutdown_answers_all_waiters),
      STORY(test_shutdown_waits_for_what_is_delayed_or_reserved),
      STORY(test_immediate_shutdown_drops_what_waits_and_joins_return),
      STORY(test_memory_of_tasks_is_counted_and_large_queues_are_deferred),
      STORY(test_immediate_shutdown_of_a_large_queue_leaves_it_to_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
