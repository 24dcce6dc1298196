/* Stories of work: items with priorities and delays, given out, acknowledged, lost, buried. */
#include "server/engine/core.h"
#include "server/engine/leases.h"
#include "server/engine/settle.h"
#include "tests/support/apply.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FOREVER STORY_WAIT_FOREVER

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 4, 2, HOLDFAST__KIND__QUEUE, "two", 2);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static struct object *object_named(const char *name) {
  return registry_find_name(&story.engine->registry, bytes_of_text(name));
}

/* ---- what connections ask */

static void ask_of(uint64_t connection, uint64_t sequence, const char *queue, uint64_t thread,
                   int64_t timeout_ms, Holdfast__Request__OperationCase operation, void *message) {
  Holdfast__Request request = story_request(sequence, queue, timeout_ms);
  request.thread = thread;
  request.operation_case = operation;
  request.ping = message; /* all arms are pointers */
  story_send(&story, connection, &request);
}

#define ASK(connection, sequence, queue, timeout_ms, OPERATION, message) \
  ask_of(connection, sequence, queue, 1, timeout_ms,                     \
         HOLDFAST__REQUEST__OPERATION_QUEUE_##OPERATION, message)

static void put(uint64_t connection, uint64_t sequence, const char *queue, int64_t integer,
                int64_t priority, uint64_t delay_ms, int64_t timeout_ms) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut message = HOLDFAST__QUEUE_PUT__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = integer;
  message.value = &value;
  message.priority = priority;
  message.delay_ms = delay_ms;
  ASK(connection, sequence, queue, timeout_ms, PUT, &message);
}

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
  ASK(connection, sequence, queue, timeout_ms, PUT_MANY, &message);
}

static void get(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms) {
  story_get(&story, connection, sequence, queue, timeout_ms);
}

static void get_many(uint64_t connection, uint64_t sequence, const char *queue, uint32_t count,
                     int64_t timeout_ms) {
  Holdfast__QueueGetMany message = HOLDFAST__QUEUE_GET_MANY__INIT;
  message.count = count;
  ASK(connection, sequence, queue, timeout_ms, GET_MANY, &message);
}

static void reserve_by(uint64_t connection, uint64_t thread, uint64_t sequence, const char *queue,
                       uint64_t lease_ms, int64_t timeout_ms) {
  Holdfast__QueueReserve message = HOLDFAST__QUEUE_RESERVE__INIT;
  message.lease_ms = lease_ms;
  ask_of(connection, sequence, queue, thread, timeout_ms,
         HOLDFAST__REQUEST__OPERATION_QUEUE_RESERVE, &message);
}

static void reserve(uint64_t connection, uint64_t sequence, const char *queue, uint64_t lease_ms,
                    int64_t timeout_ms) {
  reserve_by(connection, 1, sequence, queue, lease_ms, timeout_ms);
}

static void ack(uint64_t connection, uint64_t sequence, const char *queue, uint64_t reservation) {
  Holdfast__QueueAck message = HOLDFAST__QUEUE_ACK__INIT;
  message.reservation = reservation;
  ASK(connection, sequence, queue, FOREVER, ACK, &message);
}

static void extend(uint64_t connection, uint64_t sequence, uint64_t reservation,
                   uint64_t lease_ms) {
  Holdfast__QueueExtend message = HOLDFAST__QUEUE_EXTEND__INIT;
  message.reservation = reservation;
  message.lease_ms = lease_ms;
  ASK(connection, sequence, "q", FOREVER, EXTEND, &message);
}

static void give_back(uint64_t connection, uint64_t sequence, uint64_t reservation,
                      uint64_t delay_ms) {
  Holdfast__QueueReturn message = HOLDFAST__QUEUE_RETURN__INIT;
  message.reservation = reservation;
  message.delay_ms = delay_ms;
  ASK(connection, sequence, "q", FOREVER, RETURN, &message);
}

static void bury(uint64_t connection, uint64_t sequence, uint64_t reservation) {
  Holdfast__QueueBury message = HOLDFAST__QUEUE_BURY__INIT;
  message.reservation = reservation;
  ASK(connection, sequence, "q", FOREVER, BURY, &message);
}

static void kick(uint64_t connection, uint64_t sequence, uint64_t count) {
  Holdfast__QueueKick message = HOLDFAST__QUEUE_KICK__INIT;
  message.count = count;
  ASK(connection, sequence, "q", FOREVER, KICK, &message);
}

