/* Our decoder against protobuf-c's: the same messages, and within bounds where that has none. */
#include "proto/limits.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state) {
  (void)state;
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  arena_deinit(&arena);
  return 0;
}

static hf_reason unpack(const void *body, size_t len) {
  Holdfast__Request *request;
  arena_reset(&arena);
  return wire_unpack_request(bytes_of(body, len), &arena, &request);
}

/* Decodes and packs again: nothing may have been lost. */
static void expect_same(const Holdfast__Request *sent) {
  size_t len = holdfast__request__get_packed_size(sent);
  uint8_t *body = malloc(len + 1), *again = malloc(len + 1);
  Holdfast__Request *received;
  assert_true(body != NULL && again != NULL);
  holdfast__request__pack(sent, body);
  assert_int_equal(wire_unpack_request(bytes_of(body, len), &arena, &received), HF_REASON_NONE);
  assert_int_equal(holdfast__request__get_packed_size(received), len);
  holdfast__request__pack(received, again);
  assert_memory_equal(body, again, len);
  free(body);
  free(again);
}

static void test_wire_reads_what_protobuf_wrote(void **state) {
  (void)state;
  uint64_t also[] = {1, 300, UINT64_MAX, 5, 6, 7, 8, 9, 10};
  Holdfast__Value items[9], *pointers[9];
  Holdfast__ListExtend extend = HOLDFAST__LIST_EXTEND__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  for (size_t i = 0; i < 9; i++) {
    holdfast__value__init(&items[i]);
    pointers[i] = &items[i];
    items[i].kind_case = HOLDFAST__VALUE__KIND_INTEGER;
    items[i].integer = (int64_t)i * -1000000007;
  }
  items[3].kind_case = HOLDFAST__VALUE__KIND_REAL;
  items[3].real = 2.5;
  items[4].kind_case = HOLDFAST__VALUE__KIND_TEXT;
  items[4].text = (ProtobufCBinaryData){4, (uint8_t *)"text"};
  items[5].kind_case = HOLDFAST__VALUE__KIND_BOOLEAN;
  items[5].boolean = 1;
  extend.n_items = 9;
  extend.items = pointers;
  request.sequence = UINT64_MAX;
  request.acked_also = also;
  request.n_acked_also = 9;
  request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request.timeout_ms = INT64_MIN;
  request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  request.name = (ProtobufCBinaryData){4, (uint8_t *)"list"};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_EXTEND;
  request.list_extend = &extend;
  expect_same(&request);
}

static void test_wire_strings_end_in_a_nul(void **state) {
  (void)state;
  static const uint8_t body[] = {0xda, 0x01, 0x05, 0x0a, 0x03, 'a', 'b', 'c'}; /* server.version */
  Holdfast__Response *response;
  assert_int_equal(wire_unpack_response(bytes_of(body, sizeof body), &arena, &response),
                   HF_REASON_NONE);
  assert_string_equal(response->server->version, "abc");
}

static void test_wire_passes_unknown_fields_over(void **state) {
  (void)state;
  static const uint8_t body[] = {0xf8, 0x3f, 0x07,           /* field 1023, varint */
                                 0xfa, 0x3f, 0x02, 'x', 'y', /* the same, delimited */
                                 0x10, 0x2a};                /* sequence 42 */
  Holdfast__Request *request;
  assert_int_equal(wire_unpack_request(bytes_of(body, sizeof body), &arena, &request),
                   HF_REASON_NONE);
  assert_int_equal(request->sequence, 42);
}

