/* Bodies that are wrong, huge or deep: each gets a clear status on a connection that stays usable.
 */
#include "proto/holdfast_fields.h"
#include "tests/fault/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_still_usable(struct attacker *attacker) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  attacker_expect_request(attacker, &request, HF_OK, "");
}

/* A request of operation `arm` on `name` with that content. */
static struct body operation_on(const char *name, uint32_t arm, const struct body *content) {
  struct body body = {0};
  body_put_field(&body, HF_FIELD_REQUEST_NAME, name, strlen(name));
  body_put_field(&body, arm, content->data, content->len);
  return body;
}

static void expect_operation(struct attacker *attacker, const char *name, uint32_t arm,
                             const struct body *content, hf_status status, const char *reason) {
  struct body body = operation_on(name, arm, content);
  attacker_expect(attacker, body_view(&body), status, reason);
  body_free(&body);
}

static void test_hostile_garbage_bodies_are_bad_requests(void **state) {
  (void)state;
  static const char *const bodies[] = {"\xff",     "\x08",         "\x0a\x05",
                                       "\xc2\x02", "\x42\xff\xff", "\xff\xff\xff\xff\xff\xff\xff",
                                       "\x0b\x0c"};
  struct attacker attacker;
  hostile_open(&attacker);
  for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
    attacker_expect(&attacker, bytes_of_text(bodies[i]), HF_INVALID_ARGUMENT, "BAD_REQUEST");
  }
  expect_still_usable(&attacker);
  attacker_close(&attacker);
}

static void test_hostile_unknown_operation_is_unimplemented(void **state) {
  (void)state;
  struct attacker attacker;
  hostile_open(&attacker);
  for (uint32_t field = 1000; field < 1100; field++) {
    struct body body = {0};
    body_put_field(&body, field, "whatever", 8);
    attacker_expect(&attacker, body_view(&body), HF_UNIMPLEMENTED, "UNKNOWN_OPERATION");
    body_free(&body);
  }
  attacker_expect(&attacker, bytes_of("", 0), HF_UNIMPLEMENTED, "UNKNOWN_OPERATION");
  expect_still_usable(&attacker);
  attacker_close(&attacker);
}

/* tuple { items { tuple { items { ... } } } }, `levels` of them, around the number 0. */
static struct body nested_value(int levels) {
  struct body inner = {0};
  body_put(&inner, "\x18\x00", 2);
  for (int i = 0; i < levels; i++) {
    struct body items = {0}, outer = {0};
    body_put_field(&items, HF_FIELD_TUPLE_ITEMS, inner.data, inner.len);
    body_put_field(&outer, HF_FIELD_VALUE_TUPLE, items.data, items.len);
    body_free(&items);
    body_free(&inner);
    inner = outer;
  }
  return inner;
}

static void expect_nested(struct attacker *attacker, int levels, hf_status status,
                          const char *reason) {
  struct body value = nested_value(levels), append = {0};
  body_put_field(&append, HF_FIELD_LIST_APPEND_VALUE, value.data, value.len);
  expect_operation(attacker, "deep", HF_FIELD_REQUEST_LIST_APPEND, &append, status, reason);
  body_free(&append);
  body_free(&value);
}

static void test_hostile_nesting_is_too_deep(void **state) {
  (void)state;
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__LIST, "deep", 0);
  expect_nested(&attacker, HF_TUPLE_DEPTH_MAX, HF_OK, "");
  expect_nested(&attacker, HF_TUPLE_DEPTH_MAX + 1, HF_INVALID_ARGUMENT, "TOO_DEEP");
  expect_nested(&attacker, 100, HF_INVALID_ARGUMENT, "TOO_DEEP");
  expect_nested(&attacker, 5000, HF_INVALID_ARGUMENT, "TOO_DEEP");
  expect_nested(&attacker, 10000, HF_INVALID_ARGUMENT, "TOO_DEEP");
  expect_still_usable(&attacker);
  attacker_close(&attacker);
}

static void expect_empty_items(struct attacker *attacker, size_t count, hf_status status,
                               const char *reason) {
  struct body extend = {0};
  for (size_t i = 0; i < count; i++) {
    body_put(&extend, "\x0a\x00", 2);
  }
  expect_operation(attacker, "wide", HF_FIELD_REQUEST_LIST_EXTEND, &extend, status, reason);
  body_free(&extend);
}

static void test_hostile_empty_messages_are_too_many(void **state) {
  (void)state;
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__LIST, "wide", 0);
  expect_empty_items(&attacker, 1000, HF_INVALID_ARGUMENT, "BAD_VALUE");
  expect_empty_items(&attacker, 1000000, HF_RESOURCE_EXHAUSTED, "TOO_MANY_FIELDS");
  expect_empty_items(&attacker, 8000000, HF_RESOURCE_EXHAUSTED, "TOO_MANY_FIELDS");
  expect_still_usable(&attacker);
  attacker_close(&attacker);
}