static void shut_down(uint64_t connection, uint64_t sequence, const char *queue, bool immediate) {
  Holdfast__QueueShutdown message = HOLDFAST__QUEUE_SHUTDOWN__INIT;
  message.immediate = immediate;
  ASK(connection, sequence, queue, FOREVER, SHUTDOWN, &message);
}

static void task_done(uint64_t connection, uint64_t thread, uint64_t sequence) {
  Holdfast__QueueTaskDone message = HOLDFAST__QUEUE_TASK_DONE__INIT;
  ask_of(connection, sequence, "q", thread, FOREVER, HOLDFAST__REQUEST__OPERATION_QUEUE_TASK_DONE,
         &message);
}

static void join(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms) {
  Holdfast__QueueJoin message = HOLDFAST__QUEUE_JOIN__INIT;
  ASK(connection, sequence, queue, timeout_ms, JOIN, &message);
}

static void delete_queue(uint64_t connection, uint64_t sequence) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  ask_of(connection, sequence, "q", 1, FOREVER, HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE,
         &message);
}

/* Items 1 to count, put without a word. */
static void fill(const char *queue, int64_t count) {
  for (int64_t i = 1; i <= count; i++) {
    put(4, 0, queue, i, 0, 0, 0);
  }
  story_forget(&story);
}

static void expect_counts(const char *name, size_t ready, size_t delayed, size_t reserved,
                          size_t buried, uint64_t unfinished) {
  const struct queue *queue = &object_named(name)->queue;
  assert_int_equal(queue_ready_count(queue), ready);
  assert_int_equal(queue_delayed_count(queue), delayed);
  assert_int_equal(queue_reserved_count(queue), reserved);
  assert_int_equal(queue_buried_count(queue), buried);
  assert_int_equal(queue->unfinished, unfinished);
}

/* ---- priorities and delays */

static void test_put_lower_priorities_go_first_and_equal_ones_in_order(void **state) {
  (void)state;
  fill("q", 2);
  put(1, 0, "q", 10, 5, 0, FOREVER);
  put(1, 0, "q", 20, -5, 0, FOREVER);
  put(1, 0, "q", 21, -5, 0, FOREVER);
  put(1, 0, "q", 30, INT64_MIN, 0, FOREVER);
  put(1, 0, "q", 40, INT64_MAX, 0, FOREVER);
  put(1, 0, "q", 3, 0, 0, FOREVER);
  story_forget(&story);
  get_many(2, 1, "q", 100, 0);
  story_expect(&story, "2 <- #1 OK 30 20 21 1 2 3 10 40\n");
}

static void test_put_delayed_is_not_to_be_had_before(void **state) {
  (void)state;
  put(1, 1, "q", 1, 0, 100, FOREVER);
  put(1, 2, "q", 2, 0, 50, FOREVER);
  get(2, 1, "q", 0);
  get(2, 2, "q", FOREVER);
  expect_counts("q", 0, 2, 0, 0, 2);
  story_pass_ms(&story, 49);
  story_expect(&story,
               "1 <- #1 OK\n1 <- #2 OK\n"
               "2 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY\n");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #2 OK 2\n");
  story_pass_ms(&story, 1000);
  expect_counts("q", 1, 0, 0, 0, 2);
}

static void test_put_delayed_lines_up_when_it_is_due(void **state) {
  (void)state;
  put(1, 0, "q", 10, 0, 100, FOREVER);
  put(1, 0, "q", 20, 0, 100, FOREVER);
  put(1, 0, "q", 30, -1, 100, FOREVER);
  fill("q", 2);
  story_pass_ms(&story, 100);
  put(1, 0, "q", 3, 0, 0, FOREVER);
  story_forget(&story);
  get_many(2, 1, "q", 100, 0);
  story_expect(&story, "2 <- #1 OK 30 1 2 10 20 3\n");
}

static void test_put_delayed_for_longer_than_there_is_time_never_comes(void **state) {
  (void)state;
  put(1, 0, "q", 1, 0, UINT64_MAX, FOREVER);
  put(1, 0, "q", 1, 0, UINT64_C(1) << 63, FOREVER);
  story_pass_ms(&story, UINT64_C(1) << 40);
  expect_counts("q", 0, 2, 0, 0, 2);
  assert_int_equal(engine_next_deadline_ns(story.engine), UINT64_MAX);
}

