/* Stories of waiting: which waiter gets what, in which order, and how every wait ends. */
#include "proto/base/clock.h"
#include "tests/support/apply.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__QUEUE, "q", 2);
  story_open(&story, 4, 2, HOLDFAST__KIND__LOCK, "lock", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__RLOCK, "rlock", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void test_queue_get_on_empty_parks(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_expect(&story, "");
  story_put(&story, 2, 1, "q", 7, STORY_WAIT_FOREVER);
  story_expect(&story,
               "2 <- #1 OK\n"
               "1 <- #1 OK 7\n");
}

static void test_queue_waiters_are_served_in_order(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 1, 2, "q", STORY_WAIT_FOREVER);
  story_put(&story, 3, 1, "q", 1, STORY_WAIT_FOREVER);
  story_put(&story, 3, 2, "q", 2, STORY_WAIT_FOREVER);
  story_put(&story, 3, 3, "q", 3, STORY_WAIT_FOREVER);
  story_expect(&story,
               "3 <- #1 OK\n1 <- #1 OK 1\n"
               "3 <- #2 OK\n2 <- #1 OK 2\n"
               "3 <- #3 OK\n1 <- #2 OK 3\n");
}

static void test_queue_put_on_full_parks_until_room(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= 4; i++) {
    story_put(&story, 1, i, "q", (int64_t)i, STORY_WAIT_FOREVER);
  }
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n");
  story_get(&story, 2, 1, "q", 0);
  story_expect(&story, "2 <- #1 OK 1\n1 <- #3 OK\n");
  story_get(&story, 2, 2, "q", 0);
  story_get(&story, 2, 3, "q", 0);
  story_get(&story, 2, 4, "q", 0);
  story_get(&story, 2, 5, "q", 0);
  story_expect(&story,
               "2 <- #2 OK 2\n1 <- #4 OK\n2 <- #3 OK 3\n2 <- #4 OK 4\n"
               "2 <- #5 RESOURCE_EXHAUSTED QUEUE_EMPTY\n");
}

static void test_wait_ends_at_its_deadline(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", 100);
  story_get(&story, 2, 1, "q", 50);
  story_pass_ms(&story, 49);
  story_expect(&story, "");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  story_pass_ms(&story, 50);
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  story_put(&story, 3, 1, "q", 1, 0);
  story_get(&story, 3, 2, "q", 0);
  story_expect(&story, "3 <- #1 OK\n3 <- #2 OK 1\n");
}

/* A command whose time is earlier than that of the command before is applied at the later time. */
static void test_time_never_goes_back(void **state) {
  (void)state;
  story_pass_ms(&story, 100);
  story.now_ns -= 50 * CLOCK_NS_PER_MS;
  story_get(&story, 1, 1, "q", 10);
  story_pass_ms(&story, 59);
  story_expect(&story, "");
  story_pass_ms(&story, 1);
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
}

static void test_wait_ends_when_the_object_is_deleted(void **state) {
  (void)state;
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(1, "q", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &deletion;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_send(&story, 2, &request);
  story_expect(&story, "1 <- #1 ABORTED OBJECT_DELETED\n2 <- #1 OK\n");
}

static void test_negative_timeout_is_refused(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", -5);
  story_expect(&story, "1 <- #1 INVALID_ARGUMENT NEGATIVE_TIMEOUT\n");
}

static void test_vanished_getter_takes_no_item(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_disconnect(&story, 1);
  story_put(&story, 3, 1, "q", 9, STORY_WAIT_FOREVER);
  story_expect(&story, "3 <- #1 OK\n2 <- #1 OK 9\n");
}

static void test_resumed_getter_has_its_old_place(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 4000);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  story_get(&story, 11, 1, "q", STORY_WAIT_FOREVER); /* the same request again */
  story_put(&story, 3, 1, "q", 1, STORY_WAIT_FOREVER);
  story_put(&story, 3, 2, "q", 2, STORY_WAIT_FOREVER);
  story_expect(&story,
               "11 <- #0 OK session\n"
               "3 <- #1 OK\n11 <- #1 OK 1\n"
               "3 <- #2 OK\n2 <- #1 OK 2\n");
}

