/* Stories of calls that are withdrawn, and of replies that were not acknowledged: nothing they were
 * about to get, or got, is lost. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 4);
  story_open(&story, 4, 0, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 4, 0, HOLDFAST__KIND__PIPE, "p", 0);
  story_open(&story, 4, 0, HOLDFAST__KIND__LOCK, "l", 0);
  story_open(&story, 4, 0, HOLDFAST__KIND__RLOCK, "r", 0);
  story_open(&story, 4, 0, HOLDFAST__KIND__CONDITION, "c", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void ask(uint64_t connection, uint64_t sequence, const char *name,
                Holdfast__Request__OperationCase operation, void *message) {
  Holdfast__Request request = story_request(sequence, name, STORY_WAIT_FOREVER);
  request.thread = 1;
  request.operation_case = operation;
  request.cancel = message; /* every arm is a pointer */
  story_send(&story, connection, &request);
}

static void cancel(uint64_t connection, uint64_t sequence, uint64_t withdrawn, bool revoke) {
  Holdfast__Cancel message = HOLDFAST__CANCEL__INIT;
  message.sequence = withdrawn;
  message.revoke = revoke;
  ask(connection, sequence, NULL, HOLDFAST__REQUEST__OPERATION_CANCEL, &message);
}

static void acknowledge(uint64_t connection, uint64_t sequence, uint64_t acked) {
  Holdfast__Acknowledge message = HOLDFAST__ACKNOWLEDGE__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  request.acked = acked;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE;
  request.acknowledge = &message;
  story_send(&story, connection, &request);
}

static void put(uint64_t first, uint64_t last) {
  static uint64_t sequence = 100;
  for (uint64_t item = first; item <= last; item++) {
    story_put(&story, 4, ++sequence, "q", (int64_t)item, STORY_WAIT_FOREVER);
  }
  story_forget(&story);
}

static void end_abnormally(uint64_t connection) {
  story_disconnect(&story, connection);
  story_pass_ms(&story, 5000);
  story_forget(&story);
}

/* What is in the queue. */
static void expect_items(const char *expected) {
  for (uint64_t i = 0; i < 4; i++) {
    story_get(&story, 4, 0, "q", 0);
  }
  story_expect(&story, expected);
}

#define EMPTY "4 <- #0 RESOURCE_EXHAUSTED QUEUE_EMPTY\n"

/* ---- withdrawn while it waits */

static void test_cancel_a_waiting_get(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  cancel(1, 2, 1, false);
  story_expect(&story, "1 <- #1 CANCELLED CANCELLED\n1 <- #2 OK yes\n");
  put(7, 7);
  expect_items("4 <- #0 OK 7\n" EMPTY EMPTY EMPTY);
}

/* A repeat after a lost connection is answered, not run again. */
static void test_cancel_a_repeated_get_stays_cancelled(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  cancel(1, 2, 1, false);
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  cancel(1, 2, 1, false);
  story_expect(&story,
               "1 <- #1 CANCELLED CANCELLED\n1 <- #2 OK yes\n"
               "1 <- #1 CANCELLED CANCELLED\n1 <- #2 OK no\n");
}

static void test_cancel_what_was_answered_changes_nothing(void **state) {
  (void)state;
  put(7, 7);
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  cancel(1, 2, 1, false);
  cancel(1, 3, 55, true);
  story_expect(&story, "1 <- #1 OK 7\n1 <- #2 OK no\n1 <- #3 OK no\n");
  expect_items(EMPTY EMPTY EMPTY EMPTY);
}

static void test_cancel_a_condition_returns_with_the_lock(void **state) {
  (void)state;
  Holdfast__ConditionWait wait = HOLDFAST__CONDITION_WAIT__INIT;
  story_acquire(&story, 1, 1, "c", 1, STORY_WAIT_FOREVER);
  ask(1, 2, "c", HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT, &wait);
  story_acquire(&story, 2, 1, "c", 1, STORY_WAIT_FOREVER);
  cancel(1, 3, 2, false);
  story_expect(&story, "1 <- #1 OK granted\n2 <- #1 OK granted\n1 <- #3 OK yes\n");
  story_release(&story, 2, 2, "c", 1);
  story_release(&story, 1, 4, "c", 1);
  story_expect(&story, "2 <- #2 OK\n1 <- #2 CANCELLED CANCELLED\n1 <- #4 OK\n");
}

