/* Queues for work through the client library: priorities, delays, reservations, shutdown. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tests/integration/world.h"

static hf_queue *open_queue(const char *name, int64_t maxsize) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, name, maxsize, &queue));
  return queue;
}

static void put(hf_queue *queue, int64_t item) {
  expect_ok(hf_queue_put(queue, hf_int(item), 0));
}

static void put_with(hf_queue *queue, int64_t item, int64_t priority, uint64_t delay_ms) {
  const struct hf_put_options options = {priority, delay_ms};
  expect_ok(hf_queue_put_with(queue, hf_int(item), &options, 0));
}

static void expect_get(hf_queue *queue, int64_t expected) {
  hf_value value;
  expect_ok(hf_queue_get(queue, 3000, &value));
  expect_equal(value, hf_int(expected));
}

static struct hf_reservation reserve(hf_queue *queue, uint64_t lease_ms, int64_t expected) {
  struct hf_reservation item;
  expect_ok(hf_queue_reserve(queue, lease_ms, 3000, &item));
  assert_int_equal(item.value.integer, expected);
  return item;
}

static void expect_empty(hf_queue *queue) {
  struct hf_reservation item;
  expect_fails(hf_queue_reserve(queue, 0, 0, &item), RESOURCE_EXHAUSTED, QUEUE_EMPTY);
}

static struct hf_object_info info_of(hf_queue *queue) {
  struct hf_object_info info;
  expect_ok(hf_object_info(HF_AS_OBJECT(queue), &info));
  return info;
}

/* ---------------------------------------------------------------- putting and getting */

static void test_work_lower_priorities_go_first_equal_ones_in_order(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  put(queue, 3);
  put_with(queue, 6, INT64_MAX, 0);
  put_with(queue, 5, 7, 0);
  put_with(queue, 2, -1, 0);
  put(queue, 4);
  put_with(queue, 1, INT64_MIN, 0);
  for (int64_t i = 1; i <= 6; i++) {
    expect_get(queue, i);
  }
  hf_queue_close(queue);
}

static void test_work_delayed_item_is_not_to_be_had_before(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  hf_value value;
  (void)state;
  uint64_t begin_ms = now_ms();
  put_with(queue, 2, 0, 200);
  put_with(queue, 3, 0, UINT64_MAX);
  put(queue, 1);
  assert_int_equal(info_of(queue).delayed, 2);
  expect_get(queue, 1);
  expect_fails(hf_queue_get(queue, 0, &value), RESOURCE_EXHAUSTED, QUEUE_EMPTY);
  expect_get(queue, 2);
  assert_true(now_ms() >= begin_ms + 200);
  expect_fails(hf_queue_get(queue, 20, &value), DEADLINE_EXCEEDED, QUEUE_EMPTY);
  hf_queue_close(queue);
}

static void test_work_put_many_answers_how_many_found_room(void **state) {
  const hf_value items[] = {hf_int(1), hf_int(2), hf_int(3), hf_int(4), hf_int(5)};
  const struct hf_put_options urgent = {.priority = -1};
  hf_queue *queue = open_queue(NULL, 3);
  hf_value *values;
  size_t count;
  (void)state;
  expect_ok(hf_queue_put_many(queue, items, 5, NULL, 20, &count));
  assert_int_equal(count, 3);
  expect_fails(hf_queue_put_many(queue, items, 5, NULL, 0, &count), RESOURCE_EXHAUSTED, QUEUE_FULL);
  expect_fails(hf_queue_put_many(queue, items, 5, NULL, 20, &count), DEADLINE_EXCEEDED, QUEUE_FULL);
  expect_get(queue, 1);
  expect_ok(hf_queue_put_many(queue, items, 1, &urgent, 0, NULL));
  expect_ok(hf_queue_get_many(queue, 10, 0, &values, &count));
  EXPECT_INTS(values, count, 1, 2, 3);
  hf_queue_close(queue);
}

