/* Many threads on one connection. */
#include <pthread.h>

#include "tests/integration/world.h"

enum { THREAD_COUNT = 8, CALL_COUNT = 500, FIRST_USES = 50 };

struct worker {
  pthread_t thread;
  hf_dict *dict;
  hf_queue *queue;
  hf_lock *lock;
  hf_array *array;
  int64_t number;
  int64_t result; /* -1: a call failed or answered something else */
};

static void run_all(void *(*work)(void *), struct worker workers[THREAD_COUNT]) {
  for (int i = 0; i < THREAD_COUNT; i++) {
    workers[i].number = i;
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREAD_COUNT; i++) {
    pthread_join(workers[i].thread, NULL);
    assert_int_not_equal(workers[i].result, -1);
  }
}

static void *set_and_get(void *argument) {
  struct worker *worker = argument;
  for (int64_t i = 0; i < CALL_COUNT; i++) {
    hf_value value;
    int64_t stored = worker->number * CALL_COUNT + i;
    if (hf_dict_set(worker->dict, hf_int(worker->number), hf_int(stored)) != HF_OK ||
        hf_dict_get(worker->dict, hf_int(worker->number), &value) != HF_OK ||
        value.integer != stored) {
      worker->result = -1;
    }
  }
  return NULL;
}

static void test_threads_each_get_their_own_answers(void **state) {
  struct worker workers[THREAD_COUNT] = {0};
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < THREAD_COUNT; i++) {
    workers[i].dict = dict;
  }
  run_all(set_and_get, workers);
  hf_dict_close(dict);
}

static void *get_items(void *argument) {
  struct worker *worker = argument;
  hf_value value;
  while (worker->result != -1) {
    if (hf_queue_get(worker->queue, HF_FOREVER, &value) != HF_OK) {
      worker->result = -1;
    } else if (value.integer < 0) {
      break;
    } else {
      worker->result += value.integer;
    }
  }
  return NULL;
}

static void *put_items(void *argument) {
  hf_queue *queue = argument;
  hf_status status = HF_OK;
  for (int64_t i = 1; i <= CALL_COUNT && status == HF_OK; i++) {
    status = hf_queue_put(queue, hf_int(i), HF_FOREVER);
  }
  for (int i = 0; i < THREAD_COUNT && status == HF_OK; i++) {
    status = hf_queue_put(queue, hf_int(-1), HF_FOREVER);
  }
  return (void *)(intptr_t)status;
}

static void test_threads_parked_gets_let_others_call(void **state) {
  struct worker workers[THREAD_COUNT] = {0};
  hf_queue *queue;
  pthread_t putter;
  int64_t sum = 0;
  void *status;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 4, &queue));
  for (int i = 0; i < THREAD_COUNT; i++) {
    workers[i].queue = queue;
  }
  assert_int_equal(pthread_create(&putter, NULL, put_items, queue), 0);
  run_all(get_items, workers);
  pthread_join(putter, &status);
  assert_int_equal((intptr_t)status, HF_OK);
  for (int i = 0; i < THREAD_COUNT; i++) {
    sum += workers[i].result;
  }
  assert_int_equal(sum, CALL_COUNT * (CALL_COUNT + 1) / 2);
  hf_queue_close(queue);
}

/* Read, then write: only the lock keeps the threads from losing updates. */
static void *add_under_lock(void *argument) {
  struct worker *worker = argument;
  for (int i = 0; i < CALL_COUNT / 10; i++) {
    hf_value value;
    if (hf_lock_acquire(worker->lock, HF_FOREVER, NULL) != HF_OK ||
        hf_dict_get(worker->dict, hf_text("n"), &value) != HF_OK ||
        hf_dict_set(worker->dict, hf_text("n"), hf_int(value.integer + 1)) != HF_OK ||
        hf_lock_release(worker->lock) != HF_OK) {
      worker->result = -1;
    }
  }
  return NULL;
}

static void test_threads_rlock_excludes_threads_of_one_session(void **state) {
  struct worker workers[THREAD_COUNT] = {0};
  hf_value value;
  hf_dict *dict;
  hf_lock *lock;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_text("n"), hf_int(0)));
  expect_ok(hf_rlock_open(world.conn, NULL, &lock));
  for (int i = 0; i < THREAD_COUNT; i++) {
    workers[i].dict = dict;
    workers[i].lock = lock;
  }
  run_all(add_under_lock, workers);
  expect_ok(hf_dict_get(dict, hf_text("n"), &value));
  expect_equal(value, hf_int(THREAD_COUNT * (CALL_COUNT / 10)));
  hf_lock_close(lock);
  hf_dict_close(dict);
}

static void *pipeline_adds(void *argument) {
  struct worker *worker = argument;
  if (hf_pipeline_begin(world.conn, 32) != HF_OK) {
    worker->result = -1;
    return NULL;
  }
  for (int i = 0; i < 4 * CALL_COUNT; i++) {
    if (hf_dict_add(worker->dict, hf_text("n"), hf_int(1), NULL) != HF_OK) {
      worker->result = -1;
    }
  }
  if (hf_pipeline_end(world.conn, NULL) != HF_OK) {
    worker->result = -1;
  }
  return NULL;
}

static void test_threads_pipeline_side_by_side(void **state) {
  struct worker workers[THREAD_COUNT] = {0};
  hf_value value;
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < THREAD_COUNT; i++) {
    workers[i].dict = dict;
  }
  run_all(pipeline_adds, workers);
  expect_ok(hf_dict_get(dict, hf_text("n"), &value));
  expect_equal(value, hf_int(4 * CALL_COUNT * THREAD_COUNT));
  hf_dict_close(dict);
}

