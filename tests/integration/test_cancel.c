/* Calls that are withdrawn: by another thread, by a signal, because no answer came in time. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define GIVEN_UP_COUNT 30
#define MANY_COUNT 1024 /* the server's HF_IN_FLIGHT_MAX */

/* ---- another thread withdraws */

static void *cancel_soon(void *conn) {
  await_waiting(1);
  hf_cancel(conn);
  return NULL;
}

static pthread_t start(void *(*work)(void *), void *argument) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, work, argument), 0);
  return thread;
}

static void test_cancel_by_another_thread(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  pthread_t thread = start(cancel_soon, world.conn);
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  assert_int_equal(waiting_count(), 0);
  expect_ok(hf_queue_put(queue, hf_int(7), 0));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_equal(value, hf_int(7));
  hf_queue_close(queue);
}

static void test_cancel_before_the_call_is_for_the_next_that_waits(void **state) {
  (void)state;
  hf_event *event;
  bool is_set;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  hf_cancel(world.conn);
  expect_ok(hf_event_is_set(event, &is_set));
  expect_fails(hf_event_wait(event, HF_FOREVER, &is_set), CANCELLED, CANCELLED);
  expect_ok(hf_event_wait(event, 10, &is_set));
  hf_event_close(event);
}

struct getter {
  hf_queue *queue;
  hf_status status;
};

static void *get_one(void *argument) {
  struct getter *getter = argument;
  hf_value value;
  getter->status = hf_queue_get(getter->queue, HF_FOREVER, &value);
  return NULL;
}

static void test_cancel_withdraws_the_calls_of_all_threads(void **state) {
  (void)state;
  struct getter getters[8];
  pthread_t threads[8];
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  for (size_t i = 0; i < 8; i++) {
    getters[i] = (struct getter){queue, HF_OK};
    threads[i] = start(get_one, &getters[i]);
  }
  await_waiting(8);
  hf_cancel(world.conn);
  for (size_t i = 0; i < 8; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(getters[i].status, HF_CANCELLED);
  }
  hf_queue_close(queue);
}

