/* Large requests that wait: they are decoded once, before the engine has them, and are let go of
 * after. */
#include "proto/limits.h"
#include "server/engine/core.h"
#include "server/engine/decoded.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 2000u
#define ITEM_BYTES 1000u

static struct story story;
static char content[ITEM_BYTES];
static const struct value_hash_key hash_key = {{1}};

static int set_up(void **state) {
  (void)state;
  memset(content, 'x', sizeof content);
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__QUEUE, "q", 1);
  story_open(&story, 4, 2, HOLDFAST__KIND__PIPE, "pipe", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__LIST, "list", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* Numbers, so that their positions in the queue are seen, and a thousand bytes between each two. */
static Holdfast__Value **make_items(void) {
  Holdfast__Value **items = calloc(ITEMS, sizeof *items), *values = calloc(ITEMS, sizeof *values);
  assert_non_null(items);
  assert_non_null(values);
  for (unsigned i = 0; i < ITEMS; i++) {
    items[i] = &values[i];
    holdfast__value__init(items[i]);
    items[i]->kind_case = HOLDFAST__VALUE__KIND_INTEGER;
    items[i]->integer = i;
    if (i % 2) {
      items[i]->kind_case = HOLDFAST__VALUE__KIND_BYTES;
      items[i]->bytes = (ProtobufCBinaryData){sizeof content, (uint8_t *)content};
    }
  }
  return items;
}

static void free_items(Holdfast__Value **items) {
  free(items[0]);
  free(items);
}

static void send_put_many(uint64_t connection, uint64_t sequence, int64_t timeout_ms,
                          Holdfast__Value **items) {
  Holdfast__QueuePutMany put = HOLDFAST__QUEUE_PUT_MANY__INIT;
  Holdfast__Request request = story_request(sequence, "q", timeout_ms);
  put.n_items = ITEMS;
  put.items = items;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT_MANY;
  request.queue_put_many = &put;
  story_send(&story, connection, &request);
}

static void put_many(uint64_t connection, uint64_t sequence, int64_t timeout_ms) {
  Holdfast__Value **items = make_items();
  send_put_many(connection, sequence, timeout_ms, items);
  free_items(items); /* the engine has its own */
}

/* ---- waits */

static void test_a_put_of_much_costs_each_get_the_same_few_steps(void **state) {
  (void)state;
  put_many(1, 1, STORY_WAIT_FOREVER);
  for (unsigned i = 0; i < ITEMS; i++) {
    char expected[64];
    uint64_t before = engine_steps(story.engine);
    story_get(&story, 2, 0, "q", 0);
    assert_true(engine_steps(story.engine) - before < 256);
    if (i % 2 == 0) {
      snprintf(expected, sizeof expected, "2 <- #0 OK %u\n", i);
      assert_non_null(strstr(story.text, expected));
    }
    if (i + 2 < ITEMS) {
      story_forget(&story);
    }
  }
  assert_non_null(strstr(story.text, "1 <- #1 OK 2000\n"));
}

/* What it kept counts as memory, and is let go of with its wait, however that ends. */
static void test_a_put_of_much_counts_until_its_wait_ends(void **state) {
  (void)state;
  story_put(&story, 4, 0, "q", 7, 0);
  size_t before = story.engine->memory.total;
  put_many(1, 1, 5);
  assert_true(story.engine->memory.total - before > ITEMS / 2 * ITEM_BYTES);
  story_forget(&story);
  story_pass_ms(&story, 5);
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED QUEUE_FULL\n");
  assert_true(story.engine->memory.total - before < 4096);
  put_many(1, 2, STORY_WAIT_FOREVER);
  put_many(2, 1, STORY_WAIT_FOREVER); /* left when the engine goes */
  story_close_session(&story, 1);
  assert_true(story.engine->memory.total - before < 2 * ITEMS * ITEM_BYTES);
}

static void test_a_put_of_much_with_a_value_that_is_none_is_refused_as_a_whole(void **state) {
  (void)state;
  Holdfast__Value **items = make_items();
  items[ITEMS - 1]->kind_case = HOLDFAST__VALUE__KIND__NOT_SET;
  send_put_many(1, 1, STORY_WAIT_FOREVER, items);
  story_expect(&story, "1 <- #1 INVALID_ARGUMENT BAD_VALUE\n");
  story_put(&story, 4, 0, "q", 7, 0);
  story_forget(&story);
  send_put_many(1, 2, STORY_WAIT_FOREVER, items);
  story_expect(&story, "1 <- #2 INVALID_ARGUMENT BAD_VALUE\n");
  free_items(items);
}

static void send_text(uint64_t connection, size_t len) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__PipeSend send = HOLDFAST__PIPE_SEND__INIT;
  Holdfast__Request request = story_request(0, "pipe", STORY_WAIT_FOREVER);
  char *text = malloc(len);
  assert_non_null(text);
  memset(text, 'y', len);
  value.kind_case = HOLDFAST__VALUE__KIND_BYTES;
  value.bytes = (ProtobufCBinaryData){len, (uint8_t *)text};
  send.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PIPE_SEND;
  request.pipe_send = &send;
  story_send(&story, connection, &request);
  free(text);
}

