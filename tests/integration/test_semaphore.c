/* Semaphore and BoundedSemaphore through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

static uint64_t value_of(hf_semaphore *semaphore) {
  struct hf_object_info info;
  expect_ok(hf_object_info(HF_AS_OBJECT(semaphore), &info));
  return info.value;
}

/* Waits until the end of a process has been detected; fails after 5 s. */
static void await_value(hf_semaphore *semaphore, uint64_t value) {
  uint64_t until_ms = now_ms() + 5000;
  while (value_of(semaphore) != value) {
    assert_true(now_ms() < until_ms);
    sleep_ms(5);
  }
}

static void test_semaphore_counts_down_and_up(void **state) {
  hf_semaphore *semaphore;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, NULL, 2, &semaphore));
  assert_int_equal(hf_object_kind(HF_AS_OBJECT(semaphore)), HF_SEMAPHORE);
  expect_ok(hf_semaphore_acquire(semaphore, 0));
  expect_ok(hf_semaphore_acquire(semaphore, HF_FOREVER));
  assert_int_equal(value_of(semaphore), 0);
  expect_fails(hf_semaphore_acquire(semaphore, 0), DEADLINE_EXCEEDED, NO_PERMIT);
  uint64_t start_ms = now_ms();
  expect_fails(hf_semaphore_acquire(semaphore, 30), DEADLINE_EXCEEDED, NO_PERMIT);
  assert_true(now_ms() - start_ms >= 29);
  expect_ok(hf_semaphore_release(semaphore, 5));
  assert_int_equal(value_of(semaphore), 5);
  hf_semaphore_close(semaphore);
}

static void test_semaphore_refuses_bad_arguments(void **state) {
  hf_semaphore *semaphore;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, NULL, 0, &semaphore));
  expect_fails(hf_semaphore_acquire(semaphore, -2), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  expect_fails(hf_semaphore_release(semaphore, 0), INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_semaphore_acquire(semaphore, 0), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_ok(hf_semaphore_release(semaphore, 2));
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 5000, NULL));
  assert_int_equal(value_of(semaphore), 2);
  hf_semaphore_close(semaphore);
}

static void test_semaphore_bounded_does_not_rise_above_its_start(void **state) {
  hf_semaphore *semaphore;
  (void)state;
  expect_ok(hf_bounded_semaphore_open(world.conn, NULL, 2, &semaphore));
  assert_int_equal(hf_object_kind(HF_AS_OBJECT(semaphore)), HF_BOUNDED_SEMAPHORE);
  expect_fails(hf_semaphore_release(semaphore, 1), FAILED_PRECONDITION, RELEASED_TOO_OFTEN);
  expect_ok(hf_semaphore_acquire(semaphore, 0));
  expect_fails(hf_semaphore_release(semaphore, 2), FAILED_PRECONDITION, RELEASED_TOO_OFTEN);
  assert_int_equal(value_of(semaphore), 1);
  expect_ok(hf_semaphore_release(semaphore, 1));
  expect_fails(hf_semaphore_release(semaphore, UINT64_MAX), OUT_OF_RANGE, OVERFLOW);
  assert_int_equal(value_of(semaphore), 2);
  hf_semaphore_close(semaphore);
}

static void test_semaphore_of_another_shape_is_not_opened(void **state) {
  hf_semaphore *semaphore, *other;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, "shape", 2, &semaphore));
  expect_ok(hf_semaphore_acquire(semaphore, 0));
  expect_ok(hf_semaphore_open(world.conn, "shape", 2, &other));
  assert_int_equal(value_of(other), 1);
  hf_semaphore_close(other);
  expect_fails(hf_semaphore_open(world.conn, "shape", 3, &other), INVALID_ARGUMENT, WRONG_SHAPE);
  expect_fails(hf_bounded_semaphore_open(world.conn, "shape", 2, &other), INVALID_ARGUMENT,
               WRONG_KIND);
  hf_semaphore_close(semaphore);
  expect_ok(hf_delete(world.conn, "shape"));
}

/* ---------------------------------------------------------------- several */

static void *acquire_in_thread(void *semaphore) {
  return (void *)(intptr_t)hf_semaphore_acquire(semaphore, 5000);
}

static pthread_t start_acquirer(hf_semaphore *semaphore) {
  uint64_t before = waiting_count();
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, acquire_in_thread, semaphore), 0);
  await_waiting(before + 1);
  return thread;
}

static void expect_ends(pthread_t thread, hf_status expected) {
  void *status;
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, expected);
}

static void test_semaphore_released_by_anyone_goes_to_who_waits_longest(void **state) {
  hf_conn *conn = connect_again(0);
  hf_semaphore *semaphore, *same;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, "anyone", 0, &semaphore));
  expect_ok(hf_semaphore_open(conn, "anyone", 0, &same));
  pthread_t first = start_acquirer(semaphore);
  pthread_t second = start_acquirer(semaphore);
  expect_ok(hf_semaphore_release(same, 1));
  expect_ends(first, HF_OK);
  expect_ok(hf_semaphore_release(same, 1));
  expect_ends(second, HF_OK);
  assert_int_equal(value_of(semaphore), 0);
  hf_semaphore_close(same);
  hf_semaphore_close(semaphore);
  hf_close(conn);
  expect_ok(hf_delete(world.conn, "anyone"));
}

