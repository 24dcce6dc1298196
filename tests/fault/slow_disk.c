/* A disk that hangs now and then holds up only those who wait for it: meanwhile others read, each in its time. Writers
 * change one thing at a time, so that the server's threads commit themselves; then the server is killed, and what was
 * acknowledged is there.
 *
 * usage: slow_disk [SECONDS]
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "tests/fault/broken_disk.h"
#include "tests/fault/crowd.h"

#define SECONDS 8
#define WRITERS 3
#define READERS 2
#define HANGS_EACH 100
#define HANG_MS 400
/* Of a read, while syncs hang; a busy machine takes its part. */
#define LATE_MS 200
#define LONG_MS 30000
#define STILL 42

static unsigned seconds = SECONDS;
static char data[] = "/tmp/holdfast-data-XXXXXX";
static const char *const arguments[] = {"--data", data, NULL};
static struct daemon server;

/* In memory of all processes. */
static struct board {
  atomic_bool stop;
  atomic_llong written[WRITERS]; /* the last that was acknowledged */
  atomic_ullong reads[READERS], late[READERS], worst_us[READERS];
} * board;

static int run_writer(const char *url, int idx, void *arg) {
  hf_conn *conn = crowd_connect(url, LONG_MS, LONG_MS);
  hf_dict *dict;
  (void)arg;
  if (hf_dict_open(conn, "work", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  for (long long i = 1; !atomic_load(&board->stop); i++) {
    if (hf_dict_set(dict, hf_int(idx), hf_int(i)) != HF_OK) {
      return crowd_fail("set", idx);
    }
    atomic_store(&board->written[idx], i);
  }
  hf_dict_close(dict);
  hf_close(conn);
  return CROWD_DONE;
}

static int run_reader(const char *url, int idx, void *arg) {
  hf_conn *conn = crowd_connect(url, LONG_MS, LONG_MS);
  hf_dict *dict;
  (void)arg;
  if (hf_dict_open(conn, "still", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  while (!atomic_load(&board->stop)) {
    hf_value value;
    uint64_t start_ns = clock_now_ns();
    if (hf_dict_get(dict, hf_int(0), &value) != HF_OK || value.integer != STILL) {
      return crowd_fail("get", idx);
    }
    uint64_t us = (clock_now_ns() - start_ns) / 1000;
    atomic_fetch_add(&board->reads[idx], 1);
    atomic_fetch_add(&board->late[idx], us >= LATE_MS * 1000);
    if (us > atomic_load(&board->worst_us[idx])) {
      atomic_store(&board->worst_us[idx], us);
    }
    usleep(1000);
  }
  hf_dict_close(dict);
  hf_close(conn);
  return CROWD_DONE;
}

static void lay_out(const char *url) {
  hf_conn *conn;
  hf_dict *dict;
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_dict_open(conn, "still", &dict), "open");
  crowd_expect_ok(hf_dict_set(dict, hf_int(0), hf_int(STILL)), "set");
  hf_dict_close(dict);
  hf_close(conn);
}

static void expect_written(const char *url) {
  hf_conn *conn;
  hf_dict *dict;
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_dict_open(conn, "work", &dict), "open");
  for (int i = 0; i < WRITERS; i++) {
    hf_value value;
    crowd_expect_ok(hf_dict_get(dict, hf_int(i), &value), "get");
    assert_in_range(value.integer, board->written[i], board->written[i] + 1);
  }
  hf_dict_close(dict);
  hf_close(conn);
}

/* For a while the disk is fast, then it hangs now and then. */
static void run(const char *url) {
  pid_t pids[WRITERS + READERS];
  unsigned hangs = broken_disk_hangs();
  *board = (struct board){0};
  for (int i = 0; i < WRITERS; i++) {
    pids[i] = crowd_start(run_writer, url, i, NULL);
  }
  for (int i = 0; i < READERS; i++) {
    pids[WRITERS + i] = crowd_start(run_reader, url, i, NULL);
  }
  usleep(500000);
  broken_disk_hang(HANGS_EACH, HANG_MS * 1000);
  usleep(seconds * 1000000 / 2);
  broken_disk_hang(0, 0);
  atomic_store(&board->stop, true);
  for (int i = 0; i < WRITERS + READERS; i++) {
    assert_int_equal(crowd_wait(pids[i], LONG_MS), CROWD_DONE);
  }
  long long written = 0;
  for (int i = 0; i < WRITERS; i++) {
    written += board->written[i];
  }
  hangs = broken_disk_hangs() - hangs;
  print_message("%s: %u syncs hung for %d ms; %lld changes; reads, late ones, the longest:", url,
                hangs, HANG_MS, written);
  for (int i = 0; i < READERS; i++) {
    print_message(" %llu, %llu, %.1f ms;", board->reads[i], board->late[i],
                  (double)board->worst_us[i] / 1e3);
  }
  print_message("\n");
  assert_true(hangs >= 3);
  for (int i = 0; i < READERS; i++) {
    assert_true(board->reads[i] > seconds * 100);
    assert_int_equal(board->late[i], 0);
  }
}

static void test_slow_disk_holds_up_who_waits_for_it(void **state) {
  (void)state;
  assert_non_null(mkdtemp(data));
  broken_disk_prepare(data);
  daemon_start(&server, arguments);
  lay_out(server.tcp_url);
  run(server.tcp_url);
  daemon_kill(&server);
  daemon_restart(&server, arguments);
  expect_written(server.tcp_url);
  run(server.ipc_url);
  daemon_kill(&server);
  daemon_restart(&server, arguments);
  expect_written(server.tcp_url);
  daemon_stop(&server);
  daemon_remove_data(data);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_slow_disk_holds_up_who_waits_for_it),
  };
  seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : SECONDS;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return board == MAP_FAILED ? 1
                             : cmocka_run_group_tests_name("fault.slow_disk", tests, NULL, NULL);
}
