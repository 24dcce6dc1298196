/* The edges of what fits: messages near the size of a frame, windows that are full. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/limits.h"
#include "tests/integration/world.h"

static void test_bounds_too_big_request_leaves_the_connection_usable(void **state) {
  char *bytes = calloc(1, HF_FRAME_BYTES_MAX + 1);
  hf_list *list;
  hf_value value;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  for (size_t less = 0; less < 10000; less += 3000) {
    expect_fails(hf_list_append(list, hf_bytes(bytes, HF_FRAME_BYTES_MAX - less)),
                 RESOURCE_EXHAUSTED, REQUEST_TOO_BIG);
    expect_ok(hf_ping(world.conn, NULL));
  }
  expect_ok(hf_list_append(list, hf_bytes(bytes, HF_FRAME_BYTES_MAX - 12000)));
  expect_ok(hf_list_get(list, 0, &value));
  assert_int_equal(value.size, HF_FRAME_BYTES_MAX - 12000);
  hf_value_clear(&value);
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, 1);
  hf_list_close(list);
  free(bytes);
}

static void test_bounds_too_many_values_are_called_so(void **state) {
  enum { COUNT = 500000 };
  struct hf_entry *entries = calloc(COUNT, sizeof *entries);
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < COUNT; i++) {
    entries[i] = (struct hf_entry){hf_int(i), hf_none()};
  }
  expect_fails(hf_dict_update(dict, entries, COUNT), RESOURCE_EXHAUSTED, TOO_MANY_FIELDS);
  expect_fails(hf_dict_update(dict, entries, COUNT / 2), RESOURCE_EXHAUSTED, TOO_MANY_FIELDS);
  expect_ok(hf_dict_update(dict, entries, COUNT / 8));
  hf_dict_close(dict);
  free(entries);
}

/* ---------------------------------------------------------------- a full window */

struct filler {
  hf_conn *conn;
  hf_queue *queue;
  hf_value *values;
  pthread_t thread;
  hf_status status;
};

/* Every slot of the window is taken by a get that waits. */
static void *fill_window(void *argument) {
  struct filler *filler = argument;
  filler->status = hf_pipeline_begin(filler->conn, 0);
  for (int i = 0; i < HF_WINDOW_COUNT_MAX && filler->status == HF_OK; i++) {
    filler->status = hf_queue_get(filler->queue, HF_FOREVER, &filler->values[i]);
  }
  if (filler->status == HF_OK) {
    filler->status = hf_pipeline_end(filler->conn, NULL);
  }
  return NULL;
}

static void filler_init(struct filler *filler) {
  filler->conn = connect_again(0);
  filler->values = calloc(HF_WINDOW_COUNT_MAX, sizeof *filler->values);
  expect_ok(hf_queue_open(filler->conn, "filler", 0, &filler->queue));
}

static void filler_start(struct filler *filler) {
  assert_int_equal(pthread_create(&filler->thread, NULL, fill_window, filler), 0);
  await_waiting(HF_WINDOW_COUNT_MAX);
}

static void put_items(int count) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, "filler", 0, &queue));
  for (int i = 0; i < count; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  hf_queue_close(queue);
}

static void filler_join(struct filler *filler) {
  pthread_join(filler->thread, NULL);
  assert_int_equal(filler->status, HF_OK);
}

static void filler_deinit(struct filler *filler) {
  expect_ok(hf_object_delete(HF_AS_OBJECT(filler->queue)));
  hf_queue_close(filler->queue);
  hf_close(filler->conn);
  free(filler->values);
}

static void *ping_once(void *argument) {
  return (void *)(intptr_t)hf_ping(argument, NULL);
}

static void test_bounds_full_window_takes_releases_that_come_meanwhile(void **state) {
  struct filler filler;
  pthread_t thread;
  hf_dict *dict;
  void *status;
  (void)state;
  filler_init(&filler);
  expect_ok(hf_dict_open(filler.conn, NULL, &dict));
  filler_start(&filler);
  /* The ping waits for a slot; the handle that is closed meanwhile wants one more. */
  assert_int_equal(pthread_create(&thread, NULL, ping_once, filler.conn), 0);
  sleep_ms(100);
  hf_dict_close(dict);
  put_items(HF_WINDOW_COUNT_MAX);
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_OK);
  filler_join(&filler);
  filler_deinit(&filler);
}