static void *use_element(void *argument) {
  struct worker *worker = argument;
  size_t length, own = (size_t)worker->number;
  int64_t sum = 0;
  hf_value value;
  if (hf_array_store_i64(worker->array, own, 4) != HF_OK ||
      hf_array_add_i64(worker->array, own, 3, &sum) != HF_OK || sum != 7 ||
      hf_array_get(worker->array, worker->number, &value) != HF_OK || value.integer != 7 ||
      hf_array_len(worker->array, &length) != HF_OK || length != THREAD_COUNT) {
    worker->result = -1;
  }
  return NULL;
}

/* Where the array is, is asked for when it is first used. */
static void test_threads_first_use_a_handle_together(void **state) {
  hf_list *list;
  hf_array *array;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  for (int i = 0; i < FIRST_USES; i++) {
    struct worker workers[THREAD_COUNT] = {0};
    hf_value value;
    hf_object *object;
    expect_ok(hf_raw_array_open(world.conn, NULL, 'q', THREAD_COUNT, NULL, &array));
    expect_ok(hf_list_append(list, hf_reference((hf_object *)array)));
    expect_ok(hf_list_get(list, -1, &value));
    expect_ok(hf_reference_open(world.conn, &value, &object));
    for (int t = 0; t < THREAD_COUNT; t++) {
      workers[t].array = (hf_array *)object;
    }
    run_all(use_element, workers);
    hf_object_close(object);
    hf_array_close(array);
  }
  hf_list_close(list);
}

/* ---------------------------------------------------------------- closing while others have a mode open */

enum open_mode { PIPELINE, WAIT_ANY, TRANSACTION, ONE_WAY };

struct beginner {
  hf_conn *conn;
  hf_dict *dict;
  hf_queue *queue;
  enum open_mode mode;
  pthread_barrier_t is_begun, is_closed;
  hf_status status;
  char reason[64];
};

static hf_status begin_mode(struct beginner *beginner, hf_value *value) {
  switch (beginner->mode) {
    case PIPELINE:
      expect_ok(hf_pipeline_begin(beginner->conn, 0));
      return hf_queue_get(beginner->queue, HF_FOREVER, value);
    case WAIT_ANY:
      expect_ok(hf_wait_any_begin(beginner->conn));
      return hf_queue_get(beginner->queue, HF_FOREVER, value);
    case TRANSACTION:
      expect_ok(hf_transaction_begin(beginner->conn));
      return hf_dict_add(beginner->dict, hf_int(1), hf_int(1), NULL);
    default:
      expect_ok(hf_oneway_begin(beginner->conn));
      return hf_dict_add(beginner->dict, hf_int(1), hf_int(1), NULL);
  }
}

static hf_status end_mode(struct beginner *beginner) {
  size_t idx;
  switch (beginner->mode) {
    case PIPELINE:
      return hf_pipeline_end(beginner->conn, NULL);
    case WAIT_ANY:
      return hf_wait_any_end(beginner->conn, 1000, &idx);
    case TRANSACTION:
      return hf_transaction_commit(beginner->conn, 0, NULL);
    default:
      return hf_oneway_end(beginner->conn);
  }
}

static void *begin_and_end_later(void *argument) {
  struct beginner *beginner = argument;
  hf_value value;
  expect_ok(begin_mode(beginner, &value));
  pthread_barrier_wait(&beginner->is_begun);
  pthread_barrier_wait(&beginner->is_closed);
  beginner->status = end_mode(beginner);
  snprintf(beginner->reason, sizeof beginner->reason, "%s", hf_last_error()->reason);
  /* Nothing of the ended mode is in the way of the next one. */
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_pipeline_end(world.conn, NULL));
  return NULL;
}

static void test_threads_close_leaves_the_modes_of_others(void **state) {
  (void)state;
  for (enum open_mode mode = PIPELINE; mode <= ONE_WAY; mode++) {
    struct beginner beginner = {.conn = connect_again(0), .mode = mode};
    pthread_t thread;
    expect_ok(hf_dict_open(beginner.conn, NULL, &beginner.dict));
    expect_ok(hf_queue_open(beginner.conn, "closed over", 0, &beginner.queue));
    pthread_barrier_init(&beginner.is_begun, NULL, 2);
    pthread_barrier_init(&beginner.is_closed, NULL, 2);
    pthread_create(&thread, NULL, begin_and_end_later, &beginner);
    pthread_barrier_wait(&beginner.is_begun);
    hf_queue_close(beginner.queue);
    hf_dict_close(beginner.dict);
    hf_close(beginner.conn);
    pthread_barrier_wait(&beginner.is_closed);
    pthread_join(thread, NULL);
    assert_int_equal(beginner.status, HF_FAILED_PRECONDITION);
    assert_string_equal(beginner.reason, "SESSION_ENDED");
    expect_ok(hf_delete(world.conn, "closed over"));
    pthread_barrier_destroy(&beginner.is_begun);
    pthread_barrier_destroy(&beginner.is_closed);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_threads_close_leaves_the_modes_of_others),
    cmocka_unit_test(test_threads_each_get_their_own_answers),
    cmocka_unit_test(test_threads_parked_gets_let_others_call),
    cmocka_unit_test(test_threads_rlock_excludes_threads_of_one_session),
    cmocka_unit_test(test_threads_pipeline_side_by_side),
    cmocka_unit_test(test_threads_first_use_a_handle_together),
};

WORLD_MAIN("threads", tests)
