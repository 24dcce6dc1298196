/* What the server writes by hand is what protobuf-c would have written. */
#include "proto/holdfast.pb-c.h"
#include "server/dispatch/encode.h"
#include "tests/support/value_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VERSION "9.8.7"

/* Encodes; protobuf-c reads it back, and would have written the same bytes. Freed by the caller. */
static Holdfast__Response *check(const struct reply *reply) {
  size_t len = encode_reply_len(reply, VERSION);
  uint8_t *body = malloc(len + 2);
  uint8_t *again = malloc(len + 1);
  assert_true(body != NULL && again != NULL);
  body[len] = 0xa5;
  encode_reply(reply, VERSION, body);
  assert_int_equal(body[len], 0xa5);
  Holdfast__Response *response = holdfast__response__unpack(NULL, len, body);
  assert_non_null(response);
  assert_int_equal(holdfast__response__get_packed_size(response), len);
  holdfast__response__pack(response, again);
  assert_memory_equal(body, again, len);
  free(body);
  free(again);
  return response;
}

static void drop(Holdfast__Response *response) {
  holdfast__response__free_unpacked(response, NULL);
}

static struct value text(const char *content) {
  struct value value;
  assert_true(value_text(bytes_of_text(content), &value));
  return value;
}

static struct value nested(void) {
  struct value inner[] = {value_int(-7), value_none(), text("a text too long to be kept inside")};
  struct value outer[] = {value_bool(false), value_none(), value_float(-0.0),
                          value_uint(UINT64_MAX)};
  struct value value;
  assert_true(value_tuple(inner, 3, &outer[1]));
  assert_true(value_tuple(outer, 4, &value));
  return value;
}

static struct value opaque(void) {
  Holdfast__Opaque content = HOLDFAST__OPAQUE__INIT;
  Holdfast__Value message = HOLDFAST__VALUE__INIT;
  struct value value;
  content.codec = (ProtobufCBinaryData){6, (uint8_t *)"pickle"};
  content.data = (ProtobufCBinaryData){3, (uint8_t *)"\0\1\2"};
  message.kind_case = HOLDFAST__VALUE__KIND_OPAQUE;
  message.opaque = &content;
  assert_int_equal(value_from_message(&message, &value), HF_REASON_NONE);
  return value;
}

static void test_encode_each_kind_of_value(void **state) {
  (void)state;
  struct value values[] = {
      value_none(),
      value_bool(true),
      value_bool(false),
      value_int(0),
      value_int(INT64_MIN),
      value_int(INT64_MAX),
      value_int(300),
      value_uint(UINT64_MAX),
      value_float(3.1415927),
      value_reference(77, 1),
      text(""),
      text("short"),
      nested(),
      opaque(),
      text("longer than fourteen bytes"),
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    struct arena arena;
    Holdfast__Value expected;
    struct value arrived;
    struct reply reply = {.sequence = i, .shape = REPLY_VALUE, .value = values[i]};
    Holdfast__Response *response = check(&reply);
    assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT_VALUE);
    arena_init(&arena, 1 << 20);
    assert_true(value_to_message(&values[i], &arena, &expected));
    assert_int_equal(holdfast__value__get_packed_size(&expected),
                     holdfast__value__get_packed_size(response->value));
    assert_int_equal(value_from_message(response->value, &arrived), HF_REASON_NONE);
    assert_true(value_equal(arrived, values[i]));
    value_release(arrived);
    value_release(values[i]);
    arena_deinit(&arena);
    drop(response);
  }
}

static void test_encode_errors(void **state) {
  (void)state;
  struct reply reply = {.sequence = 9, .reason = HF_REASON_QUEUE_EMPTY, .late = true};
  Holdfast__Response *response = check(&reply);
  assert_int_equal(response->status, HF_DEADLINE_EXCEEDED);
  assert_int_equal(response->reason.len, strlen("QUEUE_EMPTY"));
  assert_true(response->message.len > 0);
  drop(response);
}