/* Calls that don't wait have slots kept for them: one of them brings what the others wait for. */
static void test_bounds_waiting_calls_leave_places_to_others(void **state) {
  struct filler filler;
  hf_queue *queue;
  hf_value value;
  uint64_t size;
  (void)state;
  filler_init(&filler);
  expect_ok(hf_queue_open(filler.conn, "another", 0, &queue));
  filler_start(&filler);
  for (int i = 0; i < 3 * HF_WINDOW_COUNT_MAX; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  expect_ok(hf_queue_size(queue, &size));
  assert_int_equal(size, 3 * HF_WINDOW_COUNT_MAX);
  expect_ok(hf_queue_get(queue, 0, &value));
  uint64_t start_ms = now_ms();
  expect_fails(hf_queue_get(queue, 300, &value), RESOURCE_EXHAUSTED, IN_FLIGHT_FULL);
  assert_in_range(now_ms() - start_ms, 290, 3000);
  assert_non_null(strstr(hf_last_error()->message, "a connection of their own"));
  for (int i = 0; i < HF_WINDOW_COUNT_MAX; i++) {
    expect_ok(hf_queue_put(filler.queue, hf_int(i), 0));
  }
  filler_join(&filler);
  expect_ok(hf_queue_get(queue, 300, &value));
  expect_ok(hf_object_delete(HF_AS_OBJECT(queue)));
  hf_queue_close(queue);
  filler_deinit(&filler);
}

static void *push_one(void *argument) {
  hf_dict *dict = argument;
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(dict));
  hf_status status = hf_oneway_begin(conn);
  if (status == HF_OK) {
    status = hf_dict_set(dict, hf_int(1), hf_int(2));
    hf_status end = hf_oneway_end(conn);
    status = status == HF_OK ? end : status;
  }
  return (void *)(intptr_t)status;
}

static void test_bounds_full_window_lets_one_way_calls_through(void **state) {
  struct filler filler;
  pthread_t thread;
  hf_dict *dict, *closed;
  void *status;
  (void)state;
  filler_init(&filler);
  expect_ok(hf_dict_open(filler.conn, NULL, &dict));
  expect_ok(hf_dict_open(filler.conn, NULL, &closed));
  filler_start(&filler);
  hf_dict_close(closed); /* to be given back ahead of the next call, which finds no room for it */
  assert_int_equal(pthread_create(&thread, NULL, push_one, dict), 0);
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_OK);
  put_items(HF_WINDOW_COUNT_MAX);
  filler_join(&filler);
  expect_ok(hf_flush(filler.conn, 5000, NULL));
  hf_dict_close(dict);
  filler_deinit(&filler);
}

static void test_bounds_full_window_of_a_stopped_server_gives_up(void **state) {
  hf_conn *conn = connect_again(300);
  hf_dict *dict;
  int stopped;
  (void)state;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  kill(world.daemon.pid, SIGSTOP);
  waitpid(world.daemon.pid, &stopped, WUNTRACED);
  expect_ok(hf_pipeline_begin(conn, 0));
  for (int i = 0; i < HF_WINDOW_COUNT_MAX; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_int(i)));
  }
  expect_fails(hf_pipeline_end(conn, NULL), UNAVAILABLE, NOT_CONNECTED);
  uint64_t start_ms = now_ms();
  alarm(20);
  expect_fails(hf_ping(conn, NULL), UNAVAILABLE, NOT_CONNECTED);
  alarm(0);
  assert_in_range(now_ms() - start_ms, 250, 5000);
  kill(world.daemon.pid, SIGCONT);
  expect_ok(hf_ping(conn, NULL));
  hf_dict_close(dict);
  hf_close(conn);
}

