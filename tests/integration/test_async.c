/* Asynchronous calls: a loop's thread, its descriptor, and what becomes of calls under way. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integration/async_loop.h"
#include "tests/integration/world.h"

/* A loop that collected all sleeps: the descriptor is not readable for nothing. */
static void expect_quiet(hf_async *async) {
  struct hf_completion done = {0};
  for (int round = 0; round < 20; round++) {
    assert_false(hf_async_collect(async, &done));
    if (!await_readable(async, 50)) {
      return;
    }
  }
  fail_msg("the descriptor stays readable");
}

static hf_queue *open_queue(void) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  return queue;
}

static unsigned thread_count(void) {
  DIR *tasks = opendir("/proc/self/task");
  unsigned count = 0;
  assert_non_null(tasks);
  for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    count += entry->d_name[0] != '.';
  }
  closedir(tasks);
  return count;
}

/* ---------------------------------------------------------------- results */

static void test_async_a_thousand_calls_have_their_results(void **state) {
  enum { COUNT = 1000 };
  static hf_value values[COUNT];
  static char tags[COUNT];
  static bool is_done[COUNT];
  hf_async *async = open_async(world.conn);
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_async_begin(async, &tags[i]));
    expect_ok(i % 2 == 0 ? hf_dict_set(dict, hf_int(i), hf_int(2 * i))
                         : hf_dict_get(dict, hf_int(i - 1), &values[i]));
    assert_int_equal(hf_async_last_id(async), i + 1);
  }
  hf_async_end(async);
  for (int i = 0; i < COUNT; i++) {
    struct hf_completion done = next_of(async);
    size_t idx = (size_t)((char *)done.data - tags);
    assert_int_equal(done.status, HF_OK);
    assert_string_equal(done.reason, "");
    assert_int_equal(done.id, idx + 1);
    assert_false(is_done[idx]);
    is_done[idx] = true;
  }
  for (int i = 1; i < COUNT; i += 2) {
    assert_int_equal(values[i].integer, 2 * (i - 1));
  }
  assert_int_equal(thread_count(), 1);
  hf_async_close(async);
  hf_dict_close(dict);
}

static void test_async_failures_have_reason_and_sentence(void **state) {
  hf_async *async = open_async(world.conn);
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_async_begin(async, &value));
  expect_ok(hf_dict_get(dict, hf_int(1), &value));
  expect_fails(hf_dict_set(dict, hf_int(1), (hf_value){.type = (hf_type)99}), INVALID_ARGUMENT,
               BAD_VALUE);
  hf_async_end(async);
  struct hf_completion done = next_of(async);
  assert_int_equal(done.status, HF_NOT_FOUND);
  assert_string_equal(done.reason, "NO_SUCH_KEY");
  assert_true(strlen(done.message) > 0);
  assert_ptr_equal(done.data, &value);
  expect_none_for(async, SHORT_MS);
  hf_async_close(async);
  hf_dict_close(dict);
}

/* The struct of a program that was built before there was anything behind `status`. */
static void test_async_completion_of_an_older_program(void **state) {
  hf_async *async = open_async(world.conn);
  struct hf_completion done;
  hf_queue *queue = open_queue();
  uint64_t size;
  (void)state;
  done.message = "untouched";
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_queue_size(queue, &size));
  hf_async_end(async);
  while (!hf_async_collect_sized(async, &done, offsetof(struct hf_completion, message))) {
    (void)await_readable(async, 1000);
  }
  assert_int_equal(done.id, 1);
  assert_string_equal(done.message, "untouched");
  hf_async_close(async);
  hf_queue_close(queue);
}

/* ---------------------------------------------------------------- waiting and timeouts */

static void test_async_wait_ends_when_somebody_puts(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_value first, second;
  (void)state;
  expect_ok(hf_async_begin(async, &first));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &first));
  expect_ok(hf_async_begin(async, &second));
  expect_ok(hf_queue_get(queue, SHORT_MS, &second));
  hf_async_end(async);
  struct hf_completion done = next_of(async);
  assert_ptr_equal(done.data, &second);
  assert_int_equal(done.status, HF_DEADLINE_EXCEEDED);
  assert_string_equal(done.reason, "QUEUE_EMPTY");
  expect_ok(hf_queue_put(queue, hf_int(5), 0)); /* waits, between submitted calls */
  done = next_of(async);
  assert_ptr_equal(done.data, &first);
  assert_int_equal(done.status, HF_OK);
  expect_equal(first, hf_int(5));
  hf_async_close(async);
  hf_queue_close(queue);
}