static void test_deadline_while_away_is_answered_on_return(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", 1000);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 2000);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  story_get(&story, 11, 1, "q", 1000);
  story_expect(&story,
               "0 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n"
               "11 <- #0 OK session\n"
               "11 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
}

static void test_lock_goes_to_the_next_in_line(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "lock", 1, 0);
  story_release(&story, 3, 2, "lock", 1); /* anyone may */
  story_release(&story, 2, 2, "lock", 1);
  story_release(&story, 2, 3, "lock", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n"
               "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n"
               "3 <- #2 OK\n2 <- #1 OK granted\n"
               "2 <- #2 OK\n"
               "2 <- #3 FAILED_PRECONDITION NOT_LOCKED\n");
}

static void test_rlock_is_its_thread_s_and_counted(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "rlock", 7, 0);
  story_acquire(&story, 1, 2, "rlock", 7, 0);
  story_acquire(&story, 1, 3, "rlock", 8, 0);
  story_release(&story, 1, 4, "rlock", 8);
  story_release(&story, 1, 5, "rlock", 7);
  story_acquire(&story, 2, 1, "rlock", 7, 0);
  story_release(&story, 1, 6, "rlock", 7);
  story_acquire(&story, 2, 2, "rlock", 7, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 OK granted\n"
               "1 <- #3 DEADLINE_EXCEEDED LOCK_HELD\n"
               "1 <- #4 FAILED_PRECONDITION NOT_OWNER\n"
               "1 <- #5 OK\n"
               "2 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n"
               "1 <- #6 OK\n2 <- #2 OK granted\n");
}

static void test_killed_owner_frees_its_lock_and_its_death_is_reported(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 4999);
  story_expect(&story, "1 <- #1 OK granted\n");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
}

static void test_clean_goodbye_leaves_the_lock_acquired(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_close_session(&story, 1);
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_release(&story, 2, 2, "lock", 1);
  story_acquire(&story, 2, 3, "lock", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #0 OK\n"
               "2 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n"
               "2 <- #2 OK\n2 <- #3 OK granted\n");
}

static void test_drain_answers_all_who_wait(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  apply_drain(story.engine);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_expect(&story, "1 <- #1 UNAVAILABLE STOPPING\n2 <- #1 UNAVAILABLE STOPPING\n");
}

/* Some waits are of lost sessions, one of none; all of them have deadlines. Sanitizers watch. */
static void test_engine_is_freed_while_others_wait(void **state) {
  (void)state;
  story_connect(&story, 5);
  story_get(&story, 1, 1, "q", 9000);
  story_get(&story, 5, 0, "q", 1000);
  story_get(&story, 5, 0, "q", 2000);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_disconnect(&story, connection);
  }
  story_expect(&story, "");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_queue_get_on_empty_parks),
      STORY(test_queue_waiters_are_served_in_order),
      STORY(test_queue_put_on_full_parks_until_room),
      STORY(test_wait_ends_at_its_deadline),
      STORY(test_time_never_goes_back),
      STORY(test_wait_ends_when_the_object_is_deleted),
      STORY(test_negative_timeout_is_refused),
      STORY(test_vanished_getter_takes_no_item),
      STORY(test_resumed_getter_has_its_old_place),
      STORY(test_deadline_while_away_is_answered_on_return),
      STORY(test_lock_goes_to_the_next_in_line),
      STORY(test_rlock_is_its_thread_s_and_counted),
      STORY(test_killed_owner_frees_its_lock_and_its_death_is_reported),
      STORY(test_clean_goodbye_leaves_the_lock_acquired),
      STORY(test_drain_answers_all_who_wait),
      STORY(test_engine_is_freed_while_others_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
