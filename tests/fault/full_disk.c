/* A server whose disk fills up, by a file of somebody else's or by its own journal: changes are refused before
 * anything has changed; reads, deletes and ends of sessions go on; when there is room again so do changes, by
 * themselves. Meanwhile the server is killed, stopped and started again. Each client knows exactly what its keys
 * have, since no call of it may fail but by being refused, and compares it all the time and at the end.
 *
 * Values that are as large as the reserve fill it, too.
 *
 * The disk is a tmpfs in a mount namespace of the test's own, which is gone with it. Where none can be mounted the
 * test is skipped.
 *
 * usage: full_disk [--rounds N] [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define SKIPPED 77
#define DISK_MIB 64
#define ROUNDS 8
#define CLIENTS 4
#define KEYS 64 /* of each client */
#define PAUSE_US 3000
#define VALUE_BYTES 1024
#define LONG_MS 120000
#define SHORT_MS 300
#define FULL_MS 600  /* that it stays so, about */
#define SOON_MS 5000 /* until it is noticed that there is room, or none */
#define OWN_MS 60000 /* until the journal alone has filled the disk */
#define REST_KEY 1
#define DELETERS 24
#define LONG_KEY_BYTES ((size_t)1 << 20)   /* five of them are more than a batch may have */
#define SHORT_KEYS_AFTER 12                /* deleters with long keys; the others have short ones */
#define LARGE_BYTES_MAX ((size_t)15 << 20) /* of a value */
#define LARGE_SETS_MAX 100
#define LARGE_ROUNDS 4
#define BESIDE_MS 3000 /* what needs no room is answered */

static int rounds_count = ROUNDS;
static uint64_t seed;
static struct random randomness;
static struct daemon server;
static char disk[] = "/tmp/holdfast-disk-XXXXXX";
static char data[64], filler[64];
static const char *const often[] = {"--data", data, "--snapshot-min", "4M", NULL};
static const char *const seldom[] = {"--data", data, NULL};
static uint64_t checks, recovery_longest_ms, stop_longest_ms;

/* ---------------------------------------------------------------- clients */

/* In memory of all processes. */
static struct board {
  atomic_bool stop, may_delete;
  atomic_int deleters;
  uint64_t pause_us; /* between a client's calls */
  struct {
    atomic_ullong sets, refusals, reads, deletes;
    int64_t values[KEYS]; /* 0: not there */
    int64_t last;
  } clients[CLIENTS];
} * board;

static hf_value key_of(int idx, int key) {
  return hf_int((int64_t)idx << 32 | key);
}

static hf_dict *open_dict(hf_conn *conn, const char *name) {
  hf_dict *dict;
  crowd_expect_ok(hf_dict_open(conn, name, &dict), name);
  return dict;
}

static bool is_refused(hf_status status) {
  return status == HF_RESOURCE_EXHAUSTED && strcmp(hf_last_error()->reason, "JOURNAL_FULL") == 0;
}

/* Whether the server has what the client knows. */
static bool has_value(hf_dict *dict, int idx, int key) {
  int64_t wanted = board->clients[idx].values[key], found = 0;
  hf_value value;
  hf_status status = hf_dict_get(dict, key_of(idx, key), &value);
  if (status == HF_OK) {
    memcpy(&found, value.bytes, sizeof found);
    hf_value_clear(&value);
  } else if (status != HF_NOT_FOUND) {
    (void)crowd_fail("get", idx);
    return false;
  }
  atomic_fetch_add(&board->clients[idx].reads, 1);
  if (found != wanted) {
    fprintf(stderr, "client %d: key %d has %lld instead of %lld\n", idx, key, (long long)found,
            (long long)wanted);
  }
  return found == wanted;
}

static bool set(hf_dict *dict, int idx, int key) {
  char bytes[VALUE_BYTES] = "";
  int64_t number = ++board->clients[idx].last;
  memcpy(bytes, &number, sizeof number);
  hf_status status = hf_dict_set(dict, key_of(idx, key), hf_bytes(bytes, sizeof bytes));
  if (status == HF_OK) {
    board->clients[idx].values[key] = number;
    atomic_fetch_add(&board->clients[idx].sets, 1);
    return true;
  }
  if (!is_refused(status)) {
    (void)crowd_fail("set", idx);
    return false;
  }
  atomic_fetch_add(&board->clients[idx].refusals, 1);
  return has_value(dict, idx, key);
}