/* A server that stands still: the call ends after the call timeout, and nothing waits for it. */
static void test_async_unanswered_calls_end_in_time(void **state) {
  enum { CALL_TIMEOUT_MS = 400 };
  hf_conn *conn = connect_again(CALL_TIMEOUT_MS);
  hf_async *async = open_async(conn);
  struct hf_completion done = {0};
  hf_dict *dict;
  uint64_t len, longest_ms = 0;
  (void)state;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  server_stop();
  uint64_t began_ms = now_ms();
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_dict_len(dict, &len));
  hf_async_end(async);
  for (bool is_there = false; !is_there;) {
    (void)await_readable(async, LONG_MS);
    uint64_t before_ms = now_ms();
    is_there = hf_async_collect(async, &done);
    longest_ms = now_ms() - before_ms > longest_ms ? now_ms() - before_ms : longest_ms;
  }
  uint64_t took_ms = now_ms() - began_ms;
  server_continue();
  assert_int_equal(done.status, HF_UNAVAILABLE);
  assert_true(took_ms >= CALL_TIMEOUT_MS && took_ms < 3 * CALL_TIMEOUT_MS);
  assert_true(longest_ms < CALL_TIMEOUT_MS / 4);
  hf_async_close(async);
  hf_dict_close(dict);
  hf_close(conn);
}

/* The server is killed and its port is closed: what is submitted then ends too, and collecting
 * never waits. */
static void test_async_without_a_server_never_waits(void **state) {
  enum { CALL_TIMEOUT_MS = 500, COUNT = 20 };
  struct daemon daemon;
  struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS};
  struct hf_completion done = {0};
  hf_conn *conn;
  hf_dict *dict;
  uint64_t len, longest_ms = 0;
  int failed = 0;
  (void)state;
  daemon_start(&daemon, NULL);
  expect_ok(hf_connect(strncmp(world.url, "ipc", 3) == 0 ? daemon.ipc_url : daemon.tcp_url,
                       &options, &conn));
  expect_ok(hf_dict_open(conn, NULL, &dict));
  hf_async *async = open_async(conn);
  daemon_discard(&daemon);
  expect_ok(hf_async_begin(async, NULL));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_len(dict, &len));
  }
  hf_async_end(async);
  uint64_t began_ms = now_ms();
  while (failed < COUNT) {
    assert_true(await_readable(async, LONG_MS));
    uint64_t before_ms = now_ms();
    while (hf_async_collect(async, &done)) {
      assert_int_equal(done.status, HF_UNAVAILABLE);
      failed++;
    }
    longest_ms = now_ms() - before_ms > longest_ms ? now_ms() - before_ms : longest_ms;
  }
  assert_true(now_ms() - began_ms < 3 * CALL_TIMEOUT_MS);
  assert_true(longest_ms < CALL_TIMEOUT_MS / 4);
  hf_async_close(async);
  hf_dict_close(dict);
  hf_close(conn);
}

/* ---------------------------------------------------------------- cancelling */

static void test_async_cancel_withdraws_one_call(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_value values[3];
  (void)state;
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_async_begin(async, &values[i]));
    expect_ok(hf_queue_get(queue, HF_FOREVER, &values[i]));
  }
  hf_async_end(async);
  expect_none_for(async, SHORT_MS);
  hf_async_cancel(async, 2);
  struct hf_completion done = next_of(async);
  assert_int_equal(done.id, 2);
  assert_int_equal(done.status, HF_CANCELLED);
  hf_async_cancel(async, 2); /* harmless */
  hf_async_cancel(async, 77);
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_queue_put(queue, hf_int(3), 0));
  done = next_of(async);
  assert_int_equal(done.id, 1);
  done = next_of(async);
  assert_int_equal(done.id, 3);
  expect_equal(values[0], hf_int(1));
  expect_equal(values[2], hf_int(3));
  hf_async_close(async);
  hf_queue_close(queue);
}

static void *cancel_soon(void *conn) {
  sleep_ms(SHORT_MS);
  hf_cancel(conn);
  return NULL;
}

static void test_async_hf_cancel_withdraws_all(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_value values[2];
  pthread_t thread;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &values[0]));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &values[1]));
  hf_async_end(async);
  expect_none_for(async, 1);
  pthread_create(&thread, NULL, cancel_soon, world.conn);
  assert_int_equal(next_of(async).status, HF_CANCELLED);
  assert_int_equal(next_of(async).status, HF_CANCELLED);
  pthread_join(thread, NULL);
  expect_quiet(async);
  hf_async_close(async);
  hf_queue_close(queue);
}