/* Waiters before it in the queue go on waiting. */
static void test_cancel_a_condition_s_second_waiter(void **state) {
  (void)state;
  Holdfast__ConditionWait wait = HOLDFAST__CONDITION_WAIT__INIT;
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_acquire(&story, connection, 1, "c", 1, STORY_WAIT_FOREVER);
    ask(connection, 2, "c", HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT, &wait);
  }
  story_forget(&story);
  cancel(2, 3, 2, false);
  story_expect(&story, "2 <- #2 CANCELLED CANCELLED\n2 <- #3 OK yes\n");
}

/* No session is left to own the lock. */
static void test_cancel_a_condition_for_good_leaves_the_lock(void **state) {
  (void)state;
  Holdfast__ConditionWait wait = HOLDFAST__CONDITION_WAIT__INIT;
  story_acquire(&story, 1, 1, "c", 1, STORY_WAIT_FOREVER);
  ask(1, 2, "c", HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT, &wait);
  cancel(1, 3, 2, true);
  story_acquire(&story, 2, 1, "c", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 CANCELLED CANCELLED\n1 <- #3 OK yes\n"
               "2 <- #1 OK granted\n");
}

/* ---- taken back after the answer */

static void test_cancel_takes_items_back_to_their_places(void **state) {
  (void)state;
  put(1, 3);
  story_get(&story, 1, 1, "q", 0);
  story_get(&story, 1, 2, "q", 0);
  cancel(1, 3, 1, true);
  cancel(1, 4, 2, true);
  cancel(1, 5, 2, true); /* once */
  story_expect(&story,
               "1 <- #1 OK 1\n1 <- #2 OK 2\n1 <- #3 OK yes\n1 <- #4 OK yes\n1 <- #5 OK no\n");
  expect_items("4 <- #0 OK 1\n4 <- #0 OK 2\n4 <- #0 OK 3\n" EMPTY);
}

