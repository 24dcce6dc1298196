/* Stories of sessions: each request once, however often it is sent; references go with their
 * owners. */
#include "proto/limits.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 3);
  story_open(&story, 3, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 3, 2, HOLDFAST__KIND__LIST, "list", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* Changes nothing, but is kept in the window like everything that might. */
static void acknowledge(uint64_t connection, uint64_t sequence, uint64_t acked) {
  Holdfast__ObjectRelease release = HOLDFAST__OBJECT_RELEASE__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  request.acked = acked;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_RELEASE;
  request.object_release = &release;
  story_send(&story, connection, &request);
}

static void acknowledge_also(uint64_t connection, uint64_t sequence, uint64_t *also, size_t count) {
  Holdfast__ObjectRelease release = HOLDFAST__OBJECT_RELEASE__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  request.acked_also = also;
  request.n_acked_also = count;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_RELEASE;
  request.object_release = &release;
  story_send(&story, connection, &request);
}

static void ask_size(uint64_t connection, uint64_t sequence) {
  Holdfast__QueueSize size = HOLDFAST__QUEUE_SIZE__INIT;
  Holdfast__Request request = story_request(sequence, "q", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_SIZE;
  request.queue_size = &size;
  story_send(&story, connection, &request);
}

static void test_repeated_request_is_answered_not_repeated(void **state) {
  (void)state;
  story_put(&story, 1, 1, "q", 5, 0);
  story_put(&story, 1, 1, "q", 5, 0);
  ask_size(1, 2);
  story_expect(&story, "1 <- #1 OK\n1 <- #1 OK\n1 <- #2 OK 1\n");
}

static void test_sequences_at_the_top_of_the_range_are_acknowledged(void **state) {
  (void)state;
  acknowledge(1, UINT64_MAX, 0);
  acknowledge(1, UINT64_MAX - 1, UINT64_MAX - 2);
  ask_size(1, 0);
  acknowledge(1, UINT64_MAX - 1, UINT64_MAX);
  story_expect(&story,
               "1 <- #18446744073709551615 OK\n"
               "1 <- #18446744073709551614 OK\n"
               "1 <- #0 OK 0\n"
               "1 <- #18446744073709551614 INVALID_ARGUMENT BAD_SEQUENCE\n");
}

static void test_repeated_get_answers_the_same_item(void **state) {
  (void)state;
  story_put(&story, 1, 1, "q", 5, 0);
  story_put(&story, 1, 2, "q", 6, 0);
  story_get(&story, 2, 1, "q", 0);
  story_disconnect(&story, 2);
  story_connect(&story, 12);
  story_resume(&story, 12, 2, 1);
  story_get(&story, 12, 1, "q", 0);
  story_get(&story, 12, 2, "q", 0);
  story_expect(&story,
               "1 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK 5\n"
               "12 <- #0 OK session\n12 <- #1 OK 5\n12 <- #2 OK 6\n");
}

static void test_repeated_read_reads_again(void **state) {
  (void)state;
  ask_size(1, 1);
  story_put(&story, 2, 1, "q", 5, 0);
  ask_size(1, 1);
  story_expect(&story, "1 <- #1 OK 0\n2 <- #1 OK\n1 <- #1 OK 1\n");
}

static void test_repeated_read_of_a_reference_holds_it_once(void **state) {
  (void)state;
  Holdfast__ListGet get = HOLDFAST__LIST_GET__INIT;
  Holdfast__Request request = story_request(1, "list", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_GET;
  request.list_get = &get;
  uint64_t object = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  story_append_reference(&story, 1, 2, "list", object);
  story_send(&story, 2, &request);
  story_send(&story, 2, &request);
  story_close_session(&story, 1);
  story_pop(&story, 3, 3, "list");
  story_drop(&story, 3, 4, object, 1);
  assert_int_equal(story_objects(&story, 3), 3);
  story_drop(&story, 2, 2, object, 1);
  assert_int_equal(story_objects(&story, 3), 2);
}

/* As many as a connection may have, and beside them the whole window. */
static void test_waiting_requests_leave_the_window_to_others(void **state) {
  (void)state;
  for (uint64_t sequence = 1; sequence <= HF_IN_FLIGHT_MAX; sequence++) {
    story_get(&story, 1, sequence, "q", STORY_WAIT_FOREVER);
  }
  story_expect(&story, "");
  for (uint64_t i = 1; i <= HF_WINDOW_COUNT_MAX; i++) {
    acknowledge(1, HF_IN_FLIGHT_MAX + i, 0);
    story.len = 0;
  }
  acknowledge(1, HF_IN_FLIGHT_MAX + HF_WINDOW_COUNT_MAX + 1, 0);
  story_expect(&story, "1 <- #2049 RESOURCE_EXHAUSTED WINDOW_FULL\n");
}

static void test_acknowledged_sequence_is_refused(void **state) {
  (void)state;
  story_put(&story, 1, 1, "q", 5, 0);
  acknowledge(1, 2, 1);
  story_put(&story, 1, 1, "q", 5, 0);
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n1 <- #1 INVALID_ARGUMENT BAD_SEQUENCE\n");
}

/* A get waits, so that nothing is acknowledged cumulatively. */
static void test_sequence_acknowledged_apart_is_refused(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", 50);
  story_open(&story, 1, 2, HOLDFAST__KIND__DICT, "a", 0);
  story_open(&story, 1, 3, HOLDFAST__KIND__DICT, "b", 0);
  story_open(&story, 1, 4, HOLDFAST__KIND__DICT, "c", 0);
  acknowledge_also(1, 5, (uint64_t[]){2, 4, 3, 1, 900}, 5); /* 1 waits, 900 is to come */
  story_forget(&story);
  for (uint64_t sequence = 1; sequence <= 4; sequence++) {
    story_open(&story, 1, sequence, HOLDFAST__KIND__DICT, "d", 0);
  }
  acknowledge(1, 900, 0);
  story_pass_ms(&story, 50);
  acknowledge(1, 6, 4);
  story_open(&story, 1, 3, HOLDFAST__KIND__DICT, "d", 0);
  story_expect(&story,
               "1 <- #2 INVALID_ARGUMENT BAD_SEQUENCE\n1 <- #3 INVALID_ARGUMENT BAD_SEQUENCE\n"
               "1 <- #4 INVALID_ARGUMENT BAD_SEQUENCE\n1 <- #900 OK\n"
               "1 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n1 <- #6 OK\n"
               "1 <- #3 INVALID_ARGUMENT BAD_SEQUENCE\n");
}

/* Every other sequence is named: each is a range of its own. What can't be remembered is kept. */
static void test_gaps_beyond_the_window_keep_their_replies(void **state) {
  (void)state;
  uint64_t sequence = 2, named = HF_WINDOW_COUNT_MAX;
  acknowledge(1, 1, 0);
  for (; named > 0; named--, sequence += 2) {
    acknowledge(1, sequence, 0);
    acknowledge_also(1, 0, &sequence, 1);
    story.len = 0;
  }
  acknowledge(1, sequence, 0);
  acknowledge_also(1, 0, &sequence, 1);
  acknowledge(1, sequence, 0);
  acknowledge_also(1, sequence + 2, (uint64_t[HF_WINDOW_COUNT_MAX + 1]){0},
                   HF_WINDOW_COUNT_MAX + 1);
  story_expect(&story,
               "1 <- #2050 OK\n1 <- #0 OK\n1 <- #2050 OK\n"
               "1 <- #2052 RESOURCE_EXHAUSTED TOO_MANY_FIELDS\n");
}

static void test_full_window_is_refused_until_acknowledged(void **state) {
  (void)state;
  for (uint64_t sequence = 1; sequence <= HF_WINDOW_COUNT_MAX; sequence++) {
    acknowledge(1, sequence, 0);
    story.len = 0;
  }
  acknowledge(1, HF_WINDOW_COUNT_MAX + 1, 0);
  story_expect(&story, "1 <- #1025 RESOURCE_EXHAUSTED WINDOW_FULL\n");
  acknowledge(1, HF_WINDOW_COUNT_MAX + 1, 1);
  story_expect(&story, "1 <- #1025 OK\n");
}

static void test_absurd_acknowledgement_is_harmless(void **state) {
  (void)state;
  acknowledge(1, UINT64_MAX - 1, UINT64_MAX);
  acknowledge(1, UINT64_MAX, UINT64_MAX);
  story_expect(&story, "1 <- #18446744073709551614 OK\n1 <- #18446744073709551615 OK\n");
}

/* A batch that acknowledges much leaves the engine's lock to others in between. */
static void test_acknowledgements_are_counted_as_work(void **state) {
  (void)state;
  uint64_t also[HF_WINDOW_COUNT_MAX], before = engine_steps(story.engine);
  for (uint64_t i = 0; i < HF_WINDOW_COUNT_MAX; i++) {
    also[i] = 2 * i + 3;
  }
  acknowledge_also(1, 1, also, HF_WINDOW_COUNT_MAX);
  assert_true(engine_steps(story.engine) - before > HF_WINDOW_COUNT_MAX);
  acknowledge(1, 2, 0);
  before = engine_steps(story.engine);
  acknowledge(1, 3, 1);
  uint64_t of_one = engine_steps(story.engine) - before;
  for (uint64_t i = 4; i <= 200; i++) {
    acknowledge(1, i, 0);
  }
  before = engine_steps(story.engine);
  acknowledge(1, 201, 200);
  assert_true(engine_steps(story.engine) - before > of_one + 199);
}

static void pass_seconds(unsigned seconds) {
  for (unsigned i = 0; i < seconds * 10; i++) {
    story_pass_ms(&story, 100);
  }
}

static void resume_at_once(uint64_t connection) {
  story_connect(&story, connection);
  story_resume(&story, connection, 2, connection);
}

/* A grace time is 5 s, and from 4 s to 7 s nobody could come back. */
static void test_grace_stands_still_while_peers_stand_in_line(void **state) {
  (void)state;
  story_disconnect(&story, 2);
  pass_seconds(4);
  story_crowd(&story, true);
  pass_seconds(3);
  story_crowd(&story, false);
  story_pass_ms(&story, 900);
  resume_at_once(12);
  story_expect(&story, "12 <- #0 OK session\n");
  story_disconnect(&story, 12); /* what was owed was owed once */
  story_pass_ms(&story, 4900);
  resume_at_once(13);
  story_expect(&story, "13 <- #0 OK session\n");
  story_disconnect(&story, 13);
  story_pass_ms(&story, 5100);
  resume_at_once(14);
  story_expect(&story, "14 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
}

static void test_grace_that_stood_still_ends(void **state) {
  (void)state;
  story_crowd(&story, true);
  pass_seconds(3);
  story_disconnect(&story, 2);
  pass_seconds(4);
  story_crowd(&story, false);
  pass_seconds(8);
  story_pass_ms(&story, 1100);
  resume_at_once(12);
  story_expect(&story, "12 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
}

/* A peer that fills the line does not keep others' locks with it. */
static void test_grace_stands_still_for_a_time_only(void **state) {
  (void)state;
  story_crowd(&story, true);
  story_disconnect(&story, 2);
  pass_seconds((HF_GRACE_MS_DEFAULT + HF_GRACE_HELD_MS_MAX) / 1000 - 1);
  resume_at_once(12);
  story_expect(&story, "12 <- #0 OK session\n");
  story_disconnect(&story, 12);
  pass_seconds((HF_GRACE_MS_DEFAULT + HF_GRACE_HELD_MS_MAX) / 1000 + 1);
  resume_at_once(13);
  story_expect(&story, "13 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
}

static void test_later_attempt_takes_the_session_over(void **state) {
  (void)state;
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 5);
  story_put(&story, 1, 1, "q", 5, 0); /* still under way on the old connection: not served */
  story_connect(&story, 12);
  story_resume(&story, 12, 1, 5);
  story_expect(&story, "1 closed\n11 <- #0 OK session\n12 <- #0 ABORTED ATTEMPT_STALE\n");
}

static void test_ended_session_says_so(void **state) {
  (void)state;
  story_disconnect(&story, 1);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  story_close_session(&story, 2);
  story_put(&story, 2, 1, "q", 5, 0);
  story_expect(&story,
               "11 <- #0 FAILED_PRECONDITION SESSION_ENDED\n"
               "2 <- #0 OK\n2 <- #1 FAILED_PRECONDITION SESSION_ENDED\n");
}

static void test_anonymous_object_goes_with_its_session(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  assert_int_equal(story_objects(&story, 3), 3);
  story_close_session(&story, 1);
  assert_int_equal(story_objects(&story, 3), 2);
}

static void test_reference_in_a_container_keeps_its_object(void **state) {
  (void)state;
  uint64_t object = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  story_append_reference(&story, 1, 2, "list", object);
  story_close_session(&story, 1);
  assert_int_equal(story_objects(&story, 3), 3);
  story_pop(&story, 2, 1, "list");
  assert_int_equal(story_objects(&story, 3),
                   3); /* the session that popped it has a reference now */
  story_drop(&story, 2, 2, object, 1);
  assert_int_equal(story_objects(&story, 3), 2);
  story_expect(&story,
               "1 <- #1 OK created\n1 <- #2 OK\n1 <- #0 OK\n"
               "2 <- #1 OK reference\n2 <- #2 OK\n");
}

static void test_nested_references_go_together(void **state) {
  (void)state;
  uint64_t inner = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  uint64_t outer = story_open(&story, 1, 2, HOLDFAST__KIND__LIST, NULL, 0);
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Request request = story_request(3, NULL, STORY_WAIT_FOREVER);
  reference.object = inner;
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  append.value = &value;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = outer;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  story_send(&story, 1, &request);
  story_append_reference(&story, 1, 4, "list", outer);
  story_close_session(&story, 1);
  assert_int_equal(story_objects(&story, 3), 4);
  story_pop(&story, 3, 3, "list");
  story_drop(&story, 3, 4, outer, 1);
  assert_int_equal(story_objects(&story, 3), 2);
}

static void test_reference_to_nothing_is_refused(void **state) {
  (void)state;
  story_append_reference(&story, 1, 1, "list", 999999);
  story_expect(&story, "1 <- #1 NOT_FOUND NO_SUCH_OBJECT\n");
}

static void push(uint64_t connection, uint64_t sequence, int64_t integer, int64_t timeout_ms) {
  static uint8_t id[HF_SESSION_BYTES];
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__Request request = story_request(sequence, "small", timeout_ms);
  memset(id, 1, sizeof id);
  request.session = (ProtobufCBinaryData){sizeof id, id};
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = integer;
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  story_send(&story, connection, &request);
}

static void flush(uint64_t sequence, uint64_t through, int64_t timeout_ms) {
  Holdfast__Flush message = HOLDFAST__FLUSH__INIT;
  Holdfast__Request request = story_request(sequence, NULL, timeout_ms);
  message.through = through;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_FLUSH;
  request.flush = &message;
  story_send(&story, 1, &request);
}

static void test_one_way_is_in_order_and_once(void **state) {
  (void)state;
  story_connect_one_way(&story, 21);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "small", 0);
  push(21, 1, 10, STORY_WAIT_FOREVER);
  push(21, 1, 10, STORY_WAIT_FOREVER); /* again: left out */
  push(21, 3, 30, STORY_WAIT_FOREVER); /* 2 is missing: left out until it comes */
  flush(2, 3, 0);
  push(21, 2, 20, STORY_WAIT_FOREVER);
  push(21, 3, 30, STORY_WAIT_FOREVER);
  flush(3, 3, STORY_WAIT_FOREVER);
  for (uint64_t sequence = 4; sequence <= 6; sequence++) {
    story_get(&story, 1, sequence, "small", 0);
  }
  story_expect(&story,
               "1 <- #1 OK created\n"
               "1 <- #2 OK received 1 finished 1 failed 0\n"
               "1 <- #3 OK received 3 finished 3 failed 0\n"
               "1 <- #4 OK 10\n1 <- #5 OK 20\n1 <- #6 OK 30\n");
}

static void test_flush_waits_for_what_waits(void **state) {
  (void)state;
  story_connect_one_way(&story, 21);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "small", 1);
  push(21, 1, 10, STORY_WAIT_FOREVER);
  push(21, 2, 20, STORY_WAIT_FOREVER);
  push(21, 3, 30, 100);
  flush(2, 3, STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "small", 0);
  story_expect(&story, "1 <- #1 OK created\n2 <- #1 OK 10\n");
  story_pass_ms(&story, 100);
  story_expect(&story, "1 <- #2 OK received 3 finished 3 failed 1\n");
}

static void push_three(uint64_t sequence, int64_t timeout_ms) {
  static uint8_t id[HF_SESSION_BYTES];
  memset(id, 1, sizeof id);
  Holdfast__Request *put = IN("small", QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = 3,
                              .items = LIST_OF(Value, INT(1), INT(2), INT(3)));
  put->session = (ProtobufCBinaryData){sizeof id, id};
  ask_within(&story, 21, sequence, timeout_ms, put);
}

/* Nobody gets the count: what could not be put is not to be lost in silence. */
static void test_one_way_put_of_a_part_has_failed(void **state) {
  (void)state;
  story_connect_one_way(&story, 21);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "small", 2);
  story_forget(&story);
  push_three(1, 100);
  story_pass_ms(&story, 100);
  flush(2, 1, STORY_WAIT_FOREVER);
  story_expect(&story, "1 <- #2 OK received 1 finished 1 failed 1\n");
  story_get(&story, 1, 3, "small", 0);
  push_three(2, 0); /* one of them */
  story_get(&story, 1, 4, "small", 0);
  push_three(3, STORY_WAIT_FOREVER); /* the second and third wait */
  ask(&story, 1, 5, IN("small", QUEUE_SHUTDOWN, QueueShutdown, queue_shutdown, .immediate = false));
  flush(6, 3, STORY_WAIT_FOREVER);
  story_expect(&story,
               "1 <- #3 OK 1\n1 <- #4 OK 2\n1 <- #5 OK\n"
               "1 <- #6 OK received 3 finished 3 failed 2\n");
}

static void test_one_way_put_of_all_has_not_failed(void **state) {
  (void)state;
  story_connect_one_way(&story, 21);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "small", 2);
  push_three(1, STORY_WAIT_FOREVER);
  story_get(&story, 1, 2, "small", 0);
  flush(3, 1, STORY_WAIT_FOREVER);
  story_expect(&story,
               "1 <- #1 OK created\n1 <- #2 OK 1\n"
               "1 <- #3 OK received 1 finished 1 failed 0\n");
}

static void test_operation_without_a_session_needs_no_owner(void **state) {
  (void)state;
  story_connect(&story, 31);
  story_put(&story, 31, 0, "q", 1, 0);
  story_acquire(&story, 31, 0, "q", 1, 0);
  story_open(&story, 31, 0, HOLDFAST__KIND__LOCK, "lock", 0);
  story_acquire(&story, 31, 0, "lock", 1, 0);
  story_expect(&story,
               "31 <- #0 OK\n"
               "31 <- #0 FAILED_PRECONDITION NEEDS_SESSION\n"
               "31 <- #0 OK created\n"
               "31 <- #0 FAILED_PRECONDITION NEEDS_SESSION\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_repeated_request_is_answered_not_repeated),
      STORY(test_sequences_at_the_top_of_the_range_are_acknowledged),
      STORY(test_waiting_requests_leave_the_window_to_others),
      STORY(test_repeated_get_answers_the_same_item),
      STORY(test_repeated_read_reads_again),
      STORY(test_repeated_read_of_a_reference_holds_it_once),
      STORY(test_acknowledged_sequence_is_refused),
      STORY(test_sequence_acknowledged_apart_is_refused),
      STORY(test_gaps_beyond_the_window_keep_their_replies),
      STORY(test_full_window_is_refused_until_acknowledged),
      STORY(test_absurd_acknowledgement_is_harmless),
      STORY(test_acknowledgements_are_counted_as_work),
      STORY(test_grace_stands_still_while_peers_stand_in_line),
      STORY(test_grace_that_stood_still_ends),
      STORY(test_grace_stands_still_for_a_time_only),
      STORY(test_later_attempt_takes_the_session_over),
      STORY(test_ended_session_says_so),
      STORY(test_anonymous_object_goes_with_its_session),
      STORY(test_reference_in_a_container_keeps_its_object),
      STORY(test_nested_references_go_together),
      STORY(test_reference_to_nothing_is_refused),
      STORY(test_one_way_is_in_order_and_once),
      STORY(test_flush_waits_for_what_waits),
      STORY(test_one_way_put_of_a_part_has_failed),
      STORY(test_one_way_put_of_all_has_not_failed),
      STORY(test_operation_without_a_session_needs_no_owner),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
