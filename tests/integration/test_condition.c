/* Condition through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

static hf_condition *open_anonymous(void) {
  hf_condition *condition;
  expect_ok(hf_condition_open(world.conn, NULL, NULL, &condition));
  return condition;
}

/* One wait in a thread of its own, which acquires and releases. */
struct wait {
  hf_condition *condition;
  int64_t timeout_ms;
  pthread_t thread;
  hf_status status;
  hf_status released; /* whether it had the lock again */
  bool notified;
};

static void *wait_in_thread(void *argument) {
  struct wait *wait = argument;
  wait->status = hf_condition_acquire(wait->condition, 5000);
  if (wait->status == HF_OK) {
    wait->status = hf_condition_wait(wait->condition, wait->timeout_ms, &wait->notified);
    wait->released = hf_condition_release(wait->condition);
  }
  return NULL;
}

static void start_wait(struct wait *wait, hf_condition *condition, int64_t timeout_ms) {
  uint64_t before = waiting_count();
  *wait = (struct wait){.condition = condition, .timeout_ms = timeout_ms};
  assert_int_equal(pthread_create(&wait->thread, NULL, wait_in_thread, wait), 0);
  await_waiting(before + 1);
}

static void expect_wait_ends(struct wait *wait, bool notified) {
  pthread_join(wait->thread, NULL);
  assert_int_equal(wait->status, HF_OK);
  assert_int_equal(wait->released, HF_OK);
  assert_int_equal(wait->notified, notified);
}

/* ---------------------------------------------------------------- one */