static void test_wire_refuses_what_is_no_message(void **state) {
  (void)state;
  assert_int_equal(unpack("\x10", 1), HF_REASON_BAD_REQUEST);     /* no value */
  assert_int_equal(unpack("\x10\x80", 2), HF_REASON_BAD_REQUEST); /* half a varint */
  assert_int_equal(unpack("\x0a\x05"
                          "abc",
                          5),
                   HF_REASON_BAD_REQUEST);                         /* a lie about length */
  assert_int_equal(unpack("\x00\x01", 2), HF_REASON_BAD_REQUEST);  /* field 0 */
  assert_int_equal(unpack("\x13\x14", 2), HF_REASON_BAD_REQUEST);  /* a group */
  assert_int_equal(unpack("\x12\x01x", 3), HF_REASON_BAD_REQUEST); /* bytes as a number */
  assert_int_equal(unpack("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),
                   HF_REASON_BAD_REQUEST); /* too long a varint */
  assert_int_equal(unpack("", 0), HF_REASON_NONE);
}

static void test_wire_truncated_anywhere_is_refused_or_shorter(void **state) {
  (void)state;
  Holdfast__Value key = HOLDFAST__VALUE__INIT;
  Holdfast__DictGet get = HOLDFAST__DICT_GET__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  uint8_t body[64];
  key.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  key.text = (ProtobufCBinaryData){5, (uint8_t *)"apple"};
  get.key = &key;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_GET;
  request.dict_get = &get;
  size_t len = holdfast__request__pack(&request, body);
  for (size_t cut = 1; cut < len; cut++) {
    assert_int_equal(unpack(body, cut), HF_REASON_BAD_REQUEST);
  }
}

static void test_wire_nesting_is_bounded(void **state) {
  (void)state;
  /* tuple in tuple in ...: each level is a value (7) and a tuple (1) around it */
  enum { LEVELS = 10000 };
  uint8_t *body = malloc(LEVELS * 8 + 16);
  size_t len = 0;
  assert_non_null(body);
  uint8_t *end = body + LEVELS * 8 + 16, *at = end;
  for (size_t level = 0; level < LEVELS; level++) {
    uint8_t head[5] = {0x3a, (uint8_t)(len | 0x80), (uint8_t)(len >> 7 | 0x80),
                       (uint8_t)(len >> 14), 0};
    if (level % 2 == 0) {
      head[0] = 0x0a;
    }
    at -= 4;
    memcpy(at, head, 4);
    len += 4;
  }
  Holdfast__Request *request;
  uint8_t *whole = malloc(len + 16);
  assert_non_null(whole);
  uint8_t front[] = {0xc2,
                     0x02,
                     (uint8_t)((len + 5) | 0x80),
                     (uint8_t)((len + 5) >> 7 | 0x80),
                     (uint8_t)((len + 5) >> 14),
                     0x0a,
                     (uint8_t)(len | 0x80),
                     (uint8_t)(len >> 7 | 0x80),
                     (uint8_t)(len >> 14 | 0x80),
                     0}; /* dict_get.key */
  memcpy(whole, front, sizeof front);
  memcpy(whole + sizeof front, at, len);
  assert_int_equal(wire_unpack_request(bytes_of(whole, sizeof front + len), &arena, &request),
                   HF_REASON_TOO_DEEP);
  free(whole);
  free(body);
}

static void test_wire_count_and_memory_are_bounded(void **state) {
  (void)state;
  enum { COUNT = 1000000 };
  uint8_t *body = malloc(COUNT * 2 + 16);
  assert_non_null(body);
  size_t content = COUNT * 2;
  uint8_t front[] = {0xea, 0x04, (uint8_t)(content | 0x80), (uint8_t)(content >> 7 | 0x80),
                     (uint8_t)(content >> 14)}; /* list_extend */
  memcpy(body, front, sizeof front);
  for (size_t i = 0; i < COUNT; i++) {
    body[sizeof front + 2 * i] = 0x0a;
    body[sizeof front + 2 * i + 1] = 0;
  }
  assert_int_equal(unpack(body, sizeof front + content), HF_REASON_TOO_MANY_FIELDS);
  assert_true(arena.used_bytes <= HF_UNPACK_BYTES_MAX);
  arena_deinit(&arena);
  arena_init(&arena, 4096);
  content = 1000;
  front[2] = (uint8_t)(content | 0x80);
  front[3] = (uint8_t)(content >> 7 | 0x80);
  front[4] = 0;
  memcpy(body, front, sizeof front);
  assert_int_equal(unpack(body, sizeof front + content), HF_REASON_REQUEST_TOO_BIG);
  free(body);
}

/* Every type of field in holdfast.proto is one the decoder knows. */
static void check_types(const ProtobufCMessageDescriptor *descriptor, unsigned depth) {
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    switch (descriptor->fields[i].type) {
      case PROTOBUF_C_TYPE_MESSAGE:
        if (depth < 4) {
          check_types(descriptor->fields[i].descriptor, depth + 1);
        }
        break;
      case PROTOBUF_C_TYPE_BYTES:
      case PROTOBUF_C_TYPE_STRING:
      case PROTOBUF_C_TYPE_SINT64:
      case PROTOBUF_C_TYPE_UINT64:
      case PROTOBUF_C_TYPE_DOUBLE:
      case PROTOBUF_C_TYPE_UINT32:
      case PROTOBUF_C_TYPE_ENUM:
      case PROTOBUF_C_TYPE_BOOL:
        break;
      default:
        fail_msg("%s.%s has a type wire.c does not read", descriptor->name,
                 descriptor->fields[i].name);
    }
  }
}

static void test_wire_knows_every_type_in_use(void **state) {
  (void)state;
  check_types(&holdfast__request__descriptor, 0);
  check_types(&holdfast__response__descriptor, 0);
}

int main(void) {
#define WIRE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WIRE(test_wire_reads_what_protobuf_wrote),
      WIRE(test_wire_strings_end_in_a_nul),
      WIRE(test_wire_passes_unknown_fields_over),
      WIRE(test_wire_refuses_what_is_no_message),
      WIRE(test_wire_truncated_anywhere_is_refused_or_shorter),
      WIRE(test_wire_nesting_is_bounded),
      WIRE(test_wire_count_and_memory_are_bounded),
      WIRE(test_wire_knows_every_type_in_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
