/* What a process has mapped of values and arrays, and for how long. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define LARGE_COUNT 20000 /* elements: too many for an arena */
#define ROUNDS 30

static unsigned mapped(pid_t pid) {
  char path[64], line[512];
  unsigned count = 0;
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL) {
    count += strstr(line, "memfd:holdfast") != NULL;
  }
  fclose(file);
  return count;
}

static unsigned descriptors(pid_t pid) {
  char path[64];
  unsigned count = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while (readdir(dir) != NULL) {
    count++;
  }
  closedir(dir);
  return count;
}

/* ---- connections */

static void use_many(void) {
  hf_conn *conn = connect_again(0);
  hf_array *arrays[20];
  hf_cell *cells[20];
  for (int i = 0; i < 20; i++) {
    expect_ok(hf_array_open(conn, NULL, 'd', 20000, NULL, &arrays[i]));
    expect_ok(hf_cell_open(conn, NULL, 'd', hf_float(1), &cells[i]));
    assert_non_null(hf_array_data(arrays[i]));
    assert_non_null(hf_cell_data(cells[i]));
  }
  for (int i = 0; i < 20; i++) {
    hf_array_close(arrays[i]);
    hf_cell_close(cells[i]);
  }
  hf_close(conn);
}

static void test_mapped_nothing_is_left_of_connections_gone(void **state) {
  (void)state;
  unsigned maps[2], fds[2], own = 0;
  for (int round = 0; round < 10; round++) {
    use_many();
    expect_ok(hf_ping(world.conn, NULL));
    uint64_t until_ms = now_ms() + 2000; /* connections end a little later */
    do {
      maps[round > 0] = mapped(world.daemon.pid);
      fds[round > 0] = descriptors(world.daemon.pid);
      sleep_ms(1);
    } while (round > 0 && (maps[1] > maps[0] || fds[1] > fds[0]) && now_ms() < until_ms);
    if (round == 0) {
      sleep_ms(200);
      maps[0] = mapped(world.daemon.pid);
      fds[0] = descriptors(world.daemon.pid);
      own = mapped(getpid());
    }
  }
  printf("server's mappings %u -> %u, descriptors %u -> %u\n", maps[0], maps[1], fds[0], fds[1]);
  assert_true(maps[1] <= maps[0]);
  assert_true(fds[1] <= fds[0]);
  assert_int_equal(mapped(getpid()), own);
}

/* ---- handles of a connection that stays */

static hf_array *open_large(const char *name) {
  hf_array *array;
  expect_ok(hf_array_open(world.conn, name, 'q', LARGE_COUNT, NULL, &array));
  assert_non_null(hf_array_data(array));
  return array;
}

static hf_cell *open_small(void) {
  hf_cell *cell;
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(0), &cell));
  assert_non_null(hf_cell_data(cell));
  return cell;
}

/* What stays is the server's life, and an arena. */
static void test_mapped_until_the_handle_is_closed(void **state) {
  (void)state;
  hf_cell_close(open_small());
  unsigned before = mapped(getpid());
  for (int i = 0; i < ROUNDS; i++) {
    hf_array *array = open_large(NULL);
    hf_cell *cell = open_small();
    assert_int_equal(mapped(getpid()), before + 1);
    hf_array_close(array);
    assert_int_equal(mapped(getpid()), before);
    hf_cell_close(cell);
    assert_int_equal(mapped(getpid()), before);
  }
}

static void test_mapped_one_arena_stays(void **state) {
  (void)state;
  hf_cell *cell = open_small();
  hf_array *arrays[ROUNDS];
  unsigned before = mapped(getpid());
  for (int i = 0; i < ROUNDS; i++) {
    expect_ok(hf_array_open(world.conn, NULL, 'q', 8000, NULL, &arrays[i])); /* 16 in an arena */
    assert_non_null(hf_array_data(arrays[i]));
  }
  assert_true(mapped(getpid()) >= before + 2);
  for (int i = 0; i < ROUNDS; i++) {
    hf_array_close(arrays[i]);
  }
  hf_cell_close(cell);
  assert_true(mapped(getpid()) <= before);
}

/* Of an arena's size, but a deleted cell's: no use to the next one. */
static void test_mapped_large_cell_is_no_arena(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_cell *cell;
  hf_array *array;
  expect_ok(hf_cell_open(conn, NULL, 'q', hf_int(0), &cell));
  unsigned before = mapped(getpid());
  expect_ok(hf_raw_array_open(conn, NULL, 'c', (1u << 20) - 64, NULL, &array));
  assert_non_null(hf_array_data(array));
  assert_int_equal(mapped(getpid()), before + 1);
  hf_array_close(array);
  assert_int_equal(mapped(getpid()), before);
  hf_cell_close(cell);
  hf_close(conn);
}

static void test_mapped_as_long_as_another_handle_is_open(void **state) {
  (void)state;
  unsigned before = mapped(getpid());
  hf_array *one = open_large("twice"), *other = open_large("twice");
  int64_t *elements = hf_array_data(one);
  assert_ptr_equal(hf_array_data(other), elements);
  hf_array_close(one);
  elements[LARGE_COUNT - 1] = 7;
  assert_int_equal(mapped(getpid()), before + 1);
  hf_array_close(other);
  assert_int_equal(mapped(getpid()), before);
  expect_ok(hf_delete(world.conn, "twice"));
}

