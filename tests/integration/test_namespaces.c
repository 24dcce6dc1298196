/* Values in shared memory among processes that see different process ids, as those of different
 * containers do. Each of these is process 1, thread 1, of a namespace of its own: a mutex that
 * names its owner by thread id can't distinguish them.
 *
 *   test_namespaces local [--count N]      N increments by each of three processes, 5,000 by default
 */
#define _GNU_SOURCE /* unshare */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define SKIPPED 77
#define DEATH_IS_KNOWN_MS 2000

static int64_t increments_count = 5000;

/* Memory of the test's own, which its processes share: where they are, and when to go on. */
static struct {
  volatile pid_t pids[2]; /* as the test sees them */
  volatile bool has_lock[2], is_waiting[2], may_go_on[2];
} * scene;

static void await(const volatile bool *flag) {
  uint64_t until_ms = now_ms() + 5000;
  while (!*flag) {
    if (now_ms() > until_ms) {
      _exit(99); /* in the test itself too: an assertion would be a child's own */
    }
    sleep_ms(1);
  }
}

/* ---- processes apart */

struct apart {
  int (*work)(int idx);
  int idx;
};

static int run_apart(void *argument) {
  const struct apart *apart = argument;
  int status;
  if (unshare(CLONE_NEWPID) != 0) {
    return 94;
  }
  pid_t first = fork();
  if (first == 0) {
    _exit(getpid() == 1 ? apart->work(apart->idx) : 98);
  }
  scene->pids[apart->idx] = first;
  if (first < 0 || waitpid(first, &status, 0) != first) {
    return 97;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}

/* Answers what waits for it. */
static pid_t start_apart(int (*work)(int idx), int idx) {
  struct apart apart = {work, idx};
  return child_start(run_apart, &apart);
}

static hf_cell *open_value(hf_conn *conn) {
  hf_cell *cell = NULL;
  expect_ok(hf_cell_open(conn, "value", 'q', hf_int(0), &cell));
  return cell;
}

static hf_cell *open_apart(void) {
  hf_conn *conn = child_connect();
  if (strcmp(hf_conn_path(conn), world.path) != 0) {
    fprintf(stderr, "path %s: %s\n", hf_conn_path(conn), hf_conn_path_reason(conn));
    _exit(95);
  }
  return open_value(conn);
}

static int set_up(void **state) {
  (void)state;
  scene = mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(scene, MAP_FAILED);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  munmap(scene, sizeof *scene);
  expect_ok(hf_delete(world.conn, "value"));
  return 0;
}

/* ---- one owner at a time */

static int lock_until_released(int idx) {
  hf_cell *cell = open_apart();
  if (hf_cell_lock(cell, 5000) != HF_OK) {
    return 1;
  }
  scene->has_lock[idx] = true;
  await(&scene->may_go_on[idx]);
  return hf_cell_unlock(cell) == HF_OK ? 0 : 2;
}

static int fail_to_lock(int idx) {
  (void)idx;
  hf_cell *cell = open_apart();
  return hf_cell_lock(cell, 50) == HF_DEADLINE_EXCEEDED ? 0 : 1;
}

static void test_namespaces_a_lock_has_one_owner(void **state) {
  (void)state;
  hf_cell *cell = open_value(world.conn);
  pid_t owner = start_apart(lock_until_released, 0);
  await(&scene->has_lock[0]);
  pid_t other = start_apart(fail_to_lock, 1);
  int code = child_end(other);
  expect_fails(hf_cell_lock(cell, 50), DEADLINE_EXCEEDED, LOCK_HELD);
  scene->may_go_on[0] = true;
  assert_int_equal(child_end(owner), 0);
  assert_int_equal(code, 0);
  expect_ok(hf_cell_lock(cell, 5000));
  expect_ok(hf_cell_unlock(cell));
  hf_cell_close(cell);
}

static int read_and_write(hf_cell *cell) {
  int64_t number;
  for (int64_t i = 0; i < increments_count; i++) {
    if (hf_cell_lock(cell, HF_FOREVER) != HF_OK || hf_cell_get_int(cell, &number) != HF_OK) {
      return 1;
    }
    sched_yield(); /* time for another owner, if there can be one */
    if (hf_cell_set(cell, hf_int(number + 1)) != HF_OK || hf_cell_unlock(cell) != HF_OK) {
      return 2;
    }
  }
  return 0;
}

static int read_and_write_apart(int idx) {
  (void)idx;
  return read_and_write(open_apart());
}

static void test_namespaces_no_increment_is_lost(void **state) {
  (void)state;
  hf_cell *cell = open_value(world.conn);
  int64_t number = 0;
  pid_t children[] = {start_apart(read_and_write_apart, 0), start_apart(read_and_write_apart, 1)};
  assert_int_equal(read_and_write(cell), 0);
  assert_int_equal(child_end(children[0]), 0);
  assert_int_equal(child_end(children[1]), 0);
  expect_ok(hf_cell_get_int(cell, &number));
  assert_int_equal(number, 3 * increments_count);
  hf_cell_close(cell);
}

/* ---- deaths */

static void test_namespaces_killed_owner_is_reported_to_the_next(void **state) {
  (void)state;
  struct hf_grant grant;
  hf_cell *cell = open_value(world.conn);
  pid_t owner = start_apart(lock_until_released, 0);
  await(&scene->has_lock[0]);
  assert_int_equal(kill(scene->pids[0], SIGKILL), 0);
  expect_ok(hf_cell_lock_with(cell, DEATH_IS_KNOWN_MS, &grant));
  assert_true(grant.owner_died);
  expect_ok(hf_cell_unlock(cell));
  assert_int_equal(child_end(owner), 96);
  hf_cell_close(cell);
}

static int wait_for_lock(int idx) {
  hf_cell *cell = open_apart();
  scene->is_waiting[idx] = true;
  return hf_cell_lock(cell, HF_FOREVER) == HF_OK ? 0 : 1;
}

/* The kernel releases what a dying thread was about to lock, if its word has the thread's id. */
static void test_namespaces_killed_waiter_takes_no_lock_along(void **state) {
  (void)state;
  hf_cell *cell = open_value(world.conn);
  expect_ok(hf_cell_lock(cell, 0));
  pid_t waiter = start_apart(wait_for_lock, 0);
  await(&scene->is_waiting[0]);
  sleep_ms(30);
  assert_int_equal(kill(scene->pids[0], SIGSTOP), 0);
  sleep_ms(10);
  expect_ok(hf_cell_unlock(cell));
  pid_t owner = start_apart(lock_until_released, 1);
  sleep_ms(300); /* a grant to the stopped one ends with its session */
  assert_int_equal(kill(scene->pids[0], SIGKILL), 0);
  assert_int_equal(child_end(waiter), 96);
  await(&scene->has_lock[1]);
  expect_fails(hf_cell_lock(cell, 50), DEADLINE_EXCEEDED, LOCK_HELD);
  scene->may_go_on[1] = true;
  assert_int_equal(child_end(owner), 0);
  hf_cell_close(cell);
}

/* ---- what they share */

static int share(int idx) {
  hf_conn *conn = child_connect();
  hf_cell *raw = NULL, *cell = open_value(conn);
  if (hf_raw_cell_open(conn, "raw", 'q', hf_int(0), &raw) != HF_OK || hf_cell_data(raw) == NULL) {
    return 1;
  }
  for (int64_t i = 0; i < increments_count; i++) {
    if (hf_cell_add_int(raw, 1, NULL) != HF_OK) {
      return 2;
    }
  }
  return hf_cell_data(cell) == NULL ? 0 : 3 + idx;
}

static void test_namespaces_raw_values_are_within_reach(void **state) {
  (void)state;
  hf_cell *raw = NULL;
  int64_t number = 0;
  expect_ok(hf_raw_cell_open(world.conn, "raw", 'q', hf_int(0), &raw));
  hf_cell *cell = open_value(world.conn);
  pid_t children[] = {start_apart(share, 0), start_apart(share, 1)};
  for (int64_t i = 0; i < increments_count; i++) {
    expect_ok(hf_cell_add_int(raw, 1, NULL));
  }
  assert_int_equal(child_end(children[0]), 0);
  assert_int_equal(child_end(children[1]), 0);
  expect_ok(hf_cell_get_int(raw, &number));
  assert_int_equal(number, 3 * increments_count);
  hf_cell_close(raw);
  hf_cell_close(cell);
  expect_ok(hf_delete(world.conn, "raw"));
}

static int connect_by_tcp(int idx) {
  hf_conn *conn = NULL;
  (void)idx;
  hf_status status = hf_connect(world.daemon.tcp_url, NULL, &conn);
  return status == HF_OK && strcmp(hf_conn_path(conn), world.path) == 0 ? 0 : 1;
}

static void test_namespaces_handshake_is_announced_over_tcp(void **state) {
  (void)state;
  hf_cell_close(open_value(world.conn));
  assert_int_equal(child_end(start_apart(connect_by_tcp, 0)), 0);
}

static bool may_be_apart(void) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    _exit(unshare(CLONE_NEWPID) == 0 ? 0 : 1);
  }
  return waitpid(child, &status, 0) == child && status == 0;
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      SCENE(test_namespaces_a_lock_has_one_owner),
      SCENE(test_namespaces_no_increment_is_lost),
      SCENE(test_namespaces_killed_owner_is_reported_to_the_next),
      SCENE(test_namespaces_killed_waiter_takes_no_lock_along),
      SCENE(test_namespaces_raw_values_are_within_reach),
      SCENE(test_namespaces_handshake_is_announced_over_tcp),
  };
  if (!may_be_apart()) {
    printf("skipped: no namespaces of process ids without being root\n");
    return SKIPPED;
  }
  if (argc > 3 && strcmp(argv[2], "--count") == 0) {
    increments_count = atoll(argv[3]);
  }
  return world_main(argc, argv, "namespaces", tests, sizeof tests / sizeof *tests);
}
