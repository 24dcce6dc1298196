/* A server that dies under its clients: each learns it within its timeout, none hangs, and new
 * connections work once it is back.
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"

#define CALL_TIMEOUT_MS 1500
#define SLACK_MS 3000
#define UNDER_WAY_US 300000

/* Exit codes of the workers: what their call ended with. */
enum { ENDED_UNAVAILABLE = 10, ENDED_SESSION = 11, ENDED_OTHERWISE = 12 };

static struct daemon server;

static int ending_of(hf_status status, const char *what, int idx) {
  if (status == HF_UNAVAILABLE) {
    return ENDED_UNAVAILABLE;
  }
  if (status == HF_FAILED_PRECONDITION && strcmp(hf_last_error()->reason, "SESSION_ENDED") == 0) {
    return ENDED_SESSION;
  }
  crowd_fail(what, idx);
  return ENDED_OTHERWISE;
}

static int wait_in_queue(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_queue *queue;
  hf_value value;
  if (hf_queue_open(conn, "empty", 0, &queue) != HF_OK) {
    return crowd_fail("open", idx);
  }
  return ending_of(hf_queue_get(queue, HF_FOREVER, &value), "get", idx);
}

static int wait_for_lock(const char *url, int idx, void *arg) {
  const int64_t longer_than_the_test_ms = 60000;
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_lock *lock;
  if (hf_lock_open(conn, "held", &lock) != HF_OK) {
    return crowd_fail("open", idx);
  }
  return ending_of(hf_lock_acquire(lock, longer_than_the_test_ms, NULL), "acquire", idx);
}

static int add_for_ever(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_dict *dict;
  hf_status status;
  if (hf_dict_open(conn, "busy", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  do {
    status = hf_dict_add(dict, hf_int(idx), hf_int(1), NULL);
  } while (status == HF_OK);
  return ending_of(status, "add", idx);
}

static int pipeline_for_ever(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_dict *dict;
  hf_status status;
  if (hf_dict_open(conn, "busy", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  do {
    status = hf_pipeline_begin(conn, 64);
    for (int i = 0; status == HF_OK && i < 1000; i++) {
      hf_kept(hf_dict_add(dict, hf_int(idx), hf_int(1), NULL));
    }
    status = status == HF_OK ? hf_pipeline_end(conn, NULL) : status;
  } while (status == HF_OK);
  return ending_of(status, "pipeline", idx);
}

static int flush_for_ever(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_dict *dict;
  hf_status status;
  if (hf_dict_open(conn, "busy", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  do {
    status = hf_oneway_begin(conn);
    for (int i = 0; status == HF_OK && i < 100; i++) {
      status = hf_dict_set(dict, hf_int(i), hf_int(i));
    }
    hf_status ended = hf_oneway_end(conn);
    status = status == HF_OK ? ended : status;
    status = status == HF_OK ? hf_flush(conn, HF_FOREVER, NULL) : status;
  } while (status == HF_OK);
  return ending_of(status, "one-way", idx);
}

static crowd_worker *const workers[] = {wait_in_queue, wait_for_lock, add_for_ever,
                                        pipeline_for_ever, flush_for_ever};
#define WORKERS_COUNT (sizeof(workers) / sizeof(workers[0]))

/* Named locks outlive this process's session without being released: the waiter really waits. */
static void start_workers(const char *url, pid_t pids[WORKERS_COUNT]) {
  hf_conn *conn;
  hf_lock *lock;
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_lock_open(conn, "held", &lock), "open");
  crowd_expect_ok(hf_lock_acquire(lock, 0, NULL), "acquire");
  hf_lock_close(lock);
  hf_close(conn);
  for (size_t i = 0; i < WORKERS_COUNT; i++) {
    pids[i] = crowd_start(workers[i], url, (int)i, NULL);
  }
  usleep(UNDER_WAY_US);
}

static void expect_endings(const pid_t pids[WORKERS_COUNT], int64_t begun_ms, int expected) {
  for (size_t i = 0; i < WORKERS_COUNT; i++) {
    int code = crowd_wait(pids[i], CALL_TIMEOUT_MS + SLACK_MS);
    print_message("  worker %zu ended with %d after %lld ms\n", i, code,
                  (long long)(attacker_now_ms() - begun_ms));
    assert_int_equal(code, expected);
  }
  assert_true(attacker_now_ms() - begun_ms < CALL_TIMEOUT_MS + SLACK_MS);
}

static void expect_new_connections_work(const char *url) {
  hf_conn *conn;
  hf_dict *dict;
  hf_value sum;
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_dict_open(conn, "fresh", &dict), "open");
  crowd_expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(1), &sum), "add");
  assert_int_equal(sum.integer, 1);
  hf_value_clear(&sum);
  hf_dict_close(dict);
  hf_close(conn);
}

static void expect_unavailable(const char *url) {
  struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS};
  hf_conn *conn;
  int64_t begun_ms = attacker_now_ms();
  assert_int_equal(hf_connect(url, &options, &conn), HF_UNAVAILABLE);
  assert_true(attacker_now_ms() - begun_ms < CALL_TIMEOUT_MS + SLACK_MS);
}

static void die_and_come_back_late(const char *url) {
  pid_t pids[WORKERS_COUNT];
  start_workers(url, pids);
  int64_t begun_ms = attacker_now_ms();
  daemon_kill(&server);
  expect_unavailable(url);
  expect_endings(pids, begun_ms, ENDED_UNAVAILABLE);
  daemon_restart(&server, NULL);
  expect_new_connections_work(url);
}

static void die_and_come_back_at_once(const char *url) {
  pid_t pids[WORKERS_COUNT];
  start_workers(url, pids);
  int64_t begun_ms = attacker_now_ms();
  daemon_kill(&server);
  daemon_restart(&server, NULL);
  expect_endings(pids, begun_ms, ENDED_SESSION);
  expect_new_connections_work(url);
}

static void test_restart_later_is_unavailable_over_tcp(void **state) {
  (void)state;
  die_and_come_back_late(server.tcp_url);
}

static void test_restart_later_is_unavailable_over_ipc(void **state) {
  (void)state;
  die_and_come_back_late(server.ipc_url);
}

static void test_restart_at_once_ends_sessions_over_tcp(void **state) {
  (void)state;
  die_and_come_back_at_once(server.tcp_url);
}

static void test_restart_at_once_ends_sessions_over_ipc(void **state) {
  (void)state;
  die_and_come_back_at_once(server.ipc_url);
}

static int start_server(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  return 0;
}

static int stop_server(void **state) {
  (void)state;
  /* A test that failed half-way may have left it dead. */
  if (server.pid == 0) {
    daemon_restart(&server, NULL);
  }
  daemon_stop(&server);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_restart_later_is_unavailable_over_tcp, start_server,
                                      stop_server),
      cmocka_unit_test_setup_teardown(test_restart_later_is_unavailable_over_ipc, start_server,
                                      stop_server),
      cmocka_unit_test_setup_teardown(test_restart_at_once_ends_sessions_over_tcp, start_server,
                                      stop_server),
      cmocka_unit_test_setup_teardown(test_restart_at_once_ends_sessions_over_ipc, start_server,
                                      stop_server),
  };
  return cmocka_run_group_tests_name("fault.restart", tests, NULL, NULL);
}
