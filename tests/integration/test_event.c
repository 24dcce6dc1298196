/* Event through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

static bool is_set(hf_event *event) {
  struct hf_object_info info;
  bool flag;
  expect_ok(hf_event_is_set(event, &flag));
  expect_ok(hf_object_info(HF_AS_OBJECT(event), &info));
  assert_int_equal(info.value, flag);
  return flag;
}

static void test_event_is_set_and_cleared(void **state) {
  hf_event *event;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  assert_int_equal(hf_object_kind(HF_AS_OBJECT(event)), HF_EVENT);
  assert_false(is_set(event));
  expect_ok(hf_event_set(event));
  expect_ok(hf_event_set(event));
  assert_true(is_set(event));
  expect_ok(hf_event_clear(event));
  expect_ok(hf_event_clear(event));
  assert_false(is_set(event));
  hf_event_close(event);
}

static void test_event_wait_answers_whether_it_is_set(void **state) {
  hf_event *event;
  bool flag = true;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  expect_ok(hf_event_wait(event, 0, &flag));
  assert_false(flag);
  flag = true;
  expect_ok(hf_event_wait(event, -1000, &flag));
  assert_false(flag);
  uint64_t start_ms = now_ms();
  expect_ok(hf_event_wait(event, 30, &flag));
  assert_false(flag);
  assert_true(now_ms() - start_ms >= 29);
  expect_ok(hf_event_set(event));
  expect_ok(hf_event_wait(event, HF_FOREVER, &flag));
  assert_true(flag);
  flag = false;
  expect_ok(hf_event_wait(event, -1000, &flag));
  assert_true(flag);
  hf_event_close(event);
}

static void test_event_wait_can_not_be_one_way_but_set_can(void **state) {
  hf_event *event;
  bool flag;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_event_wait(event, 0, &flag), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_ok(hf_event_set(event));
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_event_wait(event, 5000, &flag));
  assert_true(flag);
  expect_ok(hf_flush(world.conn, 5000, NULL));
  hf_event_close(event);
}

static void test_event_of_another_kind_is_not_opened(void **state) {
  hf_event *event;
  hf_lock *lock;
  (void)state;
  expect_ok(hf_event_open(world.conn, "kind", &event));
  expect_fails(hf_lock_open(world.conn, "kind", &lock), INVALID_ARGUMENT, WRONG_KIND);
  expect_fails(hf_lock_acquire((hf_lock *)event, 0, NULL), INVALID_ARGUMENT, WRONG_KIND);
  expect_ok(hf_object_delete(HF_AS_OBJECT(event)));
  expect_fails(hf_event_set(event), NOT_FOUND, NO_SUCH_OBJECT);
  hf_event_close(event);
}

/* ---------------------------------------------------------------- several */

struct wait {
  hf_event *event;
  hf_status status;
  bool is_set;
};

static void *wait_in_thread(void *argument) {
  struct wait *wait = argument;
  wait->status = hf_event_wait(wait->event, HF_FOREVER, &wait->is_set);
  return NULL;
}

static void test_event_set_wakes_all_threads(void **state) {
  struct wait waits[4];
  pthread_t threads[4];
  hf_event *event;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  for (int i = 0; i < 4; i++) {
    waits[i] = (struct wait){.event = event};
    assert_int_equal(pthread_create(&threads[i], NULL, wait_in_thread, &waits[i]), 0);
  }
  await_waiting(4);
  expect_ok(hf_event_set(event));
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(waits[i].status, HF_OK);
    assert_true(waits[i].is_set);
  }
  hf_event_close(event);
}

static void test_event_deleted_ends_the_wait(void **state) {
  struct wait wait = {.status = HF_OK};
  pthread_t thread;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &wait.event));
  assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &wait), 0);
  await_waiting(1);
  expect_ok(hf_object_delete(HF_AS_OBJECT(wait.event)));
  pthread_join(thread, NULL);
  assert_int_equal(wait.status, HF_ABORTED);
  hf_event_close(wait.event);
}

static int wait_in_child(void *event) {
  bool flag = false;
  if (hf_event_wait(event, 10000, &flag) != HF_OK || !flag) {
    return 1;
  }
  hf_close(world.conn);
  return 0;
}

static void test_event_set_wakes_forked_children(void **state) {
  pid_t children[3];
  hf_event *event;
  (void)state;
  expect_ok(hf_event_open(world.conn, NULL, &event));
  for (int i = 0; i < 3; i++) {
    children[i] = child_start(wait_in_child, event);
  }
  await_waiting(3);
  expect_ok(hf_event_set(event));
  for (int i = 0; i < 3; i++) {
    assert_int_equal(child_end(children[i]), 0);
  }
  hf_event_close(event);
}

static int wait_by_name(void *name) {
  hf_event *event;
  bool flag;
  return hf_event_open(child_connect(), name, &event) == HF_OK &&
                 hf_event_wait(event, HF_FOREVER, &flag) == HF_OK
             ? 0
             : 1;
}

static void test_event_forgets_a_killed_waiter(void **state) {
  hf_event *event;
  (void)state;
  expect_ok(hf_event_open(world.conn, "killed", &event));
  pid_t child = child_start(wait_by_name, (char[]){"killed"});
  await_waiting(1);
  child_kill(child);
  await_waiting(0);
  expect_ok(hf_event_set(event));
  assert_true(is_set(event));
  hf_event_close(event);
  expect_ok(hf_delete(world.conn, "killed"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_event_is_set_and_cleared),
    cmocka_unit_test(test_event_wait_answers_whether_it_is_set),
    cmocka_unit_test(test_event_wait_can_not_be_one_way_but_set_can),
    cmocka_unit_test(test_event_of_another_kind_is_not_opened),
    cmocka_unit_test(test_event_set_wakes_all_threads),
    cmocka_unit_test(test_event_deleted_ends_the_wait),
    cmocka_unit_test(test_event_set_wakes_forked_children),
    cmocka_unit_test(test_event_forgets_a_killed_waiter),
};

WORLD_MAIN("event", tests)
