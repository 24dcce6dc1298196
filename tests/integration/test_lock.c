/* Lock and RLock through the client library. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

static void test_lock_grants_once_with_rising_tokens(void **state) {
  hf_lock *lock;
  struct hf_grant first, second;
  (void)state;
  expect_ok(hf_lock_open(world.conn, NULL, &lock));
  expect_ok(hf_lock_acquire(lock, 0, &first));
  assert_false(first.owner_died);
  expect_fails(hf_lock_acquire(lock, 0, &second), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_fails(hf_lock_acquire(lock, 20, NULL), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_lock_release(lock));
  expect_fails(hf_lock_release(lock), FAILED_PRECONDITION, NOT_LOCKED);
  expect_ok(hf_lock_acquire(lock, HF_FOREVER, &second));
  assert_true(second.token > first.token);
  expect_fails(hf_lock_release_token(lock, first.token), FAILED_PRECONDITION, TOKEN_STALE);
  expect_ok(hf_lock_release_token(lock, second.token));
  hf_lock_close(lock);
}

static void test_lock_is_released_by_anyone(void **state) {
  hf_conn *conn = connect_again(0);
  hf_lock *lock, *same;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "anyone", &lock));
  expect_ok(hf_lock_open(conn, "anyone", &same));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_ok(hf_lock_release(same));
  expect_ok(hf_lock_acquire(same, 0, NULL));
  expect_ok(hf_lock_release(lock));
  hf_lock_close(same);
  hf_lock_close(lock);
  hf_close(conn);
  expect_ok(hf_delete(world.conn, "anyone"));
}

static void *release_rlock(void *argument) {
  return (void *)(intptr_t)hf_lock_release(argument);
}

static void test_rlock_is_counted_and_owned_by_a_thread(void **state) {
  hf_lock *lock;
  pthread_t thread;
  void *status;
  (void)state;
  expect_ok(hf_rlock_open(world.conn, NULL, &lock));
  expect_fails(hf_lock_release(lock), FAILED_PRECONDITION, NOT_OWNER);
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  assert_int_equal(pthread_create(&thread, NULL, release_rlock, lock), 0);
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_FAILED_PRECONDITION);
  expect_ok(hf_lock_release(lock));
  expect_ok(hf_lock_release(lock));
  expect_fails(hf_lock_release(lock), FAILED_PRECONDITION, NOT_OWNER);
  hf_lock_close(lock);
}

static void test_lock_of_a_clean_goodbye_stays_owned_unless_robust(void **state) {
  hf_conn *conn = connect_again(0);
  hf_lock *plain, *robust, *same;
  struct hf_object_info info;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "plain", &plain));
  expect_ok(hf_lock_open(world.conn, "robust", &robust));
  expect_ok(hf_lock_open(conn, "plain", &same));
  expect_ok(hf_lock_acquire(same, 0, NULL));
  expect_ok(hf_object_info(HF_AS_OBJECT(plain), &info));
  assert_true(info.locked);
  assert_string_equal(info.owner, "again");
  hf_lock_close(same);
  expect_ok(hf_lock_open(conn, "robust", &same));
  expect_ok(hf_lock_acquire_with(same, &(struct hf_lock_options){.robust = true}, 0, NULL));
  hf_lock_close(same);
  hf_close(conn);
  expect_fails(hf_lock_acquire(plain, 0, NULL), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_lock_acquire(robust, 1000, NULL));
  hf_lock_close(plain);
  hf_lock_close(robust);
  expect_ok(hf_delete(world.conn, "plain"));
  expect_ok(hf_delete(world.conn, "robust"));
}

/* Acquires the lock and dies with it. */
static void acquire_and_die(const char *name) {
  const struct hf_options options = {.grace_ms = 100};
  hf_conn *conn;
  hf_lock *lock;
  if (hf_connect(world.url, &options, &conn) == HF_OK && hf_lock_open(conn, name, &lock) == HF_OK &&
      hf_lock_acquire(lock, 0, NULL) == HF_OK) {
    kill(getpid(), SIGKILL);
  }
  _exit(1);
}

