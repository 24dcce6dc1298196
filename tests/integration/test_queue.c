/* Queues through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

static void expect_get(hf_queue *queue, int64_t timeout_ms, int64_t expected) {
  hf_value value;
  expect_ok(hf_queue_get(queue, timeout_ms, &value));
  expect_equal(value, hf_int(expected));
}

static void test_queue_is_first_in_first_out(void **state) {
  hf_queue *queue;
  uint64_t size;
  bool empty, full;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_queue_empty(queue, &empty));
  assert_true(empty);
  for (int64_t i = 0; i < 3; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  expect_ok(hf_queue_size(queue, &size));
  assert_int_equal(size, 3);
  expect_ok(hf_queue_full(queue, &full));
  assert_false(full);
  for (int64_t i = 0; i < 3; i++) {
    expect_get(queue, HF_FOREVER, i);
  }
  hf_queue_close(queue);
}

static void test_queue_empty_and_full_are_reported_with_and_without_wait(void **state) {
  hf_queue *queue;
  hf_value value;
  bool full;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 1, &queue));
  expect_fails(hf_queue_get(queue, 0, &value), RESOURCE_EXHAUSTED, QUEUE_EMPTY);
  expect_fails(hf_queue_get(queue, 20, &value), DEADLINE_EXCEEDED, QUEUE_EMPTY);
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_queue_full(queue, &full));
  assert_true(full);
  expect_fails(hf_queue_put(queue, hf_int(2), 0), RESOURCE_EXHAUSTED, QUEUE_FULL);
  expect_fails(hf_queue_put(queue, hf_int(2), 20), DEADLINE_EXCEEDED, QUEUE_FULL);
  expect_fails(hf_queue_put(queue, hf_int(2), -5), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  expect_fails(hf_queue_get(queue, -5, &value), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  hf_queue_close(queue);
}

static void test_queue_join_waits_for_task_done(void **state) {
  hf_queue *queue;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_queue_join(queue, 0));
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_get(queue, 0, 1);
  expect_fails(hf_queue_join(queue, 20), DEADLINE_EXCEEDED, NOT_JOINED);
  expect_ok(hf_queue_task_done(queue));
  expect_ok(hf_queue_join(queue, 1000));
  expect_fails(hf_queue_task_done(queue), FAILED_PRECONDITION, TOO_MANY_DONE);
  hf_queue_close(queue);
}

static void test_queue_of_another_maxsize_has_the_wrong_shape(void **state) {
  hf_queue *queue, *other;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "shaped", 3, &queue));
  expect_fails(hf_queue_open(world.conn, "shaped", 4, &other), INVALID_ARGUMENT, WRONG_SHAPE);
  expect_ok(hf_object_delete(HF_AS_OBJECT(queue)));
  hf_queue_close(queue);
}

static void *get_one(void *argument) {
  hf_value value;
  return (void *)(intptr_t)(hf_queue_get(argument, 10000, &value) == HF_OK ? value.integer : -1);
}

static void test_queue_parked_get_takes_what_another_session_puts(void **state) {
  hf_conn *conn = connect_again(0);
  hf_queue *queue, *same;
  pthread_t thread;
  void *got;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "handover", 0, &queue));
  expect_ok(hf_queue_open(conn, "handover", 0, &same));
  assert_int_equal(pthread_create(&thread, NULL, get_one, queue), 0);
  await_waiting(1);
  expect_ok(hf_queue_put(same, hf_int(42), 0));
  pthread_join(thread, &got);
  assert_int_equal((intptr_t)got, 42);
  hf_queue_close(same);
  hf_queue_close(queue);
  hf_close(conn);
}

static void *get_until_deleted(void *argument) {
  hf_value value;
  return (void *)(intptr_t)hf_queue_get(argument, HF_FOREVER, &value);
}

static void test_queue_deleted_while_somebody_waits_aborts_him(void **state) {
  hf_queue *queue;
  hf_value value;
  pthread_t thread;
  void *status;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "deleted", 0, &queue));
  assert_int_equal(pthread_create(&thread, NULL, get_until_deleted, queue), 0);
  await_waiting(1);
  expect_ok(hf_delete(world.conn, "deleted"));
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_ABORTED);
  expect_fails(hf_queue_get(queue, 0, &value), NOT_FOUND, NO_SUCH_OBJECT);
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_queue_is_first_in_first_out),
    cmocka_unit_test(test_queue_empty_and_full_are_reported_with_and_without_wait),
    cmocka_unit_test(test_queue_join_waits_for_task_done),
    cmocka_unit_test(test_queue_of_another_maxsize_has_the_wrong_shape),
    cmocka_unit_test(test_queue_parked_get_takes_what_another_session_puts),
    cmocka_unit_test(test_queue_deleted_while_somebody_waits_aborts_him),
};

WORLD_MAIN("queue", tests)