/* Two that wait to send 2 MB: a receiver lets the first go on, and only reads the second. */
static void test_large_sends_cost_a_receiver_few_steps(void **state) {
  (void)state;
  Holdfast__PipeRecv recv = HOLDFAST__PIPE_RECV__INIT;
  Holdfast__Request request = story_request(0, "pipe", STORY_WAIT_FOREVER);
  for (unsigned i = 0; i < HF_PIPE_COUNT_MAX; i++) {
    send_text(1, 1);
  }
  send_text(2, 2000000);
  send_text(2, 2000000);
  story_forget(&story);
  recv.end = 1;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PIPE_RECV;
  request.pipe_recv = &recv;
  uint64_t before = engine_steps(story.engine);
  story_send(&story, 3, &request);
  story_expect(&story, "3 <- #0 OK\n2 <- #0 OK\n");
  assert_true(engine_steps(story.engine) - before < 256);
}

/* The extension waits for a list that is lent, and finds its own values, names and numbers again.
 */
static void test_a_large_request_waits_for_a_lent_list(void **state) {
  (void)state;
  Holdfast__ListRepeatInPlace repeat = HOLDFAST__LIST_REPEAT_IN_PLACE__INIT;
  Holdfast__ListExtend extend = HOLDFAST__LIST_EXTEND__INIT;
  Holdfast__ListLen len = HOLDFAST__LIST_LEN__INIT;
  Holdfast__Value **items = make_items();
  Holdfast__Request request = story_request(0, "list", STORY_WAIT_FOREVER);
  extend.n_items = ITEMS;
  extend.items = items;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_EXTEND;
  request.list_extend = &extend;
  for (unsigned i = 0; i < 20; i++) {
    story_send(&story, 1, &request);
  }
  story_forget(&story);
  story.keeps_jobs = true;
  repeat.count = 2;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_REPEAT_IN_PLACE;
  request.list_repeat_in_place = &repeat;
  story_send(&story, 1, &request);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_EXTEND;
  request.list_extend = &extend;
  story_send(&story, 2, &request);
  story_expect(&story, "");
  free_items(items);
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #0 OK\n2 <- #0 OK\n");
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_LEN;
  request.list_len = &len;
  story_send(&story, 1, &request);
  story_expect(&story, "1 <- #0 OK 82000\n");
}

/* ---- reading */

static struct bytes pack(const Holdfast__Request *request, uint8_t **body) {
  size_t len = holdfast__request__get_packed_size(request);
  *body = malloc(len);
  assert_non_null(*body);
  holdfast__request__pack(request, *body);
  return bytes_of(*body, len);
}