static void test_encode_plain_results(void **state) {
  (void)state;
  struct reply nothing = {.sequence = UINT64_MAX};
  struct reply no = {.shape = REPLY_FLAG};
  struct reply count = {.shape = REPLY_COUNT, .count = -3};
  struct reply payload = {.shape = REPLY_PAYLOAD, .value = value_none()};
  assert_true(value_bytes(bytes_of("x\0y", 3), &payload.value));
  Holdfast__Response *response = check(&nothing);
  assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT__NOT_SET);
  drop(response);
  response = check(&no);
  assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT_FLAG);
  drop(response);
  response = check(&count);
  assert_int_equal(response->count, -3);
  drop(response);
  response = check(&payload);
  assert_int_equal(response->payload.len, 3);
  drop(response);
}

static void test_encode_many_values(void **state) {
  (void)state;
  struct value values[] = {value_int(1), text("one"), value_int(2), nested()};
  struct reply list = {.shape = REPLY_VALUES, .values = values, .values_count = 4};
  struct reply entries = {.shape = REPLY_ENTRIES, .values = values, .values_count = 4};
  struct reply page = {
      .shape = REPLY_PAGE, .values = values, .values_count = 2, .cursor = 500, .length = 1000};
  struct reply empty = {.shape = REPLY_VALUES, .values = values};
  Holdfast__Response *response = check(&list);
  assert_int_equal(response->values->n_items, 4);
  drop(response);
  response = check(&entries);
  assert_int_equal(response->entries->n_items, 2);
  assert_int_equal(response->entries->items[1]->key->integer, 2);
  drop(response);
  response = check(&page);
  assert_int_equal(response->page->cursor, 500);
  assert_int_equal(response->page->length, 1000);
  drop(response);
  response = check(&empty);
  assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT_VALUES);
  drop(response);
  value_release(values[1]);
  value_release(values[3]);
}

static void test_encode_reports(void **state) {
  (void)state;
  struct reply_object objects[] = {
      {.id = 5,
       .kind = HOLDFAST__KIND__QUEUE,
       .name = text("q"),
       .created = true,
       .length = 3,
       .maxsize = -1,
       .waiting = 2,
       .references = 1,
       .unfinished = 9},
      {.id = 6,
       .kind = HOLDFAST__KIND__VALUE,
       .typecode = 'd',
       .locked = true,
       .owner = text("me"),
       .token = 1u << 31},
  };
  struct reply one = {.shape = REPLY_OBJECT, .objects = objects, .objects_count = 1};
  struct reply all = {.shape = REPLY_OBJECTS, .objects = objects, .objects_count = 2, .more = true};
  struct reply grant = {.shape = REPLY_GRANT, .token = 12345678901, .owner_died = true};
  struct reply session = {.shape = REPLY_SESSION, .session = {1, 2, 3}, .grace_ms = 5000};
  Holdfast__Response *response = check(&one);
  assert_int_equal(response->object->maxsize, -1);
  assert_int_equal(response->object->unfinished, 9);
  drop(response);
  response = check(&all);
  assert_int_equal(response->objects->n_items, 2);
  assert_int_equal(response->objects->items[1]->typecode.data[0], 'd');
  assert_true(response->objects->more);
  drop(response);
  response = check(&grant);
  assert_true(response->grant->token == 12345678901 && response->grant->owner_died);
  drop(response);
  response = check(&session);
  assert_int_equal(response->session->id.len, HF_SESSION_BYTES);
  assert_int_equal(response->session->frame_bytes_max, HF_FRAME_BYTES_MAX);
  drop(response);
}

static void test_encode_arrival(void **state) {
  (void)state;
  struct reply last = {.shape = REPLY_ARRIVAL, .index = 300, .acts = true, .round = 1000};
  Holdfast__Response *response = check(&last);
  assert_true(response->arrival->index == 300 && response->arrival->acts);
  assert_int_equal(response->arrival->round, 1000);
  drop(response);
}

static void test_encode_reservation(void **state) {
  (void)state;
  struct reply tried = {.shape = REPLY_RESERVATION, .item = value_int(7)};
  tried.reservation = UINT64_C(1) << 63;
  tried.tries = 300;
  tried.priority = INT64_MIN;
  struct reply fresh = {.shape = REPLY_RESERVATION, .item = text("a text that needs a box")};
  fresh.reservation = 1;
  Holdfast__Response *response = check(&tried);
  assert_true(response->reservation->id == UINT64_C(1) << 63);
  assert_int_equal(response->reservation->value->integer, 7);
  assert_int_equal(response->reservation->tries, 300);
  assert_true(response->reservation->priority == INT64_MIN);
  drop(response);
  response = check(&fresh);
  assert_int_equal(response->reservation->value->text.len, 23);
  assert_int_equal(response->reservation->tries, 0);
  drop(response);
  value_release(fresh.item);
}

