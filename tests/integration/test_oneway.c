/* One-way calls: order, failures, and what can't go one way. */
#include "tests/integration/world.h"

static void test_oneway_calls_are_all_applied_in_order(void **state) {
  enum { COUNT = 50000 };
  struct hf_flush_result result;
  hf_value value;
  hf_list *list;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_oneway_begin(world.conn));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_list_append(list, hf_int(i)));
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 20000, &result));
  assert_int_equal(result.sent, COUNT);
  assert_int_equal(result.failed, 0);
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, COUNT);
  expect_ok(hf_list_get(list, 12345, &value));
  expect_equal(value, hf_int(12345));
  hf_list_close(list);
}

static void test_oneway_failures_are_counted_by_flush(void **state) {
  struct hf_flush_result result;
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_oneway_begin(world.conn));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_text("x")));
  expect_ok(hf_dict_add(dict, hf_int(1), hf_int(1), NULL));
  expect_ok(hf_dict_delete(dict, hf_int(2)));
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 5000, &result));
  assert_int_equal(result.sent, 3);
  assert_int_equal(result.failed, 2);
  assert_int_equal(result.first_status, HF_INVALID_ARGUMENT);
  assert_string_equal(result.first_reason, "WRONG_TYPE");
  expect_ok(hf_flush(world.conn, 0, &result));
  assert_int_equal(result.sent, 0);
  assert_int_equal(result.failed, 0);
  hf_dict_close(dict);
}

static void test_oneway_calls_with_results_are_refused(void **state) {
  hf_dict *dict, *other;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_dict_get(dict, hf_int(1), &value), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_fails(hf_dict_open(world.conn, NULL, &other), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_fails(hf_dict_add(dict, hf_int(1), hf_int(1), &value), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_fails(hf_ping(world.conn, NULL), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_fails(hf_oneway_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_oneway_end(world.conn));
  expect_fails(hf_oneway_end(world.conn), FAILED_PRECONDITION, );
  hf_dict_close(dict);
}

/* More than is kept unconfirmed: the library flushes by itself. */
static void test_oneway_beyond_the_buffer_flushes_by_itself(void **state) {
  enum { COUNT = 300, SIZE = 100000 };
  struct hf_flush_result result;
  char *bytes = calloc(1, SIZE);
  hf_list *list;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_oneway_begin(world.conn));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_list_append(list, hf_bytes(bytes, SIZE)));
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 20000, &result));
  assert_int_equal(result.sent, COUNT);
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, COUNT);
  free(bytes);
  hf_list_close(list);
}

static void test_oneway_flush_that_can_not_finish_times_out(void **state) {
  struct hf_flush_result result;
  hf_queue *queue;
  hf_value value;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 1, &queue));
  expect_ok(hf_oneway_begin(world.conn));
  expect_ok(hf_queue_put(queue, hf_int(1), HF_FOREVER));
  expect_ok(hf_queue_put(queue, hf_int(2), HF_FOREVER));
  expect_ok(hf_oneway_end(world.conn));
  expect_fails(hf_flush(world.conn, 100, &result), DEADLINE_EXCEEDED, TIMED_OUT);
  expect_ok(hf_queue_get(queue, 1000, &value));
  expect_equal(value, hf_int(1));
  expect_ok(hf_flush(world.conn, 5000, &result));
  assert_int_equal(result.sent, 2);
  expect_ok(hf_queue_get(queue, 1000, &value));
  expect_equal(value, hf_int(2));
  hf_queue_close(queue);
}

/* Last: the restarted server has forgotten every session. */
static void test_oneway_end_without_a_server_says_so(void **state) {
  const struct hf_options options = {.call_timeout_ms = 300};
  hf_conn *conn;
  hf_list *list;
  (void)state;
  expect_ok(hf_connect(world.url, &options, &conn));
  expect_ok(hf_list_open(conn, NULL, &list));
  expect_ok(hf_oneway_begin(conn));
  daemon_kill(&world.daemon);
  expect_ok(hf_list_append(list, hf_int(1)));
  expect_fails(hf_oneway_end(conn), UNAVAILABLE, NOT_CONNECTED);
  for (int i = 0; i < 5; i++) { /* until the pauses between attempts are as long as they get */
    expect_fails(hf_flush(conn, 1000, NULL), UNAVAILABLE, NOT_CONNECTED);
  }
  daemon_restart(&world.daemon, NULL);
  expect_fails(hf_flush(conn, 1000, NULL), FAILED_PRECONDITION, SESSION_ENDED);
  hf_list_close(list);
  hf_close(conn);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_oneway_calls_are_all_applied_in_order),
    cmocka_unit_test(test_oneway_failures_are_counted_by_flush),
    cmocka_unit_test(test_oneway_calls_with_results_are_refused),
    cmocka_unit_test(test_oneway_beyond_the_buffer_flushes_by_itself),
    cmocka_unit_test(test_oneway_flush_that_can_not_finish_times_out),
    cmocka_unit_test(test_oneway_end_without_a_server_says_so),
};

WORLD_MAIN("oneway", tests)
