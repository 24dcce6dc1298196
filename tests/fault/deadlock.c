/* Processes that wait for each other in a circle are named within a second, in the list of locks
 * and in the server's log; one that asked for it is refused instead, and the others go on.
 *
 * usage: deadlock [--rounds N] [SEED]     of each kind, 5 by default
 */
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <setjmp.h>
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

#define PARTIES_MAX 5
#define NAMED_MS 1000
#define TIMEOUT_MS 20000
#define LOG_BYTES_MAX 262144

/* Exit code of the one that was refused. */
enum { REFUSED = 20 };

/* One circle; shared with its processes. */
struct circle {
  int parties, round;
  bool refuses;
  uint64_t seed;
  atomic_int holding_count;
};

static struct daemon server;
static struct circle *circle;
static hf_conn *conn;
static struct random randomness;
static int rounds_count = 5;
static char log_path[] = "/tmp/holdfast-deadlock-XXXXXX";

static void name_lock(char name[64], int idx) {
  snprintf(name, 64, "circle-%d-%d", circle->round, idx % circle->parties);
}

static hf_lock *open_lock(hf_conn *own, int idx) {
  char name[64];
  hf_lock *lock;
  name_lock(name, idx);
  if (hf_lock_open(own, name, &lock) != HF_OK) {
    _exit(crowd_fail("open", idx));
  }
  return lock;
}

/* Not until every process owns a lock, and then at a time of its own. */
static void await_others(int idx) {
  struct random pause = {circle->seed + (uint64_t)idx};
  atomic_fetch_add(&circle->holding_count, 1);
  while (atomic_load(&circle->holding_count) < circle->parties) {
    usleep(100);
  }
  usleep((useconds_t)random_below(&pause, 5000));
}

static int join_circle(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *own = crowd_connect(url, 0, TIMEOUT_MS);
  hf_lock *first = open_lock(own, idx), *second = open_lock(own, idx + 1);
  const struct hf_lock_options options = {.refuse_deadlock = circle->refuses};
  if (hf_lock_acquire(first, 0, NULL) != HF_OK) {
    return crowd_fail("acquire the first", idx);
  }
  await_others(idx);
  hf_status status = hf_lock_acquire_with(second, &options, TIMEOUT_MS, NULL);
  bool is_refused = status == HF_ABORTED && strcmp(hf_last_error()->reason, "DEADLOCK") == 0;
  if (status != HF_OK && !is_refused) {
    return crowd_fail("acquire the second", idx);
  }
  if ((status == HF_OK && hf_lock_release(second) != HF_OK) || hf_lock_release(first) != HF_OK) {
    return crowd_fail("release", idx);
  }
  return is_refused ? REFUSED : CROWD_DONE;
}

static void start_circle(int parties, bool refuses, pid_t pids[PARTIES_MAX]) {
  static int round;
  *circle = (struct circle){
      .parties = parties, .round = round++, .refuses = refuses, .seed = random_next(&randomness)};
  for (int idx = 0; idx < parties; idx++) {
    pids[idx] = crowd_start(join_circle, idx % 2 ? server.tcp_url : server.ipc_url, idx, NULL);
  }
}

/* ---------------------------------------------------------------- naming */

/* Locks of this circle that are said to be in one. */
static int count_deadlocked(void) {
  struct hf_lock_info *locks;
  size_t count;
  char prefix[64];
  int deadlocked_count = 0;
  snprintf(prefix, sizeof(prefix), "circle-%d-", circle->round);
  crowd_expect_ok(hf_list_locks(conn, &locks, &count), "list");
  for (size_t i = 0; i < count; i++) {
    bool is_ours = strncmp(locks[i].name, prefix, strlen(prefix)) == 0;
    deadlocked_count += is_ours && locks[i].deadlocked ? 1 : 0;
  }
  hf_locks_free(locks, count);
  return deadlocked_count;
}

static bool log_names_circle(void) {
  static char text[LOG_BYTES_MAX];
  char name[64];
  FILE *file = fopen(log_path, "re");
  assert_non_null(file);
  text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
  fclose(file);
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    bool is_named = strstr(line, "deadlock: ") != NULL;
    for (int idx = 0; idx < circle->parties && is_named; idx++) {
      name_lock(name, idx);
      is_named = strstr(line, name) != NULL;
    }
    if (is_named) {
      return true;
    }
  }
  return false;
}