static void test_put_delayed_counts_for_maxsize_but_not_for_size(void **state) {
  (void)state;
  put(1, 1, "two", 1, 0, 100, FOREVER);
  put(1, 2, "two", 2, 3, 0, FOREVER);
  put(1, 3, "two", 3, 0, 0, 0);
  ASK(1, 4, "two", FOREVER, SIZE, &(Holdfast__QueueSize)HOLDFAST__QUEUE_SIZE__INIT);
  ASK(1, 5, "two", FOREVER, FULL, &(Holdfast__QueueFull)HOLDFAST__QUEUE_FULL__INIT);
  reserve(2, 1, "two", 0, 0); /* reserved ones need no room */
  put(1, 6, "two", 4, 0, 0, 0);
  ASK(1, 7, "two", FOREVER, EMPTY, &(Holdfast__QueueEmpty)HOLDFAST__QUEUE_EMPTY__INIT);
  story_expect(&story,
               "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 RESOURCE_EXHAUSTED QUEUE_FULL\n"
               "1 <- #4 OK 1\n1 <- #5 OK yes\n2 <- #1 OK 2, reserved as 1\n1 <- #6 OK\n"
               "1 <- #7 OK no\n");
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000); /* and may come back beyond it */
  expect_counts("two", 3, 0, 0, 0, 3);
}

/* ---- many */

static void test_get_many_waits_for_one_and_takes_what_is_there(void **state) {
  (void)state;
  get_many(1, 1, "q", 3, FOREVER);
  get_many(1, 2, "q", 3, 10);
  fill("q", 1);
  story_pass_ms(&story, 10);
  story_expect(&story, "1 <- #2 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  fill("q", 4);
  get_many(1, 3, "q", 3, 0);
  get_many(1, 4, "q", UINT32_MAX, 0);
  get_many(1, 5, "q", 3, 0);
  get_many(1, 6, "q", 0, 0);
  story_expect(&story,
               "1 <- #3 OK 1 2 3\n1 <- #4 OK 4\n"
               "1 <- #5 RESOURCE_EXHAUSTED QUEUE_EMPTY\n"
               "1 <- #6 INVALID_ARGUMENT BAD_ARGUMENT\n");
}

static void test_get_many_makes_room_for_all_who_wait(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= 4; i++) {
    put(1, i, "two", (int64_t)i, 0, 0, FOREVER);
  }
  get_many(2, 1, "two", 10, 0);
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK 1 2\n1 <- #3 OK\n1 <- #4 OK\n");
}

static void test_put_many_waits_for_room_at_its_place(void **state) {
  (void)state;
  put_many(1, 1, "two", 5, FOREVER);
  put(2, 1, "two", 9, 0, 0, FOREVER);
  expect_counts("two", 2, 0, 0, 0, 2);
  get(3, 1, "two", 0);
  get_many(3, 2, "two", 2, 0);
  story_expect(&story, "3 <- #1 OK 1\n3 <- #2 OK 2 3\n1 <- #1 OK 5\n");
  get_many(3, 3, "two", 2, 0);
  get(3, 4, "two", FOREVER);
  story_expect(&story, "3 <- #3 OK 4 5\n2 <- #1 OK\n3 <- #4 OK 9\n");
}

static void test_put_many_answers_how_many_it_put(void **state) {
  (void)state;
  put_many(1, 1, "two", 3, 0);
  put_many(1, 2, "two", 3, 0);
  put_many(1, 3, "two", 3, 50);
  put_many(2, 1, "two", 3, 100);
  get(3, 1, "two", 0);
  story_pass_ms(&story, 50);
  story_pass_ms(&story, 50);
  story_expect(&story,
               "1 <- #1 OK 2\n1 <- #2 RESOURCE_EXHAUSTED QUEUE_FULL\n3 <- #1 OK 1\n"
               "1 <- #3 OK 1\n2 <- #1 DEADLINE_EXCEEDED QUEUE_FULL\n");
  put_many(1, 4, "q", 0, FOREVER);
  put_many(1, 5, "q", HF_MANY_COUNT_MAX, FOREVER);
  put_many(1, 6, "q", HF_MANY_COUNT_MAX + 1, FOREVER);
  story_expect(&story, "1 <- #4 OK 0\n1 <- #5 OK 10000\n1 <- #6 INVALID_ARGUMENT BAD_ARGUMENT\n");
}