static void test_decoded_needs_no_body(void **state) {
  (void)state;
  Holdfast__Request *parts[] = {IN("inner", DICT_SET, DictSet, dict_set,
                                   .key = TEXT("the key of it"),
                                   .value = TEXT("a value of more than fourteen bytes"))};
  Holdfast__Request *outer =
      REQUEST(TRANSACTION, Transaction, transaction, .operations = parts, .n_operations = 1);
  struct decoded *decoded;
  struct value value, expected;
  uint8_t *body;
  struct bytes packed = pack(outer, &body);
  assert_int_equal(decoded_read(packed, &hash_key, &decoded), HF_REASON_NONE);
  memset(body, 0xff, packed.len);
  free(body);
  assert_true(decoded->is_whole);
  const Holdfast__Request *part = decoded->message->transaction->operations[0];
  assert_int_equal(part->name.len, 5);
  assert_memory_equal(part->name.data, "inner", 5);
  assert_true(value_text(bytes_of("a value of more than fourteen bytes", 35), &expected));
  assert_int_equal(decoded_value(part->dict_set->value, &value), HF_REASON_NONE);
  assert_true(value_equal(value, expected));
  value_release(value);
  value_release(expected);
  assert_true(decoded->memory_bytes > sizeof *decoded);
  decoded_free(decoded);
}

/* A large key is read for its hash here, not under the engine's lock; a value needs no hash. */
static void test_decoded_has_the_hashes_of_keys(void **state) {
  (void)state;
  const struct value_hash_key other_key = {{2}};
  struct decoded *decoded;
  struct value value, fresh;
  uint8_t *body;
  char *text = calloc(1, 2001);
  assert_non_null(text);
  memset(text, 'k', 2000);
  struct bytes packed =
      pack(IN("d", DICT_SET, DictSet, dict_set, .key = TEXT(text), .value = TEXT(text)), &body);
  assert_int_equal(decoded_read(packed, &hash_key, &decoded), HF_REASON_NONE);
  assert_true(value_text(bytes_of(text, 2000), &fresh));
  uint64_t hash = value_hash(&hash_key, fresh);
  assert_int_equal(decoded_value(decoded->message->dict_set->key, &value), HF_REASON_NONE);
  assert_true(value_hash(&other_key, value) == hash); /* it was kept */
  value_release(value);
  assert_int_equal(decoded_value(decoded->message->dict_set->value, &value), HF_REASON_NONE);
  assert_true(value_hash(&other_key, value) != hash);
  value_release(value);
  value_release(fresh);
  decoded_free(decoded);
  free(body);
  free(text);
}

static void test_decoded_says_what_is_wrong(void **state) {
  (void)state;
  struct decoded *decoded;
  uint8_t *body;
  struct value value;
  struct bytes packed =
      pack(IN("l", LIST_APPEND, ListAppend, list_append, .value = MESSAGE(Value, value)), &body);
  assert_int_equal(decoded_read(packed, &hash_key, &decoded), HF_REASON_NONE);
  assert_false(decoded->is_whole);
  assert_int_equal(decoded_value(decoded->message->list_append->value, &value),
                   HF_REASON_BAD_VALUE);
  decoded_free(decoded);
  free(body);
  assert_int_equal(decoded_read(bytes_of("\xff", 1), &hash_key, &decoded), HF_REASON_BAD_REQUEST);
  assert_null(decoded);
  assert_int_equal(decoded_value(NULL, &value), HF_REASON_BAD_VALUE);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_a_put_of_much_costs_each_get_the_same_few_steps),
      STORY(test_a_put_of_much_counts_until_its_wait_ends),
      STORY(test_a_put_of_much_with_a_value_that_is_none_is_refused_as_a_whole),
      STORY(test_large_sends_cost_a_receiver_few_steps),
      STORY(test_a_large_request_waits_for_a_lent_list),
      cmocka_unit_test(test_decoded_needs_no_body),
      cmocka_unit_test(test_decoded_has_the_hashes_of_keys),
      cmocka_unit_test(test_decoded_says_what_is_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
