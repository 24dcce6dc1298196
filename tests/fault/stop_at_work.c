/* SIGTERM while the server works for long on large lists, and more such work stands in line: it ends soon. Without
 * --data the calls learn it. With --data each is carried out by the next server, once.
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/directory.h"

#define WORKERS 6 /* more than the server has threads for it */
#define PERIOD 1024
#define NAME_BYTES 24
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ITEMS (1 << 21)
#define STOP_MS_MAX 5000
#else
#define ITEMS (1 << 23)
#define STOP_MS_MAX 2000
#endif
#define UNDER_WAY_US 200000
#define WAIT_MS 10000
#define CALL_TIMEOUT_MS 100000
#define GRACE_MS 60000

/* Exit codes of the workers. */
enum { ENDED_STOPPED = 10 };

static struct daemon server;
static char directory[DIRECTORY_PATH_BYTES];
static const char *const data[] = {"--data", directory, NULL};

static void name_list(char name[NAME_BYTES], int idx) {
  snprintf(name, NAME_BYTES, "list-%d", idx);
}

static bool is_sorted_by(int idx) {
  return idx % 3 != 0;
}

/* Of references to itself: they are counted when the work is done. */
static bool has_references(int idx) {
  return idx == 3;
}

/* Falling numbers, over and over. */
static void make_list(hf_conn *conn, int idx) {
  hf_value values[PERIOD];
  hf_list *list;
  char name[NAME_BYTES];
  name_list(name, idx);
  crowd_expect_ok(hf_list_open(conn, name, &list), "open");
  for (int64_t i = 0; i < PERIOD; i++) {
    values[i] = has_references(idx) ? hf_reference(HF_AS_OBJECT(list)) : hf_int(PERIOD - i);
  }
  crowd_expect_ok(hf_list_extend(list, values, PERIOD), "extend");
  crowd_expect_ok(hf_list_repeat_in_place(list, ITEMS / PERIOD), "repeat");
  hf_list_close(list);
}

static int work(const char *url, int idx, void *arg) {
  hf_conn *conn = crowd_connect(url, GRACE_MS, CALL_TIMEOUT_MS);
  hf_list *list;
  char name[NAME_BYTES];
  (void)arg;
  name_list(name, idx);
  if (hf_list_open(conn, name, &list) != HF_OK) {
    return crowd_fail("open", idx);
  }
  hf_status status =
      is_sorted_by(idx) ? hf_list_sort(list, false) : hf_list_repeat_in_place(list, 2);
  bool is_stopped =
      status == HF_UNAVAILABLE ||
      (status == HF_FAILED_PRECONDITION && strcmp(hf_last_error()->reason, "SESSION_ENDED") == 0);
  if (status != HF_OK && !is_stopped) {
    return crowd_fail("work", idx);
  }
  return status == HF_OK ? CROWD_DONE : ENDED_STOPPED;
}

/* Until all wait, and for a moment more. */
static void start_work(hf_conn *conn, pid_t workers[WORKERS]) {
  int64_t end_ms = attacker_now_ms() + WAIT_MS;
  struct hf_server_info info;
  for (int i = 0; i < WORKERS; i++) {
    workers[i] = crowd_start(work, server.tcp_url, i, NULL);
  }
  do {
    usleep(1000);
    crowd_expect_ok(hf_server_info(conn, &info), "info");
    assert_true(attacker_now_ms() < end_ms);
  } while (info.waiting < WORKERS);
  usleep(UNDER_WAY_US);
}

static void stop(const char *how) {
  int status;
  int64_t begin_ms = attacker_now_ms();
  kill(server.pid, SIGTERM);
  assert_true(daemon_wait(&server, CALL_TIMEOUT_MS, &status));
  int64_t ms = attacker_now_ms() - begin_ms;
  print_message("  %s: stopped after %lld ms\n", how, (long long)ms);
  assert_int_equal(status, 0);
  assert_in_range(ms, 0, STOP_MS_MAX);
}

static hf_conn *start(const char *const *extra, pid_t workers[WORKERS]) {
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS, .grace_ms = GRACE_MS};
  hf_conn *conn;
  daemon_start(&server, extra);
  crowd_expect_ok(hf_connect(server.tcp_url, &options, &conn), "connect");
  for (int i = 0; i < WORKERS; i++) {
    make_list(conn, i);
  }
  start_work(conn, workers);
  return conn;
}

static void test_stop_at_work(void **state) {
  (void)state;
  pid_t workers[WORKERS];
  hf_conn *conn = start(NULL, workers);
  stop("without --data");
  int stopped = 0;
  for (int i = 0; i < WORKERS; i++) {
    int ended = crowd_wait(workers[i], WAIT_MS);
    assert_true(ended == CROWD_DONE || ended == ENDED_STOPPED);
    stopped += ended == ENDED_STOPPED;
  }
  print_message("  %d of %d calls were stopped\n", stopped, WORKERS);
  assert_true(stopped > 0);
  hf_close(conn);
  daemon_stop(&server);
}

static void expect_done_once(hf_conn *conn, int idx) {
  hf_list *list;
  hf_value value;
  uint64_t len;
  char name[NAME_BYTES];
  name_list(name, idx);
  crowd_expect_ok(hf_list_open(conn, name, &list), "open");
  crowd_expect_ok(hf_list_len(list, &len), "len");
  assert_int_equal(len, is_sorted_by(idx) ? ITEMS : 2 * ITEMS);
  crowd_expect_ok(hf_list_get(list, ITEMS / 2, &value), "get");
  if (has_references(idx)) {
    assert_int_equal(value.type, HF_TYPE_REFERENCE);
  } else {
    assert_int_equal(value.integer, is_sorted_by(idx) ? PERIOD / 2 + 1 : PERIOD);
  }
  hf_value_clear(&value);
  crowd_expect_ok(hf_delete(conn, name), "delete");
  hf_list_close(list);
}

static void test_stop_at_work_with_data(void **state) {
  (void)state;
  pid_t workers[WORKERS];
  directory_make(directory);
  hf_conn *conn = start(data, workers);
  stop("with --data");
  daemon_restart(&server, data);
  for (int i = 0; i < WORKERS; i++) {
    assert_int_equal(crowd_wait(workers[i], CALL_TIMEOUT_MS), CROWD_DONE);
  }
  for (int i = 0; i < WORKERS; i++) {
    expect_done_once(conn, i);
  }
  hf_close(conn);
  daemon_stop(&server);
  directory_remove(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stop_at_work),
      cmocka_unit_test(test_stop_at_work_with_data),
  };
  return cmocka_run_group_tests_name("fault.stop_at_work", tests, NULL, NULL);
}