static void test_condition_not_acquired_is_refused(void **state) {
  hf_condition *condition = open_anonymous();
  bool flag;
  (void)state;
  assert_int_equal(hf_object_kind(HF_AS_OBJECT(condition)), HF_CONDITION);
  expect_fails(hf_condition_wait(condition, 0, &flag), FAILED_PRECONDITION, NOT_ACQUIRED);
  expect_fails(hf_condition_wait(condition, HF_FOREVER, &flag), FAILED_PRECONDITION, NOT_ACQUIRED);
  expect_fails(hf_condition_notify(condition, 1), FAILED_PRECONDITION, NOT_ACQUIRED);
  expect_fails(hf_condition_notify_all(condition), FAILED_PRECONDITION, NOT_ACQUIRED);
  expect_fails(hf_condition_release(condition), FAILED_PRECONDITION, NOT_OWNER);
  expect_ok(hf_condition_acquire(condition, 0));
  expect_fails(hf_condition_wait(condition, -2, &flag), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  expect_fails(hf_condition_notify(condition, 0), INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_condition_wait(condition, 0, &flag), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_condition_notify(condition, 1)); /* there is no waiter */
  expect_ok(hf_condition_release(condition));
  hf_condition_close(condition);
}

static void *try_acquire(void *condition) {
  return (void *)(intptr_t)hf_condition_acquire(condition, 0);
}

static hf_status acquire_elsewhere(hf_condition *condition) {
  pthread_t thread;
  void *status;
  assert_int_equal(pthread_create(&thread, NULL, try_acquire, condition), 0);
  pthread_join(thread, &status);
  return (hf_status)(intptr_t)status;
}

static void test_condition_wait_out_of_time_has_the_lock_as_deep_as_before(void **state) {
  hf_condition *condition = open_anonymous();
  bool notified = true;
  (void)state;
  expect_ok(hf_condition_acquire(condition, 0));
  expect_ok(hf_condition_acquire(condition, 0));
  expect_ok(hf_condition_wait(condition, 0, &notified));
  assert_false(notified);
  uint64_t start_ms = now_ms();
  notified = true;
  expect_ok(hf_condition_wait(condition, 30, &notified));
  assert_false(notified);
  assert_true(now_ms() - start_ms >= 29);
  expect_ok(hf_condition_release(condition));
  assert_int_equal(acquire_elsewhere(condition), HF_DEADLINE_EXCEEDED);
  expect_ok(hf_condition_release(condition));
  expect_fails(hf_condition_release(condition), FAILED_PRECONDITION, NOT_OWNER);
  hf_condition_close(condition);
}

static void test_condition_uses_the_lock_it_was_given(void **state) {
  hf_lock *lock, *other;
  hf_condition *condition, *same;
  bool notified;
  (void)state;
  expect_ok(hf_lock_open(world.conn, NULL, &lock));
  expect_ok(hf_lock_open(world.conn, NULL, &other));
  expect_ok(hf_condition_open(world.conn, "given", lock, &condition));
  expect_ok(hf_condition_open(world.conn, "given", lock, &same));
  hf_condition_close(same);
  expect_fails(hf_condition_open(world.conn, "given", other, &same), INVALID_ARGUMENT, WRONG_SHAPE);
  expect_fails(hf_condition_open(world.conn, "given", NULL, &same), INVALID_ARGUMENT, WRONG_SHAPE);
  expect_ok(hf_condition_acquire(condition, 0));
  expect_fails(hf_lock_acquire(lock, 0, NULL), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_condition_release(condition));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_fails(hf_condition_acquire(condition, 20), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_condition_wait(condition, 20, &notified));
  assert_false(notified);
  expect_ok(hf_condition_notify_all(condition));
  expect_ok(hf_lock_release(lock));
  expect_fails(hf_condition_release(condition), FAILED_PRECONDITION, NOT_LOCKED);
  expect_ok(hf_delete(world.conn, "given"));
  hf_condition_close(condition);
  hf_lock_close(other);
  hf_lock_close(lock);
}

/* ---------------------------------------------------------------- several */

static void notify_some(hf_condition *condition, uint64_t count) {
  expect_ok(hf_condition_acquire(condition, 5000));
  expect_ok(hf_condition_notify(condition, count));
  expect_ok(hf_condition_release(condition));
}

static void test_condition_notifies_who_waits_longest(void **state) {
  hf_condition *condition = open_anonymous();
  struct wait waits[5];
  (void)state;
  for (int i = 0; i < 5; i++) {
    start_wait(&waits[i], condition, HF_FOREVER);
  }
  notify_some(condition, 1);
  expect_wait_ends(&waits[0], true);
  notify_some(condition, 2);
  expect_wait_ends(&waits[1], true);
  expect_wait_ends(&waits[2], true);
  await_waiting(2);
  expect_ok(hf_condition_acquire(condition, 5000));
  expect_ok(hf_condition_notify_all(condition));
  expect_ok(hf_condition_release(condition));
  expect_wait_ends(&waits[3], true);
  expect_wait_ends(&waits[4], true);
  hf_condition_close(condition);
}

/* Notified or late, a waiter is answered owning the lock, however long another thread owns it. */
static void test_condition_wait_returns_when_it_has_the_lock(void **state) {
  hf_conn *hasty = connect_again(50);
  hf_condition *condition, *same;
  struct wait late, later;
  (void)state;
  expect_ok(hf_condition_open(world.conn, "late", NULL, &condition));
  expect_ok(hf_condition_open(hasty, "late", NULL, &same));
  start_wait(&late, same, 500);
  start_wait(&later, same, 500);
  expect_ok(hf_condition_acquire(condition, 1000));
  sleep_ms(1000); /* beyond their timeouts and the connection's call timeout */
  assert_int_equal(waiting_count(), 2);
  expect_ok(hf_condition_release(condition));
  expect_wait_ends(&late, false);
  expect_wait_ends(&later, false);
  start_wait(&later, same, 500);
  expect_ok(hf_condition_acquire(condition, 1000));
  expect_ok(hf_condition_notify(condition, 1));
  sleep_ms(800);
  expect_ok(hf_condition_release(condition));
  expect_wait_ends(&later, true);
  hf_condition_close(same);
  hf_condition_close(condition);
  hf_close(hasty);
  expect_ok(hf_delete(world.conn, "late"));
}

static void test_condition_deleted_ends_the_wait(void **state) {
  hf_condition *condition = open_anonymous();
  struct wait wait;
  (void)state;
  start_wait(&wait, condition, HF_FOREVER);
  expect_ok(hf_object_delete(HF_AS_OBJECT(condition)));
  pthread_join(wait.thread, NULL);
  assert_int_equal(wait.status, HF_ABORTED);
  hf_condition_close(condition);
}

/* They alternate: the child makes odd numbers even, the parent even ones odd. */
struct turns {
  hf_condition *condition;
  hf_dict *dict;
  bool is_odd;
};

static bool is_my_turn(void *ctx) {
  const struct turns *turns = ctx;
  hf_value number;
  return hf_dict_get(turns->dict, hf_text("n"), &number) == HF_OK &&
         (number.integer % 2 != 0) == turns->is_odd;
}

static int take_turns(void *argument) {
  struct turns *turns = argument;
  for (int i = 0; i < 20; i++) {
    bool holds = false;
    if (hf_condition_acquire(turns->condition, 10000) != HF_OK ||
        hf_condition_wait_for(turns->condition, is_my_turn, turns, 10000, &holds) != HF_OK ||
        !holds || hf_dict_add(turns->dict, hf_text("n"), hf_int(1), NULL) != HF_OK ||
        hf_condition_notify(turns->condition, 1) != HF_OK ||
        hf_condition_release(turns->condition) != HF_OK) {
      return 1;
    }
  }
  return 0;
}

static void test_condition_wait_for_takes_turns_with_a_forked_child(void **state) {
  struct turns child_turns = {.condition = open_anonymous(), .is_odd = true};
  hf_value number;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &child_turns.dict));
  expect_ok(hf_dict_set(child_turns.dict, hf_text("n"), hf_int(0)));
  struct turns turns = child_turns;
  turns.is_odd = false;
  pid_t child = child_start(take_turns, &child_turns);
  assert_int_equal(take_turns(&turns), 0);
  assert_int_equal(child_end(child), 0);
  expect_ok(hf_dict_get(turns.dict, hf_text("n"), &number));
  expect_equal(number, hf_int(40));
  hf_dict_close(turns.dict);
  hf_condition_close(turns.condition);
}

static bool count_and_fail(void *ctx) {
  ++*(int *)ctx;
  return false;
}

