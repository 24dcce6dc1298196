/* Owners of locks, waiters for locks, and circles of those, through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

struct taker {
  pthread_t thread;
  hf_lock *first, *second;
  int64_t timeout_ms;
  pthread_barrier_t *between; /* NULL: none */
  hf_status status;
};

/* Takes the first lock, then waits for the second. */
static void *take_both(void *argument) {
  struct taker *own = argument;
  own->status = hf_lock_acquire(own->first, 0, NULL);
  if (own->between != NULL) {
    pthread_barrier_wait(own->between);
  }
  if (own->status != HF_OK) {
    return NULL;
  }
  own->status = hf_lock_acquire(own->second, own->timeout_ms, NULL);
  if (own->status == HF_OK && hf_lock_release(own->second) != HF_OK) {
    own->status = HF_UNKNOWN;
  }
  if (hf_lock_release(own->first) != HF_OK) {
    own->status = HF_UNKNOWN;
  }
  return NULL;
}

static const struct hf_lock_info *find_lock(const struct hf_lock_info *locks, size_t count,
                                            const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(locks[i].name, name) == 0) {
      return &locks[i];
    }
  }
  fail();
  return NULL;
}

static void test_lock_list_reports_owner_and_waiters_in_order(void **state) {
  hf_conn *conn = connect_again(0);
  struct hf_lock_info *locks;
  size_t count;
  hf_lock *first, *second, *same;
  struct hf_grant grant;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "listed", &first));
  expect_ok(hf_lock_open(world.conn, "other", &second));
  expect_ok(hf_lock_open(conn, "listed", &same));
  expect_ok(hf_list_locks(world.conn, &locks, &count));
  assert_int_equal(count, 0);
  hf_locks_free(locks, count);
  expect_ok(hf_lock_acquire_with(same, &(struct hf_lock_options){.lease_ms = 60000}, 0, &grant));
  struct taker waiter = {.first = second, .second = first, .timeout_ms = 3000};
  assert_int_equal(pthread_create(&waiter.thread, NULL, take_both, &waiter), 0);
  await_waiting(1);
  sleep_ms(20);
  expect_ok(hf_list_locks(world.conn, &locks, &count));
  assert_int_equal(count, 2);
  const struct hf_lock_info *listed = find_lock(locks, count, "listed");
  const struct hf_lock_info *other = find_lock(locks, count, "other");
  assert_int_equal(listed->kind, HF_LOCK);
  assert_true(listed->owned && !listed->deadlocked);
  assert_string_equal(listed->owner.client, "again");
  assert_int_equal(listed->token, grant.token);
  assert_int_equal(listed->depth, 1);
  assert_int_equal(listed->lease_ms, 60000);
  assert_int_equal(listed->waiters_count, 1);
  assert_true(listed->waiters[0].waited_ms >= 15);
  assert_int_equal(listed->waiters[0].session, other->owner.session);
  assert_int_equal(listed->waiters[0].thread, other->owner.thread);
  assert_int_equal(other->waiters_count, 0);
  hf_locks_free(locks, count);
  expect_ok(hf_lock_release(same));
  pthread_join(waiter.thread, NULL);
  assert_int_equal(waiter.status, HF_OK);
  hf_lock_close(same);
  hf_close(conn);
  hf_lock_close(first);
  hf_lock_close(second);
  expect_ok(hf_delete(world.conn, "listed"));
  expect_ok(hf_delete(world.conn, "other"));
}

static void test_lock_list_shows_and_counts_circles(void **state) {
  struct hf_server_info before, after;
  struct hf_lock_info *locks;
  pthread_barrier_t between;
  size_t count;
  hf_lock *one, *two;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "one", &one));
  expect_ok(hf_lock_open(world.conn, "two", &two));
  expect_ok(hf_server_info(world.conn, &before));
  pthread_barrier_init(&between, NULL, 2);
  struct taker loser = {.first = one, .second = two, .timeout_ms = 1000, .between = &between};
  struct taker winner = {.first = two, .second = one, .timeout_ms = 5000, .between = &between};
  assert_int_equal(pthread_create(&loser.thread, NULL, take_both, &loser), 0);
  assert_int_equal(pthread_create(&winner.thread, NULL, take_both, &winner), 0);
  await_waiting(2);
  expect_ok(hf_list_locks(world.conn, &locks, &count));
  assert_true(find_lock(locks, count, "one")->deadlocked);
  assert_true(find_lock(locks, count, "two")->deadlocked);
  hf_locks_free(locks, count);
  expect_ok(hf_server_info(world.conn, &after));
  assert_int_equal(after.deadlocks, before.deadlocks + 1);
  pthread_join(loser.thread, NULL);
  pthread_join(winner.thread, NULL);
  assert_int_equal(loser.status, HF_DEADLINE_EXCEEDED);
  assert_int_equal(winner.status, HF_OK);
  pthread_barrier_destroy(&between);
  hf_lock_close(one);
  hf_lock_close(two);
  expect_ok(hf_delete(world.conn, "one"));
  expect_ok(hf_delete(world.conn, "two"));
}

static void test_lock_list_circle_is_refused_to_who_asks_for_that(void **state) {
  const struct hf_lock_options options = {.refuse_deadlock = true};
  hf_lock *one, *two;
  (void)state;
  expect_ok(hf_lock_open(world.conn, NULL, &one));
  expect_ok(hf_lock_open(world.conn, NULL, &two));
  expect_ok(hf_lock_acquire(two, 0, NULL));
  struct taker waiter = {.first = one, .second = two, .timeout_ms = 5000};
  assert_int_equal(pthread_create(&waiter.thread, NULL, take_both, &waiter), 0);
  await_waiting(1);
  expect_fails(hf_lock_acquire_with(one, &options, HF_FOREVER, NULL), ABORTED, DEADLOCK);
  expect_ok(hf_lock_release(two));
  pthread_join(waiter.thread, NULL);
  assert_int_equal(waiter.status, HF_OK);
  expect_ok(hf_lock_acquire_with(one, &options, 0, NULL));
  expect_ok(hf_lock_release(one));
  hf_lock_close(one);
  hf_lock_close(two);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_lock_list_reports_owner_and_waiters_in_order),
    cmocka_unit_test(test_lock_list_shows_and_counts_circles),
    cmocka_unit_test(test_lock_list_circle_is_refused_to_who_asks_for_that),
};

WORLD_MAIN("lock_list", tests)