static void test_work_get_many_takes_what_is_there_up_to_max(void **state) {
  const hf_value items[] = {hf_int(1), hf_int(2), hf_int(3)};
  hf_queue *queue = open_queue(NULL, 0);
  hf_value *values;
  size_t count;
  (void)state;
  expect_fails(hf_queue_get_many(queue, 2, 0, &values, &count), RESOURCE_EXHAUSTED, QUEUE_EMPTY);
  expect_fails(hf_queue_get_many(queue, 2, 20, &values, &count), DEADLINE_EXCEEDED, QUEUE_EMPTY);
  expect_fails(hf_queue_get_many(queue, 0, 0, &values, &count), INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_ok(hf_queue_put_many(queue, items, 3, NULL, 0, NULL));
  expect_ok(hf_queue_get_many(queue, 2, 0, &values, &count));
  EXPECT_INTS(values, count, 1, 2);
  expect_ok(hf_queue_get_many(queue, SIZE_MAX, HF_FOREVER, &values, &count));
  EXPECT_INTS(values, count, 3);
  hf_queue_close(queue);
}

/* ---------------------------------------------------------------- reservations */

static void test_work_ack_ends_the_task(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  put_with(queue, 1, 5, 0);
  put(queue, 2);
  struct hf_reservation second = reserve(queue, 0, 2);
  struct hf_reservation first = reserve(queue, 0, 1);
  assert_true(first.id > second.id);
  assert_int_equal(first.tries, 0);
  assert_int_equal(first.priority, 5);
  assert_int_equal(info_of(queue).reserved, 2);
  expect_empty(queue);
  expect_fails(hf_queue_join(queue, 20), DEADLINE_EXCEEDED, NOT_JOINED);
  expect_ok(hf_queue_ack(queue, first.id));
  expect_fails(hf_queue_ack(queue, first.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_ack(queue, second.id + 1000), FAILED_PRECONDITION, NOT_RESERVED);
  expect_ok(hf_queue_ack(queue, second.id));
  expect_ok(hf_queue_join(queue, 0));
  expect_fails(hf_queue_task_done(queue), FAILED_PRECONDITION, TOO_MANY_DONE);
  hf_queue_close(queue);
}

static void test_work_reservation_is_its_sessions(void **state) {
  hf_queue *queue = open_queue("shared", 0);
  hf_conn *conn = connect_again(0);
  hf_queue *same, *other = open_queue(NULL, 0);
  (void)state;
  expect_ok(hf_queue_open(conn, "shared", 0, &same));
  put(queue, 1);
  struct hf_reservation item = reserve(queue, 0, 1);
  expect_fails(hf_queue_ack(same, item.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_return(same, item.id, 0), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_bury(same, item.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_extend(same, item.id, 1), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_ack(other, item.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_ok(hf_queue_ack(queue, item.id));
  hf_queue_close(other);
  hf_queue_close(same);
  hf_close(conn);
  hf_queue_close(queue);
  expect_ok(hf_delete(world.conn, "shared"));
}

static void test_work_returned_item_has_its_old_position_and_one_try_more(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  for (int64_t i = 1; i <= 3; i++) {
    put(queue, i);
  }
  struct hf_reservation first = reserve(queue, 0, 1);
  struct hf_reservation second = reserve(queue, 0, 2);
  expect_ok(hf_queue_return(queue, second.id, 0));
  expect_ok(hf_queue_return(queue, first.id, 0));
  expect_fails(hf_queue_return(queue, first.id, 0), FAILED_PRECONDITION, NOT_RESERVED);
  first = reserve(queue, 0, 1);
  assert_int_equal(first.tries, 1);
  uint64_t begin_ms = now_ms();
  expect_ok(hf_queue_return(queue, first.id, 100));
  expect_get(queue, 2);
  expect_get(queue, 3);
  first = reserve(queue, 0, 1);
  assert_true(now_ms() >= begin_ms + 100);
  assert_int_equal(first.tries, 2);
  expect_ok(hf_queue_ack(queue, first.id));
  hf_queue_close(queue);
}

static void test_work_buried_item_stays_unfinished_until_kicked(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  uint64_t kicked;
  (void)state;
  for (int64_t i = 1; i <= 3; i++) {
    put(queue, i);
  }
  for (int64_t i = 1; i <= 3; i++) {
    expect_ok(hf_queue_bury(queue, reserve(queue, 0, i).id));
  }
  expect_empty(queue);
  assert_int_equal(info_of(queue).buried, 3);
  assert_int_equal(info_of(queue).unfinished, 3);
  expect_ok(hf_queue_kick(queue, 1, &kicked));
  assert_int_equal(kicked, 1);
  expect_ok(hf_queue_ack(queue, reserve(queue, 0, 1).id));
  expect_ok(hf_queue_kick(queue, 0, NULL));
  expect_ok(hf_queue_ack(queue, reserve(queue, 0, 2).id));
  expect_ok(hf_queue_ack(queue, reserve(queue, 0, 3).id));
  expect_ok(hf_queue_kick(queue, UINT64_MAX, &kicked));
  assert_int_equal(kicked, 0);
  expect_ok(hf_queue_join(queue, 0));
  hf_queue_close(queue);
}

static void test_work_lease_that_ends_gives_the_item_to_the_next(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  put(queue, 1);
  struct hf_reservation slow = reserve(queue, 50, 1);
  struct hf_reservation next = reserve(queue, UINT64_MAX, 1);
  assert_int_equal(next.tries, 1);
  expect_fails(hf_queue_ack(queue, slow.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_fails(hf_queue_extend(queue, slow.id, 1000), FAILED_PRECONDITION, NOT_RESERVED);
  expect_ok(hf_queue_ack(queue, next.id));
  hf_queue_close(queue);
}

static void test_work_extended_lease_begins_anew(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  put(queue, 1);
  uint64_t begin_ms = now_ms();
  struct hf_reservation item = reserve(queue, 1500, 1);
  while (now_ms() < begin_ms + 2000) {
    sleep_ms(100);
    expect_ok(hf_queue_extend(queue, item.id, 1500));
  }
  expect_empty(queue);
  expect_ok(hf_queue_extend(queue, item.id, 0));
  sleep_ms(1700);
  expect_ok(hf_queue_ack(queue, item.id));
  hf_queue_close(queue);
}

static void test_work_task_done_acknowledges_the_threads_oldest(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  put(queue, 1);
  put(queue, 2);
  struct hf_reservation first = reserve(queue, 0, 1);
  struct hf_reservation second = reserve(queue, 0, 2);
  expect_ok(hf_queue_task_done(queue));
  expect_fails(hf_queue_ack(queue, first.id), FAILED_PRECONDITION, NOT_RESERVED);
  expect_ok(hf_queue_ack(queue, second.id));
  hf_queue_close(queue);
}

static void test_work_references_in_items_are_counted(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  struct hf_reservation item;
  hf_list *list;
  hf_object *again;
  uint64_t before = object_count();
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_queue_put(queue, hf_reference(HF_AS_OBJECT(list)), 0));
  hf_list_close(list);
  expect_ok(hf_queue_reserve(queue, 0, 0, &item));
  expect_ok(hf_queue_return(queue, item.id, 0));
  hf_value_clear(&item.value);
  expect_ok(hf_queue_reserve(queue, 0, 0, &item));
  expect_ok(hf_reference_open(world.conn, &item.value, &again));
  expect_ok(hf_queue_ack(queue, item.id));
  expect_ok(hf_list_append((hf_list *)again, hf_int(1)));
  hf_object_close(again);
  assert_int_equal(object_count(), before);
  hf_queue_close(queue);
}

static void test_work_reservations_go_through_pipelines_and_one_way(void **state) {
  enum { COUNT = 100 };
  struct hf_reservation items[COUNT];
  struct hf_flush_result flushed;
  hf_queue *queue = open_queue(NULL, 0);
  (void)state;
  expect_ok(hf_oneway_begin(world.conn));
  for (int64_t i = 0; i < COUNT; i++) {
    put_with(queue, i, -i, 0);
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 5000, &flushed));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_queue_reserve(queue, 0, 0, &items[i]));
  }
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_ok(hf_oneway_begin(world.conn));
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(items[i].value.integer, COUNT - 1 - i);
    expect_ok(hf_queue_ack(queue, items[i].id));
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 5000, &flushed));
  assert_int_equal(flushed.failed, 0);
  expect_ok(hf_queue_join(queue, 0));
  hf_queue_close(queue);
}

/* ---------------------------------------------------------------- clients that leave */

static int reserve_and_wait(void *name) {
  hf_conn *conn = child_connect();
  struct hf_reservation item;
  hf_queue *queue;
  if (hf_queue_open(conn, name, 0, &queue) != HF_OK ||
      hf_queue_reserve(queue, 0, 0, &item) != HF_OK) {
    return 1;
  }
  pause();
  return 2;
}

static void await_reserved(hf_queue *queue, uint64_t count) {
  uint64_t until_ms = now_ms() + 5000;
  while (info_of(queue).reserved != count) {
    assert_true(now_ms() < until_ms);
    sleep_ms(2);
  }
}

static void test_work_item_of_a_killed_process_comes_back_in_its_place(void **state) {
  char name[] = "orphans";
  hf_queue *queue = open_queue(name, 0);
  (void)state;
  for (int64_t i = 1; i <= 3; i++) {
    put(queue, i);
  }
  for (uint64_t tries = 1; tries <= 3; tries++) {
    pid_t child = child_start(reserve_and_wait, name);
    await_reserved(queue, 1);
    child_kill(child);
    await_reserved(queue, 0);
    struct hf_reservation item = reserve(queue, 0, 1);
    assert_int_equal(item.tries, 2 * tries - 1);
    expect_ok(hf_queue_return(queue, item.id, 0));
  }
  expect_get(queue, 1);
  expect_get(queue, 2);
  expect_get(queue, 3);
  hf_queue_close(queue);
  expect_ok(hf_delete(world.conn, name));
}

static void test_work_item_of_a_clean_goodbye_comes_back(void **state) {
  hf_queue *queue = open_queue("left", 0);
  hf_conn *conn = connect_again(0);
  hf_queue *same;
  (void)state;
  put(queue, 1);
  put(queue, 2);
  expect_ok(hf_queue_open(conn, "left", 0, &same));
  reserve(same, 0, 1);
  hf_queue_close(same);
  hf_close(conn);
  struct hf_reservation item = reserve(queue, 0, 1);
  expect_ok(hf_queue_ack(queue, item.id));
  expect_get(queue, 2);
  hf_queue_close(queue);
  expect_ok(hf_delete(world.conn, "left"));
}

/* A child has its parent's handle, not its reservations. */
static int ack_in_child(void *argument) {
  const struct hf_reservation *item = argument;
  hf_object *queue;
  if (hf_open(world.conn, "forked", HF_QUEUE, &queue) != HF_OK) {
    return 1;
  }
  hf_status status = hf_queue_ack((hf_queue *)queue, item->id);
  return status == HF_FAILED_PRECONDITION ? 0 : 2;
}

static void test_work_forked_child_has_none_of_its_parents_reservations(void **state) {
  hf_queue *queue = open_queue("forked", 0);
  (void)state;
  put(queue, 1);
  struct hf_reservation item = reserve(queue, 0, 1);
  assert_int_equal(child_end(child_start(ack_in_child, &item)), 0);
  expect_ok(hf_queue_ack(queue, item.id));
  hf_queue_close(queue);
  expect_ok(hf_delete(world.conn, "forked"));
}

/* ---------------------------------------------------------------- the end of a queue */

static void *reserve_forever(void *queue) {
  struct hf_reservation item;
  hf_status status = hf_queue_reserve(queue, 0, HF_FOREVER, &item);
  if (status == HF_OK) {
    status = hf_queue_ack(queue, item.id);
  }
  return (void *)(intptr_t)status;
}

static void test_work_shutdown_ends_puts_and_then_gets(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  hf_value value;
  void *status;
  pthread_t thread;
  (void)state;
  put(queue, 1);
  put(queue, 2);
  struct hf_reservation item = reserve(queue, 0, 1);
  expect_ok(hf_queue_shutdown(queue, false));
  assert_true(info_of(queue).shut_down);
  expect_fails(hf_queue_put(queue, hf_int(3), 0), FAILED_PRECONDITION, QUEUE_SHUT_DOWN);
  expect_get(queue, 2);
  /* Reserved items may return: a get may wait for them. */
  assert_int_equal(pthread_create(&thread, NULL, reserve_forever, queue), 0);
  await_waiting(1);
  expect_ok(hf_queue_return(queue, item.id, 0));
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_OK);
  expect_fails(hf_queue_get(queue, HF_FOREVER, &value), FAILED_PRECONDITION, QUEUE_SHUT_DOWN);
  expect_ok(hf_queue_shutdown(queue, false));
  hf_queue_close(queue);
}

static void test_work_shutdown_wakes_who_waits(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  pthread_t threads[3];
  (void)state;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, reserve_forever, queue), 0);
  }
  await_waiting(3);
  expect_ok(hf_queue_shutdown(queue, false));
  for (int i = 0; i < 3; i++) {
    void *status;
    pthread_join(threads[i], &status);
    assert_int_equal((intptr_t)status, HF_FAILED_PRECONDITION);
  }
  hf_queue_close(queue);
}

