/* Stories of reservations: items given out, acknowledged, lost, buried, returned, and what they refer
 * to. */
#include "server/engine/core.h"
#include "server/engine/settle.h"
#include "server/engine/tasks.h"
#include "tests/support/story_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void extend(uint64_t connection, uint64_t sequence, uint64_t reservation,
                   uint64_t lease_ms) {
  Holdfast__QueueExtend message = HOLDFAST__QUEUE_EXTEND__INIT;
  message.reservation = reservation;
  message.lease_ms = lease_ms;
  TASKS_ASK(connection, sequence, "q", FOREVER, EXTEND, &message);
}

static void give_back(uint64_t connection, uint64_t sequence, uint64_t reservation,
                      uint64_t delay_ms) {
  Holdfast__QueueReturn message = HOLDFAST__QUEUE_RETURN__INIT;
  message.reservation = reservation;
  message.delay_ms = delay_ms;
  TASKS_ASK(connection, sequence, "q", FOREVER, RETURN, &message);
}

static void task_done(uint64_t connection, uint64_t thread, uint64_t sequence) {
  Holdfast__QueueTaskDone message = HOLDFAST__QUEUE_TASK_DONE__INIT;
  tasks_ask_of(connection, sequence, "q", thread, FOREVER,
               HOLDFAST__REQUEST__OPERATION_QUEUE_TASK_DONE, &message);
}

/* ---- reservations */

static void test_reserve_waits_in_one_line_with_get(void **state) {
  (void)state;
  tasks_reserve(1, 1, "q", 0, FOREVER);
  tasks_get(2, 1, "q", FOREVER);
  tasks_reserve(3, 1, "q", 0, 10);
  tasks_fill("q", 2);
  story_pass_ms(&tasks_story, 10);
  story_expect(&tasks_story, "3 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  tasks_reserve(3, 2, "q", 0, 0);
  tasks_ack(1, 2, "q", 1);
  tasks_ack(1, 3, "q", 1);
  story_expect(&tasks_story,
               "3 <- #2 RESOURCE_EXHAUSTED QUEUE_EMPTY\n1 <- #2 OK\n"
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n");
  tasks_expect_counts("q", 0, 0, 0, 0, 1);
}

static void test_reserve_needs_a_session(void **state) {
  (void)state;
  story_connect(&tasks_story, 9);
  tasks_fill("q", 1);
  tasks_reserve(9, 1, "q", 0, 0);
  story_expect(&tasks_story, "9 <- #1 FAILED_PRECONDITION NEEDS_SESSION\n");
}

static void test_reservations_are_one_session_s_and_one_queue_s(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_ack(2, 1, "q", 1);
  tasks_ack(1, 2, "two", 1);
  tasks_ack(1, 3, "q", 0);
  tasks_ack(1, 4, "q", UINT64_MAX);
  extend(2, 2, 1, 100);
  give_back(2, 3, 1, 0);
  tasks_bury(2, 4, 1);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n"
               "2 <- #1 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #2 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #4 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #2 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #4 FAILED_PRECONDITION NOT_RESERVED\n");
  tasks_ack(1, 5, "q", 1);
  story_expect(&tasks_story, "1 <- #5 OK\n");
}

static void test_reserved_item_of_a_killed_session_is_back_at_its_position_as_tried(void **state) {
  (void)state;
  tasks_fill("q", 3);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  story_disconnect(&tasks_story, 1);
  story_forget(&tasks_story);
  story_pass_ms(&tasks_story, 4999);
  tasks_expect_counts("q", 1, 0, 2, 0, 3);
  story_pass_ms(&tasks_story, 1);
  tasks_expect_counts("q", 3, 0, 0, 0, 3);
  for (uint64_t i = 1; i <= 3; i++) {
    tasks_reserve(2, i, "q", 0, 0);
  }
  story_expect(&tasks_story,
               "2 <- #1 OK 1, reserved as 3, tried 1\n2 <- #2 OK 2, reserved as 4, tried 1\n"
               "2 <- #3 OK 3, reserved as 5\n");
}

static void test_reserved_item_of_a_clean_goodbye_is_back_untried(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_reserve(2, 1, "q", 0, FOREVER);
  story_close_session(&tasks_story, 1);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #0 OK\n2 <- #1 OK 1, reserved as 2\n");
}

static void test_reservation_survives_a_lost_connection(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  story_disconnect(&tasks_story, 1);
  story_pass_ms(&tasks_story, 4000);
  story_connect(&tasks_story, 11);
  story_resume(&tasks_story, 11, 1, 1);
  tasks_reserve(11, 1, "q", 0, 0); /* the same request again */
  tasks_ack(11, 2, "q", 1);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n11 <- #0 OK session\n"
               "11 <- #1 OK 1, reserved as 1\n11 <- #2 OK\n");
}

