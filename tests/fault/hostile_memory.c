/* A server with little memory: requests for more are refused, and deleting makes room again. */
#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"
#include "tests/fault/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_MAX "32M"
#define MEMORY_MAX_BYTES (32u << 20)
#define CHUNK_BYTES (1u << 20)

static Holdfast__Value chunk_value(void) {
  static uint8_t chunk[CHUNK_BYTES];
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_BYTES;
  value.bytes = (ProtobufCBinaryData){sizeof(chunk), chunk};
  return value;
}

/* Sends until something else than OK comes; answers how many were OK. */
static size_t repeat_until_refused(struct attacker *attacker, const Holdfast__Request *request,
                                   const char *reason) {
  const size_t tries_max = 4 * (MEMORY_MAX_BYTES / CHUNK_BYTES);
  for (size_t count = 0; count < tries_max; count++) {
    Holdfast__Response *response;
    uint32_t id;
    assert_true(attacker_send_request(attacker, request) != 0);
    assert_true(attacker_receive(attacker, 10000, &id, &response));
    bool refused = response->status != HF_OK;
    if (refused) {
      assert_int_equal(response->status, HF_RESOURCE_EXHAUSTED);
      assert_int_equal(response->reason.len, strlen(reason));
      assert_memory_equal(response->reason.data, reason, strlen(reason));
    }
    holdfast__response__free_unpacked(response, NULL);
    if (refused) {
      return count;
    }
  }
  fail_msg("never refused");
  return 0;
}

static void expect_fills_at(size_t count) {
  print_message("  refused after %zu chunks of 1 MiB\n", count);
  assert_in_range(count, 16, 33);
}

static void delete_object(struct attacker *attacker, const char *name) {
  Holdfast__Request request = hostile_request(name);
  Holdfast__ObjectDelete delete = HOLDFAST__OBJECT_DELETE__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &delete;
  attacker_expect_request(attacker, &request, HF_OK, "");
}

static void test_hostile_full_memory_is_refused_and_comes_back(void **state) {
  (void)state;
  struct attacker attacker;
  Holdfast__Value value = chunk_value();
  hostile_open(&attacker);
  for (int round = 0; round < 3; round++) {
    hostile_open_object(&attacker, HOLDFAST__KIND__LIST, "hoard", 0);
    Holdfast__Request request = hostile_request("hoard");
    Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
    append.value = &value;
    request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
    request.list_append = &append;
    expect_fills_at(repeat_until_refused(&attacker, &request, "MEMORY_FULL"));
    delete_object(&attacker, "hoard");
  }
  attacker_close(&attacker);
}

static void test_hostile_full_memory_refuses_queue_items(void **state) {
  (void)state;
  struct attacker attacker;
  Holdfast__Value value = chunk_value();
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__QUEUE, "flood", 0);
  Holdfast__Request request = hostile_request("flood");
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  expect_fills_at(repeat_until_refused(&attacker, &request, "MEMORY_FULL"));
  delete_object(&attacker, "flood");
  attacker_close(&attacker);
}

/* A few bytes that ask for an object of gigabytes. */
static void expect_repeat(struct attacker *attacker, int64_t count, const char *reason) {
  Holdfast__Request request = hostile_request("seed");
  Holdfast__ListRepeatInPlace repeat = HOLDFAST__LIST_REPEAT_IN_PLACE__INIT;
  repeat.count = count;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_REPEAT_IN_PLACE;
  request.list_repeat_in_place = &repeat;
  attacker_expect_request(attacker, &request, HF_RESOURCE_EXHAUSTED, reason);
}

static void test_hostile_multiplied_lists_are_refused(void **state) {
  (void)state;
  struct attacker attacker;
  Holdfast__Value value = chunk_value();
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__LIST, "seed", 0);
  Holdfast__Request request = hostile_request("seed");
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  append.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  attacker_expect_request(&attacker, &request, HF_OK, "");
  expect_repeat(&attacker, INT64_MAX, "OBJECT_TOO_BIG");
  expect_repeat(&attacker, (int64_t)HF_LENGTH_MAX + 1, "OBJECT_TOO_BIG");
  expect_repeat(&attacker, HF_LENGTH_MAX / 2, "MEMORY_FULL");
  Holdfast__ListRepeat repeat = HOLDFAST__LIST_REPEAT__INIT;
  repeat.count = 1000;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_REPEAT;
  request.list_repeat = &repeat;
  attacker_expect_request(&attacker, &request, HF_RESOURCE_EXHAUSTED, "REPLY_TOO_BIG");
  delete_object(&attacker, "seed");
  attacker_close(&attacker);
}

static void test_hostile_gigantic_arrays_are_refused(void **state) {
  (void)state;
  static const uint64_t lengths[] = {HF_LENGTH_MAX, HF_LENGTH_MAX + 1ull, 1ull << 40, UINT64_MAX,
                                     UINT64_MAX / 8 + 1};
  struct attacker attacker;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  hostile_open(&attacker);
  open.kind = HOLDFAST__KIND__ARRAY;
  open.name = hostile_data("array");
  open.typecode = hostile_data("d");
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    open.length = lengths[i];
    attacker_expect_request(&attacker, &request, HF_RESOURCE_EXHAUSTED,
                            lengths[i] > HF_LENGTH_MAX ? "OBJECT_TOO_BIG" : "MEMORY_FULL");
  }
  attacker_close(&attacker);
}

