/* The first of several calls through the client library. */
#include <pthread.h>
#include <unistd.h>

#include "tests/integration/world.h"

static hf_queue *open_queue(void) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  return queue;
}

static void expect_size(hf_queue *queue, uint64_t expected) {
  uint64_t size;
  expect_ok(hf_queue_size(queue, &size));
  assert_int_equal(size, expected);
}

static void test_wait_any_ready_call_is_done_and_no_other(void **state) {
  hf_queue *first = open_queue(), *second = open_queue();
  hf_value a = hf_none(), b = hf_none();
  size_t index = 9;
  (void)state;
  expect_ok(hf_queue_put(second, hf_int(2), 0));
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(first, HF_FOREVER, &a));
  expect_ok(hf_queue_get(second, 0, &b));
  expect_ok(hf_wait_any_end(world.conn, 0, &index));
  assert_int_equal(index, 1);
  expect_equal(b, hf_int(2));
  assert_int_equal(a.type, HF_TYPE_NONE);
  expect_ok(hf_queue_put(first, hf_int(1), 0));
  expect_ok(hf_queue_put(second, hf_int(2), 0));
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(first, HF_FOREVER, &a));
  expect_ok(hf_queue_get(second, HF_FOREVER, &b));
  expect_ok(hf_wait_any_end(world.conn, HF_FOREVER, NULL));
  expect_equal(a, hf_int(1));
  expect_size(second, 1);
  hf_queue_close(first);
  hf_queue_close(second);
}

/* ---------------------------------------------------------------- what may go wrong */

static void test_wait_any_out_of_time_leaves_nothing_behind(void **state) {
  hf_queue *first = open_queue(), *second = open_queue();
  struct hf_reservation item;
  hf_value value;
  size_t index = 9;
  (void)state;
  for (int64_t timeout_ms = 0; timeout_ms <= 20; timeout_ms += 20) {
    expect_ok(hf_wait_any_begin(world.conn));
    expect_ok(hf_queue_get(first, HF_FOREVER, &value));
    expect_ok(hf_queue_reserve(second, 0, HF_FOREVER, &item));
    expect_fails(hf_wait_any_end(world.conn, timeout_ms, &index), DEADLINE_EXCEEDED, TIMED_OUT);
    assert_int_equal(index, 9);
    assert_int_equal(waiting_count(), 0);
  }
  expect_ok(hf_queue_put(first, hf_int(1), 0));
  expect_ok(hf_queue_put(second, hf_int(1), 0));
  expect_size(first, 1);
  expect_size(second, 1);
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(first, 0, &value));
  expect_fails(hf_wait_any_end(world.conn, -7, NULL), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  expect_size(first, 1);
  hf_queue_close(first);
  hf_queue_close(second);
}

static void test_wait_any_error_of_a_call_names_it(void **state) {
  hf_queue *never = open_queue();
  hf_pipe *ends[2];
  hf_value value;
  size_t index = 9;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  hf_pipe_close(ends[1]);
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(never, 0, &value));
  expect_ok(hf_pipe_recv(ends[0], HF_FOREVER, &value));
  hf_status status = hf_wait_any_end(world.conn, 1000, &index);
  assert_int_not_equal(status, HF_OK);
  assert_string_equal(hf_last_error()->reason, "END_OF_FILE");
  assert_int_equal(index, 1);
  hf_pipe_close(ends[0]);
  hf_queue_close(never);
}

static void *delete_event(void *argument) {
  (void)argument;
  await_waiting(1);
  return (void *)(intptr_t)hf_delete(world.conn, "deleted");
}

static void test_wait_any_fails_with_an_object_that_is_deleted(void **state) {
  hf_queue *never = open_queue();
  hf_event *event;
  hf_value value;
  bool flag;
  size_t index = 9;
  pthread_t thread;
  void *deleted;
  (void)state;
  expect_ok(hf_event_open(world.conn, "deleted", &event));
  assert_int_equal(pthread_create(&thread, NULL, delete_event, NULL), 0);
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(never, 0, &value));
  expect_ok(hf_event_wait(event, HF_FOREVER, &flag));
  expect_fails(hf_wait_any_end(world.conn, 5000, &index), ABORTED, OBJECT_DELETED);
  assert_int_equal(index, 1);
  pthread_join(thread, &deleted);
  assert_null(deleted);
  assert_int_equal(waiting_count(), 0);
  hf_event_close(event);
  hf_queue_close(never);
}