static uint64_t deadlocks_seen(void) {
  struct hf_server_info info;
  crowd_expect_ok(hf_server_info(conn, &info), "server info");
  return info.deadlocks;
}

static int64_t expect_named(uint64_t seen_before) {
  while (atomic_load(&circle->holding_count) < circle->parties) {
    usleep(100);
  }
  int64_t begun_ms = attacker_now_ms();
  while (count_deadlocked() < circle->parties || !log_names_circle()) {
    if (attacker_now_ms() - begun_ms > NAMED_MS) {
      fail_msg("%d of %d locks are named, the log %s", count_deadlocked(), circle->parties,
               log_names_circle() ? "says so" : "does not");
    }
    usleep(1000);
  }
  assert_int_equal(deadlocks_seen(), seen_before + 1);
  return attacker_now_ms() - begun_ms;
}

/* The log has five lines a second for what peers can cause. */
static void let_the_log_rest(void) {
  usleep(250000);
}

/* One of them is killed, and the circle comes undone. */
static int64_t undo_by_death(int parties) {
  pid_t pids[PARTIES_MAX];
  uint64_t seen_before = deadlocks_seen();
  int victim = (int)random_below(&randomness, (uint64_t)parties);
  start_circle(parties, false, pids);
  int64_t took_ms = expect_named(seen_before);
  crowd_kill(pids[victim]);
  for (int idx = 0; idx < parties; idx++) {
    if (idx != victim) {
      assert_int_equal(crowd_wait(pids[idx], TIMEOUT_MS / 2), CROWD_DONE);
    }
  }
  assert_int_equal(count_deadlocked(), 0);
  return took_ms;
}

static void test_circles_are_named(void **state) {
  (void)state;
  int64_t worst_ms = 0;
  for (int round = 0; round < 2 * rounds_count; round++) {
    let_the_log_rest();
    int64_t took_ms = undo_by_death(round % 2 == 0 ? 2 : PARTIES_MAX);
    worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
  }
  print_message("%d circles of 2 and of %d were named, after at most %lld ms\n", 2 * rounds_count,
                PARTIES_MAX, (long long)worst_ms);
}

/* ---------------------------------------------------------------- refusing */

static void expect_one_refused(int parties) {
  pid_t pids[PARTIES_MAX];
  int refused_count = 0;
  start_circle(parties, true, pids);
  for (int idx = 0; idx < parties; idx++) {
    int code = crowd_wait(pids[idx], TIMEOUT_MS / 2);
    assert_true(code == CROWD_DONE || code == REFUSED);
    refused_count += code == REFUSED ? 1 : 0;
  }
  assert_int_equal(refused_count, 1);
}

static void test_circles_are_refused_to_one(void **state) {
  (void)state;
  for (int round = 0; round < 2 * rounds_count; round++) {
    expect_one_refused(round % 2 == 0 ? 2 : PARTIES_MAX);
  }
  print_message("%d circles of 2 and of %d were refused to one of them each\n", 2 * rounds_count,
                PARTIES_MAX);
}

/* ---------------------------------------------------------------- the server */

/* Its log goes to a file, to be read. */
static void start_logged(void) {
  int log = mkstemp(log_path), console = dup(STDERR_FILENO);
  assert_true(log >= 0 && console >= 0);
  dup2(log, STDERR_FILENO);
  daemon_start(&server, NULL);
  dup2(console, STDERR_FILENO);
  close(console);
  close(log);
}

static int set_up(void **state) {
  (void)state;
  start_logged();
  circle = mmap(NULL, sizeof(*circle), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return circle != MAP_FAILED && hf_connect(server.tcp_url, NULL, &conn) == HF_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  hf_close(conn);
  daemon_stop(&server);
  unlink(log_path);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_circles_are_named),
      cmocka_unit_test(test_circles_are_refused_to_one),
  };
  if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
    rounds_count = atoi(argv[2]);
    argc -= 2;
    argv += 2;
  }
  randomness.state = random_seed(argc, argv);
  return cmocka_run_group_tests_name("fault.deadlock", tests, set_up, tear_down);
}
