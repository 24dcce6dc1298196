/* hf_on_interrupt: the program's check during waits, of a leader, of a follower, on mapped memory,
 * before there is a connection. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define MANY_COUNT 1024 /* the server's HF_IN_FLIGHT_MAX */
/* The header says 50; the rest is for a busy machine. */
#define PROMPT_MS 1000

/* ---- the check: how often it is to answer true, once it is armed */

static atomic_int answers, check_count;
static atomic_bool is_armed;
static hf_conn *nested;

static bool check(void) {
  atomic_fetch_add(&check_count, 1);
  if (!atomic_load(&is_armed) || atomic_load(&answers) == 0) {
    return false;
  }
  if (nested != NULL) {
    expect_ok(hf_ping(nested, NULL));
  }
  atomic_fetch_sub(&answers, 1);
  return true;
}

static void watch(int count) {
  atomic_store(&answers, count);
  atomic_store(&check_count, 0);
  atomic_store(&is_armed, false);
  hf_on_interrupt(check);
}

static void unwatch(void) {
  hf_on_interrupt(NULL);
  nested = NULL;
}

static void *arm_soon(void *unused) {
  sleep_ms(60);
  atomic_store(&is_armed, true);
  return unused;
}

static void arm_on_signal(int signal_number) {
  (void)signal_number;
  atomic_store(&is_armed, true);
}

static pthread_t start(void *(*work)(void *), void *argument) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, work, argument), 0);
  return thread;
}

/* Fails if the call, begun then, was not withdrawn soon after arm_soon. */
static void expect_prompt(uint64_t began_ms) {
  assert_in_range(now_ms() - began_ms, 55, 60 + PROMPT_MS);
}

/* ---- which calls */

static void test_interrupt_withdraws_a_call_and_takes_nothing(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  assert_int_equal(waiting_count(), 0);
  expect_ok(hf_queue_put(queue, hf_int(7), 0));
  expect_ok(hf_queue_get(queue, 0, &value));
  expect_equal(value, hf_int(7));
  hf_queue_close(queue);
}

/* Without the signal the check would come up to 25 ms later, so the shortest of several counts. */
static void test_interrupt_a_signal_is_looked_at_at_once(void **state) {
  (void)state;
  struct sigaction action = {.sa_handler = arm_on_signal, .sa_flags = SA_RESTART}, before;
  hf_event *event;
  bool is_set;
  uint64_t shortest_us = UINT64_MAX;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  sigaction(SIGALRM, &action, &before);
  for (int i = 0; i < 10; i++) {
    struct timespec began, ended;
    watch(1);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 5000}}, NULL);
    clock_gettime(CLOCK_MONOTONIC, &began);
    expect_fails(hf_event_wait(event, HF_FOREVER, &is_set), CANCELLED, CANCELLED);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    uint64_t took_us = (uint64_t)(ended.tv_sec - began.tv_sec) * 1000000 +
                       (uint64_t)(ended.tv_nsec - began.tv_nsec + 1000000000) / 1000 - 1000000;
    shortest_us = took_us < shortest_us ? took_us : shortest_us;
  }
  unwatch();
  sigaction(SIGALRM, &before, NULL);
  assert_true(shortest_us < 15000);
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

/* The other thread waits first and is the poll leader. */
static void test_interrupt_of_a_follower_is_its_own(void **state) {
  (void)state;
  hf_queue *queue;
  hf_event *event;
  bool is_set;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_event_open(world.conn, NULL, &event));
  struct getter getter = {queue, HF_UNKNOWN};
  pthread_t other = start(get_one, &getter);
  await_waiting(1);
  sleep_ms(20);
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_event_wait(event, HF_FOREVER, &is_set), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  assert_int_equal(waiting_count(), 1);
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  pthread_join(other, NULL);
  assert_int_equal(getter.status, HF_OK);
  hf_event_close(event);
  hf_queue_close(queue);
}

static void test_interrupt_withdraws_all_calls_of_a_pipeline(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value values[2];
  uint64_t size = 99;
  struct hf_pipeline_result result;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &values[0]));
  expect_ok(hf_queue_size(queue, &size));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &values[1]));
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  expect_fails(hf_pipeline_end(world.conn, &result), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  unwatch();
  assert_int_equal(result.failed, 2);
  assert_int_equal(size, 0);
  hf_queue_close(queue);
}