static void test_encode_exchange_and_flush_and_server(void **state) {
  (void)state;
  struct reply nothing_found = {.shape = REPLY_EXCHANGE, .swapped = true};
  struct reply found = {.shape = REPLY_EXCHANGE, .found = value_none()};
  struct reply_flushed report = {.received = 10, .finished = 9, .failed = 1, .failures_count = 1};
  report.failures[0] = (struct reply_failure){8, HF_REASON_QUEUE_FULL, true};
  struct reply flushed = {.shape = REPLY_FLUSHED, .flushed = &report};
  struct reply_server numbers = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  numbers.memory_used[MEMORY_WAITERS] = 14;
  struct reply server = {.shape = REPLY_SERVER, .server = &numbers};
  Holdfast__Response *response = check(&nothing_found);
  assert_true(response->exchange->swapped && !response->exchange->found);
  drop(response);
  response = check(&found);
  assert_int_equal(response->exchange->found->kind_case, HOLDFAST__VALUE__KIND_NONE);
  drop(response);
  response = check(&flushed);
  assert_int_equal(response->flushed->failures[0]->status, HF_DEADLINE_EXCEEDED);
  drop(response);
  response = check(&server);
  assert_string_equal(response->server->version, VERSION);
  assert_int_equal(response->server->memory_bytes, 8);
  assert_int_equal(response->server->shared_cells, 10);
  assert_int_equal(response->server->segment_cells, 11);
  assert_int_equal(response->server->memory_bytes_max, 12);
  assert_int_equal(response->server->n_memory, MEMORY_USES);
  assert_string_equal(response->server->memory[MEMORY_WAITERS]->name, "waiters");
  assert_int_equal(response->server->memory[MEMORY_WAITERS]->bytes, 14);
  assert_int_equal(response->server->memory[MEMORY_WAITERS]->bytes_max, 13);
  drop(response);
}

static void test_encode_users(void **state) {
  (void)state;
  struct reply_server *numbers = calloc(1, sizeof *numbers + sizeof(struct reply_user));
  assert_non_null(numbers);
  numbers->users_count = 1;
  numbers->users[0] = (struct reply_user){"web", 3, true, 1, 2, 3, 4, 5};
  struct reply server = {.shape = REPLY_SERVER, .server = numbers};
  Holdfast__Response *response = check(&server);
  assert_int_equal(response->server->n_users, 1);
  const Holdfast__UserUse *user = response->server->users[0];
  assert_string_equal(user->name, "web");
  assert_true(user->removed);
  assert_int_equal(user->memory_bytes, 1);
  assert_int_equal(user->objects, 2);
  assert_int_equal(user->sessions, 3);
  assert_int_equal(user->connections, 4);
  assert_int_equal(user->waiting, 5);
  drop(response);
  free(numbers);
}

/* Instead of the reason's own. */
static void test_encode_a_sentence(void **state) {
  (void)state;
  struct reply denied = {.reason = HF_REASON_NO_RIGHT};
  assert_true(value_text(bytes_of_text("user \"web\" may not"), &denied.sentence));
  Holdfast__Response *response = check(&denied);
  assert_int_equal(response->status, HF_PERMISSION_DENIED);
  assert_true(bytes_equal(bytes_of(response->reason.data, response->reason.len),
                          bytes_of_text("NO_RIGHT")));
  assert_true(bytes_equal(bytes_of(response->message.data, response->message.len),
                          value_content(&denied.sentence)));
  drop(response);
  value_release(denied.sentence);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_encode_each_kind_of_value),
      cmocka_unit_test(test_encode_errors),
      cmocka_unit_test(test_encode_plain_results),
      cmocka_unit_test(test_encode_many_values),
      cmocka_unit_test(test_encode_reports),
      cmocka_unit_test(test_encode_arrival),
      cmocka_unit_test(test_encode_reservation),
      cmocka_unit_test(test_encode_exchange_and_flush_and_server),
      cmocka_unit_test(test_encode_users),
      cmocka_unit_test(test_encode_a_sentence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