static void test_cancel_in_a_pipeline(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value value;
  uint64_t size = 99;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  expect_ok(hf_queue_size(queue, &size));
  pthread_t thread = start(cancel_soon, world.conn);
  expect_fails(hf_pipeline_end(world.conn, NULL), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  assert_int_equal(size, 0);
  hf_queue_close(queue);
}

static void *cancel_when_full(void *conn) {
  await_waiting(MANY_COUNT);
  hf_cancel(conn);
  return NULL;
}

static void test_cancel_a_full_window(void **state) {
  (void)state;
  static hf_value values[MANY_COUNT];
  hf_conn *conn = connect_again(0);
  struct hf_pipeline_result result;
  hf_queue *queue;
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  expect_ok(hf_pipeline_begin(conn, 0));
  for (size_t i = 0; i < MANY_COUNT; i++) {
    expect_ok(hf_queue_get(queue, HF_FOREVER, &values[i]));
  }
  pthread_t thread = start(cancel_when_full, conn);
  expect_fails(hf_pipeline_end(conn, &result), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  assert_int_equal(result.failed, MANY_COUNT);
  expect_ok(hf_ping(conn, NULL));
  hf_queue_close(queue);
  hf_close(conn);
}

static void test_cancel_a_condition_returns_with_its_lock(void **state) {
  (void)state;
  hf_condition *condition;
  bool notified;
  expect_ok(hf_condition_open(world.conn, NULL, NULL, &condition));
  expect_ok(hf_condition_acquire(condition, 0));
  pthread_t thread = start(cancel_soon, world.conn);
  expect_fails(hf_condition_wait(condition, HF_FOREVER, &notified), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  expect_ok(hf_condition_release(condition));
  hf_condition_close(condition);
}

/* Another thread: in shared memory one thread is the same owner over all its connections. */
static void *hold_until_cancelled(void *cell) {
  expect_ok(hf_cell_lock(cell, 0));
  sleep_ms(200);
  expect_ok(hf_cell_unlock(cell));
  return NULL;
}

/* The server does not see waits in shared memory. */
static void *cancel_shortly(void *conn) {
  sleep_ms(80);
  hf_cancel(conn);
  return NULL;
}

static void test_cancel_while_somebody_holds_the_lock_of_a_value(void **state) {
  (void)state;
  hf_conn *other = connect_again(0);
  hf_cell *cell, *same;
  int64_t integer;
  expect_ok(hf_cell_open(other, "cancelled", 'i', hf_int(1), &cell));
  expect_ok(hf_cell_open(world.conn, "cancelled", 'i', hf_int(1), &same));
  pthread_t owner = start(hold_until_cancelled, cell);
  sleep_ms(20);
  pthread_t thread = start(cancel_shortly, world.conn);
  expect_fails(hf_cell_get_int(same, &integer), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  pthread_join(owner, NULL);
  expect_ok(hf_cell_get_int(same, &integer));
  hf_cell_close(cell);
  hf_cell_close(same);
  expect_ok(hf_delete(other, "cancelled"));
  hf_close(other);
}

/* hf_cancel is slow in here, between what it says and the wake that follows. */
static _Thread_local bool is_slow;

/* In front of the C library's, also for the library. */
__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t size) {
  if (is_slow) {
    sleep_ms(30);
  }
  return syscall(SYS_write, fd, data, size);
}

static atomic_bool has_cancelled;

static void *cancel_slowly(void *conn) {
  is_slow = true;
  hf_cancel(conn);
  atomic_store(&has_cancelled, true);
  return NULL;
}

static int64_t thread_time_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_cancel_whose_wake_is_late_leaves_nobody_spinning(void **state) {
  (void)state;
  hf_event *event;
  bool is_set;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  pthread_t thread = start(cancel_slowly, world.conn);
  /* A call whose deadline passes at that moment answers so. */
  while (hf_event_wait(event, 1, &is_set) == HF_OK && !atomic_load(&has_cancelled)) {
  }
  pthread_join(thread, NULL);
  int64_t began_ms = thread_time_ms();
  expect_ok(hf_event_wait(event, 200, &is_set));
  assert_true(thread_time_ms() - began_ms < 100);
  hf_event_close(event);
}

/* ---- a signal withdraws */

static hf_conn *interrupted;

static void on_alarm(int signal_number) {
  (void)signal_number;
  hf_cancel(interrupted);
}

static void test_cancel_by_a_signal_handler(void **state) {
  (void)state;
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
  hf_lock *lock, *same;
  hf_conn *other = connect_again(0);
  expect_ok(hf_lock_open(world.conn, "held", &lock));
  expect_ok(hf_lock_open(other, "held", &same));
  expect_ok(hf_lock_acquire(same, 0, NULL));
  interrupted = world.conn;
  sigaction(SIGALRM, &action, &before);
  setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 50000}}, NULL);
  expect_fails(hf_lock_acquire(lock, HF_FOREVER, NULL), CANCELLED, CANCELLED);
  sigaction(SIGALRM, &before, NULL);
  expect_ok(hf_lock_release(same));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_ok(hf_lock_release(lock));
  hf_lock_close(lock);
  hf_lock_close(same);
  expect_ok(hf_delete(other, "held"));
  hf_close(other);
}

/* ---- without an answering server */

static void *cancel_twice(void *conn) {
  sleep_ms(50);
  hf_cancel(conn);
  sleep_ms(50);
  hf_cancel(conn);
  return NULL;
}

static void test_cancel_twice_gives_up_at_once(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  server_stop();
  uint64_t began_ms = now_ms();
  pthread_t thread = start(cancel_twice, conn);
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), CANCELLED, CANCELLED);
  assert_true(now_ms() - began_ms < 2000);
  pthread_join(thread, NULL);
  server_continue();
  hf_queue_close(queue);
  hf_close(conn);
}

/* Each get is given up by its client before the server reads it, finds an item then, and must leave
 * it; as must a lock. */