static void test_wait_any_refuses_what_cannot_wait(void **state) {
  hf_queue *queue = open_queue();
  hf_value value;
  uint64_t size;
  size_t index = 9;
  (void)state;
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_ok(hf_queue_size(queue, &size));
  expect_fails(hf_wait_any_end(world.conn, 1000, &index), INVALID_ARGUMENT, NOT_NESTABLE);
  assert_int_equal(index, 1);
  expect_size(queue, 1);
  /* What the library needs the answer of is refused at once, and with it the whole. */
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_fails(hf_ping(world.conn, NULL), INVALID_ARGUMENT, NOT_NESTABLE);
  expect_fails(hf_wait_any_end(world.conn, 1000, &index), INVALID_ARGUMENT, NOT_NESTABLE);
  assert_int_equal(index, 1);
  expect_size(queue, 1);
  expect_ok(hf_wait_any_begin(world.conn));
  expect_fails(hf_wait_any_end(world.conn, 1000, NULL), INVALID_ARGUMENT, BAD_ARGUMENT);
  hf_queue_close(queue);
}

static void test_wait_any_fails_with_a_call_that_could_not_be_added(void **state) {
  hf_queue *queue = open_queue();
  hf_dict *dict;
  hf_value value;
  size_t index = 9;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_fails(hf_dict_wait(dict, (hf_value){.type = (hf_type)99}, NULL, 0, &value),
               INVALID_ARGUMENT, BAD_VALUE);
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_fails(hf_wait_any_end(world.conn, 0, &index), INVALID_ARGUMENT, BAD_VALUE);
  assert_int_equal(index, 1);
  expect_size(queue, 1);
  hf_dict_close(dict);
  hf_queue_close(queue);
}

static void test_wait_any_that_is_too_big_is_refused(void **state) {
  const size_t size = 6u << 20;
  char *big = calloc(1, size);
  hf_dict *dict;
  hf_value value;
  size_t index = 9;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_dict_wait(dict, hf_bytes(big, size), NULL, 0, &value));
  expect_ok(hf_dict_wait(dict, hf_bytes(big, size), NULL, 0, &value));
  expect_fails(hf_dict_wait(dict, hf_bytes(big, size), NULL, 0, &value), RESOURCE_EXHAUSTED,
               REQUEST_TOO_BIG);
  expect_fails(hf_wait_any_end(world.conn, 0, &index), RESOURCE_EXHAUSTED, REQUEST_TOO_BIG);
  assert_int_equal(index, 2);
  free(big);
  hf_dict_close(dict);
}

static void test_wait_any_has_to_be_begun_and_is_open_once(void **state) {
  hf_queue *queue = open_queue();
  hf_event *event;
  hf_value value;
  bool flag;
  (void)state;
  expect_fails(hf_wait_any_end(world.conn, 0, NULL), FAILED_PRECONDITION, );
  expect_ok(hf_wait_any_begin(world.conn));
  expect_fails(hf_wait_any_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_transaction_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_pipeline_begin(world.conn, 0), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_oneway_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_transaction_commit(world.conn, 0, NULL), FAILED_PRECONDITION, );
  hf_conn *conn = connect_again(0); /* another connection is not concerned */
  expect_ok(hf_ping(conn, NULL));
  hf_close(conn);
  expect_ok(hf_event_open(world.conn, NULL, &event)); /* handles open and close as usual */
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_ok(hf_event_wait(event, 0, &flag));
  hf_transaction_drop(world.conn);
  assert_int_equal(waiting_count(), 0);
  hf_event_close(event);
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_fails(hf_wait_any_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_fails(hf_wait_any_end(world.conn, 0, NULL), FAILED_PRECONDITION, );
  hf_queue_close(queue);
}

static int has_no_batch(void *queue) {
  hf_value value;
  bool ended = hf_wait_any_end(world.conn, 0, NULL) == HF_FAILED_PRECONDITION;
  bool empty = hf_queue_get(queue, 0, &value) == HF_RESOURCE_EXHAUSTED; /* at once */
  return ended && empty && hf_wait_any_begin(world.conn) == HF_OK ? 0 : 1;
}

static void test_wait_any_of_the_parent_is_not_the_childs(void **state) {
  hf_queue *queue = open_queue();
  hf_value value;
  (void)state;
  expect_ok(hf_wait_any_begin(world.conn));
  expect_ok(hf_queue_get(queue, 0, &value));
  assert_int_equal(child_end(child_start(has_no_batch, queue)), 0);
  expect_fails(hf_wait_any_end(world.conn, 0, NULL), DEADLINE_EXCEEDED, TIMED_OUT);
  hf_queue_close(queue);
}

static void test_wait_any_delivers_references_once(void **state) {
  hf_queue *queue = open_queue(), *never = open_queue();
  const uint64_t before = 2;
  hf_value value;
  hf_list *list;
  (void)state;
  await_objects(before);
  for (int i = 0; i < 2; i++) {
    expect_ok(hf_list_open(world.conn, NULL, &list));
    expect_ok(hf_queue_put(queue, hf_reference(HF_AS_OBJECT(list)), 0));
    hf_list_close(list);
    expect_ok(hf_wait_any_begin(world.conn));
    expect_ok(hf_queue_get(never, 0, &value));
    expect_ok(hf_queue_get(queue, 0, &value));
    expect_ok(hf_wait_any_end(world.conn, 1000, NULL));
    assert_int_equal(object_count(), before + 1);
    hf_value_clear(&value);
    assert_int_equal(object_count(), before);
  }
  hf_queue_close(queue);
  hf_queue_close(never);
}

/* ---------------------------------------------------------------- many at once */

enum { GETTER_COUNT = 6, ITEM_COUNT = 3000 };

struct getter {
  hf_queue *queues[2];
  hf_event *stop;
  pthread_t thread;
  int64_t sum; /* -1: a call failed */
};

static void *get_until_stopped(void *argument) {
  struct getter *getter = argument;
  for (;;) {
    size_t index = 9;
    hf_value value;
    bool flag;
    hf_status status = hf_wait_any_begin(world.conn);
    for (int i = 0; i < 2 && status == HF_OK; i++) {
      status = hf_queue_get(getter->queues[i], 0, &value);
    }
    if (status != HF_OK || hf_event_wait(getter->stop, 0, &flag) != HF_OK ||
        hf_wait_any_end(world.conn, HF_FOREVER, &index) != HF_OK) {
      getter->sum = -1;
      return NULL;
    }
    if (index == 2) {
      return NULL;
    }
    getter->sum += value.integer;
  }
}

static void test_wait_any_takes_each_item_once(void **state) {
  struct getter getters[GETTER_COUNT];
  hf_queue *queues[2] = {open_queue(), open_queue()};
  hf_event *stop;
  int64_t sum = 0, expected = 0;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &stop));
  for (int i = 0; i < GETTER_COUNT; i++) {
    getters[i] = (struct getter){.queues = {queues[i % 2], queues[1 - i % 2]}, .stop = stop};
    assert_int_equal(pthread_create(&getters[i].thread, NULL, get_until_stopped, &getters[i]), 0);
  }
  for (int64_t i = 1; i <= ITEM_COUNT; i++) {
    expect_ok(hf_queue_put(queues[i % 3 == 0], hf_int(i), 0));
    expected += i;
  }
  await_waiting(GETTER_COUNT); /* all are back, and both queues are empty */
  expect_size(queues[0], 0);
  expect_size(queues[1], 0);
  expect_ok(hf_event_set(stop));
  for (int i = 0; i < GETTER_COUNT; i++) {
    pthread_join(getters[i].thread, NULL);
    assert_int_not_equal(getters[i].sum, -1);
    sum += getters[i].sum;
  }
  assert_int_equal(sum, expected);
  hf_event_close(stop);
  hf_queue_close(queues[0]);
  hf_queue_close(queues[1]);
}

