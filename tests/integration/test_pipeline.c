/* Pipelines: order, failures, limits, and big replies. */
#include "tests/integration/world.h"

static hf_dict *open_dict(void) {
  hf_dict *dict;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  return dict;
}

static void test_pipeline_results_are_set_in_order(void **state) {
  enum { COUNT = 5000 };
  hf_value *values = calloc(COUNT, sizeof *values);
  struct hf_pipeline_result result;
  hf_dict *dict = open_dict();
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 64));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_int(2 * i)));
    expect_ok(hf_dict_get(dict, hf_int(i), &values[i]));
  }
  expect_ok(hf_pipeline_end(world.conn, &result));
  assert_int_equal(result.submitted, 2 * COUNT);
  assert_int_equal(result.failed, 0);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(values[i].integer, 2 * i);
  }
  free(values);
  hf_dict_close(dict);
}

static void test_pipeline_first_failure_is_reported_and_others_done(void **state) {
  struct hf_pipeline_result result;
  hf_dict *dict = open_dict();
  hf_value missing, there;
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(1)));
  expect_ok(hf_dict_get(dict, hf_int(7), &missing));
  expect_fails(hf_dict_set(dict, hf_int(1), (hf_value){.type = (hf_type)99}), INVALID_ARGUMENT,
               BAD_VALUE);
  expect_ok(hf_dict_add(dict, hf_int(1), hf_text("x"), NULL));
  expect_ok(hf_dict_get(dict, hf_int(1), &there));
  expect_fails(hf_pipeline_end(world.conn, &result), NOT_FOUND, NO_SUCH_KEY);
  assert_int_equal(result.submitted, 5);
  assert_int_equal(result.failed, 3);
  assert_int_equal(result.first_failed, 1);
  assert_int_equal(hf_pipeline_status(world.conn, 0), HF_OK);
  assert_int_equal(hf_calls_made(world.conn), 0);
  expect_fails(hf_pipeline_status(world.conn, 2), INVALID_ARGUMENT, BAD_VALUE);
  expect_fails(hf_pipeline_status(world.conn, 1), NOT_FOUND, NO_SUCH_KEY);
  expect_fails(hf_pipeline_status(world.conn, 3), INVALID_ARGUMENT, WRONG_TYPE);
  assert_int_equal(hf_pipeline_status(world.conn, 4), HF_OK);
  expect_equal(there, hf_int(1));
  hf_dict_close(dict);
}

static void test_pipeline_every_failure_is_known(void **state) {
  hf_dict *dict;
  static hf_value values[3000];
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_int(1500), hf_int(7)));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  for (int64_t i = 0; i < 3000; i++) {
    assert_int_equal(hf_calls_made(world.conn), i);
    expect_ok(hf_dict_get(dict, hf_int(i), &values[i]));
  }
  expect_fails(hf_pipeline_end(world.conn, NULL), NOT_FOUND, NO_SUCH_KEY);
  for (int64_t i = 0; i < 3000; i++) {
    if (i == 1500) {
      expect_ok(hf_pipeline_status(world.conn, (uint64_t)i));
    } else {
      expect_fails(hf_pipeline_status(world.conn, (uint64_t)i), NOT_FOUND, NO_SUCH_KEY);
    }
  }
  expect_equal(values[1500], hf_int(7));
  hf_dict_close(dict);
}

static void test_pipeline_opens_only_once_a_thread(void **state) {
  (void)state;
  expect_fails(hf_pipeline_end(world.conn, NULL), FAILED_PRECONDITION, );
  expect_ok(hf_pipeline_begin(world.conn, 8));
  expect_fails(hf_pipeline_begin(world.conn, 8), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_oneway_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipeline_end(world.conn, NULL));
}

static void test_pipeline_collect_goes_on(void **state) {
  hf_dict *dict = open_dict();
  uint64_t len = 0;
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 8));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(1)));
  expect_ok(hf_dict_len(dict, &len));
  expect_ok(hf_pipeline_collect(world.conn));
  assert_int_equal(len, 1);
  expect_ok(hf_dict_set(dict, hf_int(2), hf_int(1)));
  expect_ok(hf_dict_len(dict, &len));
  expect_ok(hf_pipeline_end(world.conn, NULL));
  assert_int_equal(len, 2);
  hf_dict_close(dict);
}

/* Requests and replies far beyond what the sockets buffer: both sides must go on reading. */
static void test_pipeline_of_big_values_does_not_stall(void **state) {
  enum { COUNT = 200, SIZE = 200000 };
  char *bytes = calloc(1, SIZE);
  hf_value *values = calloc(COUNT, sizeof *values);
  hf_dict *dict = open_dict();
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 64));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_bytes(bytes, SIZE)));
    expect_ok(hf_dict_get(dict, hf_int(i), &values[i]));
  }
  expect_ok(hf_pipeline_end(world.conn, NULL));
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(values[i].size, SIZE);
  }
  hf_values_free(values, COUNT);
  free(bytes);
  hf_dict_close(dict);
}

static void test_pipeline_parked_calls_are_overtaken(void **state) {
  hf_queue *queue;
  hf_value first, second;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_pipeline_begin(world.conn, 4));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &first));
  expect_ok(hf_queue_get(queue, HF_FOREVER, &second));
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  expect_ok(hf_queue_put(queue, hf_int(2), 0));
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_equal(first, hf_int(1));
  expect_equal(second, hf_int(2));
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pipeline_results_are_set_in_order),
    cmocka_unit_test(test_pipeline_first_failure_is_reported_and_others_done),
    cmocka_unit_test(test_pipeline_every_failure_is_known),
    cmocka_unit_test(test_pipeline_opens_only_once_a_thread),
    cmocka_unit_test(test_pipeline_collect_goes_on),
    cmocka_unit_test(test_pipeline_of_big_values_does_not_stall),
    cmocka_unit_test(test_pipeline_parked_calls_are_overtaken),
};

WORLD_MAIN("pipeline", tests)