/* Also where a call that waits would know the answer. */
static void test_async_length_of_an_array_is_submitted(void **state) {
  hf_async *async = open_async(world.conn);
  hf_array *array;
  uint64_t len = 0;
  (void)state;
  expect_ok(hf_array_open(world.conn, NULL, 'i', 3, NULL, &array));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_array_len(array, &len));
  hf_async_end(async);
  assert_int_equal(next_of(async).status, HF_OK);
  assert_int_equal(len, 3);
  hf_async_close(async);
  hf_array_close(array);
}

/* What comes to a call that was given up with the hf_async goes back to the queue. */
static void test_async_close_loses_no_item(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_value values[10], value;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  for (int i = 0; i < 10; i++) {
    expect_ok(hf_queue_get(queue, HF_FOREVER, &values[i]));
  }
  hf_async_end(async);
  for (int i = 0; i < 5; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  hf_async_close(async);
  hf_async_close(NULL);
  for (int i = 5; i < 20; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  /* Those that had come about before the close were collected by the puts. */
  int64_t sum = 0;
  for (int i = 0; i < 15; i++) {
    expect_ok(hf_queue_get(queue, LONG_MS, &value));
    sum += value.integer;
  }
  assert_int_equal(sum, 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16 + 17 + 18 + 19);
  hf_queue_close(queue);
}

/* ---------------------------------------------------------------- what may be submitted */

static void test_async_opens_handles_and_maps_their_cells(void **state) {
  hf_async *async = open_async(world.conn);
  hf_cell *cell = NULL;
  hf_dict *dict = NULL;
  hf_value value;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_raw_cell_open(world.conn, NULL, 'q', hf_int(4), &cell));
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  hf_async_end(async);
  assert_int_equal(next_of(async).status, HF_OK);
  assert_int_equal(next_of(async).status, HF_OK);
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(1)));
  expect_ok(hf_cell_get(cell, &value));
  expect_equal(value, hf_int(4));
  assert_int_equal(hf_cell_data(cell) != NULL, strcmp(world.path, "shared memory") == 0);
  hf_async_close(async);
  hf_cell_close(cell);
  hf_dict_close(dict);
}

static bool is_true(void *ctx) {
  return *(bool *)ctx;
}

static bool act(void *ctx) {
  return *(bool *)ctx;
}

/* They would call the program from within, or store where nobody looks any more. */
static void test_async_refuses_calls_that_need_their_answer(void **state) {
  hf_async *async = open_async(world.conn);
  hf_cell *cell;
  hf_barrier *barrier;
  hf_condition *condition;
  bool flag = false;
  int64_t number;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(0), &cell));
  expect_ok(hf_barrier_open(world.conn, NULL, 1, &barrier));
  expect_ok(hf_condition_open(world.conn, NULL, NULL, &condition));
  expect_ok(hf_condition_acquire(condition, 0));
  expect_ok(hf_async_begin(async, NULL));
  expect_fails(hf_cell_load_i64(cell, &number), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_cell_add_i64(cell, 1, &number), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_barrier_wait(barrier, 0, act, &flag, NULL), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_condition_wait_for(condition, is_true, &flag, 0, NULL), FAILED_PRECONDITION,
               ALREADY_OPEN);
  assert_int_equal(hf_async_last_id(async), 0);
  hf_async_end(async);
  expect_ok(hf_cell_load_i64(cell, &number));
  expect_ok(hf_condition_release(condition));
  hf_async_close(async);
  hf_cell_close(cell);
  hf_barrier_close(barrier);
  hf_condition_close(condition);
}