static bool holds_at_once(void *ctx) {
  (void)ctx;
  return true;
}

static void test_condition_wait_for_gives_up_in_time(void **state) {
  hf_condition *condition = open_anonymous();
  bool holds = true;
  int count = 0;
  (void)state;
  expect_fails(hf_condition_wait_for(condition, count_and_fail, &count, 0, &holds),
               FAILED_PRECONDITION, NOT_ACQUIRED);
  expect_fails(hf_condition_wait_for(condition, count_and_fail, &count, -2, &holds),
               INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  expect_ok(hf_condition_acquire(condition, 0));
  count = 0;
  expect_ok(hf_condition_wait_for(condition, count_and_fail, &count, 0, &holds));
  assert_false(holds);
  assert_int_equal(count, 2);
  uint64_t start_ms = now_ms();
  holds = true;
  expect_ok(hf_condition_wait_for(condition, count_and_fail, &count, 40, &holds));
  assert_false(holds);
  assert_true(now_ms() - start_ms >= 39);
  expect_ok(hf_condition_wait_for(condition, holds_at_once, NULL, HF_FOREVER, &holds));
  assert_true(holds);
  expect_ok(hf_condition_release(condition));
  hf_condition_close(condition);
}

/* ---------------------------------------------------------------- ends */

static int wait_by_name(void *name) {
  hf_condition *condition;
  bool notified;
  return hf_condition_open(child_connect(), name, NULL, &condition) == HF_OK &&
                 hf_condition_acquire(condition, 5000) == HF_OK &&
                 hf_condition_wait(condition, HF_FOREVER, &notified) == HF_OK
             ? 0
             : 1;
}

static void test_condition_forgets_a_killed_waiter(void **state) {
  hf_condition *condition;
  struct wait wait;
  (void)state;
  expect_ok(hf_condition_open(world.conn, "killed", NULL, &condition));
  pid_t child = child_start(wait_by_name, (char[]){"killed"});
  await_waiting(1);
  start_wait(&wait, condition, HF_FOREVER);
  child_kill(child);
  await_waiting(1);
  notify_some(condition, 1);
  expect_wait_ends(&wait, true);
  hf_condition_close(condition);
  expect_ok(hf_delete(world.conn, "killed"));
}

/* The notified waiter is killed before it owns the lock: the next waiter is notified instead. */
static void test_condition_notification_of_a_killed_waiter_goes_to_the_next(void **state) {
  hf_condition *condition;
  struct wait wait;
  (void)state;
  expect_ok(hf_condition_open(world.conn, "passed", NULL, &condition));
  pid_t child = child_start(wait_by_name, (char[]){"passed"});
  await_waiting(1);
  start_wait(&wait, condition, HF_FOREVER);
  expect_ok(hf_condition_acquire(condition, 5000));
  expect_ok(hf_condition_notify(condition, 1));
  child_kill(child);
  await_waiting(1);
  expect_ok(hf_condition_release(condition));
  expect_wait_ends(&wait, true);
  hf_condition_close(condition);
  expect_ok(hf_delete(world.conn, "passed"));
}

static int acquire_and_hang(void *name) {
  hf_conn *conn = child_connect();
  hf_condition *condition;
  hf_event *event;
  bool is_set;
  return hf_condition_open(conn, name, NULL, &condition) == HF_OK &&
                 hf_event_open(conn, NULL, &event) == HF_OK &&
                 hf_condition_acquire(condition, 5000) == HF_OK &&
                 hf_event_wait(event, HF_FOREVER, &is_set) == HF_OK
             ? 0
             : 1;
}

static void test_condition_lock_of_a_killed_owner_is_released(void **state) {
  hf_condition *condition;
  (void)state;
  expect_ok(hf_condition_open(world.conn, "owner", NULL, &condition));
  pid_t child = child_start(acquire_and_hang, (char[]){"owner"});
  await_waiting(1);
  expect_fails(hf_condition_acquire(condition, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  child_kill(child);
  expect_ok(hf_condition_acquire(condition, 5000));
  expect_ok(hf_condition_release(condition));
  hf_condition_close(condition);
  expect_ok(hf_delete(world.conn, "owner"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_condition_not_acquired_is_refused),
    cmocka_unit_test(test_condition_wait_out_of_time_has_the_lock_as_deep_as_before),
    cmocka_unit_test(test_condition_uses_the_lock_it_was_given),
    cmocka_unit_test(test_condition_notifies_who_waits_longest),
    cmocka_unit_test(test_condition_wait_returns_when_it_has_the_lock),
    cmocka_unit_test(test_condition_deleted_ends_the_wait),
    cmocka_unit_test(test_condition_wait_for_takes_turns_with_a_forked_child),
    cmocka_unit_test(test_condition_wait_for_gives_up_in_time),
    cmocka_unit_test(test_condition_forgets_a_killed_waiter),
    cmocka_unit_test(test_condition_notification_of_a_killed_waiter_goes_to_the_next),
    cmocka_unit_test(test_condition_lock_of_a_killed_owner_is_released),
};

WORLD_MAIN("condition", tests)