static void test_lock_of_a_killed_owner_goes_to_the_next_with_a_report(void **state) {
  hf_lock *lock;
  struct hf_grant grant;
  int status;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "orphan", &lock));
  pid_t child = fork();
  if (child == 0) {
    acquire_and_die("orphan");
  }
  waitpid(child, &status, 0);
  assert_true(WIFSIGNALED(status));
  expect_ok(hf_lock_acquire(lock, 5000, &grant));
  assert_true(grant.owner_died);
  expect_ok(hf_lock_release(lock));
  hf_lock_close(lock);
  expect_ok(hf_delete(world.conn, "orphan"));
}

/* With the default grace time of 5 s: the server sees that the process has ended. */
static int hold_until_killed(void *pipe_end) {
  hf_conn *conn;
  hf_lock *lock;
  if (hf_connect(world.url, NULL, &conn) != HF_OK ||
      hf_lock_open(conn, "of a killed one", &lock) != HF_OK ||
      hf_lock_acquire(lock, 0, NULL) != HF_OK) {
    return 1;
  }
  (void)!write(*(int *)pipe_end, "x", 1);
  pause();
  return 1;
}

static void test_lock_of_a_killed_process_is_free_at_once(void **state) {
  (void)state;
  int ends[2];
  char byte;
  struct hf_grant grant;
  hf_lock *lock;
  assert_int_equal(pipe(ends), 0);
  expect_ok(hf_lock_open(world.conn, "of a killed one", &lock));
  pid_t child = child_start(hold_until_killed, &ends[1]);
  assert_int_equal(read(ends[0], &byte, 1), 1);
  expect_fails(hf_lock_acquire(lock, 0, NULL), DEADLINE_EXCEEDED, LOCK_HELD);
  child_kill(child);
  expect_ok(hf_lock_acquire(lock, 1000, &grant));
  assert_true(grant.owner_died);
  expect_ok(hf_lock_release(lock));
  close(ends[0]);
  close(ends[1]);
  expect_ok(hf_object_delete(HF_AS_OBJECT(lock)));
  hf_lock_close(lock);
}

static void test_lock_lease_of_a_silent_one_ends(void **state) {
  (void)state;
  const struct hf_lock_options leased = {.lease_ms = 100};
  struct hf_grant first, second;
  hf_conn *other = connect_again(0);
  hf_lock *lock, *same;
  expect_ok(hf_lock_open(world.conn, "leased", &lock));
  expect_ok(hf_lock_open(other, "leased", &same));
  expect_ok(hf_lock_acquire_with(same, &leased, 0, &first));
  uint64_t began_ms = now_ms();
  expect_ok(hf_lock_acquire(lock, 5000, &second));
  assert_in_range(now_ms() - began_ms, 90, 3000);
  assert_true(second.owner_died && second.token > first.token);
  expect_fails(hf_lock_release_token(same, first.token), FAILED_PRECONDITION, TOKEN_STALE);
  expect_fails(hf_lock_release(same), FAILED_PRECONDITION, TOKEN_STALE);
  expect_ok(hf_lock_release_token(lock, second.token));
  hf_lock_close(same);
  hf_close(other);
  expect_ok(hf_object_delete(HF_AS_OBJECT(lock)));
  hf_lock_close(lock);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_lock_grants_once_with_rising_tokens),
    cmocka_unit_test(test_lock_is_released_by_anyone),
    cmocka_unit_test(test_rlock_is_counted_and_owned_by_a_thread),
    cmocka_unit_test(test_lock_of_a_clean_goodbye_stays_owned_unless_robust),
    cmocka_unit_test(test_lock_of_a_killed_owner_goes_to_the_next_with_a_report),
    cmocka_unit_test(test_lock_of_a_killed_process_is_free_at_once),
    cmocka_unit_test(test_lock_lease_of_a_silent_one_ends),
};

WORLD_MAIN("lock", tests)