static void test_semaphore_deleted_ends_the_wait(void **state) {
  hf_semaphore *semaphore;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, NULL, 0, &semaphore));
  pthread_t thread = start_acquirer(semaphore);
  expect_ok(hf_object_delete(HF_AS_OBJECT(semaphore)));
  expect_ends(thread, HF_ABORTED);
  expect_fails(hf_semaphore_release(semaphore, 1), NOT_FOUND, NO_SUCH_OBJECT);
  hf_semaphore_close(semaphore);
}

struct room {
  hf_semaphore *permits;
  hf_dict *inside;
};

/* How many are in the room is never more than the semaphore's start. */
static int visit_room(void *argument) {
  struct room *room = argument;
  hf_value count;
  for (int i = 0; i < 50; i++) {
    if (hf_semaphore_acquire(room->permits, 10000) != HF_OK ||
        hf_dict_add(room->inside, hf_text("n"), hf_int(1), &count) != HF_OK || count.integer > 2 ||
        hf_dict_add(room->inside, hf_text("n"), hf_int(-1), NULL) != HF_OK ||
        hf_semaphore_release(room->permits, 1) != HF_OK) {
      return 1;
    }
  }
  hf_close(world.conn);
  return 0;
}

static void test_semaphore_bounds_forked_children(void **state) {
  struct room room;
  pid_t children[4];
  (void)state;
  expect_ok(hf_bounded_semaphore_open(world.conn, NULL, 2, &room.permits));
  expect_ok(hf_dict_open(world.conn, NULL, &room.inside));
  for (int i = 0; i < 4; i++) {
    children[i] = child_start(visit_room, &room);
  }
  for (int i = 0; i < 4; i++) {
    assert_int_equal(child_end(children[i]), 0);
  }
  assert_int_equal(value_of(room.permits), 2);
  hf_dict_close(room.inside);
  hf_semaphore_close(room.permits);
}

/* ---------------------------------------------------------------- ends */

static int acquire_all_and_hang(void *name) {
  hf_conn *conn = child_connect();
  hf_semaphore *semaphore;
  if (hf_semaphore_open(conn, name, 3, &semaphore) != HF_OK) {
    return 1;
  }
  while (hf_semaphore_acquire(semaphore, 5000) == HF_OK) {
  }
  return 2;
}

static void test_semaphore_of_a_killed_owner_comes_back(void **state) {
  hf_semaphore *semaphore;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, "killed", 3, &semaphore));
  expect_ok(hf_semaphore_acquire(semaphore, 0));
  pid_t child = child_start(acquire_all_and_hang, (char[]){"killed"});
  await_waiting(1); /* it has two, and waits for one more */
  assert_int_equal(value_of(semaphore), 0);
  child_kill(child);
  expect_ok(hf_semaphore_acquire(semaphore, 5000));
  expect_ok(hf_semaphore_acquire(semaphore, 5000));
  expect_fails(hf_semaphore_acquire(semaphore, 0), DEADLINE_EXCEEDED, NO_PERMIT);
  await_waiting(0);
  expect_ok(hf_semaphore_release(semaphore, 3));
  assert_int_equal(value_of(semaphore), 3);
  hf_semaphore_close(semaphore);
  expect_ok(hf_delete(world.conn, "killed"));
}

static void test_semaphore_of_a_clean_goodbye_stays_acquired(void **state) {
  hf_conn *conn = connect_again(0);
  hf_semaphore *semaphore, *same;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, "clean", 2, &semaphore));
  expect_ok(hf_semaphore_open(conn, "clean", 2, &same));
  expect_ok(hf_semaphore_acquire(same, 0));
  hf_semaphore_close(same);
  hf_close(conn);
  assert_int_equal(value_of(semaphore), 1);
  expect_ok(hf_semaphore_release(semaphore, 1));
  await_value(semaphore, 2);
  hf_semaphore_close(semaphore);
  expect_ok(hf_delete(world.conn, "clean"));
}

static void test_semaphore_acquired_after_the_caller_gave_up_comes_back(void **state) {
  hf_conn *hasty = connect_again(500);
  hf_semaphore *semaphore, *same;
  (void)state;
  expect_ok(hf_semaphore_open(world.conn, "hasty", 1, &semaphore));
  expect_ok(hf_semaphore_open(hasty, "hasty", 1, &same));
  server_stop();
  hf_status status = hf_semaphore_acquire(same, 0);
  server_continue();
  assert_int_equal(status, HF_UNAVAILABLE);
  expect_ok(hf_ping(hasty, NULL)); /* brings the late answer too */
  await_value(semaphore, 1);
  hf_semaphore_close(same);
  hf_semaphore_close(semaphore);
  hf_close(hasty);
  expect_ok(hf_delete(world.conn, "hasty"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_semaphore_counts_down_and_up),
    cmocka_unit_test(test_semaphore_refuses_bad_arguments),
    cmocka_unit_test(test_semaphore_bounded_does_not_rise_above_its_start),
    cmocka_unit_test(test_semaphore_of_another_shape_is_not_opened),
    cmocka_unit_test(test_semaphore_released_by_anyone_goes_to_who_waits_longest),
    cmocka_unit_test(test_semaphore_deleted_ends_the_wait),
    cmocka_unit_test(test_semaphore_bounds_forked_children),
    cmocka_unit_test(test_semaphore_of_a_killed_owner_comes_back),
    cmocka_unit_test(test_semaphore_of_a_clean_goodbye_stays_acquired),
    cmocka_unit_test(test_semaphore_acquired_after_the_caller_gave_up_comes_back),
};

WORLD_MAIN("semaphore", tests)