static int close_inherited(void *argument) {
  hf_array *array = argument;
  unsigned before = mapped(getpid());
  int64_t *elements = hf_array_data(array);
  if (elements == NULL || elements[0] != 5 || hf_array_set(array, 1, hf_int(6)) != HF_OK) {
    return 1;
  }
  hf_array_close(array);
  return mapped(getpid()) < before + 2 ? 0 : 2; /* it has rings and a life of its own */
}

static void test_mapped_in_a_child_until_it_closes_its_own(void **state) {
  (void)state;
  hf_array *array = open_large(NULL);
  int64_t *elements = hf_array_data(array);
  elements[0] = 5;
  assert_int_equal(child_end(child_start(close_inherited, array)), 0);
  assert_int_equal(elements[1], 6);
  hf_array_close(array);
}

/* The lock has no owner any more, whatever the outcome. */
static void test_mapped_no_longer_than_the_lock_is_owned(void **state) {
  (void)state;
  hf_cell_close(open_small());
  unsigned before = mapped(getpid());
  hf_array *one = open_large("twice"), *other = open_large("twice");
  expect_ok(hf_array_lock(one, 0));
  expect_ok(hf_array_unlock(other));
  hf_array_close(one);
  hf_array_close(other);
  assert_int_equal(mapped(getpid()), before);
  expect_ok(hf_delete(world.conn, "twice"));
  one = open_large(NULL);
  expect_ok(hf_array_lock(one, 0));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_array_set(one, 0, hf_int(1))); /* takes the lock along to the server */
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_ok(hf_array_unlock(one));
  hf_array_close(one);
  assert_int_equal(mapped(getpid()), before);
}

/* The C library has that mutex in the list of the thread, and writes there with the next one. */
static struct {
  pthread_barrier_t barrier;
  hf_array *array;
} owner;

static void *hold(void *unused) {
  (void)unused;
  hf_cell *cell = open_small();
  expect_ok(hf_array_lock(owner.array, 0));
  pthread_barrier_wait(&owner.barrier);
  pthread_barrier_wait(&owner.barrier); /* closed */
  for (int i = 0; i < ROUNDS; i++) {
    expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  }
  hf_cell_close(cell);
  return NULL;
}

static pthread_t hold_elsewhere(hf_array *array) {
  pthread_t thread;
  pthread_barrier_init(&owner.barrier, NULL, 2);
  owner.array = array;
  pthread_create(&thread, NULL, hold, NULL);
  pthread_barrier_wait(&owner.barrier);
  return thread;
}

static void await_owner(pthread_t thread) {
  pthread_barrier_wait(&owner.barrier);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&owner.barrier);
}

static void test_mapped_while_another_thread_has_the_lock(void **state) {
  (void)state;
  pthread_t thread = hold_elsewhere(open_large("held"));
  hf_array_close(owner.array);
  await_owner(thread);
  owner.array = open_large("held");
  struct hf_grant grant;
  expect_ok(hf_array_lock_with(owner.array, 1000, &grant));
  assert_true(grant.owner_died); /* its thread ended with the lock */
  expect_ok(hf_array_unlock(owner.array));
  hf_array_close(owner.array);
  expect_ok(hf_delete(world.conn, "held"));
}

static void test_mapped_beyond_the_connection_while_another_thread_has_the_lock(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_array *array;
  expect_ok(hf_array_open(conn, NULL, 'q', LARGE_COUNT, NULL, &array));
  assert_non_null(hf_array_data(array));
  pthread_t thread = hold_elsewhere(array);
  hf_array_close(array);
  hf_close(conn);
  await_owner(thread);
}

static void test_mapped_no_longer_when_another_handle_had_the_lock(void **state) {
  (void)state;
  unsigned before = mapped(getpid());
  hf_array *one = open_large("twice"), *other = open_large("twice");
  expect_ok(hf_array_lock(one, 0));
  hf_array_close(other);
  expect_ok(hf_array_unlock(one));
  hf_array_close(one);
  assert_int_equal(mapped(getpid()), before);
  expect_ok(hf_delete(world.conn, "twice"));
}

/* One mutex at two addresses. The one it was locked at first is in the list. */
static void test_mapped_while_the_lock_is_owned_through_another_connection(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_array *one, *other = open_large("two ways");
  hf_cell *cell = open_small();
  expect_ok(hf_array_open(conn, "two ways", 'q', LARGE_COUNT, NULL, &one));
  assert_ptr_not_equal(hf_array_data(one), hf_array_data(other));
  expect_ok(hf_array_lock(one, 0));
  expect_ok(hf_array_lock(other, 0));
  expect_ok(hf_array_unlock(one));
  hf_array_close(one);
  hf_close(conn);
  expect_ok(hf_cell_add(cell, hf_int(1), NULL));
  expect_ok(hf_array_unlock(other));
  hf_array_close(other);
  hf_cell_close(cell);
  expect_ok(hf_delete(world.conn, "two ways"));
}