static void test_lease_ends_unless_it_is_extended(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 100, 0);
  story_pass_ms(&tasks_story, 99);
  extend(1, 2, 1, 100);
  tasks_reserve(2, 1, "q", 0, FOREVER);
  story_pass_ms(&tasks_story, 99);
  story_expect(&tasks_story, "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK\n");
  story_pass_ms(&tasks_story, 1);
  story_expect(&tasks_story, "2 <- #1 OK 1, reserved as 2, tried 1\n");
  extend(1, 3, 1, 100);
  tasks_ack(1, 4, "q", 1);
  story_expect(&tasks_story,
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #4 FAILED_PRECONDITION NOT_RESERVED\n");
}

static void test_lease_may_be_given_and_taken_away_later(void **state) {
  (void)state;
  tasks_fill("q", 2);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_reserve(1, 2, "q", 100, 0);
  extend(1, 3, 1, 50);
  extend(1, 4, 2, 0);
  story_pass_ms(&tasks_story, 50);
  tasks_expect_counts("q", 1, 0, 1, 0, 2);
  story_pass_ms(&tasks_story, 100000);
  tasks_expect_counts("q", 1, 0, 1, 0, 2);
  extend(1, 5, 2, UINT64_MAX);
  story_pass_ms(&tasks_story, UINT64_C(1) << 40);
  tasks_expect_counts("q", 1, 0, 1, 0, 2);
}

static void test_return_is_back_at_its_position_or_later(void **state) {
  (void)state;
  tasks_fill("q", 3);
  tasks_reserve(1, 1, "q", 1000, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  give_back(1, 3, 1, 0);
  give_back(1, 4, 2, 100);
  tasks_get(2, 1, "q", 0);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK 2, reserved as 2\n1 <- #3 OK\n"
               "1 <- #4 OK\n2 <- #1 OK 1\n");
  tasks_expect_counts("q", 1, 1, 0, 0, 3);
  story_pass_ms(&tasks_story, 100);
  tasks_reserve(2, 2, "q", 0, 0);
  tasks_get(2, 3, "q", 0);
  story_expect(&tasks_story, "2 <- #2 OK 2, reserved as 3, tried 1\n2 <- #3 OK 3\n");
}

static void test_return_of_a_leased_item_for_later_ends_its_lease(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 50, 0);
  give_back(1, 2, 1, 100);
  story_pass_ms(&tasks_story, 99);
  tasks_expect_counts("q", 0, 1, 0, 0, 1);
  story_pass_ms(&tasks_story, 1);
  tasks_reserve(1, 3, "q", 0, 0);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK\n1 <- #3 OK 1, reserved as 2, tried 1\n");
}

static void test_buried_items_stay_until_they_are_kicked(void **state) {
  (void)state;
  tasks_fill("q", 4);
  for (uint64_t i = 1; i <= 3; i++) {
    tasks_reserve(1, i, "q", 100, 0);
  }
  tasks_bury(1, 4, 2);
  tasks_bury(1, 5, 1);
  tasks_bury(1, 6, 3);
  tasks_ack(1, 7, "q", 1);
  story_close_session(&tasks_story, 1);
  story_pass_ms(&tasks_story, 10000);
  tasks_expect_counts("q", 1, 0, 0, 3, 4);
  story_forget(&tasks_story);
  tasks_kick(2, 1, 2);
  tasks_reserve(2, 2, "q", 0, 0);
  tasks_get_many(2, 3, "q", 9, 0);
  tasks_kick(2, 4, 0);
  tasks_get(2, 5, "q", 0);
  tasks_kick(2, 6, 0);
  story_expect(&tasks_story,
               "2 <- #1 OK 2\n2 <- #2 OK 1, reserved as 4\n2 <- #3 OK 2 4\n2 <- #4 OK 1\n"
               "2 <- #5 OK 3\n2 <- #6 OK 0\n");
}