static void test_interrupt_a_condition_returns_with_its_lock(void **state) {
  (void)state;
  hf_condition *condition;
  bool notified;
  expect_ok(hf_condition_open(world.conn, NULL, NULL, &condition));
  expect_ok(hf_condition_acquire(condition, 0));
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  expect_fails(hf_condition_wait(condition, HF_FOREVER, &notified), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  unwatch();
  expect_ok(hf_condition_release(condition));
  hf_condition_close(condition);
}

static void test_interrupt_the_check_may_make_calls(void **state) {
  (void)state;
  hf_event *event;
  bool is_set;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  watch(1);
  nested = world.conn;
  pthread_t thread = start(arm_soon, NULL);
  expect_fails(hf_event_wait(event, HF_FOREVER, &is_set), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  unwatch();
  hf_event_close(event);
}

/* ---- memory; another thread owns the lock, on a connection of its own */

static void *hold_for_a_while(void *cell) {
  expect_ok(hf_cell_lock(cell, 0));
  sleep_ms(400);
  expect_ok(hf_cell_unlock(cell));
  return NULL;
}

static void test_interrupt_while_another_owns_the_lock_of_a_value(void **state) {
  (void)state;
  hf_conn *other = connect_again(0);
  hf_cell *cell, *same;
  int64_t integer;
  expect_ok(hf_cell_open(other, "interrupted", 'i', hf_int(1), &cell));
  expect_ok(hf_cell_open(world.conn, "interrupted", 'i', hf_int(1), &same));
  pthread_t owner = start(hold_for_a_while, cell);
  sleep_ms(30);
  watch(2);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_cell_get_int(same, &integer), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  pthread_join(owner, NULL);
  expect_ok(hf_cell_get_int(same, &integer));
  hf_cell_close(cell);
  hf_cell_close(same);
  expect_ok(hf_delete(other, "interrupted"));
  hf_close(other);
}

static void test_interrupt_while_waiting_for_a_value(void **state) {
  (void)state;
  hf_cell *cell;
  hf_value value;
  expect_ok(hf_cell_open(world.conn, NULL, 'i', hf_int(1), &cell));
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_cell_wait(cell, hf_int(1), HF_FOREVER, &value), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  hf_cell_close(cell);
}

/* ---- without an answer */

static void test_interrupt_again_gives_up_and_takes_nothing(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_queue *queue;
  hf_value value;
  uint64_t size;
  expect_ok(hf_queue_open(conn, "unanswered", 0, &queue));
  expect_ok(hf_queue_put(queue, hf_int(3), 0));
  server_stop();
  watch(2);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  watch(2); /* a call that waits for nothing but its reply */
  thread = start(arm_soon, NULL);
  began_ms = now_ms();
  expect_fails(hf_queue_size(queue, &size), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  server_continue();
  expect_ok(hf_queue_get(queue, 2000, &value));
  expect_equal(value, hf_int(3));
  hf_queue_close(queue);
  expect_ok(hf_delete(conn, "unanswered"));
  hf_close(conn);
}

/* A peer that accepts and says nothing. */
static void test_interrupt_a_connection_that_is_being_made(void **state) {
  (void)state;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof address;
  char url[64];
  hf_conn *conn;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
  assert_int_equal(listen(listener, 4), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
  snprintf(url, sizeof url, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_connect(url, NULL, &conn), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  close(listener);
}

/* The window is full of another thread's pipeline. */
static void *fill(void *argument) {
  static hf_value values[MANY_COUNT];
  hf_queue *queue = argument;
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(queue));
  expect_ok(hf_pipeline_begin(conn, 0));
  for (size_t i = 0; i < MANY_COUNT; i++) {
    expect_ok(hf_queue_get(queue, HF_FOREVER, &values[i]));
  }
  expect_fails(hf_pipeline_end(conn, NULL), CANCELLED, CANCELLED);
  return NULL;
}

static void test_interrupt_a_wait_for_room(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  pthread_t other = start(fill, queue);
  await_waiting(MANY_COUNT);
  watch(1);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  hf_cancel(conn);
  pthread_join(other, NULL);
  hf_queue_close(queue);
  hf_close(conn);
}

static void test_interrupt_a_flush(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  struct hf_flush_result result;
  hf_dict *dict;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  expect_ok(hf_oneway_begin(conn));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(1)));
  expect_ok(hf_oneway_end(conn));
  expect_ok(hf_flush(conn, 5000, NULL));
  server_stop();
  expect_ok(hf_oneway_begin(conn));
  expect_ok(hf_dict_set(dict, hf_int(2), hf_int(2)));
  expect_ok(hf_oneway_end(conn));
  watch(2);
  pthread_t thread = start(arm_soon, NULL);
  uint64_t began_ms = now_ms();
  expect_fails(hf_flush(conn, HF_FOREVER, NULL), CANCELLED, CANCELLED);
  expect_prompt(began_ms);
  pthread_join(thread, NULL);
  unwatch();
  server_continue();
  expect_ok(hf_flush(conn, 5000, &result));
  assert_int_equal(result.failed, 0);
  uint64_t len;
  expect_ok(hf_dict_len(dict, &len));
  assert_int_equal(len, 2);
  hf_dict_close(dict);
  hf_close(conn);
}

/* ---- the check itself */

static void test_interrupt_the_check_comes_at_least_every_50_ms(void **state) {
  (void)state;
  hf_event *event;
  bool is_set;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  watch(0);
  expect_ok(hf_event_wait(event, 500, &is_set));
  assert_in_range(atomic_load(&check_count), 8, 60);
  unwatch();
  hf_event_close(event);
}

static void *wait_undisturbed(void *event) {
  struct rusage before, after;
  bool is_set;
  getrusage(RUSAGE_THREAD, &before);
  expect_ok(hf_event_wait(event, 500, &is_set));
  getrusage(RUSAGE_THREAD, &after);
  assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, 6);
  return NULL;
}

/* The check of this thread wakes no other one. */
static void test_interrupt_without_a_check_nothing_wakes(void **state) {
  (void)state;
  hf_event *event;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  wait_undisturbed(event);
  watch(0);
  pthread_t thread = start(wait_undisturbed, event);
  pthread_join(thread, NULL);
  assert_int_equal(atomic_load(&check_count), 0);
  unwatch();
  hf_event_close(event);
}

static bool forks;
static pid_t forked; /* 0: this is the child */

static bool check_that_forks(void) {
  if (forks) {
    forks = false;
    forked = fork();
  }
  return false;
}

/* The call of the parent is not the child's. */
static void test_interrupt_the_check_may_fork(void **state) {
  (void)state;
  hf_queue *queue;
  hf_value value;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  forks = true;
  hf_on_interrupt(check_that_forks);
  hf_status status = hf_queue_get(queue, 5000, &value);
  hf_on_interrupt(NULL);
  if (forked == 0) {
    bool is_right = status == HF_CANCELLED && hf_queue_put(queue, hf_int(5), 0) == HF_OK;
    _exit(is_right ? 0 : 1);
  }
  assert_int_equal(status, HF_OK);
  expect_equal(value, hf_int(5));
  assert_int_equal(child_end(forked), 0);
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_interrupt_withdraws_a_call_and_takes_nothing),
    cmocka_unit_test(test_interrupt_a_signal_is_looked_at_at_once),
    cmocka_unit_test(test_interrupt_of_a_follower_is_its_own),
    cmocka_unit_test(test_interrupt_withdraws_all_calls_of_a_pipeline),
    cmocka_unit_test(test_interrupt_a_condition_returns_with_its_lock),
    cmocka_unit_test(test_interrupt_the_check_may_make_calls),
    cmocka_unit_test(test_interrupt_while_another_owns_the_lock_of_a_value),
    cmocka_unit_test(test_interrupt_while_waiting_for_a_value),
    cmocka_unit_test(test_interrupt_again_gives_up_and_takes_nothing),
    cmocka_unit_test(test_interrupt_a_connection_that_is_being_made),
    cmocka_unit_test(test_interrupt_a_wait_for_room),
    cmocka_unit_test(test_interrupt_a_flush),
    cmocka_unit_test(test_interrupt_the_check_comes_at_least_every_50_ms),
    cmocka_unit_test(test_interrupt_without_a_check_nothing_wakes),
    cmocka_unit_test(test_interrupt_the_check_may_fork),
};

WORLD_MAIN("interrupt", tests)