static void test_async_is_the_only_mode(void **state) {
  hf_async *async = open_async(world.conn), *second;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  expect_fails(hf_pipeline_begin(world.conn, 0), FAILED_PRECONDITION, ALREADY_OPEN);
  hf_async_end(async);
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_fails(hf_async_begin(async, NULL), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_fails(hf_async_open(world.conn, &second), FAILED_PRECONDITION, ALREADY_OPEN);
  hf_async_close(async);
}

static void test_async_more_than_fit_are_refused(void **state) {
  enum { PLACES = 1024 };
  static hf_value values[PLACES];
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_status status = HF_OK;
  int under_way = 0;
  uint64_t size;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  while (status == HF_OK && under_way < PLACES + 1) {
    status = hf_queue_get(queue, HF_FOREVER, &values[under_way % PLACES]);
    under_way += status == HF_OK;
  }
  expect_fails(status, RESOURCE_EXHAUSTED, IN_FLIGHT_FULL);
  assert_true(under_way >= 1000);
  expect_ok(hf_queue_size(queue, &size)); /* what does not wait has slots of its own */
  hf_async_end(async);
  struct hf_completion done = next_of(async);
  assert_int_equal(done.id, under_way + 1);
  for (int i = 0; i < under_way; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  for (int i = 0; i < under_way; i++) {
    assert_int_equal(next_of(async).status, HF_OK);
  }
  hf_async_close(async);
  hf_queue_close(queue);
}

/* ---------------------------------------------------------------- others on the connection */

static void *call_and_call(void *argument) {
  hf_dict *dict = argument;
  for (int i = 0; i < 500; i++) {
    expect_ok(hf_dict_add(dict, hf_text("plain"), hf_int(1), NULL));
  }
  return NULL;
}

static void test_async_beside_threads_that_wait(void **state) {
  enum { CALLS = 4000, IN_FLIGHT = 50 };
  hf_async *async = open_async(world.conn);
  hf_dict *dict;
  pthread_t threads[2];
  hf_value value;
  int submitted = 0, collected = 0;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < 2; i++) {
    pthread_create(&threads[i], NULL, call_and_call, dict);
  }
  while (collected < CALLS) {
    expect_ok(hf_async_begin(async, NULL));
    for (; submitted < CALLS && submitted - collected < IN_FLIGHT; submitted++) {
      expect_ok(hf_dict_add(dict, hf_text("async"), hf_int(1), NULL));
    }
    hf_async_end(async);
    struct hf_completion done = next_of(async);
    assert_int_equal(done.status, HF_OK);
    collected++;
  }
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
  }
  expect_ok(hf_dict_get(dict, hf_text("async"), &value));
  expect_equal(value, hf_int(CALLS));
  expect_ok(hf_dict_get(dict, hf_text("plain"), &value));
  expect_equal(value, hf_int(1000));
  hf_async_close(async);
  hf_dict_close(dict);
}

static void *wait_for_item(void *queue) {
  hf_value value;
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  return NULL;
}

/* Requests are longer than the link takes at once, and the thread that receives waits for something
 * else: it sends the rest. */
static void test_async_beside_a_thread_that_only_receives(void **state) {
  enum { BYTES = 15000000, COUNT = 3 };
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue(), *stop = open_queue();
  char *bytes = calloc(1, BYTES);
  pthread_t thread;
  uint64_t size;
  (void)state;
  assert_non_null(bytes);
  pthread_create(&thread, NULL, wait_for_item, stop);
  await_waiting(1);
  for (int i = 0; i < COUNT; i++) {
    server_stop();
    expect_ok(hf_async_begin(async, NULL));
    expect_ok(hf_queue_put(queue, hf_bytes(bytes, BYTES), 0));
    hf_async_end(async);
    expect_none_for(async, SHORT_MS);
    server_continue();
    assert_int_equal(next_of(async).status, HF_OK);
  }
  expect_ok(hf_queue_size(queue, &size));
  assert_int_equal(size, COUNT);
  expect_ok(hf_queue_put(stop, hf_int(0), 0));
  pthread_join(thread, NULL);
  hf_queue_close(stop);
  hf_queue_close(queue);
  hf_async_close(async);
  free(bytes);
}

#define SHORT_CALL_MS 300

struct pinger {
  hf_conn *conn;
  atomic_bool *stop;
  long begins_after_ms;
};

static void *ping_until_stopped(void *argument) {
  const struct pinger *pinger = argument;
  sleep_ms(pinger->begins_after_ms);
  while (!atomic_load(pinger->stop)) {
    hf_kept(hf_ping(pinger->conn, NULL));
  }
  return NULL;
}

static void cut_all_links(void) {
  for (int fd = 3; fd < 64; fd++) {
    syscall(SYS_shutdown, fd, SHUT_RDWR);
  }
}