static void test_cancel_what_was_given_up_takes_nothing(void **state) {
  (void)state;
  hf_conn *impatient = connect_again(150);
  hf_queue *queue, *same;
  hf_lock *lock, *same_lock;
  hf_value value;
  expect_ok(hf_queue_open(impatient, "given up", 0, &queue));
  expect_ok(hf_queue_open(world.conn, "given up", 0, &same));
  expect_ok(hf_lock_open(impatient, "given up too", &lock));
  expect_ok(hf_lock_open(world.conn, "given up too", &same_lock));
  for (int64_t i = 0; i < GIVEN_UP_COUNT; i++) {
    expect_ok(hf_queue_put(same, hf_int(i), 0));
  }
  for (int64_t i = 0; i < GIVEN_UP_COUNT / 10; i++) {
    server_stop();
    expect_fails(hf_queue_get(queue, 0, &value), UNAVAILABLE, NOT_CONNECTED);
    expect_fails(hf_lock_acquire(lock, 0, NULL), UNAVAILABLE, NOT_CONNECTED);
    server_continue();
    expect_ok(hf_ping(impatient, NULL)); /* it has its session still */
    expect_ok(hf_lock_acquire(same_lock, 1000, NULL));
    expect_ok(hf_lock_release(same_lock));
  }
  for (int64_t i = 0; i < GIVEN_UP_COUNT; i++) {
    expect_ok(hf_queue_get(same, 0, &value));
    expect_equal(value, hf_int(i));
  }
  hf_queue_close(queue);
  hf_queue_close(same);
  hf_lock_close(lock);
  hf_lock_close(same_lock);
  expect_ok(hf_delete(world.conn, "given up"));
  expect_ok(hf_delete(world.conn, "given up too"));
  hf_close(impatient);
}

/* Waits until a silent server has answered all of it. */
static void await_answers(hf_conn *conn) {
  uint64_t until_ms = now_ms() + 10000;
  while (hf_ping(conn, NULL) != HF_OK) {
    assert_true(now_ms() < until_ms);
  }
}

/* More than the server keeps unacknowledged: it refuses some of it, which is not sent once more, since it
 * is given up already. */
static void test_cancel_what_was_given_up_and_refused_leaves_nothing(void **state) {
  enum { COUNT = 40, BYTES = 12000000, ADDED = 3000 };
  (void)state;
  hf_conn *impatient = connect_again(500);
  hf_value values[COUNT], sum;
  hf_dict *dict, *same;
  char *bytes = calloc(1, BYTES);
  assert_non_null(bytes);
  expect_ok(hf_dict_open(world.conn, "given up and refused", &dict));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_bytes(bytes, BYTES)));
  expect_ok(hf_dict_open(impatient, "given up and refused", &same));
  server_stop();
  expect_ok(hf_pipeline_begin(impatient, 0));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_setdefault(same, hf_int(1), hf_none(), &values[i]));
  }
  expect_fails(hf_pipeline_end(impatient, NULL), UNAVAILABLE, NOT_CONNECTED);
  server_continue();
  await_answers(impatient);
  expect_ok(hf_pipeline_begin(impatient, 0));
  for (int i = 0; i < ADDED; i++) {
    expect_ok(hf_dict_add(same, hf_int(2), hf_int(1), NULL));
  }
  expect_ok(hf_pipeline_end(impatient, NULL));
  expect_ok(hf_dict_get(dict, hf_int(2), &sum));
  expect_equal(sum, hf_int(ADDED));
  hf_dict_close(same);
  hf_dict_close(dict);
  expect_ok(hf_delete(world.conn, "given up and refused"));
  hf_close(impatient);
  free(bytes);
}

static int cancel_in_child(void *argument) {
  hf_queue *queue = argument;
  hf_value value;
  hf_cancel(world.conn);
  return hf_queue_get(queue, 1000, &value) == HF_CANCELLED ? 0 : 1;
}

static void test_cancel_in_a_child_is_the_childs(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  assert_int_equal(child_end(child_start(cancel_in_child, queue)), 0);
  expect_fails(hf_queue_get(queue, 20, &value), DEADLINE_EXCEEDED, QUEUE_EMPTY);
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_cancel_by_another_thread),
    cmocka_unit_test(test_cancel_before_the_call_is_for_the_next_that_waits),
    cmocka_unit_test(test_cancel_withdraws_the_calls_of_all_threads),
    cmocka_unit_test(test_cancel_in_a_pipeline),
    cmocka_unit_test(test_cancel_a_full_window),
    cmocka_unit_test(test_cancel_a_condition_returns_with_its_lock),
    cmocka_unit_test(test_cancel_while_somebody_holds_the_lock_of_a_value),
    cmocka_unit_test(test_cancel_whose_wake_is_late_leaves_nobody_spinning),
    cmocka_unit_test(test_cancel_by_a_signal_handler),
    cmocka_unit_test(test_cancel_twice_gives_up_at_once),
    cmocka_unit_test(test_cancel_what_was_given_up_takes_nothing),
    cmocka_unit_test(test_cancel_what_was_given_up_and_refused_leaves_nothing),
    cmocka_unit_test(test_cancel_in_a_child_is_the_childs),
};

WORLD_MAIN("cancel", tests)