static void test_kick_wakes_who_waits(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_kick(1, 1, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  tasks_bury(1, 3, 1);
  tasks_get(2, 1, "q", FOREVER);
  tasks_kick(1, 4, UINT64_MAX);
  story_expect(&tasks_story,
               "1 <- #1 OK 0\n1 <- #2 OK 1, reserved as 1\n1 <- #3 OK\n1 <- #4 OK 1\n"
               "2 <- #1 OK 1\n");
}

static void test_join_waits_for_acks_and_for_what_is_buried(void **state) {
  (void)state;
  tasks_fill("q", 2);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  tasks_join(2, 1, "q", FOREVER);
  tasks_ack(1, 3, "q", 1);
  tasks_bury(1, 4, 2);
  tasks_kick(1, 5, 0);
  tasks_reserve(1, 6, "q", 0, 0);
  story_forget(&tasks_story);
  tasks_ack(1, 7, "q", 3);
  story_expect(&tasks_story, "1 <- #7 OK\n2 <- #1 OK\n");
}

static void test_task_done_acknowledges_the_thread_s_oldest_reservation(void **state) {
  (void)state;
  tasks_fill("q", 4);
  tasks_fill("two", 1);
  tasks_reserve_by(1, 7, 1, "two", 0, 0);
  tasks_reserve_by(1, 8, 2, "q", 0, 0);
  tasks_reserve_by(1, 7, 3, "q", 0, 0);
  tasks_reserve_by(1, 7, 4, "q", 0, 0);
  story_forget(&tasks_story);
  task_done(1, 7, 5);
  tasks_ack(1, 6, "q", 3);
  task_done(1, 7, 7);
  tasks_ack(1, 8, "q", 4);
  task_done(1, 7, 9); /* has none left: the classic meaning */
  tasks_ack(1, 10, "q", 2);
  story_expect(&tasks_story,
               "1 <- #5 OK\n1 <- #6 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #7 OK\n1 <- #8 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #9 OK\n1 <- #10 OK\n");
  tasks_expect_counts("q", 1, 0, 0, 0, 0);
  task_done(2, 1, 1);
  story_expect(&tasks_story, "2 <- #1 FAILED_PRECONDITION TOO_MANY_DONE\n");
}

static void test_ack_after_too_many_task_dones_is_no_error(void **state) {
  (void)state;
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  task_done(2, 1, 1);
  tasks_ack(1, 2, "q", 1);
  story_expect(&tasks_story, "1 <- #1 OK 1, reserved as 1\n2 <- #1 OK\n1 <- #2 OK\n");
  tasks_expect_counts("q", 0, 0, 0, 0, 0);
}

static void test_reservations_of_a_session_are_bounded(void **state) {
  (void)state;
  tasks_story.engine->memory.max = 64u << 20;
  for (size_t i = 0; i <= HF_RESERVATIONS_MAX; i++) {
    tasks_put(4, 0, "q", (int64_t)i, 0, 0, 0);
    story_forget(&tasks_story);
  }
  for (size_t i = 0; i < HF_RESERVATIONS_MAX; i++) {
    tasks_reserve(1, 0, "q", 0, 0);
    story_forget(&tasks_story);
  }
  tasks_reserve(1, 0, "q", 0, FOREVER);
  tasks_ack(1, 0, "q", 1);
  tasks_reserve(1, 0, "q", 0, FOREVER);
  story_expect(&tasks_story,
               "1 <- #0 RESOURCE_EXHAUSTED RESERVATIONS_FULL\n1 <- #0 OK\n"
               "1 <- #0 OK 16384, reserved as 16385\n");
}

static void test_deleted_queue_takes_its_tasks_along(void **state) {
  (void)state;
  tasks_fill("q", 2);
  tasks_put(4, 0, "q", 9, 1, 10, 0);
  tasks_reserve(1, 1, "q", 20, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  tasks_bury(1, 3, 2);
  tasks_delete_queue(2, 1);
  tasks_ack(1, 4, "q", 1);
  assert_int_equal(engine_next_deadline_ns(tasks_story.engine), UINT64_MAX);
  story_open(&tasks_story, 4, 3, HOLDFAST__KIND__QUEUE, "q", 0);
  story_forget(&tasks_story);
  tasks_ack(1, 5, "q", 1);
  story_pass_ms(&tasks_story, 1000);
  story_close_session(&tasks_story, 1);
  story_expect(&tasks_story, "1 <- #5 FAILED_PRECONDITION NOT_RESERVED\n1 <- #0 OK\n");
}

static void test_suspended_reserver_takes_nothing(void **state) {
  (void)state;
  tasks_reserve(1, 1, "q", 0, FOREVER);
  tasks_reserve(2, 1, "q", 0, FOREVER);
  story_disconnect(&tasks_story, 1);
  tasks_fill("q", 1);
  tasks_expect_counts("q", 0, 0, 1, 0, 1);
  tasks_ack(2, 2, "q", 1);
  story_expect(&tasks_story, "2 <- #2 OK\n");
}

/* ---- unacknowledged items are returned */

static void return_items(const char *name, uint64_t count) {
  struct object *object = tasks_object(name);
  struct taken taken[8];
  struct value values[8];
  for (uint64_t i = 0; i < count; i++) {
    values[i] = queue_get(&object->queue, &taken[i]);
  }
  for (uint64_t i = count; i-- > 0;) { /* the second before the first */
    struct reply_taken from = {.order = taken[i].position.order,
                               .suborder = taken[i].position.suborder,
                               .priority = taken[i].position.priority,
                               .tries = taken[i].tries};
    core_put_back_item(tasks_story.engine, object, values[i], &from);
  }
  core_settle(tasks_story.engine, tasks_story.now_ns);
}

static void test_item_put_back_has_its_position_again(void **state) {
  (void)state;
  tasks_fill("q", 3);
  tasks_put(4, 0, "q", 10, -1, 0, 0);
  tasks_put(4, 0, "q", 20, 1, 0, 0);
  tasks_reserve(1, 1, "q", 0, 0);
  give_back(1, 2, 1, 0); /* 10, tried once */
  story_forget(&tasks_story);
  return_items("q", 5);
  tasks_fill("q", 1);
  tasks_reserve(1, 3, "q", 0, 0);
  tasks_get_many(1, 4, "q", 9, 0);
  story_expect(&tasks_story, "1 <- #3 OK 10, reserved as 2, tried 1\n1 <- #4 OK 1 2 3 1 20\n");
}

static void test_item_put_back_wakes_who_waits(void **state) {
  (void)state;
  tasks_fill("q", 1);
  struct object *object = tasks_object("q");
  struct taken taken;
  struct value value = queue_get(&object->queue, &taken);
  tasks_get(1, 1, "q", FOREVER);
  struct reply_taken from = {.order = taken.position.order, .suborder = taken.position.suborder};
  core_put_back_item(tasks_story.engine, object, value, &from);
  core_settle(tasks_story.engine, tasks_story.now_ns);
  story_expect(&tasks_story, "1 <- #1 OK 1\n");
}

static void test_reservation_nobody_saw_goes_back(void **state) {
  (void)state;
  uint8_t serial[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  uint64_t session;
  memcpy(&session, serial, sizeof session);
  tasks_fill("q", 1);
  tasks_reserve(1, 1, "q", 0, 0);
  struct session *owner = map64_get(&tasks_story.engine->sessions, session);
  core_end_reservation(tasks_story.engine, owner, 1, false);
  core_end_reservation(tasks_story.engine, owner, 1, false);
  tasks_reserve(1, 2, "q", 0, 0);
  core_end_reservation(tasks_story.engine, owner, 2, true);
  tasks_reserve(1, 3, "q", 0, 0);
  story_expect(&tasks_story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK 1, reserved as 2\n"
               "1 <- #3 OK 1, reserved as 3, tried 1\n");
}

/* ---- references */

static void put_reference(uint64_t object, int64_t priority, uint64_t delay_ms) {
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut message = HOLDFAST__QUEUE_PUT__INIT;
  reference.object = object;
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  message.value = &value;
  message.priority = priority;
  message.delay_ms = delay_ms;
  TASKS_ASK(4, 0, "q", FOREVER, PUT, &message);
}

/* An anonymous list in the queue, without another reference. */
static void put_list(int64_t priority, uint64_t delay_ms) {
  uint64_t list = story_open(&tasks_story, 4, 0, HOLDFAST__KIND__LIST, NULL, 0);
  put_reference(list, priority, delay_ms);
  story_drop(&tasks_story, 4, 0, list, 1);
  story_forget(&tasks_story);
}

static void test_references_in_tasks_live_until_they_are_acknowledged(void **state) {
  (void)state;
  put_list(0, 0);
  put_list(0, 100);
  put_list(3, 0);
  assert_int_equal(story_objects(&tasks_story, 4), 5);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_reserve(1, 2, "q", 0, 0);
  tasks_bury(1, 3, 2);
  tasks_ack(1, 4, "q", 1);
  assert_int_equal(story_objects(&tasks_story, 4), 5); /* the session has what it was given */
  story_close_session(&tasks_story, 1);
  assert_int_equal(story_objects(&tasks_story, 4), 4);
  tasks_delete_queue(2, 1);
  assert_int_equal(story_objects(&tasks_story, 4), 1);
}

static void test_references_are_dropped_by_an_immediate_shutdown(void **state) {
  (void)state;
  put_list(0, 0);
  put_list(0, 100);
  put_list(3, 0);
  put_list(-1, 0);
  tasks_reserve(1, 1, "q", 0, 0);
  tasks_shut_down(2, 1, "q", true);
  assert_int_equal(story_objects(&tasks_story, 4), 3);
  assert_int_equal(tasks_object("q")->stored_references, 1);
  tasks_ack(1, 2, "q", 1);
  assert_int_equal(tasks_object("q")->stored_references, 0);
}

static void test_references_put_back_are_counted_again(void **state) {
  (void)state;
  put_list(0, 0);
  tasks_get(1, 1, "q", 0);
  struct object *object = tasks_object("q");
  assert_int_equal(object->stored_references, 0);
  story_close_session(&tasks_story, 1); /* without having acknowledged it */
  assert_int_equal(object->stored_references, 1);
  assert_int_equal(story_objects(&tasks_story, 4), 3);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, tasks_set_up, tasks_tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_reserve_waits_in_one_line_with_get),
      STORY(test_reserve_needs_a_session),
      STORY(test_reservations_are_one_session_s_and_one_queue_s),
      STORY(test_reserved_item_of_a_killed_session_is_back_at_its_position_as_tried),
      STORY(test_reserved_item_of_a_clean_goodbye_is_back_untried),
      STORY(test_reservation_survives_a_lost_connection),
      STORY(test_lease_ends_unless_it_is_extended),
      STORY(test_lease_may_be_given_and_taken_away_later),
      STORY(test_return_is_back_at_its_position_or_later),
      STORY(test_return_of_a_leased_item_for_later_ends_its_lease),
      STORY(test_buried_items_stay_until_they_are_kicked),
      STORY(test_kick_wakes_who_waits),
      STORY(test_join_waits_for_acks_and_for_what_is_buried),
      STORY(test_task_done_acknowledges_the_thread_s_oldest_reservation),
      STORY(test_ack_after_too_many_task_dones_is_no_error),
      STORY(test_reservations_of_a_session_are_bounded),
      STORY(test_deleted_queue_takes_its_tasks_along),
      STORY(test_suspended_reserver_takes_nothing),
      STORY(test_item_put_back_has_its_position_again),
      STORY(test_item_put_back_wakes_who_waits),
      STORY(test_reservation_nobody_saw_goes_back),
      STORY(test_references_in_tasks_live_until_they_are_acknowledged),
      STORY(test_references_are_dropped_by_an_immediate_shutdown),
      STORY(test_references_put_back_are_counted_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