static void test_cancel_takes_a_grant_back_once(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "l", 1, 0);
  cancel(1, 2, 1, true);
  story_acquire(&story, 2, 1, "l", 1, 0);
  cancel(1, 3, 1, true);
  story_acquire(&story, 3, 1, "l", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 OK yes\n2 <- #1 OK granted\n1 <- #3 OK no\n"
               "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

/* The next owner of the lock is the first to see what the dead owner left. */
static void test_cancel_reports_the_dead_owner_to_the_next(void **state) {
  (void)state;
  story_acquire(&story, 3, 1, "l", 1, 0);
  end_abnormally(3);
  story_acquire(&story, 1, 1, "l", 1, 0);
  cancel(1, 2, 1, true);
  story_acquire(&story, 2, 1, "l", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted, owner died\n1 <- #2 OK yes\n2 <- #1 OK granted, owner died\n");
}

/* The grant was lost and given to another in between. */
static void test_cancel_leaves_another_ones_grant(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "l", 1, 0);
  story_release(&story, 2, 1, "l", 1);
  story_acquire(&story, 2, 2, "l", 1, 0);
  cancel(1, 2, 1, true);
  story_acquire(&story, 3, 1, "l", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n2 <- #1 OK\n2 <- #2 OK granted\n1 <- #2 OK yes\n"
               "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

static void test_cancel_takes_one_level_back(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "r", 1, 0);
  story_acquire(&story, 1, 2, "r", 1, 0);
  cancel(1, 3, 2, true);
  story_acquire(&story, 2, 1, "r", 1, 0);
  story_release(&story, 1, 4, "r", 1);
  story_acquire(&story, 2, 2, "r", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 OK granted\n1 <- #3 OK yes\n"
               "2 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n1 <- #4 OK\n2 <- #2 OK granted\n");
}

static void test_cancel_takes_an_opened_object_back(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__LIST, NULL, 0);
  uint64_t before = story_objects(&story, 4);
  cancel(1, 2, 1, true);
  assert_int_equal(story_objects(&story, 4), before - 1);
}

/* ---- replies that a session never acknowledged */

static void test_cancel_unacknowledged_items_of_a_killed_one_go_back(void **state) {
  (void)state;
  put(1, 3);
  story_get(&story, 1, 1, "q", 0);
  story_get(&story, 1, 2, "q", 0);
  end_abnormally(1);
  expect_items("4 <- #0 OK 1\n4 <- #0 OK 2\n4 <- #0 OK 3\n" EMPTY);
}

static void test_cancel_seen_items_do_not(void **state) {
  (void)state;
  put(1, 3);
  story_get(&story, 1, 1, "q", 0);
  story_get(&story, 1, 2, "q", 0);
  acknowledge(1, 3, 1);
  story_expect(&story, "1 <- #1 OK 1\n1 <- #2 OK 2\n"); /* an acknowledgement has no answer */
  end_abnormally(1);
  expect_items("4 <- #0 OK 2\n4 <- #0 OK 3\n" EMPTY EMPTY);
}

static void test_cancel_unacknowledged_item_goes_to_the_next_in_line(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_put(&story, 4, 1, "q", 7, 0);
  story_expect(&story, "4 <- #1 OK\n1 <- #1 OK 7\n");
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_expect(&story, "2 <- #1 OK 7\n");
}

static void test_cancel_unacknowledged_message_stays_in_the_pipe(void **state) {
  (void)state;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__PipeSend send = HOLDFAST__PIPE_SEND__INIT;
  Holdfast__PipeRecv receive = HOLDFAST__PIPE_RECV__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  send.value = &value;
  for (value.integer = 1; value.integer <= 2; value.integer++) {
    ask(4, (uint64_t)value.integer, "p", HOLDFAST__REQUEST__OPERATION_PIPE_SEND, &send);
  }
  receive.end = 1;
  ask(1, 1, "p", HOLDFAST__REQUEST__OPERATION_PIPE_RECV, &receive);
  ask(1, 2, "p", HOLDFAST__REQUEST__OPERATION_PIPE_RECV, &receive);
  end_abnormally(1);
  ask(2, 1, "p", HOLDFAST__REQUEST__OPERATION_PIPE_RECV, &receive);
  ask(2, 2, "p", HOLDFAST__REQUEST__OPERATION_PIPE_RECV, &receive);
  story_expect(&story, "2 <- #1 OK 1\n2 <- #2 OK 2\n");
}

/* What the item refers to lives on with it. */
static void test_cancel_unacknowledged_reference_is_kept(void **state) {
  (void)state;
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put_reference = HOLDFAST__QUEUE_PUT__INIT;
  reference.object = story_open(&story, 4, 1, HOLDFAST__KIND__LIST, NULL, 0);
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  put_reference.value = &value;
  ask(4, 2, "q", HOLDFAST__REQUEST__OPERATION_QUEUE_PUT, &put_reference);
  story_drop(&story, 4, 3, reference.object, 1);
  story_get(&story, 1, 1, "q", 0);
  uint64_t before = story_objects(&story, 4);
  end_abnormally(1);
  assert_int_equal(story_objects(&story, 4), before);
  story_get(&story, 2, 1, "q", 0);
  story_expect(&story, "2 <- #1 OK reference\n");
  acknowledge(2, 2, 1);
  end_abnormally(2);
  assert_int_equal(story_objects(&story, 4), before - 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(test_cancel_##name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(a_waiting_get),
      TEST(a_repeated_get_stays_cancelled),
      TEST(what_was_answered_changes_nothing),
      TEST(a_condition_returns_with_the_lock),
      TEST(a_condition_s_second_waiter),
      TEST(a_condition_for_good_leaves_the_lock),
      TEST(takes_items_back_to_their_places),
      TEST(takes_a_grant_back_once),
      TEST(reports_the_dead_owner_to_the_next),
      TEST(leaves_another_ones_grant),
      TEST(takes_one_level_back),
      TEST(takes_an_opened_object_back),
      TEST(unacknowledged_items_of_a_killed_one_go_back),
      TEST(seen_items_do_not),
      TEST(unacknowledged_item_goes_to_the_next_in_line),
      TEST(unacknowledged_message_stays_in_the_pipe),
      TEST(unacknowledged_reference_is_kept),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