static void test_work_immediate_shutdown_drops_what_waits(void **state) {
  hf_queue *queue = open_queue(NULL, 0);
  hf_value value;
  (void)state;
  put(queue, 1);
  put_with(queue, 2, -3, 60000);
  expect_ok(hf_queue_shutdown(queue, true));
  expect_ok(hf_queue_join(queue, 0));
  expect_fails(hf_queue_get(queue, 0, &value), FAILED_PRECONDITION, QUEUE_SHUT_DOWN);
  hf_queue_close(queue);
}

static void test_work_deleted_queue_takes_its_reservations_along(void **state) {
  hf_queue *queue = open_queue("deleted", 0);
  void *status;
  pthread_t thread;
  (void)state;
  put(queue, 1);
  struct hf_reservation item = reserve(queue, 0, 1);
  assert_int_equal(pthread_create(&thread, NULL, reserve_forever, queue), 0);
  await_waiting(1);
  expect_ok(hf_delete(world.conn, "deleted"));
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, HF_ABORTED);
  expect_fails(hf_queue_ack(queue, item.id), NOT_FOUND, NO_SUCH_OBJECT);
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_work_lower_priorities_go_first_equal_ones_in_order),
    cmocka_unit_test(test_work_delayed_item_is_not_to_be_had_before),
    cmocka_unit_test(test_work_put_many_answers_how_many_found_room),
    cmocka_unit_test(test_work_get_many_takes_what_is_there_up_to_max),
    cmocka_unit_test(test_work_ack_ends_the_task),
    cmocka_unit_test(test_work_reservation_is_its_sessions),
    cmocka_unit_test(test_work_returned_item_has_its_old_position_and_one_try_more),
    cmocka_unit_test(test_work_buried_item_stays_unfinished_until_kicked),
    cmocka_unit_test(test_work_lease_that_ends_gives_the_item_to_the_next),
    cmocka_unit_test(test_work_extended_lease_begins_anew),
    cmocka_unit_test(test_work_task_done_acknowledges_the_threads_oldest),
    cmocka_unit_test(test_work_references_in_items_are_counted),
    cmocka_unit_test(test_work_reservations_go_through_pipelines_and_one_way),
    cmocka_unit_test(test_work_item_of_a_killed_process_comes_back_in_its_place),
    cmocka_unit_test(test_work_item_of_a_clean_goodbye_comes_back),
    cmocka_unit_test(test_work_forked_child_has_none_of_its_parents_reservations),
    cmocka_unit_test(test_work_shutdown_ends_puts_and_then_gets),
    cmocka_unit_test(test_work_shutdown_wakes_who_waits),
    cmocka_unit_test(test_work_immediate_shutdown_drops_what_waits),
    cmocka_unit_test(test_work_deleted_queue_takes_its_reservations_along),
};

WORLD_MAIN("work", tests)
