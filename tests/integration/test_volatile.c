/* Volatile values and arrays of a server with a journal: mapped like all are without one, lost by its restart,
 * and never a zero in silence. The server of each test is killed and started again on its data. */
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define ADDS 10000
#define SNAPSHOT_MS_MAX 20000

static char data[64];
static const char *const with_data[] = {"--data", data, NULL};
static struct daemon server;
static hf_conn *conn;  /* near */
static hf_conn *other; /* over tcp, which maps nothing */

static hf_conn *connect_to(const char *url, const char *local) {
  hf_conn *opened;
  assert_int_equal(setenv("HOLDFAST_LOCAL", local, 1), 0);
  expect_ok(hf_connect(url, NULL, &opened));
  return opened;
}

static int set_up(void **state) {
  (void)state;
  snprintf(data, sizeof data, "/tmp/holdfast-volatile-XXXXXX");
  if (mkdtemp(data) == NULL) {
    return -1;
  }
  daemon_start(&server, with_data);
  conn = connect_to(server.ipc_url, "on");
  other = connect_to(server.tcp_url, "off");
  return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static int tear_down(void **state) {
  (void)state;
  hf_close(conn);
  hf_close(other);
  daemon_stop(&server);
  return nftw(data, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void kill_and_start(void) {
  daemon_kill(&server);
  daemon_restart(&server, with_data);
}

static hf_cell *open_volatile(hf_conn *of, const char *name, int64_t initial) {
  hf_cell *cell;
  expect_ok(hf_cell_open_volatile(of, name, 'l', hf_int(initial), &cell));
  return cell;
}

static void expect_number(hf_cell *cell, int64_t expected) {
  int64_t found;
  expect_ok(hf_cell_get_int(cell, &found));
  assert_int_equal(found, expected);
}

#define expect_lost(call) expect_fails(call, FAILED_PRECONDITION, CELL_LOST)

/* ---- mapped */

static int add_many(void) {
  hf_cell *cell;
  hf_conn *own;
  if (hf_connect(server.ipc_url, NULL, &own) != HF_OK ||
      hf_cell_open_volatile(own, "counter", 'l', hf_int(0), &cell) != HF_OK ||
      hf_cell_data(cell) == NULL) {
    return 1;
  }
  raise(SIGSTOP); /* until the server is stopped, too */
  for (int i = 0; i < ADDS; i++) {
    if (hf_cell_add_int(cell, 1, NULL) != HF_OK) {
      return 2;
    }
  }
  return 0;
}

static void wait_until_stopped(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
  assert_true(WIFSTOPPED(status));
}

/* Nothing answers a request meanwhile: all of it goes through shared memory. */
static void test_volatile_processes_add_while_the_server_stands_still(void **state) {
  pid_t pids[2];
  (void)state;
  hf_cell *cell = open_volatile(conn, "counter", 5);
  assert_int_equal(setenv("HOLDFAST_LOCAL", "on", 1), 0);
  for (int i = 0; i < 2; i++) {
    pids[i] = fork();
    if (pids[i] == 0) {
      _exit(add_many());
    }
    wait_until_stopped(pids[i]);
  }
  assert_int_equal(kill(server.pid, SIGSTOP), 0);
  wait_until_stopped(server.pid);
  for (int i = 0; i < 2; i++) {
    int status;
    assert_int_equal(kill(pids[i], SIGCONT), 0);
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  expect_number(cell, 5 + 2 * ADDS);
  assert_int_equal(kill(server.pid, SIGCONT), 0);
  hf_cell *far = open_volatile(other, "counter", 0);
  assert_null(hf_cell_data(far));
  expect_number(far, 5 + 2 * ADDS);
  hf_cell_close(far);
  hf_cell_close(cell);
}

static void test_volatile_others_are_durable_and_not_mapped(void **state) {
  hf_cell *cell;
  hf_array *array;
  hf_value value;
  (void)state;
  expect_ok(hf_cell_open(conn, "durable", 'l', hf_int(7), &cell));
  expect_ok(hf_raw_array_open(conn, "array", 'i', 3, NULL, &array));
  assert_null(hf_cell_data(cell));
  assert_null(hf_array_data(array));
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_ok(hf_array_set(array, 2, hf_int(9)));
  kill_and_start();
  expect_number(cell, 8);
  expect_ok(hf_array_get(array, 2, &value));
  expect_equal(value, hf_int(9));
  hf_array_close(array);
  hf_cell_close(cell);
}

/* ---- lost */

static void expect_all_lost(hf_cell *cell) {
  hf_value value;
  int64_t integer;
  expect_lost(hf_cell_get(cell, &value));
  expect_lost(hf_cell_get_int(cell, &integer));
  expect_lost(hf_cell_set(cell, hf_int(1)));
  expect_lost(hf_cell_add(cell, hf_int(1), &value));
  expect_lost(hf_cell_add_int(cell, 1, &integer));
  expect_lost(hf_cell_exchange(cell, hf_int(1), &value));
  expect_lost(hf_cell_compare_and_set(cell, hf_int(0), hf_int(1), NULL, NULL));
  expect_lost(hf_cell_wait(cell, hf_int(0), 100, &value));
  expect_lost(hf_cell_lock(cell, 100));
}

static void test_volatile_is_lost_until_it_is_made_anew(void **state) {
  hf_cell *opened;
  hf_object *object;
  (void)state;
  hf_cell *cell = open_volatile(conn, "v", 3);
  hf_cell *far = open_volatile(other, "v", 0);
  assert_non_null(hf_cell_data(cell));
  expect_number(far, 3);
  kill_and_start();
  expect_all_lost(cell);
  expect_all_lost(far);
  assert_null(hf_cell_data(cell));
  expect_lost(hf_cell_open_volatile(conn, "v", 'l', hf_int(0), &opened));
  expect_ok(hf_open(conn, "v", HF_VALUE, &object));
  expect_all_lost((hf_cell *)object);
  kill_and_start(); /* it stays so */
  expect_all_lost(cell);
  expect_ok(hf_object_delete(object));
  hf_object_close(object);
  hf_cell *anew = open_volatile(conn, "v", 4);
  assert_non_null(hf_cell_data(anew));
  expect_number(anew, 4);
  expect_ok(hf_cell_add(anew, hf_int(1), NULL));
  hf_cell *again = open_volatile(other, "v", 0);
  expect_number(again, 5);
  expect_ok(hf_delete(conn, "v"));
  hf_cell_close(again);
  hf_cell_close(anew);
  hf_cell_close(far);
  hf_cell_close(cell);
}

static void test_volatile_arrays_and_raw_kinds_are_lost(void **state) {
  hf_array *array, *raw, *opened;
  hf_cell *number;
  hf_value value;
  int elements[4];
  const hf_value initial[] = {hf_int(1), hf_int(2), hf_int(3), hf_int(4)};
  (void)state;
  expect_ok(hf_array_open_volatile(conn, "a", 'i', 4, initial, &array));
  expect_ok(hf_raw_array_open_volatile(conn, "r", 'i', 4, initial, &raw));
  expect_ok(hf_raw_cell_open_volatile(conn, "n", 'i', hf_int(1), &number));
  assert_non_null(hf_array_data(array));
  assert_non_null(hf_array_data(raw));
  assert_non_null(hf_cell_data(number));
  kill_and_start();
  expect_lost(hf_array_get(array, 0, &value));
  expect_lost(hf_array_read(array, 0, 4, elements));
  expect_lost(hf_array_write(array, 0, 4, elements));
  expect_lost(hf_array_add(raw, 0, hf_int(1), &value));
  expect_lost(hf_array_set(raw, 0, hf_int(1)));
  expect_lost(hf_cell_get(number, &value));
  expect_lost(hf_array_open_volatile(conn, "a", 'i', 4, NULL, &opened));
  expect_ok(hf_delete(conn, "a"));
  expect_ok(hf_array_open_volatile(conn, "a", 'i', 4, NULL, &opened));
  expect_ok(hf_array_get(opened, 0, &value));
  expect_equal(value, hf_int(0));
  hf_array_close(opened);
  hf_cell_close(number);
  hf_array_close(raw);
  hf_array_close(array);
}

/* ---- those that wait, and that own its lock */

struct waiting {
  hf_cell *cell;
  hf_status status;
  char reason[32];
};

static void *wait_for_change(void *arg) {
  struct waiting *waiting = arg;
  hf_value value;
  waiting->status = hf_cell_wait(waiting->cell, hf_int(1), HF_FOREVER, &value);
  snprintf(waiting->reason, sizeof waiting->reason, "%s", hf_last_error()->reason);
  return NULL;
}

static void *wait_for_lock(void *arg) {
  struct waiting *waiting = arg;
  waiting->status = hf_cell_lock(waiting->cell, HF_FOREVER);
  snprintf(waiting->reason, sizeof waiting->reason, "%s", hf_last_error()->reason);
  return NULL;
}

static void test_volatile_waits_and_locks_end(void **state) {
  pthread_t threads[4];
  void *(*const works[])(void *) = {wait_for_change, wait_for_change, wait_for_lock, wait_for_lock};
  struct waiting waits[4];
  (void)state;
  hf_cell *changing[] = {open_volatile(conn, "w", 1), open_volatile(other, "w", 1)};
  hf_cell *locked[] = {open_volatile(conn, "l", 1), open_volatile(other, "l", 1)};
  expect_ok(hf_cell_lock(locked[0], HF_FOREVER));
  for (int i = 0; i < 4; i++) {
    waits[i] = (struct waiting){.cell = i < 2 ? changing[i] : locked[i - 2]};
    assert_int_equal(pthread_create(&threads[i], NULL, works[i], &waits[i]), 0);
  }
  sleep_ms(300);
  kill_and_start();
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(waits[i].status, HF_FAILED_PRECONDITION);
    assert_string_equal(waits[i].reason, "CELL_LOST");
  }
  expect_lost(hf_cell_unlock(locked[1]));
  for (int i = 0; i < 2; i++) {
    hf_cell_close(changing[i]);
    hf_cell_close(locked[i]);
  }
}

/* ---- a snapshot in between */

static uint64_t snapshot_index(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(other, &info));
  return info.journal.snapshot_index;
}

static void make_snapshot(void) {
  uint64_t before = snapshot_index();
  uint64_t began_ms = now_ms();
  expect_ok(hf_server_snapshot(other));
  while (snapshot_index() == before) {
    assert_true(now_ms() - began_ms < SNAPSHOT_MS_MAX);
    sleep_ms(20);
  }
}

static void test_volatile_a_snapshot_has_where_it_is_and_not_what(void **state) {
  hf_cell *durable;
  (void)state;
  hf_cell *cell = open_volatile(conn, "v", 1);
  hf_cell *far = open_volatile(other, "v", 1);
  expect_ok(hf_cell_open(conn, "durable", 'l', hf_int(0), &durable));
  make_snapshot();
  for (int i = 1; i <= 20; i++) { /* what a replay behind the snapshot has no memory for */
    int64_t sum;
    expect_ok(hf_cell_add_int(cell, 1, NULL));
    expect_ok(hf_cell_add_int(far, 1, &sum));
    assert_int_equal(sum, 1 + 2 * i);
    expect_ok(hf_cell_set(durable, hf_int(sum)));
  }
  make_snapshot();
  expect_ok(hf_cell_lock(cell, HF_FOREVER));
  expect_fails(hf_cell_lock(far, 50), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_cell_unlock(cell));
  expect_ok(hf_cell_add_int(far, 1, NULL));
  kill_and_start();
  expect_number(durable, 41);
  expect_all_lost(cell);
  make_snapshot();
  kill_and_start();
  expect_number(durable, 41);
  expect_all_lost(far);
  hf_cell_close(durable);
  hf_cell_close(far);
  hf_cell_close(cell);
}

/* ---- together with durable objects */

static void test_volatile_in_no_transaction_with_durable_objects(void **state) {
  hf_dict *dict;
  size_t part = 0;
  (void)state;
  hf_cell *cell = open_volatile(conn, "v", 1), *second = open_volatile(conn, "w", 1);
  expect_ok(hf_dict_open(conn, "d", &dict));
  expect_ok(hf_transaction_begin(conn));
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_ok(hf_dict_set(dict, hf_text("k"), hf_int(1)));
  expect_fails(hf_transaction_commit(conn, 0, &part), INVALID_ARGUMENT, MIXED_DURABILITY);
  assert_int_equal(part, 2);
  expect_ok(hf_transaction_begin(conn));
  expect_ok(hf_require_at_least(cell, hf_int(1)));
  expect_ok(hf_dict_set(dict, hf_text("k"), hf_int(1)));
  expect_fails(hf_transaction_commit(conn, 0, NULL), INVALID_ARGUMENT, MIXED_DURABILITY);
  expect_number(cell, 1);
  expect_ok(hf_transaction_begin(conn));
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_ok(hf_cell_add(second, hf_int(1), NULL));
  expect_ok(hf_transaction_commit(conn, 0, NULL));
  expect_number(cell, 2);
  expect_number(second, 2);
  kill_and_start();
  expect_ok(hf_transaction_begin(conn));
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_fails(hf_transaction_commit(conn, 0, NULL), FAILED_PRECONDITION, CELL_LOST);
  hf_dict_close(dict);
  hf_cell_close(second);
  hf_cell_close(cell);
}

static void test_volatile_is_opened_as_what_it_is(void **state) {
  hf_cell *opened;
  hf_object *object;
  (void)state;
  hf_cell *cell = open_volatile(conn, "v", 1);
  expect_fails(hf_cell_open(conn, "v", 'l', hf_int(0), &opened), INVALID_ARGUMENT, WRONG_SHAPE);
  assert_non_null(strstr(hf_last_error()->message, "volatile"));
  expect_ok(hf_open(conn, "v", HF_VALUE, &object));
  expect_number((hf_cell *)object, 1);
  hf_object_close(object);
  hf_cell_close(cell);
  expect_ok(hf_cell_open(conn, "d", 'l', hf_int(0), &cell));
  expect_fails(hf_cell_open_volatile(conn, "d", 'l', hf_int(0), &opened), INVALID_ARGUMENT,
               WRONG_SHAPE);
  assert_non_null(strstr(hf_last_error()->message, "durable"));
  hf_cell_close(cell);
}

static void test_volatile_without_a_journal_is_nothing_special(void **state) {
  struct daemon plain;
  hf_cell *cell, *same;
  hf_dict *dict;
  (void)state;
  daemon_start(&plain, NULL);
  hf_conn *own = connect_to(plain.ipc_url, "on");
  expect_ok(hf_cell_open_volatile(own, "v", 'l', hf_int(1), &cell));
  expect_ok(hf_cell_open(own, "v", 'l', hf_int(1), &same));
  assert_non_null(hf_cell_data(cell));
  assert_non_null(hf_cell_data(same));
  expect_ok(hf_dict_open(own, "d", &dict));
  expect_ok(hf_transaction_begin(own));
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_ok(hf_dict_set(dict, hf_text("k"), hf_int(1)));
  expect_ok(hf_transaction_commit(own, 0, NULL));
  expect_number(same, 2);
  hf_dict_close(dict);
  hf_cell_close(same);
  hf_cell_close(cell);
  hf_close(own);
  daemon_stop(&plain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_volatile_##name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(processes_add_while_the_server_stands_still),
      TEST(others_are_durable_and_not_mapped),
      TEST(is_lost_until_it_is_made_anew),
      TEST(arrays_and_raw_kinds_are_lost),
      TEST(waits_and_locks_end),
      TEST(a_snapshot_has_where_it_is_and_not_what),
      TEST(in_no_transaction_with_durable_objects),
      TEST(is_opened_as_what_it_is),
      TEST(without_a_journal_is_nothing_special),
  };
  return cmocka_run_group_tests_name("integration.volatile", tests, NULL, NULL);
}
