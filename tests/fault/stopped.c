/* An owner that is stopped for longer than its lease loses the lock; when it goes on, its writes
 * with the old token are refused, and so is its release.
 *
 * usage: stopped [--stops N] [SEED]     50 by default
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define LEASE_MS 150
#define SLACK_MS 1000
#define TIMEOUT_MS 20000
#define STOP_US_MAX 20000

/* How far the owner has come; it waits for what the test says. */
enum { STARTING, HOLDING, GO_ON };

/* What the owner found wrong: exit codes. */
enum { WRITE_WENT_THROUGH = 20, RELEASE_WENT_THROUGH, PLAIN_RELEASE_WENT_THROUGH };

static struct daemon server;
static atomic_int *step;
static struct random randomness;
static int stops_count = 50;

static hf_status write_fenced(hf_conn *conn, hf_lock *lock, uint64_t token, hf_dict *dict,
                              const char *who) {
  hf_status status = hf_transaction_begin(conn);
  if (status != HF_OK) {
    return status;
  }
  hf_kept(hf_require_owned(lock, token));
  hf_kept(hf_dict_set(dict, hf_text("writer"), hf_text(who)));
  return hf_transaction_commit(conn, 0, NULL);
}

static bool is_stale(hf_status status) {
  return status == HF_FAILED_PRECONDITION && strcmp(hf_last_error()->reason, "TOKEN_STALE") == 0;
}

static int hold_and_be_stopped(const char *url, int idx, void *arg) {
  (void)arg;
  const struct hf_lock_options options = {.lease_ms = LEASE_MS};
  hf_conn *conn = crowd_connect(url, 0, TIMEOUT_MS);
  hf_lock *lock;
  hf_dict *dict;
  struct hf_grant grant;
  if (hf_lock_open(conn, "lock", &lock) != HF_OK || hf_dict_open(conn, "written", &dict) != HF_OK ||
      hf_lock_acquire_with(lock, &options, TIMEOUT_MS, &grant) != HF_OK ||
      write_fenced(conn, lock, grant.token, dict, "owner") != HF_OK) {
    return crowd_fail("hold", idx);
  }
  atomic_store(step, HOLDING);
  while (atomic_load(step) != GO_ON) {
    usleep(100);
  }
  if (!is_stale(write_fenced(conn, lock, grant.token, dict, "stale"))) {
    return WRITE_WENT_THROUGH;
  }
  if (!is_stale(hf_lock_release_token(lock, grant.token))) {
    return RELEASE_WENT_THROUGH;
  }
  return is_stale(hf_lock_release(lock)) ? CROWD_DONE : PLAIN_RELEASE_WENT_THROUGH;
}

static void stop_owner(pid_t owner) {
  while (atomic_load(step) != HOLDING) {
    crowd_expect_running(owner);
    usleep(100);
  }
  usleep((useconds_t)random_below(&randomness, STOP_US_MAX));
  assert_int_equal(kill(owner, SIGSTOP), 0);
}

static void expect_writer(hf_dict *dict, const char *who) {
  hf_value value;
  crowd_expect_ok(hf_dict_get(dict, hf_text("writer"), &value), "get");
  assert_string_equal(value.text, who);
  hf_value_clear(&value);
}

/* Answers how long the lock was waited for. */
static int64_t outlive_one(hf_conn *conn, hf_lock *lock, hf_dict *dict, int idx) {
  const char *url = idx % 2 == 0 ? server.tcp_url : server.ipc_url;
  struct hf_grant grant;
  atomic_store(step, STARTING);
  pid_t owner = crowd_start(hold_and_be_stopped, url, idx, NULL);
  stop_owner(owner);
  int64_t begun_ms = attacker_now_ms();
  expect_writer(dict, "owner");
  crowd_expect_ok(hf_lock_acquire(lock, TIMEOUT_MS, &grant), "acquire");
  int64_t took_ms = attacker_now_ms() - begun_ms;
  assert_true(took_ms < LEASE_MS + SLACK_MS);
  crowd_expect_ok(write_fenced(conn, lock, grant.token, dict, "next"), "write");
  atomic_store(step, GO_ON);
  assert_int_equal(kill(owner, SIGCONT), 0);
  assert_int_equal(crowd_wait(owner, TIMEOUT_MS), CROWD_DONE);
  expect_writer(dict, "next");
  crowd_expect_ok(hf_lock_release_token(lock, grant.token), "release");
  return took_ms;
}

static void test_stopped_owner_are_fenced(void **state) {
  (void)state;
  hf_conn *conn;
  hf_lock *lock;
  hf_dict *dict;
  int64_t worst_ms = 0;
  crowd_expect_ok(hf_connect(server.tcp_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_lock_open(conn, "lock", &lock), "open");
  crowd_expect_ok(hf_dict_open(conn, "written", &dict), "open");
  for (int idx = 0; idx < stops_count; idx++) {
    int64_t took_ms = outlive_one(conn, lock, dict, idx);
    worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
  }
  print_message("%d stopped beyond a lease of %d ms, the next went on after at most %lld ms\n",
                stops_count, LEASE_MS, (long long)worst_ms);
  hf_dict_close(dict);
  hf_lock_close(lock);
  hf_close(conn);
}

static int set_up(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  step = mmap(NULL, sizeof(*step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return step == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state) {
  (void)state;
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stopped_owner_are_fenced),
  };
  if (argc > 2 && strcmp(argv[1], "--stops") == 0) {
    stops_count = atoi(argv[2]);
    argc -= 2;
    argv += 2;
  }
  randomness.state = random_seed(argc, argv);
  return cmocka_run_group_tests_name("fault.stopped", tests, set_up, tear_down);
}