static void test_put_many_that_has_put_some_says_so_however_it_ends(void **state) {
  (void)state;
  put_many(1, 1, "two", 3, FOREVER);
  put_many(2, 1, "two", 3, FOREVER);
  shut_down(3, 1, "two", false);
  story_expect(&story, "3 <- #1 OK\n1 <- #1 OK 2\n2 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
  story_open(&story, 4, 3, HOLDFAST__KIND__QUEUE, "one", 1);
  put_many(1, 2, "one", 3, FOREVER);
  put_many(2, 2, "one", 3, FOREVER);
  story_forget(&story);
  apply_drain(story.engine);
  assert_non_null(strstr(story.text, "1 <- #2 OK 1\n"));
  assert_non_null(strstr(story.text, "2 <- #2 UNAVAILABLE STOPPING\n"));
}

static void test_put_many_with_a_bad_item_puts_none(void **state) {
  (void)state;
  Holdfast__Value good = HOLDFAST__VALUE__INIT, bad = HOLDFAST__VALUE__INIT;
  Holdfast__Value *items[] = {&good, &bad};
  Holdfast__QueuePutMany message = HOLDFAST__QUEUE_PUT_MANY__INIT;
  good.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  message.items = items;
  message.n_items = 2;
  ASK(1, 1, "q", FOREVER, PUT_MANY, &message);
  story_expect(&story, "1 <- #1 INVALID_ARGUMENT BAD_VALUE\n");
  expect_counts("q", 0, 0, 0, 0, 0);
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
  story.engine->memory.max = 64u << 20;
  for (int i = 0; i < 6; i++) {
    ASK(1, 0, "q", FOREVER, PUT, &message);
  }
  get_many(2, 1, "q", 6, 0);
  expect_counts("q", 2, 0, 0, 0, 6);
  get_many(2, 2, "q", 6, 0);
  expect_counts("q", 0, 0, 0, 0, 6);
}

/* ---- reservations */

static void test_reserve_waits_in_one_line_with_get(void **state) {
  (void)state;
  reserve(1, 1, "q", 0, FOREVER);
  get(2, 1, "q", FOREVER);
  reserve(3, 1, "q", 0, 10);
  fill("q", 2);
  story_pass_ms(&story, 10);
  story_expect(&story, "3 <- #1 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  reserve(3, 2, "q", 0, 0);
  ack(1, 2, "q", 1);
  ack(1, 3, "q", 1);
  story_expect(&story,
               "3 <- #2 RESOURCE_EXHAUSTED QUEUE_EMPTY\n1 <- #2 OK\n"
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n");
  expect_counts("q", 0, 0, 0, 0, 1);
}

static void test_reserve_needs_a_session(void **state) {
  (void)state;
  story_connect(&story, 9);
  fill("q", 1);
  reserve(9, 1, "q", 0, 0);
  story_expect(&story, "9 <- #1 FAILED_PRECONDITION NEEDS_SESSION\n");
}

static void test_reservations_are_one_session_s_and_one_queue_s(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  ack(2, 1, "q", 1);
  ack(1, 2, "two", 1);
  ack(1, 3, "q", 0);
  ack(1, 4, "q", UINT64_MAX);
  extend(2, 2, 1, 100);
  give_back(2, 3, 1, 0);
  bury(2, 4, 1);
  story_expect(&story,
               "1 <- #1 OK 1, reserved as 1\n"
               "2 <- #1 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #2 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #4 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #2 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "2 <- #4 FAILED_PRECONDITION NOT_RESERVED\n");
  ack(1, 5, "q", 1);
  story_expect(&story, "1 <- #5 OK\n");
}

static void test_reserved_item_of_a_killed_session_is_back_at_its_position_as_tried(void **state) {
  (void)state;
  fill("q", 3);
  reserve(1, 1, "q", 0, 0);
  reserve(1, 2, "q", 0, 0);
  story_disconnect(&story, 1);
  story_forget(&story);
  story_pass_ms(&story, 4999);
  expect_counts("q", 1, 0, 2, 0, 3);
  story_pass_ms(&story, 1);
  expect_counts("q", 3, 0, 0, 0, 3);
  for (uint64_t i = 1; i <= 3; i++) {
    reserve(2, i, "q", 0, 0);
  }
  story_expect(&story,
               "2 <- #1 OK 1, reserved as 3, tried 1\n2 <- #2 OK 2, reserved as 4, tried 1\n"
               "2 <- #3 OK 3, reserved as 5\n");
}

static void test_reserved_item_of_a_clean_goodbye_is_back_untried(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  reserve(2, 1, "q", 0, FOREVER);
  story_close_session(&story, 1);
  story_expect(&story, "1 <- #1 OK 1, reserved as 1\n1 <- #0 OK\n2 <- #1 OK 1, reserved as 2\n");
}

static void test_reservation_survives_a_lost_connection(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 4000);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  reserve(11, 1, "q", 0, 0); /* the same request again */
  ack(11, 2, "q", 1);
  story_expect(&story,
               "1 <- #1 OK 1, reserved as 1\n11 <- #0 OK session\n"
               "11 <- #1 OK 1, reserved as 1\n11 <- #2 OK\n");
}

static void test_lease_ends_unless_it_is_extended(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 100, 0);
  story_pass_ms(&story, 99);
  extend(1, 2, 1, 100);
  reserve(2, 1, "q", 0, FOREVER);
  story_pass_ms(&story, 99);
  story_expect(&story, "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK\n");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK 1, reserved as 2, tried 1\n");
  extend(1, 3, 1, 100);
  ack(1, 4, "q", 1);
  story_expect(&story,
               "1 <- #3 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #4 FAILED_PRECONDITION NOT_RESERVED\n");
}

static void test_lease_may_be_given_and_taken_away_later(void **state) {
  (void)state;
  fill("q", 2);
  reserve(1, 1, "q", 0, 0);
  reserve(1, 2, "q", 100, 0);
  extend(1, 3, 1, 50);
  extend(1, 4, 2, 0);
  story_pass_ms(&story, 50);
  expect_counts("q", 1, 0, 1, 0, 2);
  story_pass_ms(&story, 100000);
  expect_counts("q", 1, 0, 1, 0, 2);
  extend(1, 5, 2, UINT64_MAX);
  story_pass_ms(&story, UINT64_C(1) << 40);
  expect_counts("q", 1, 0, 1, 0, 2);
}

static void test_return_is_back_at_its_position_or_later(void **state) {
  (void)state;
  fill("q", 3);
  reserve(1, 1, "q", 1000, 0);
  reserve(1, 2, "q", 0, 0);
  give_back(1, 3, 1, 0);
  give_back(1, 4, 2, 100);
  get(2, 1, "q", 0);
  story_expect(&story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK 2, reserved as 2\n1 <- #3 OK\n"
               "1 <- #4 OK\n2 <- #1 OK 1\n");
  expect_counts("q", 1, 1, 0, 0, 3);
  story_pass_ms(&story, 100);
  reserve(2, 2, "q", 0, 0);
  get(2, 3, "q", 0);
  story_expect(&story, "2 <- #2 OK 2, reserved as 3, tried 1\n2 <- #3 OK 3\n");
}

static void test_return_of_a_leased_item_for_later_ends_its_lease(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 50, 0);
  give_back(1, 2, 1, 100);
  story_pass_ms(&story, 99);
  expect_counts("q", 0, 1, 0, 0, 1);
  story_pass_ms(&story, 1);
  reserve(1, 3, "q", 0, 0);
  story_expect(&story,
               "1 <- #1 OK 1, reserved as 1\n1 <- #2 OK\n1 <- #3 OK 1, reserved as 2, tried 1\n");
}

static void test_buried_items_stay_until_they_are_kicked(void **state) {
  (void)state;
  fill("q", 4);
  for (uint64_t i = 1; i <= 3; i++) {
    reserve(1, i, "q", 100, 0);
  }
  bury(1, 4, 2);
  bury(1, 5, 1);
  bury(1, 6, 3);
  ack(1, 7, "q", 1);
  story_close_session(&story, 1);
  story_pass_ms(&story, 10000);
  expect_counts("q", 1, 0, 0, 3, 4);
  story_forget(&story);
  kick(2, 1, 2);
  reserve(2, 2, "q", 0, 0);
  get_many(2, 3, "q", 9, 0);
  kick(2, 4, 0);
  get(2, 5, "q", 0);
  kick(2, 6, 0);
  story_expect(&story,
               "2 <- #1 OK 2\n2 <- #2 OK 1, reserved as 4\n2 <- #3 OK 2 4\n2 <- #4 OK 1\n"
               "2 <- #5 OK 3\n2 <- #6 OK 0\n");
}

static void test_kick_wakes_who_waits(void **state) {
  (void)state;
  fill("q", 1);
  kick(1, 1, 0);
  reserve(1, 2, "q", 0, 0);
  bury(1, 3, 1);
  get(2, 1, "q", FOREVER);
  kick(1, 4, UINT64_MAX);
  story_expect(&story,
               "1 <- #1 OK 0\n1 <- #2 OK 1, reserved as 1\n1 <- #3 OK\n1 <- #4 OK 1\n"
               "2 <- #1 OK 1\n");
}

static void test_join_waits_for_acks_and_for_what_is_buried(void **state) {
  (void)state;
  fill("q", 2);
  reserve(1, 1, "q", 0, 0);
  reserve(1, 2, "q", 0, 0);
  join(2, 1, "q", FOREVER);
  ack(1, 3, "q", 1);
  bury(1, 4, 2);
  kick(1, 5, 0);
  reserve(1, 6, "q", 0, 0);
  story_forget(&story);
  ack(1, 7, "q", 3);
  story_expect(&story, "1 <- #7 OK\n2 <- #1 OK\n");
}

static void test_task_done_acknowledges_the_thread_s_oldest_reservation(void **state) {
  (void)state;
  fill("q", 4);
  fill("two", 1);
  reserve_by(1, 7, 1, "two", 0, 0);
  reserve_by(1, 8, 2, "q", 0, 0);
  reserve_by(1, 7, 3, "q", 0, 0);
  reserve_by(1, 7, 4, "q", 0, 0);
  story_forget(&story);
  task_done(1, 7, 5);
  ack(1, 6, "q", 3);
  task_done(1, 7, 7);
  ack(1, 8, "q", 4);
  task_done(1, 7, 9); /* has none left: the classic meaning */
  ack(1, 10, "q", 2);
  story_expect(&story,
               "1 <- #5 OK\n1 <- #6 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #7 OK\n1 <- #8 FAILED_PRECONDITION NOT_RESERVED\n"
               "1 <- #9 OK\n1 <- #10 OK\n");
  expect_counts("q", 1, 0, 0, 0, 0);
  task_done(2, 1, 1);
  story_expect(&story, "2 <- #1 FAILED_PRECONDITION TOO_MANY_DONE\n");
}

static void test_ack_after_too_many_task_dones_is_no_error(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  task_done(2, 1, 1);
  ack(1, 2, "q", 1);
  story_expect(&story, "1 <- #1 OK 1, reserved as 1\n2 <- #1 OK\n1 <- #2 OK\n");
  expect_counts("q", 0, 0, 0, 0, 0);
}

static void test_reservations_of_a_session_are_bounded(void **state) {
  (void)state;
  story.engine->memory.max = 64u << 20;
  for (size_t i = 0; i <= HF_RESERVATIONS_MAX; i++) {
    put(4, 0, "q", (int64_t)i, 0, 0, 0);
    story_forget(&story);
  }
  for (size_t i = 0; i < HF_RESERVATIONS_MAX; i++) {
    reserve(1, 0, "q", 0, 0);
    story_forget(&story);
  }
  reserve(1, 0, "q", 0, FOREVER);
  ack(1, 0, "q", 1);
  reserve(1, 0, "q", 0, FOREVER);
  story_expect(&story,
               "1 <- #0 RESOURCE_EXHAUSTED RESERVATIONS_FULL\n1 <- #0 OK\n"
               "1 <- #0 OK 16384, reserved as 16385\n");
}

static void test_deleted_queue_takes_its_tasks_along(void **state) {
  (void)state;
  fill("q", 2);
  put(4, 0, "q", 9, 1, 10, 0);
  reserve(1, 1, "q", 20, 0);
  reserve(1, 2, "q", 0, 0);
  bury(1, 3, 2);
  delete_queue(2, 1);
  ack(1, 4, "q", 1);
  assert_int_equal(engine_next_deadline_ns(story.engine), UINT64_MAX);
  story_open(&story, 4, 3, HOLDFAST__KIND__QUEUE, "q", 0);
  story_forget(&story);
  ack(1, 5, "q", 1);
  story_pass_ms(&story, 1000);
  story_close_session(&story, 1);
  story_expect(&story, "1 <- #5 FAILED_PRECONDITION NOT_RESERVED\n1 <- #0 OK\n");
}

static void test_suspended_reserver_takes_nothing(void **state) {
  (void)state;
  reserve(1, 1, "q", 0, FOREVER);
  reserve(2, 1, "q", 0, FOREVER);
  story_disconnect(&story, 1);
  fill("q", 1);
  expect_counts("q", 0, 0, 1, 0, 1);
  ack(2, 2, "q", 1);
  story_expect(&story, "2 <- #2 OK\n");
}

/* ---- shutdown */

static void test_shutdown_refuses_puts_and_lets_gets_finish(void **state) {
  (void)state;
  fill("two", 2);
  put(1, 1, "two", 3, 0, 0, FOREVER);
  shut_down(2, 1, "two", false);
  put(1, 2, "two", 4, 0, 0, FOREVER);
  put_many(1, 3, "two", 4, FOREVER);
  get(3, 1, "two", FOREVER);
  reserve(3, 2, "two", 0, FOREVER);
  story_expect(&story,
               "2 <- #1 OK\n1 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #2 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #3 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "3 <- #1 OK 1\n3 <- #2 OK 2, reserved as 1\n");
  get(1, 4, "two", FOREVER); /* it may come back */
  get(1, 5, "two", 0);
  get_many(1, 6, "two", 1, 10);
  story_pass_ms(&story, 10);
  story_expect(&story,
               "1 <- #5 RESOURCE_EXHAUSTED QUEUE_EMPTY\n1 <- #6 DEADLINE_EXCEEDED QUEUE_EMPTY\n");
  ack(3, 3, "two", 1);
  reserve(3, 4, "two", 0, FOREVER);
  shut_down(2, 2, "two", false);
  story_expect(&story,
               "3 <- #3 OK\n1 <- #4 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "3 <- #4 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n2 <- #2 OK\n");
}

static void test_shutdown_answers_all_waiters(void **state) {
  (void)state;
  get(1, 1, "q", FOREVER);
  get_many(1, 2, "q", 2, FOREVER);
  reserve(2, 1, "q", 0, FOREVER);
  shut_down(3, 1, "q", false);
  story_expect(&story,
               "3 <- #1 OK\n1 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "1 <- #2 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n"
               "2 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
}

static void test_shutdown_waits_for_what_is_delayed_or_reserved(void **state) {
  (void)state;
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  put(4, 0, "q", 2, 0, 100, 0);
  get(2, 1, "q", FOREVER);
  get(3, 1, "q", FOREVER);
  shut_down(4, 3, "q", false);
  story_forget(&story);
  story_pass_ms(&story, 100);
  story_expect(&story, "2 <- #1 OK 2\n");
  bury(1, 2, 1);
  story_expect(&story, "1 <- #2 OK\n3 <- #1 FAILED_PRECONDITION QUEUE_SHUT_DOWN\n");
  kick(1, 3, 0);
  get(3, 2, "q", FOREVER);
  story_expect(&story, "1 <- #3 OK 1\n3 <- #2 OK 1\n");
}

static void test_immediate_shutdown_drops_what_waits_and_joins_return(void **state) {
  (void)state;
  fill("q", 3);
  put(4, 0, "q", 4, 5, 0, 0);
  put(4, 0, "q", 5, 0, 100, 0);
  reserve(1, 1, "q", 0, 0);
  join(2, 1, "q", FOREVER);
  story_forget(&story);
  shut_down(3, 1, "q", true);
  expect_counts("q", 0, 0, 1, 0, 1);
  ack(1, 2, "q", 1);
  story_expect(&story, "3 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK\n");
  fill("two", 2);
  join(2, 2, "two", FOREVER);
  shut_down(3, 2, "two", true);
  shut_down(3, 3, "two", true);
  story_expect(&story, "3 <- #2 OK\n2 <- #2 OK\n3 <- #3 OK\n");
  story_pass_ms(&story, 1000);
  expect_counts("q", 0, 0, 0, 0, 0);
}

/* ---- unacknowledged items are returned */

static void return_items(const char *name, uint64_t count) {
  struct object *object = object_named(name);
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
    core_put_back_item(story.engine, object, values[i], &from);
  }
  core_settle(story.engine, story.now_ns);
}

static void test_item_put_back_has_its_position_again(void **state) {
  (void)state;
  fill("q", 3);
  put(4, 0, "q", 10, -1, 0, 0);
  put(4, 0, "q", 20, 1, 0, 0);
  reserve(1, 1, "q", 0, 0);
  give_back(1, 2, 1, 0); /* 10, tried once */
  story_forget(&story);
  return_items("q", 5);
  fill("q", 1);
  reserve(1, 3, "q", 0, 0);
  get_many(1, 4, "q", 9, 0);
  story_expect(&story, "1 <- #3 OK 10, reserved as 2, tried 1\n1 <- #4 OK 1 2 3 1 20\n");
}

static void test_item_put_back_wakes_who_waits(void **state) {
  (void)state;
  fill("q", 1);
  struct object *object = object_named("q");
  struct taken taken;
  struct value value = queue_get(&object->queue, &taken);
  get(1, 1, "q", FOREVER);
  struct reply_taken from = {.order = taken.position.order, .suborder = taken.position.suborder};
  core_put_back_item(story.engine, object, value, &from);
  core_settle(story.engine, story.now_ns);
  story_expect(&story, "1 <- #1 OK 1\n");
}

static void test_reservation_nobody_saw_goes_back(void **state) {
  (void)state;
  uint8_t serial[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  uint64_t session;
  memcpy(&session, serial, sizeof session);
  fill("q", 1);
  reserve(1, 1, "q", 0, 0);
  struct session *owner = map64_get(&story.engine->sessions, session);
  core_end_reservation(story.engine, owner, 1, false);
  core_end_reservation(story.engine, owner, 1, false);
  reserve(1, 2, "q", 0, 0);
  core_end_reservation(story.engine, owner, 2, true);
  reserve(1, 3, "q", 0, 0);
  story_expect(&story,
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
  ASK(4, 0, "q", FOREVER, PUT, &message);
}

/* An anonymous list in the queue, without another reference. */
static void put_list(int64_t priority, uint64_t delay_ms) {
  uint64_t list = story_open(&story, 4, 0, HOLDFAST__KIND__LIST, NULL, 0);
  put_reference(list, priority, delay_ms);
  story_drop(&story, 4, 0, list, 1);
  story_forget(&story);
}

static void test_references_in_tasks_live_until_they_are_acknowledged(void **state) {
  (void)state;
  put_list(0, 0);
  put_list(0, 100);
  put_list(3, 0);
  assert_int_equal(story_objects(&story, 4), 5);
  reserve(1, 1, "q", 0, 0);
  reserve(1, 2, "q", 0, 0);
  bury(1, 3, 2);
  ack(1, 4, "q", 1);
  assert_int_equal(story_objects(&story, 4), 5); /* the session has what it was given */
  story_close_session(&story, 1);
  assert_int_equal(story_objects(&story, 4), 4);
  delete_queue(2, 1);
  assert_int_equal(story_objects(&story, 4), 1);
}

static void test_references_are_dropped_by_an_immediate_shutdown(void **state) {
  (void)state;
  put_list(0, 0);
  put_list(0, 100);
  put_list(3, 0);
  put_list(-1, 0);
  reserve(1, 1, "q", 0, 0);
  shut_down(2, 1, "q", true);
  assert_int_equal(story_objects(&story, 4), 3);
  assert_int_equal(object_named("q")->stored_references, 1);
  ack(1, 2, "q", 1);
  assert_int_equal(object_named("q")->stored_references, 0);
}

static void test_references_put_back_are_counted_again(void **state) {
  (void)state;
  put_list(0, 0);
  get(1, 1, "q", 0);
  struct object *object = object_named("q");
  assert_int_equal(object->stored_references, 0);
  story_close_session(&story, 1); /* without having acknowledged it */
  assert_int_equal(object->stored_references, 1);
  assert_int_equal(story_objects(&story, 4), 3);
}

/* ---- memory */

static void test_memory_of_tasks_is_counted_and_large_queues_are_buried(void **state) {
  (void)state;
  size_t empty = object_named("q")->memory_bytes;
  for (int i = 0; i < 1000; i++) {
    put(4, 0, "q", i, i % 3, (uint64_t)i % 7, 0);
    story_forget(&story);
  }
  size_t full = object_named("q")->memory_bytes;
  assert_true(full - empty > 850 * sizeof(struct task));
  assert_true(story.engine->memory.total > full);
  delete_queue(1, 1);
  struct object *buried = engine_take_deferred(story.engine);
  assert_non_null(buried);
  apply_freed(story.engine, engine_free_deferred(buried));
  assert_true(story.engine->memory.total < full);
}

static void test_immediate_shutdown_of_a_large_queue_leaves_it_to_others(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) {
    put(4, 0, "q", i, i % 3, (uint64_t)i % 7, 0);
    story_forget(&story);
  }
  shut_down(1, 1, "q", true);
  struct object *buried = engine_take_deferred(story.engine);
  assert_non_null(buried);
  apply_freed(story.engine, engine_free_deferred(buried));
  story_pass_ms(&story, 1000);
  expect_counts("q", 0, 0, 0, 0, 0);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
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
      STORY(test_shutdown_refuses_puts_and_lets_gets_finish),
      STORY(test_shutdown_answers_all_waiters),
      STORY(test_shutdown_waits_for_what_is_delayed_or_reserved),
      STORY(test_immediate_shutdown_drops_what_waits_and_joins_return),
      STORY(test_item_put_back_has_its_position_again),
      STORY(test_item_put_back_wakes_who_waits),
      STORY(test_reservation_nobody_saw_goes_back),
      STORY(test_references_in_tasks_live_until_they_are_acknowledged),
      STORY(test_references_are_dropped_by_an_immediate_shutdown),
      STORY(test_references_put_back_are_counted_again),
      STORY(test_memory_of_tasks_is_counted_and_large_queues_are_buried),
      STORY(test_immediate_shutdown_of_a_large_queue_leaves_it_to_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