static int wait_for_either(void *argument) {
  hf_conn *conn = child_connect();
  hf_queue *queue;
  hf_lock *lock;
  hf_value value;
  (void)argument;
  if (hf_queue_open(conn, "either", 0, &queue) != HF_OK ||
      hf_lock_open(conn, "or", &lock) != HF_OK || hf_wait_any_begin(conn) != HF_OK ||
      hf_queue_get(queue, 0, &value) != HF_OK || hf_lock_acquire(lock, 0, NULL) != HF_OK) {
    return 1;
  }
  return (int)hf_wait_any_end(conn, HF_FOREVER, NULL);
}

static void test_wait_any_of_a_killed_process_takes_nothing(void **state) {
  hf_queue *queue;
  hf_lock *lock;
  hf_value value;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "either", 0, &queue));
  expect_ok(hf_lock_open(world.conn, "or", &lock));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  pid_t child = child_start(wait_for_either, NULL);
  await_waiting(1);
  child_kill(child);
  await_waiting(0);
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_ok(hf_lock_release(lock));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_ok(hf_lock_release(lock));
  hf_lock_close(lock);
  hf_queue_close(queue);
  expect_ok(hf_delete(world.conn, "either"));
  expect_ok(hf_delete(world.conn, "or"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_wait_any_ready_call_is_done_and_no_other),
    cmocka_unit_test(test_wait_any_out_of_time_leaves_nothing_behind),
    cmocka_unit_test(test_wait_any_error_of_a_call_names_it),
    cmocka_unit_test(test_wait_any_fails_with_an_object_that_is_deleted),
    cmocka_unit_test(test_wait_any_refuses_what_cannot_wait),
    cmocka_unit_test(test_wait_any_fails_with_a_call_that_could_not_be_added),
    cmocka_unit_test(test_wait_any_that_is_too_big_is_refused),
    cmocka_unit_test(test_wait_any_has_to_be_begun_and_is_open_once),
    cmocka_unit_test(test_wait_any_of_the_parent_is_not_the_childs),
    cmocka_unit_test(test_wait_any_delivers_references_once),
    cmocka_unit_test(test_wait_any_takes_each_item_once),
    cmocka_unit_test(test_wait_any_of_a_killed_process_takes_nothing),
};

WORLD_MAIN("wait_any", tests)
