/* A crowd that waits: thousands of requests parked on one event cost no thread and little memory,
 * and waking them all takes time in proportion to their number.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/hostile.h"

#include <holdfast/holdfast.h>
#include <time.h>

#define CONNECTIONS_COUNT 5
#define PER_CONNECTION_COUNT 1000
#define ROUNDS_COUNT 7
#define WAITER_BYTES_MAX 2048
/* Five times as many may take three times as long per head. */
#define SLOWDOWN_MAX 3
#define ANSWER_TIMEOUT_MS 10000

static struct attacker crowd[CONNECTIONS_COUNT];

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static unsigned count_threads(void) {
  char path[64];
  unsigned count = 0;
  snprintf(path, sizeof(path), "/proc/%ld/task", (long)hostile_server.pid);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while (readdir(dir) != NULL) {
    count++;
  }
  closedir(dir);
  return count - 2; /* . and .. */
}

static Holdfast__Request request_wait(void) {
  static Holdfast__EventWait wait = HOLDFAST__EVENT_WAIT__INIT;
  Holdfast__Request request = hostile_request("gate");
  request.operation_case = HOLDFAST__REQUEST__OPERATION_EVENT_WAIT;
  request.event_wait = &wait;
  return request;
}

static void park(int connections_count) {
  Holdfast__Request wait = request_wait();
  for (int i = 0; i < connections_count; i++) {
    for (int n = 0; n < PER_CONNECTION_COUNT; n++) {
      assert_true(attacker_send_request(&crowd[i], &wait) != 0);
    }
  }
}

static void expect_waiting(hf_event *gate, uint64_t count) {
  struct hf_object_info info = {0};
  for (int64_t deadline_ms = attacker_now_ms() + ANSWER_TIMEOUT_MS; info.waiting != count;) {
    assert_int_equal(hf_object_info(HF_AS_OBJECT(gate), &info), HF_OK);
    assert_true(attacker_now_ms() < deadline_ms);
    usleep(1000);
  }
}

/* All of them are parked, woken, and have their answers. */
static int64_t time_waking_us(hf_event *gate, int connections_count) {
  assert_int_equal(hf_event_clear(gate), HF_OK);
  park(connections_count);
  expect_waiting(gate, (uint64_t)connections_count * PER_CONNECTION_COUNT);
  int64_t begun_us = now_us();
  assert_int_equal(hf_event_set(gate), HF_OK);
  for (int i = 0; i < connections_count; i++) {
    assert_int_equal(hostile_drain(&crowd[i], PER_CONNECTION_COUNT), PER_CONNECTION_COUNT);
  }
  return now_us() - begun_us;
}

/* What else the machine does only adds to it. */
static int64_t least_waking_us(hf_event *gate, int connections_count) {
  int64_t least_us = INT64_MAX;
  for (int round = 0; round < ROUNDS_COUNT; round++) {
    int64_t time_us = time_waking_us(gate, connections_count);
    least_us = time_us < least_us ? time_us : least_us;
  }
  return least_us;
}

static uint64_t memory_bytes(hf_conn *conn) {
  struct hf_server_info info;
  assert_int_equal(hf_server_info(conn, &info), HF_OK);
  return info.memory_bytes;
}

static void expect_cheap(const char *what, uint64_t before_bytes, uint64_t after_bytes) {
  const int count = CONNECTIONS_COUNT * PER_CONNECTION_COUNT;
  uint64_t cost_bytes = after_bytes > before_bytes ? after_bytes - before_bytes : 0;
  print_message("%d parked waiters cost %llu bytes each of %s\n", count,
                (unsigned long long)cost_bytes / count, what);
  assert_true(cost_bytes / count < WAITER_BYTES_MAX);
}

static void test_waiters_cost_no_thread_and_little_memory(void **state) {
  hf_event *gate = *state;
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(gate));
  assert_int_equal(hf_event_clear(gate), HF_OK);
  unsigned threads_count = count_threads();
  uint64_t resident_bytes = daemon_resident_bytes(&hostile_server), bytes = memory_bytes(conn);
  park(CONNECTIONS_COUNT);
  expect_waiting(gate, CONNECTIONS_COUNT * PER_CONNECTION_COUNT);
  expect_cheap("accounted memory", bytes, memory_bytes(conn));
  expect_cheap("resident memory", resident_bytes, daemon_resident_bytes(&hostile_server));
  print_message("%u threads before, %u while they wait\n", threads_count, count_threads());
  assert_int_equal(count_threads(), threads_count);
  assert_int_equal(hf_event_set(gate), HF_OK);
  for (int i = 0; i < CONNECTIONS_COUNT; i++) {
    assert_int_equal(hostile_drain(&crowd[i], PER_CONNECTION_COUNT), PER_CONNECTION_COUNT);
  }
}

static void test_waking_is_linear(void **state) {
  hf_event *gate = *state;
  int64_t few_us = least_waking_us(gate, 1);
  int64_t many_us = least_waking_us(gate, CONNECTIONS_COUNT);
  print_message("waking %d takes %lld us, waking %d takes %lld us\n", PER_CONNECTION_COUNT,
                (long long)few_us, CONNECTIONS_COUNT * PER_CONNECTION_COUNT, (long long)many_us);
  assert_true(many_us < SLOWDOWN_MAX * CONNECTIONS_COUNT * few_us);
}

static int set_up(void **state) {
  hf_conn *conn;
  hf_event *gate;
  if (hostile_start(state) != 0 || hf_connect(hostile_server.tcp_url, NULL, &conn) != HF_OK ||
      hf_event_open(conn, "gate", &gate) != HF_OK) {
    return -1;
  }
  for (int i = 0; i < CONNECTIONS_COUNT; i++) {
    hostile_open(&crowd[i]);
  }
  *state = gate;
  return 0;
}

static int tear_down(void **state) {
  hf_event *gate = *state;
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(gate));
  hf_event_close(gate);
  hf_close(conn);
  for (int i = 0; i < CONNECTIONS_COUNT; i++) {
    attacker_close(&crowd[i]);
  }
  return hostile_stop(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_waiters_cost_no_thread_and_little_memory),
      cmocka_unit_test(test_waking_is_linear),
  };
  return cmocka_run_group_tests_name("fault.waiters", tests, set_up, tear_down);
}