/* Empty objects and their names count too. */
static void test_hostile_countless_objects_are_refused(void **state) {
  (void)state;
  const int batch_count = 1000, batches_max = 1000;
  struct attacker attacker;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  char name[64];
  size_t opened = 0;
  hostile_open(&attacker);
  open.kind = HOLDFAST__KIND__DICT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  for (int batch = 0; batch < batches_max && opened == (size_t)batch * batch_count; batch++) {
    for (int i = 0; i < batch_count; i++) {
      snprintf(name, sizeof(name), "object %d %d", batch, i);
      open.name = hostile_data(name);
      assert_true(attacker_send_request(&attacker, &request) != 0);
    }
    for (int i = 0; i < batch_count; i++) {
      Holdfast__Response *response;
      uint32_t id;
      assert_true(attacker_receive(&attacker, 10000, &id, &response));
      opened += response->status == HF_OK ? 1 : 0;
      holdfast__response__free_unpacked(response, NULL);
    }
  }
  assert_in_range(opened, 1000, 500000);
  print_message("  refused after %zu dicts, %zu bytes each\n", opened, MEMORY_MAX_BYTES / opened);
  attacker_close(&attacker);
}

/* Puts that wait for room keep their items with them: those count as well. */
static void test_hostile_waiting_puts_count_as_memory(void **state) {
  (void)state;
  const int puts_count = 100;
  static uint8_t bytes[8 * CHUNK_BYTES];
  struct attacker attacker;
  Holdfast__Value value = chunk_value();
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__QUEUE, "full", 1);
  Holdfast__Request request = hostile_request("full");
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  attacker_expect_request(&attacker, &request, HF_OK, "");
  value.bytes = (ProtobufCBinaryData){sizeof(bytes), bytes};
  for (int i = 0; i < puts_count; i++) {
    assert_true(attacker_send_request(&attacker, &request) != 0);
  }
  Holdfast__Request ping = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping empty = HOLDFAST__PING__INIT;
  ping.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  ping.ping = &empty;
  assert_true(attacker_send_request(&attacker, &ping) != 0);
  /* All but the few that fit into 32 MiB are refused, and the ping is answered. */
  assert_true(hostile_drain(&attacker, (size_t)puts_count - 8) >= (size_t)puts_count - 8);
  hostile_expect_healthy("while puts wait");
  attacker_close(&attacker);
}

static void open_session(struct attacker *attacker, uint32_t grace_ms) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  open.grace_ms = grace_ms;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  attacker_expect_request(attacker, &request, HF_OK, "");
}

/* Sessions that never acknowledge: the replies kept for them are bounded for all together. */
static void test_hostile_unacknowledged_replies_are_bounded(void **state) {
  (void)state;
  const int sessions_count = 24, items_count = 50000, copies_count = 200;
  struct attacker attackers[24];
  uint8_t *items = calloc((size_t)items_count, 4);
  struct body extend = {0}, body = {0};
  assert_non_null(items);
  for (int i = 0; i < items_count; i++) {
    memcpy(items + 4 * (size_t)i, "\x0a\x02\x18\x02", 4);
  }
  hostile_open(&attackers[0]);
  hostile_open_object(&attackers[0], HOLDFAST__KIND__LIST, "copied", 0);
  body_put_field(&extend, HF_FIELD_REQUEST_NAME, "copied", 6);
  body_put_field(&extend, HF_FIELD_REQUEST_LIST_EXTEND, items, 4 * (size_t)items_count);
  attacker_expect(&attackers[0], body_view(&extend), HF_OK, "");
  body_free(&extend);
  free(items);
  attacker_close(&attackers[0]);
  for (int i = 0; i < sessions_count; i++) {
    hostile_open(&attackers[i]);
    open_session(&attackers[i], 1);
    for (int n = 1; n <= copies_count; n++) {
      body_put_varint(&body, wire_tag(HF_FIELD_REQUEST_SEQUENCE, VARINT));
      body_put_varint(&body, (uint64_t)n);
      body_put_field(&body, HF_FIELD_REQUEST_NAME, "copied", 6);
      body_put_field(&body, HF_FIELD_REQUEST_LIST_COPY, "", 0);
      assert_true(attacker_send(&attackers[i], body_view(&body)) != 0);
      body_free(&body);
      assert_int_equal(hostile_drain(&attackers[i], 1), 1);
    }
  }
  hostile_expect_healthy("with unacknowledged replies");
  for (int i = 0; i < sessions_count; i++) {
    attacker_close(&attackers[i]);
  }
}

int main(void) {
  static const char *const arguments[] = {"--memory-max", MEMORY_MAX, NULL};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_hostile_full_memory_is_refused_and_comes_back,
                                      hostile_start, hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_full_memory_refuses_queue_items, hostile_start,
                                      hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_multiplied_lists_are_refused, hostile_start,
                                      hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_gigantic_arrays_are_refused, hostile_start,
                                      hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_countless_objects_are_refused, hostile_start,
                                      hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_waiting_puts_count_as_memory, hostile_start,
                                      hostile_check_and_stop),
      cmocka_unit_test_setup_teardown(test_hostile_unacknowledged_replies_are_bounded,
                                      hostile_start, hostile_check_and_stop),
  };
  hostile_arguments = arguments;
  return cmocka_run_group_tests_name("fault.memory", tests, NULL, NULL);
}