/* What the C library writes there would be in another one's mutex. */
static void test_mapped_location_is_no_others_while_another_thread_has_the_lock(void **state) {
  (void)state;
  hf_array *array, *arrays[ROUNDS];
  expect_ok(hf_array_open(world.conn, NULL, 'q', 8000, NULL, &array)); /* 16 in an arena */
  const void *location = hf_array_data(array);
  assert_non_null(location);
  pthread_t thread = hold_elsewhere(array);
  hf_array_close(array);
  for (int i = 0; i < ROUNDS; i++) {
    expect_ok(hf_array_open(world.conn, NULL, 'q', 8000, NULL, &arrays[i]));
    assert_ptr_not_equal(hf_array_data(arrays[i]), location);
  }
  for (int i = 0; i < ROUNDS; i++) {
    hf_array_close(arrays[i]);
  }
  await_owner(thread);
}

static uint64_t sessions(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(world.conn, &info));
  return info.sessions;
}

static void test_mapped_location_is_no_others_when_the_connection_is_closed(void **state) {
  (void)state;
  const struct hf_options options = {.grace_ms = 100};
  hf_conn *conn;
  hf_array *array, *arrays[ROUNDS];
  uint64_t before = sessions();
  expect_ok(hf_connect(world.url, &options, &conn));
  expect_ok(hf_array_open(conn, NULL, 'q', 8000, NULL, &array));
  const _Atomic uint32_t *word = (const void *)((const char *)hf_array_data(array) - 64);
  pthread_t thread = hold_elsewhere(array);
  uint32_t held = atomic_load(word);
  hf_array_close(array);
  hf_close(conn);
  for (uint64_t until_ms = now_ms() + 10000; sessions() > before && now_ms() < until_ms;) {
    usleep(5000);
  }
  assert_int_equal(sessions(), before);
  for (int i = 0; i < ROUNDS; i++) {
    expect_ok(hf_array_open(world.conn, NULL, 'q', 8000, NULL, &arrays[i]));
    assert_non_null(hf_array_data(arrays[i]));
  }
  assert_int_equal(atomic_load(word), held);
  for (int i = 0; i < ROUNDS; i++) {
    hf_array_close(arrays[i]);
  }
  await_owner(thread);
}

static int close_in_child(void *conn) {
  uint64_t before = sessions();
  if (hf_ping(conn, NULL) != HF_OK || sessions() != before + 1) {
    return 1;
  }
  hf_close(conn);
  return sessions() == before ? 0 : 2; /* at once: it said goodbye */
}

/* The thread that has the lock is the parent's. */
static void test_mapped_memory_of_the_parents_keeps_no_child_from_goodbye(void **state) {
  (void)state;
  hf_conn *conn = connect_again(0);
  hf_array *array;
  expect_ok(hf_array_open(conn, NULL, 'q', LARGE_COUNT, NULL, &array));
  pthread_t thread = hold_elsewhere(array);
  hf_array_close(array);
  assert_int_equal(child_end(child_start(close_in_child, conn)), 0);
  hf_close(conn);
  await_owner(thread);
}

/* ---- the last: the server ends */

static void test_mapped_handle_is_closed_at_once_when_the_server_is_dead(void **state) {
  (void)state;
  unsigned before = mapped(getpid());
  hf_array *array = open_large(NULL);
  expect_ok(hf_array_lock(array, 0));
  daemon_kill(&world.daemon);
  uint64_t began_ms = now_ms();
  hf_array_close(array);
  assert_true(now_ms() - began_ms < 2000);
  assert_int_equal(mapped(getpid()), before);
  daemon_restart(&world.daemon, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mapped_nothing_is_left_of_connections_gone),
    cmocka_unit_test(test_mapped_until_the_handle_is_closed),
    cmocka_unit_test(test_mapped_one_arena_stays),
    cmocka_unit_test(test_mapped_large_cell_is_no_arena),
    cmocka_unit_test(test_mapped_as_long_as_another_handle_is_open),
    cmocka_unit_test(test_mapped_in_a_child_until_it_closes_its_own),
    cmocka_unit_test(test_mapped_no_longer_than_the_lock_is_owned),
    cmocka_unit_test(test_mapped_while_another_thread_has_the_lock),
    cmocka_unit_test(test_mapped_beyond_the_connection_while_another_thread_has_the_lock),
    cmocka_unit_test(test_mapped_no_longer_when_another_handle_had_the_lock),
    cmocka_unit_test(test_mapped_while_the_lock_is_owned_through_another_connection),
    cmocka_unit_test(test_mapped_location_is_no_others_while_another_thread_has_the_lock),
    cmocka_unit_test(test_mapped_location_is_no_others_when_the_connection_is_closed),
    cmocka_unit_test(test_mapped_memory_of_the_parents_keeps_no_child_from_goodbye),
    cmocka_unit_test(test_mapped_handle_is_closed_at_once_when_the_server_is_dead),
};

WORLD_MAIN("mapped", tests)