static void *pipeline_many(void *argument) {
  enum { COUNT = 30000 };
  hf_conn *conn = hf_object_conn(argument);
  hf_status status = hf_pipeline_begin(conn, 0);
  for (int i = 0; i < COUNT && status == HF_OK; i++) {
    status = hf_dict_add(argument, hf_text("n"), hf_int(1), NULL);
  }
  hf_status end = hf_pipeline_end(conn, NULL);
  return (void *)(intptr_t)(status == HF_OK ? end : status);
}

/* Each wants the whole window: its calls wait for slots while replies to earlier ones arrive. */
static void test_bounds_full_window_is_shared_by_pipelines(void **state) {
  enum { THREAD_COUNT = 4 };
  pthread_t threads[THREAD_COUNT];
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < THREAD_COUNT; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, pipeline_many, dict), 0);
  }
  for (int i = 0; i < THREAD_COUNT; i++) {
    void *status;
    pthread_join(threads[i], &status);
    assert_int_equal((intptr_t)status, HF_OK);
  }
  expect_ok(hf_dict_get(dict, hf_text("n"), &value));
  expect_equal(value, hf_int(THREAD_COUNT * 30000));
  hf_dict_close(dict);
}

/* ---------------------------------------------------------------- many handles */

static int use_pipes(hf_pipe *const *ends, size_t count) {
  hf_value value;
  return hf_pipe_send(ends[count - 1], hf_int(1), 0) == HF_OK &&
                 hf_pipe_recv(ends[0], 1000, &value) == HF_OK
             ? 0
             : 1;
}

static void test_bounds_child_inherits_more_pipes_than_the_window_has_places(void **state) {
  enum { COUNT = HF_WINDOW_COUNT_MAX + 100 };
  hf_pipe **ends = calloc(COUNT, sizeof *ends);
  int status;
  (void)state;
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_pipe_open(world.conn, "inherited", i % 2, &ends[i]));
  }
  pid_t child = fork();
  if (child == 0) {
    _exit(use_pipes(ends, COUNT));
  }
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  for (int i = 0; i < COUNT; i++) {
    hf_pipe_close(ends[i]);
  }
  free(ends);
  expect_ok(hf_delete(world.conn, "inherited"));
}

/* Replies around a frame's size: answered, or refused with a word; never a broken connection. */
static void test_bounds_replies_near_a_frame_are_answered_or_refused(void **state) {
  enum { HALF = HF_FRAME_BYTES_MAX / 2 };
  char *bytes = calloc(1, HALF + 8192);
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_bytes(bytes, HALF)));
  for (size_t more = 0; more < 6000; more += 500) {
    hf_value *values;
    size_t count;
    expect_ok(hf_list_append(list, hf_bytes(bytes, HALF - 1000 + more)));
    hf_status status = hf_list_copy(list, &values, &count);
    if (status == HF_OK) {
      hf_values_free(values, count);
    } else {
      assert_int_equal(status, HF_RESOURCE_EXHAUSTED);
      assert_string_equal(hf_last_error()->reason, "REPLY_TOO_BIG");
    }
    expect_ok(hf_list_delete(list, 1));
  }
  hf_list_close(list);
  free(bytes);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bounds_too_big_request_leaves_the_connection_usable),
    cmocka_unit_test(test_bounds_replies_near_a_frame_are_answered_or_refused),
    cmocka_unit_test(test_bounds_too_many_values_are_called_so),
    cmocka_unit_test(test_bounds_full_window_takes_releases_that_come_meanwhile),
    cmocka_unit_test(test_bounds_waiting_calls_leave_places_to_others),
    cmocka_unit_test(test_bounds_full_window_lets_one_way_calls_through),
    cmocka_unit_test(test_bounds_full_window_of_a_stopped_server_gives_up),
    cmocka_unit_test(test_bounds_full_window_is_shared_by_pipelines),
    cmocka_unit_test(test_bounds_child_inherits_more_pipes_than_the_window_has_places),
};

WORLD_MAIN("bounds", tests)