static bool delete_key(hf_dict *dict, int idx, int key) {
  hf_status wanted = board->clients[idx].values[key] == 0 ? HF_NOT_FOUND : HF_OK;
  if (hf_dict_delete(dict, key_of(idx, key)) != wanted) {
    (void)crowd_fail("delete", idx);
    return false;
  }
  board->clients[idx].values[key] = 0;
  atomic_fetch_add(&board->clients[idx].deletes, 1);
  return true;
}

static int run_client(const char *url, int idx, void *arg) {
  struct random random = {seed + 7919 * (uint64_t)(idx + 1)};
  hf_conn *conn = crowd_connect(url, LONG_MS, LONG_MS);
  hf_dict *dict;
  (void)arg;
  if (hf_dict_open(conn, "work", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  bool is_right = true;
  while (is_right && !atomic_load(&board->stop)) {
    int key = (int)random_below(&random, KEYS);
    switch (random_below(&random, 4)) {
      case 0:
        is_right = has_value(dict, idx, key);
        break;
      case 1:
        is_right = delete_key(dict, idx, key);
        break;
      default:
        is_right = set(dict, idx, key);
        break;
    }
    if (board->pause_us > 0) {
      usleep((useconds_t)board->pause_us);
    }
  }
  hf_dict_close(dict);
  hf_close(conn);
  return is_right ? CROWD_DONE : CROWD_FAILED;
}

struct counts {
  uint64_t sets, refusals, reads, deletes;
};

static struct counts count_client(int idx) {
  return (struct counts){
      atomic_load(&board->clients[idx].sets), atomic_load(&board->clients[idx].refusals),
      atomic_load(&board->clients[idx].reads), atomic_load(&board->clients[idx].deletes)};
}

static struct counts count_all(void) {
  struct counts all = {0};
  for (int idx = 0; idx < CLIENTS; idx++) {
    struct counts one = count_client(idx);
    all = (struct counts){all.sets + one.sets, all.refusals + one.refusals, all.reads + one.reads,
                          all.deletes + one.deletes};
  }
  return all;
}

static uint64_t free_bytes(void) {
  struct statvfs status;
  assert_int_equal(statvfs(disk, &status), 0);
  return (uint64_t)status.f_bavail * status.f_frsize;
}

/* Until each client's changes are acknowledged again. */
static void expect_changes(int timeout_ms) {
  int64_t begun_ms = attacker_now_ms();
  for (int idx = 0; idx < CLIENTS; idx++) {
    uint64_t before = count_client(idx).sets;
    while (count_client(idx).sets < before + 2) {
      if (attacker_now_ms() - begun_ms > timeout_ms) {
        fail_msg("client %d: no change is acknowledged within %d ms", idx, timeout_ms);
      }
      usleep(1000);
    }
  }
  uint64_t took_ms = (uint64_t)(attacker_now_ms() - begun_ms);
  recovery_longest_ms = took_ms > recovery_longest_ms ? took_ms : recovery_longest_ms;
  checks++;
}

static void expect_refusals(int timeout_ms) {
  int64_t begun_ms = attacker_now_ms();
  uint64_t before = count_all().refusals;
  while (count_all().refusals < before + 2 * CLIENTS) {
    if (attacker_now_ms() - begun_ms > timeout_ms) {
      fail_msg("nothing is refused within %d ms, %llu bytes are left", timeout_ms,
               (unsigned long long)free_bytes());
    }
    usleep(1000);
  }
  checks++;
}

/* ---------------------------------------------------------------- the disk */

/* Somebody's file grows until only so much is left. */
static void fill(uint64_t left_bytes) {
  static const char zeros[4096];
  int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  while (free_bytes() > left_bytes && write(fd, zeros, sizeof zeros) > 0) {
  }
  close(fd);
}

static void make_room(void) {
  assert_int_equal(unlink(filler), 0);
}

/* ---------------------------------------------------------------- what a full disk is like */

/* Of an object that nobody changes, on a connection that is there. */
static void expect_rest_is_read(hf_dict *rest) {
  int64_t begun_ms = attacker_now_ms();
  hf_value value;
  crowd_expect_ok(hf_dict_get(rest, hf_int(REST_KEY), &value), "a read of what is at rest");
  assert_int_equal(value.integer, REST_KEY);
  assert_in_range(attacker_now_ms() - begun_ms, 0, SOON_MS / 2);
  checks++;
}

/* In the reserve: a client comes, reads, is refused, says goodbye. */
static void expect_a_visit(void) {
  const struct hf_options options = {.call_timeout_ms = SOON_MS};
  hf_conn *conn;
  hf_value value;
  crowd_expect_ok(hf_connect(server.ipc_url, &options, &conn), "connect");
  hf_dict *rest = open_dict(conn, "rest");
  crowd_expect_ok(hf_dict_get(rest, hf_int(REST_KEY), &value), "get");
  assert_true(is_refused(hf_dict_set(rest, hf_int(REST_KEY), hf_int(99))));
  expect_rest_is_read(rest);
  hf_dict_close(rest);
  hf_close(conn);
  checks++;
}

/* Changes stand still while all else goes on. */
static void expect_only_changes_are_refused(void) {
  usleep(2 * SHORT_MS * 1000); /* until it has been noticed, and what was under way is done */
  struct counts before = count_all();
  usleep(SHORT_MS * 1000);
  expect_refusals(SOON_MS);
  struct counts after = count_all();
  assert_int_equal(after.sets, before.sets);
  assert_true(after.reads > before.reads + CLIENTS);
  assert_true(after.deletes > before.deletes + CLIENTS);
  expect_a_visit();
}

/* Nothing at all can be written: a call in vain says that, or that it was refused. */
static void expect_no_false_answer(void) {
  const struct hf_options options = {.call_timeout_ms = SHORT_MS};
  hf_conn *conn;
  hf_status status = hf_connect(server.ipc_url, &options, &conn);
  if (status == HF_OK) {
    hf_dict *rest = NULL;
    status = hf_dict_open(conn, "rest", &rest);
    if (status == HF_OK) {
      status = hf_dict_set(rest, hf_int(REST_KEY), hf_int(99));
    }
    hf_dict_close(rest);
    hf_close(conn);
  }
  if (!is_refused(status) && status != HF_UNAVAILABLE && status != HF_DEADLINE_EXCEEDED) {
    fail_msg("on a full disk: %s: %s", hf_status_name(status), hf_last_error()->message);
  }
  checks++;
}

/* ---------------------------------------------------------------- rounds */

enum ending { ROOM, KILL_FULL, KILL_ROOM, STOP_FULL, ENDINGS };

static void start_again(const char *const *arguments) {
  daemon_restart(&server, arguments);
}

static void stop(void) {
  int64_t begun_ms = attacker_now_ms();
  daemon_end(&server);
  uint64_t took_ms = (uint64_t)(attacker_now_ms() - begun_ms);
  stop_longest_ms = took_ms > stop_longest_ms ? took_ms : stop_longest_ms;
  checks++;
}

static void end_round(enum ending ending, uint64_t left_bytes) {
  if (ending == KILL_FULL || ending == KILL_ROOM) {
    daemon_kill(&server);
  } else if (ending == STOP_FULL) {
    stop();
  }
  if (ending == KILL_ROOM) {
    make_room();
  } else {
    fill(left_bytes); /* also what the server has freed at its end */
  }
  if (ending != ROOM) {
    start_again(often);
    usleep(SHORT_MS * 1000);
  }
  if (ending == KILL_FULL || ending == STOP_FULL) {
    expect_no_false_answer();
  }
  if (ending != KILL_ROOM) {
    make_room();
  }
  expect_changes(SOON_MS);
}

/* The first rounds have each ending, with and without a reserve. */
static void run_round(int round, hf_dict *rest) {
  bool has_reserve = round / ENDINGS % 2 == 0;
  uint64_t left_bytes = has_reserve ? (8 + random_below(&randomness, 4)) * 1024 * 1024 : 0;
  expect_rest_is_read(rest); /* the session is resumed, if the server was started again */
  usleep((useconds_t)random_below(&randomness, FULL_MS * 1000));
  fill(left_bytes);
  print_message("round %d: %llu bytes left\n", round, (unsigned long long)free_bytes());
  if (has_reserve) {
    expect_only_changes_are_refused();
    expect_rest_is_read(rest);
  } else {
    usleep((useconds_t)random_below(&randomness, FULL_MS * 1000));
    fill(0);
    expect_no_false_answer();
  }
  end_round((enum ending)(round % ENDINGS), left_bytes);
}

/* ---------------------------------------------------------------- tests */

static void start(const char *const *arguments, uint64_t pause_us, pid_t pids[CLIENTS]) {
  memset(board, 0, sizeof *board);
  board->pause_us = pause_us;
  daemon_start(&server, arguments);
  for (int idx = 0; idx < CLIENTS; idx++) {
    pids[idx] = crowd_start(run_client, server.ipc_url, idx, NULL);
  }
}

/* All that was acknowledged is there after one more kill, and nothing else. */
static void finish(const char *const *arguments, const pid_t pids[CLIENTS]) {
  hf_conn *conn;
  uint64_t len = 0, present = 0;
  atomic_store(&board->stop, true);
  for (int idx = 0; idx < CLIENTS; idx++) {
    assert_int_equal(crowd_wait(pids[idx], LONG_MS), CROWD_DONE);
  }
  daemon_kill(&server);
  start_again(arguments);
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  hf_dict *work = open_dict(conn, "work");
  for (int idx = 0; idx < CLIENTS; idx++) {
    for (int key = 0; key < KEYS; key++) {
      assert_true(has_value(work, idx, key));
      present += board->clients[idx].values[key] != 0;
    }
  }
  crowd_expect_ok(hf_dict_len(work, &len), "len");
  assert_int_equal(len, present);
  hf_dict_close(work);
  hf_close(conn);
  struct counts all = count_all();
  print_message("%llu changes, %llu refused, %llu reads, %llu deletes by %d clients; %llu checks\n",
                (unsigned long long)all.sets, (unsigned long long)all.refusals,
                (unsigned long long)all.reads, (unsigned long long)all.deletes, CLIENTS,
                (unsigned long long)checks);
  daemon_stop(&server);
}

static void test_a_disk_that_is_full_for_a_while(void **state) {
  const struct hf_options options = {.call_timeout_ms = SOON_MS, .grace_ms = LONG_MS};
  pid_t pids[CLIENTS];
  hf_conn *conn;
  (void)state;
  start(often, PAUSE_US, pids);
  crowd_expect_ok(hf_connect(server.ipc_url, &options, &conn), "connect");
  hf_dict *rest = open_dict(conn, "rest");
  crowd_expect_ok(hf_dict_set(rest, hf_int(REST_KEY), hf_int(REST_KEY)), "set");
  for (int round = 0; round < rounds_count; round++) {
    for (int idx = 0; idx < CLIENTS; idx++) {
      crowd_expect_running(pids[idx]);
    }
    run_round(round, rest);
  }
  hf_dict_close(rest);
  hf_close(conn);
  print_message(
      "%d rounds; changes went on at most %llu ms after there was room; SIGTERM took at "
      "most %llu ms\n",
      rounds_count, (unsigned long long)recovery_longest_ms, (unsigned long long)stop_longest_ms);
  finish(often, pids);
}

/* The state is small, the journal fills the disk before it is long enough for a snapshot. */
static void test_a_disk_that_the_journal_has_filled(void **state) {
  pid_t pids[CLIENTS];
  (void)state;
  start(seldom, 0, pids);
  expect_refusals(OWN_MS);
  expect_changes(OWN_MS);
  finish(seldom, pids);
}

/* A delete, which is not refused, and can't be committed. */
static int run_deleter(const char *url, int idx, void *arg) {
  static char key[LONG_KEY_BYTES];
  hf_conn *conn = crowd_connect(url, LONG_MS, SOON_MS);
  hf_dict *dict;
  (void)arg;
  if (hf_dict_open(conn, "rest", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  atomic_fetch_add(&board->deleters, 1);
  while (!atomic_load(&board->may_delete)) {
    usleep(1000);
  }
  usleep(idx < SHORT_KEYS_AFTER ? 0 : SHORT_MS * 1000);
  hf_status status = hf_dict_delete(dict, hf_bytes(key, idx < SHORT_KEYS_AFTER ? sizeof key : 1));
  return status == HF_UNAVAILABLE || status == HF_DEADLINE_EXCEEDED ? CROWD_DONE
                                                                    : crowd_fail("delete", idx);
}

/* Others read what is at rest, and are refused, in their time. */
static void expect_answers_beside(hf_dict *still) {
  uint64_t answers = 0, start_ms = (uint64_t)attacker_now_ms(), longest_ms = 0;
  for (uint64_t before_ms = start_ms; before_ms < start_ms + BESIDE_MS; answers += 2) {
    uint64_t len;
    crowd_expect_ok(hf_dict_len(still, &len), "len");
    assert_int_equal(len, 0);
    assert_true(is_refused(hf_dict_set(still, hf_int(1), hf_int(1))));
    uint64_t after_ms = (uint64_t)attacker_now_ms();
    longest_ms = after_ms - before_ms > longest_ms ? after_ms - before_ms : longest_ms;
    before_ms = after_ms;
    usleep(1000);
  }
  print_message("%llu answers beside %d deletes that wait, the longest after %llu ms\n",
                (unsigned long long)answers, DELETERS, (unsigned long long)longest_ms);
  assert_true(longest_ms < SOON_MS / 5);
}

/* More waits for room in the journal than it may have. */
static void test_a_stop_while_nothing_can_be_committed(void **state) {
  pid_t pids[DELETERS];
  (void)state;
  memset(board, 0, sizeof *board);
  daemon_start(&server, often);
  for (int idx = 0; idx < DELETERS; idx++) {
    pids[idx] = crowd_start(run_deleter, server.ipc_url, idx, NULL);
  }
  while (atomic_load(&board->deleters) < DELETERS) {
    usleep(1000);
  }
  hf_conn *conn = crowd_connect(server.ipc_url, LONG_MS, LONG_MS);
  hf_dict *still = open_dict(conn, "still");
  fill(0);
  atomic_store(&board->may_delete, true);
  usleep(3 * SHORT_MS * 1000);
  fill(0);
  expect_answers_beside(still);
  hf_dict_close(still);
  hf_close(conn);
  stop();
  for (int idx = 0; idx < DELETERS; idx++) {
    assert_int_equal(crowd_wait(pids[idx], LONG_MS), CROWD_DONE);
  }
  make_room();
  start_again(often);
  daemon_stop(&server);
}

/* Sets until it is refused. */
static int run_large(const char *url, int idx, void *arg) {
  static char bytes[LARGE_BYTES_MAX];
  size_t len = *(const size_t *)arg;
  hf_conn *conn = crowd_connect(url, LONG_MS, LONG_MS);
  hf_dict *dict;
  if (hf_dict_open(conn, "large", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  atomic_fetch_add(&board->deleters, 1);
  while (!atomic_load(&board->may_delete)) {
    usleep(100);
  }
  hf_status status = HF_OK;
  for (int i = 0; status == HF_OK && i < LARGE_SETS_MAX; i++) {
    status = hf_dict_set(dict, hf_int(idx), hf_bytes(bytes, len));
  }
  return is_refused(status) ? CROWD_DONE : crowd_fail("set", idx);
}

static void fill_with_large(size_t len) {
  pid_t pids[CLIENTS];
  atomic_store(&board->deleters, 0);
  atomic_store(&board->may_delete, false);
  for (int idx = 0; idx < CLIENTS; idx++) {
    pids[idx] = crowd_start(run_large, server.ipc_url, idx, &len);
  }
  while (atomic_load(&board->deleters) < CLIENTS) {
    usleep(1000);
  }
  atomic_store(&board->may_delete, true);
  for (int idx = 0; idx < CLIENTS; idx++) {
    assert_int_equal(crowd_wait(pids[idx], LONG_MS), CROWD_DONE);
  }
}

/* A client comes and deletes, out of the reserve. */
static void delete_large(void) {
  const struct hf_options options = {.call_timeout_ms = SOON_MS};
  hf_conn *conn;
  crowd_expect_ok(hf_connect(server.ipc_url, &options, &conn), "connect");
  hf_dict *dict = open_dict(conn, "large");
  for (int idx = 0; idx < CLIENTS; idx++) {
    hf_status status = hf_dict_delete(dict, hf_int(idx));
    if (status != HF_OK && status != HF_NOT_FOUND) {
      fail_msg("delete: %s: %s", hf_status_name(status), hf_last_error()->message);
    }
  }
  hf_dict_close(dict);
  hf_close(conn);
  checks++;
}

/* Of one that has made the room itself. */
static void expect_a_change(void) {
  const struct hf_options options = {.call_timeout_ms = SOON_MS};
  int64_t begun_ms = attacker_now_ms();
  hf_conn *conn;
  crowd_expect_ok(hf_connect(server.ipc_url, &options, &conn), "connect");
  hf_dict *dict = open_dict(conn, "large");
  hf_status status;
  while (is_refused(status = hf_dict_set(dict, hf_int(-1), hf_int(1)))) {
    assert_true(attacker_now_ms() - begun_ms < OWN_MS);
    usleep(10000);
  }
  crowd_expect_ok(status, "set");
  hf_dict_close(dict);
  hf_close(conn);
  checks++;
}

/* Each waits in memory while the one before is written: the reserve has to be left behind all of them. */
static void test_a_disk_that_large_values_have_filled(void **state) {
  (void)state;
  memset(board, 0, sizeof *board);
  daemon_start(&server, seldom);
  for (int round = 0; round < LARGE_ROUNDS; round++) {
    size_t len = LARGE_BYTES_MAX >> round;
    fill_with_large(len);
    print_message("values of %zu bytes: %llu bytes are left\n", len,
                  (unsigned long long)free_bytes());
    if (round % 2 == 0) {
      delete_large();
    }
    daemon_kill(&server);
    start_again(seldom);
    delete_large();
    expect_a_change();
  }
  daemon_stop(&server);
}

/* ---------------------------------------------------------------- around it */

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return is_written;
}

/* As root of a namespace of users, if not as root. */
static bool enter_namespace(void) {
  char ids[64];
  snprintf(ids, sizeof ids, "0 %u 1", (unsigned)getuid());
  return unshare(CLONE_NEWNS) == 0 ||
         (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_file("/proc/self/uid_map", ids));
}

static bool mount_disk(void) {
  char options[32];
  snprintf(options, sizeof options, "size=%dm,mode=700", DISK_MIB);
  return mount("holdfast", disk, "tmpfs", 0, options) == 0;
}

static bool make_disk(void) {
  return mkdtemp(disk) != NULL && enter_namespace() &&
         mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount_disk();
}

static int set_up(void **state) {
  (void)state;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return board == MAP_FAILED ? -1 : 0;
}

static int empty_disk(void **state) {
  (void)state;
  return umount2(disk, MNT_DETACH) == 0 && mount_disk() ? 0 : -1;
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"rounds", required_argument, NULL, 'r'}, {0}};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_a_disk_that_is_full_for_a_while, empty_disk),
      cmocka_unit_test_teardown(test_a_disk_that_the_journal_has_filled, empty_disk),
      cmocka_unit_test_teardown(test_a_disk_that_large_values_have_filled, empty_disk),
      cmocka_unit_test_teardown(test_a_stop_while_nothing_can_be_committed, empty_disk),
  };
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (letter != 'r' || (rounds_count = atoi(optarg)) <= 0) {
      fprintf(stderr, "see the head of tests/fault/full_disk.c\n");
      return 2;
    }
  }
  seed = random_seed(argc - optind + 1, argv + optind - 1);
  randomness = (struct random){seed};
  if (!make_disk()) {
    fprintf(stderr, "skipped: no file system can be mounted here: %s\n", strerror(errno));
    rmdir(disk);
    return SKIPPED;
  }
  snprintf(data, sizeof data, "%s/data", disk);
  snprintf(filler, sizeof filler, "%s/filler", disk);
  int failures = cmocka_run_group_tests_name("fault.full_disk", tests, set_up, NULL);
  umount2(disk, MNT_DETACH);
  rmdir(disk);
  return failures;
}