/* 15 million one-byte numbers would unpack to 120 MB. */
static void test_hostile_packed_numbers_are_bounded(void **state) {
  (void)state;
  const size_t numbers_count = 15000000;
  struct attacker attacker;
  struct body body = {0};
  uint8_t *numbers = calloc(numbers_count, 1);
  assert_non_null(numbers);
  hostile_open(&attacker);
  body_put_field(&body, HF_FIELD_REQUEST_ACKED_ALSO, numbers, numbers_count);
  body_put(&body, "\x9a\x01\x00", 3);
  attacker_expect(&attacker, body_view(&body), HF_RESOURCE_EXHAUSTED, "TOO_MANY_FIELDS");
  body_free(&body);
  free(numbers);
  expect_still_usable(&attacker);
  attacker_close(&attacker);
}

static void expect_text(struct attacker *attacker, const char *text, size_t len, hf_status status,
                        const char *reason) {
  struct body value = {0}, append = {0};
  body_put_field(&value, HF_FIELD_VALUE_TEXT, text, len);
  body_put_field(&append, HF_FIELD_LIST_APPEND_VALUE, value.data, value.len);
  expect_operation(attacker, "texts", HF_FIELD_REQUEST_LIST_APPEND, &append, status, reason);
  body_free(&append);
  body_free(&value);
}

static void test_hostile_text_that_is_not_utf8_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff",
                                      "good \xe2\x82",
                                      "a long enough text not to be small \xfe"};
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__LIST, "texts", 0);
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    expect_text(&attacker, texts[i], strlen(texts[i]), HF_INVALID_ARGUMENT, "BAD_TEXT");
  }
  expect_text(&attacker, "\0", 1, HF_OK, "");
  expect_text(&attacker, "\xf0\x9f\x94\x92", 4, HF_OK, "");
  attacker_close(&attacker);
}

static void test_hostile_names_are_refused(void **state) {
  (void)state;
  char long_name[HF_NAME_BYTES_MAX + 2];
  static const char *const names[] = {"\xff", "a\nb", "\x7f", "\x1b[2J", "\xc2\x85"};
  struct attacker attacker;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  hostile_open(&attacker);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  open.kind = HOLDFAST__KIND__DICT;
  memset(long_name, 'x', sizeof(long_name) - 1);
  long_name[sizeof(long_name) - 1] = 0;
  open.name = hostile_data(long_name);
  attacker_expect_request(&attacker, &request, HF_INVALID_ARGUMENT, "BAD_NAME");
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    open.name = hostile_data(names[i]);
    attacker_expect_request(&attacker, &request, HF_INVALID_ARGUMENT, "BAD_NAME");
  }
  open.name = hostile_data("fine");
  open.kind = (Holdfast__Kind)77;
  attacker_expect_request(&attacker, &request, HF_INVALID_ARGUMENT, "WRONG_KIND");
  attacker_close(&attacker);
}

static void test_hostile_wrong_kind_and_timeouts_are_invalid(void **state) {
  (void)state;
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__DICT, "dict", 0);
  Holdfast__Request request = hostile_request("dict");
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &get;
  attacker_expect_request(&attacker, &request, HF_INVALID_ARGUMENT, "WRONG_KIND");
  hostile_open_object(&attacker, HOLDFAST__KIND__QUEUE, "queue", 0);
  request.name = hostile_data("queue");
  request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  static const int64_t negative[] = {-1, -2, INT64_MIN, INT64_MIN + 1};
  for (size_t i = 0; i < sizeof(negative) / sizeof(negative[0]); i++) {
    request.timeout_ms = negative[i];
    attacker_expect_request(&attacker, &request, HF_INVALID_ARGUMENT, "NEGATIVE_TIMEOUT");
  }
  request.timeout_ms = 0;
  attacker_expect_request(&attacker, &request, HF_RESOURCE_EXHAUSTED, "QUEUE_EMPTY");
  /* The longest timeout must not wrap around into one that is over. */
  request.timeout_ms = INT64_MAX;
  Holdfast__Response *response;
  uint32_t id;
  assert_true(attacker_send_request(&attacker, &request) != 0);
  assert_false(attacker_receive(&attacker, 100, &id, &response));
  attacker_close(&attacker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_hostile_garbage_bodies_are_bad_requests, hostile_check),
      cmocka_unit_test_teardown(test_hostile_unknown_operation_is_unimplemented, hostile_check),
      cmocka_unit_test_teardown(test_hostile_nesting_is_too_deep, hostile_check),
      cmocka_unit_test_teardown(test_hostile_empty_messages_are_too_many, hostile_check),
      cmocka_unit_test_teardown(test_hostile_packed_numbers_are_bounded, hostile_check),
      cmocka_unit_test_teardown(test_hostile_text_that_is_not_utf8_is_refused, hostile_check),
      cmocka_unit_test_teardown(test_hostile_names_are_refused, hostile_check),
      cmocka_unit_test_teardown(test_hostile_wrong_kind_and_timeouts_are_invalid, hostile_check),
  };
  return cmocka_run_group_tests_name("fault.bodies", tests, hostile_start, hostile_stop);
}