/* There is always a thread that tries to connect: the loop's calls are given up in time all the same. */
static void test_async_lost_beside_threads_that_call(void **state) {
  hf_conn *conn = connect_again(SHORT_CALL_MS);
  hf_async *async = open_async(conn);
  atomic_bool stop = false;
  /* The second begins when the link is lost for half the time: one of them waits at any moment. */
  struct pinger pingers[] = {{conn, &stop, 0}, {conn, &stop, 3 * SHORT_CALL_MS / 2}};
  struct hf_completion done = {0};
  pthread_t threads[2];
  hf_queue *queue;
  hf_value value;
  (void)state;
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  hf_async_end(async);
  await_waiting(1);
  for (int i = 0; i < 2; i++) {
    pthread_create(&threads[i], NULL, ping_until_stopped, &pingers[i]);
  }
  expect_none_for(async, SHORT_CALL_MS);
  server_stop();
  cut_all_links();
  do {
    assert_true(await_readable(async, 3 * SHORT_CALL_MS));
  } while (!hf_async_collect(async, &done));
  assert_int_equal(done.status, HF_UNAVAILABLE);
  server_continue();
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
  }
  hf_queue_close(queue);
  hf_async_close(async);
  hf_close(conn);
}

static int use_in_child(void *argument) {
  hf_async *async = argument, *own;
  struct hf_completion done = {0};
  hf_queue *queue;
  uint64_t size;
  if (hf_async_descriptor(async) >= 0 || !hf_async_collect(async, &done) ||
      done.status != HF_CANCELLED || hf_async_collect(async, &done) ||
      hf_async_begin(async, NULL) == HF_OK) {
    return 1;
  }
  hf_async_close(async);
  if (hf_queue_open(world.conn, NULL, 0, &queue) != HF_OK ||
      hf_async_open(world.conn, &own) != HF_OK || hf_async_begin(own, NULL) != HF_OK ||
      hf_queue_size(queue, &size) != HF_OK) {
    return 2;
  }
  hf_async_end(own);
  while (!hf_async_collect(own, &done)) {
    (void)await_readable(own, 1000);
  }
  return done.status == HF_OK && size == 0 ? 0 : 3;
}

static void test_async_forked_child_has_its_own(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queue = open_queue();
  hf_value value;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  hf_async_end(async);
  assert_int_equal(child_end(child_start(use_in_child, async)), 0);
  expect_ok(hf_queue_put(queue, hf_int(3), 0));
  assert_int_equal(next_of(async).status, HF_OK);
  expect_equal(value, hf_int(3));
  hf_async_close(async);
  hf_queue_close(queue);
}

static void test_async_closed_connection_leaves_what_is_to_be_collected(void **state) {
  hf_conn *conn = connect_again(0);
  hf_async *async = open_async(conn);
  struct hf_completion done = {0};
  hf_queue *queue;
  hf_value value;
  (void)state;
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  hf_async_end(async);
  hf_queue_close(queue);
  hf_close(conn);
  assert_true(await_readable(async, 0));
  assert_true(hf_async_collect(async, &done));
  assert_int_equal(done.status, HF_CANCELLED);
  assert_false(hf_async_collect(async, &done));
  assert_true(hf_async_begin(async, NULL) != HF_OK);
  hf_async_close(async);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_async_a_thousand_calls_have_their_results),
    cmocka_unit_test(test_async_failures_have_reason_and_sentence),
    cmocka_unit_test(test_async_completion_of_an_older_program),
    cmocka_unit_test(test_async_wait_ends_when_somebody_puts),
    cmocka_unit_test(test_async_unanswered_calls_end_in_time),
    cmocka_unit_test(test_async_without_a_server_never_waits),
    cmocka_unit_test(test_async_cancel_withdraws_one_call),
    cmocka_unit_test(test_async_hf_cancel_withdraws_all),
    cmocka_unit_test(test_async_length_of_an_array_is_submitted),
    cmocka_unit_test(test_async_close_loses_no_item),
    cmocka_unit_test(test_async_opens_handles_and_maps_their_cells),
    cmocka_unit_test(test_async_refuses_calls_that_need_their_answer),
    cmocka_unit_test(test_async_is_the_only_mode),
    cmocka_unit_test(test_async_more_than_fit_are_refused),
    cmocka_unit_test(test_async_beside_threads_that_wait),
    cmocka_unit_test(test_async_beside_a_thread_that_only_receives),
    cmocka_unit_test(test_async_lost_beside_threads_that_call),
    cmocka_unit_test(test_async_forked_child_has_its_own),
    cmocka_unit_test(test_async_closed_connection_leaves_what_is_to_be_collected),
};

WORLD_MAIN("async", tests)
