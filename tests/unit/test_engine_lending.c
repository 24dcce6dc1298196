/* Stories of large objects that are lent to be worked on, and of requests that wait for them
 * meanwhile. */
#include "proto/limits.h"
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 10000u

static struct story story;

/* 10,000 falling numbers in "list". */
static void fill_list(void) {
  Holdfast__Value *values = calloc(ITEMS, sizeof *values), **items = calloc(ITEMS, sizeof *items);
  Holdfast__ListExtend extend = HOLDFAST__LIST_EXTEND__INIT;
  Holdfast__Request request = story_request(0, "list", STORY_WAIT_FOREVER);
  assert_non_null(values);
  assert_non_null(items);
  for (unsigned i = 0; i < ITEMS; i++) {
    holdfast__value__init(items[i] = &values[i]);
    values[i].kind_case = HOLDFAST__VALUE__KIND_INTEGER;
    values[i].integer = ITEMS - i;
  }
  extend.n_items = ITEMS;
  extend.items = items;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_EXTEND;
  request.list_extend = &extend;
  story_send(&story, 4, &request);
  free(items);
  free(values);
}

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__LIST, "list", 0);
  story_open(&story, 4, 2, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__DICT, "dict", 0);
  fill_list();
  story_forget(&story);
  story.keeps_jobs = true;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void send_sort(uint64_t connection, uint64_t sequence, int64_t timeout_ms) {
  Holdfast__ListSort sort = HOLDFAST__LIST_SORT__INIT;
  Holdfast__Request request = story_request(sequence, "list", timeout_ms);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_SORT;
  request.list_sort = &sort;
  story_send(&story, connection, &request);
}

static void send_repeat(uint64_t connection, uint64_t sequence, int64_t count) {
  ask(&story, connection, sequence,
      IN("list", LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place, .count = count));
}

static void send_clear(uint64_t connection) {
  ask(&story, connection, 0, IN("list", LIST_CLEAR, ListClear, list_clear, ));
}

static void send_get(uint64_t connection, uint64_t sequence, int64_t index, int64_t timeout_ms) {
  Holdfast__ListGet get = HOLDFAST__LIST_GET__INIT;
  Holdfast__Request request = story_request(sequence, "list", timeout_ms);
  get.index = index;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_GET;
  request.list_get = &get;
  story_send(&story, connection, &request);
}

static void send_len(uint64_t connection, uint64_t sequence) {
  Holdfast__ListLen len = HOLDFAST__LIST_LEN__INIT;
  Holdfast__Request request = story_request(sequence, "list", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_LEN;
  request.list_len = &len;
  story_send(&story, connection, &request);
}

static void send_cancel(uint64_t connection, uint64_t sequence, uint64_t cancelled) {
  Holdfast__Cancel cancel = HOLDFAST__CANCEL__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  cancel.sequence = cancelled;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CANCEL;
  request.cancel = &cancel;
  story_send(&story, connection, &request);
}

static void send_delete(uint64_t connection, uint64_t sequence) {
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(sequence, "list", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &deletion;
  story_send(&story, connection, &request);
}

/* ---- the line */

static void test_lending_serves_others_and_the_line_in_order(void **state) {
  (void)state;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
  send_sort(3, 1, STORY_WAIT_FOREVER); /* lends it again */
  send_len(2, 2);
  story_expect(&story, "");
  story_put(&story, 2, 3, "q", 7, STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #3 OK\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 OK\n2 <- #1 OK 1\n");
  send_get(1, 2, -1, STORY_WAIT_FOREVER);
  story_expect(&story, "");
  assert_true(story_run_job(&story));
  story_expect(&story, "3 <- #1 OK\n2 <- #2 OK 10000\n1 <- #2 OK 10000\n");
  assert_false(story_run_job(&story));
  send_len(2, 4); /* and there is no line any more */
  story_expect(&story, "2 <- #4 OK 10000\n");
}

static void test_lending_ends_waits_at_their_deadlines(void **state) {
  (void)state;
  send_sort(1, 1, 10);
  send_get(2, 1, 0, 5);
  send_get(2, 2, 0, 0); /* not for what takes its time by itself */
  story_pass_ms(&story, 5);
  story_expect(&story, "2 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  story_pass_ms(&story, 5);
  story_expect(&story, "");
  assert_true(story_run_job(&story)); /* stopped: nothing is sorted */
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n2 <- #2 OK 10000\n");
}

static void test_lending_is_not_begun_after_a_deadline(void **state) {
  (void)state;
  uint8_t session;
  story_connect(&story, 5);
  session = story_open_session(&story, 5);
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_sort(5, 1, 10);
  story_disconnect(&story, 5);
  assert_true(story_run_job(&story));
  story_pass_ms(&story, 10); /* the answer would be lost with the connection */
  story_connect(&story, 6);
  story_resume(&story, 6, session, 1);
  story_forget(&story);
  send_sort(6, 1, 10);
  story_expect(&story, "6 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  assert_false(story_run_job(&story));
}

static void test_lending_is_cancelled(void **state) {
  (void)state;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
  send_get(3, 1, 0, STORY_WAIT_FOREVER);
  send_cancel(2, 2, 1);
  story_expect(&story, "2 <- #1 CANCELLED CANCELLED\n2 <- #2 OK yes\n");
  send_cancel(1, 2, 1);
  story_expect(&story, "1 <- #2 OK yes\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 CANCELLED CANCELLED\n3 <- #1 OK 10000\n");
}

static void test_lending_for_one_who_dies_changes_nothing(void **state) {
  (void)state;
  story_connect(&story, 5); /* without a session */
  send_sort(5, 1, STORY_WAIT_FOREVER);
  send_get(5, 2, 0, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
  story_disconnect(&story, 5);
  assert_true(story_run_job(&story));
  story_expect(&story, "2 <- #1 OK 10000\n");
}

/* The read is found again although replies to reads are not kept. */
static void test_lending_goes_on_while_a_session_is_lost(void **state) {
  (void)state;
  uint8_t session;
  story_connect(&story, 5);
  session = story_open_session(&story, 5);
  send_sort(5, 1, STORY_WAIT_FOREVER);
  send_get(5, 2, 0, STORY_WAIT_FOREVER);
  story_disconnect(&story, 5);
  assert_true(story_run_job(&story));
  story_forget(&story);
  send_len(2, 1); /* does not wait for a waiter that takes nothing */
  story_expect(&story, "2 <- #1 OK 10000\n");
  story_connect(&story, 6);
  story_resume(&story, 6, session, 1);
  story_forget(&story);
  send_sort(6, 1, STORY_WAIT_FOREVER);
  send_get(6, 2, 0, STORY_WAIT_FOREVER);
  assert_non_null(strstr(story.text, "6 <- #1 OK\n"));
  assert_non_null(strstr(story.text, "6 <- #2 OK 1\n"));
  assert_false(story_run_job(&story));
}

static void test_lending_of_what_is_deleted(void **state) {
  (void)state;
  uint64_t others = story_objects(&story, 4) - 1;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
  send_delete(3, 1);
  story_expect(&story,
               "1 <- #1 ABORTED OBJECT_DELETED\n2 <- #1 ABORTED OBJECT_DELETED\n3 <- #1 OK\n");
  assert_int_equal(story_objects(&story, 4), others);
  send_len(2, 2);
  story_expect(&story, "2 <- #2 NOT_FOUND NO_SUCH_OBJECT\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "");
}

static void test_lending_stops_with_the_server(void **state) {
  (void)state;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
  apply_drain(story.engine);
  assert_non_null(strstr(story.text, "1 <- #1 UNAVAILABLE STOPPING\n"));
  assert_non_null(strstr(story.text, "2 <- #1 UNAVAILABLE STOPPING\n"));
  assert_true(story_run_job(&story));
}

static void test_lending_may_be_left_when_the_engine_goes(void **state) {
  (void)state;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_get(2, 1, 0, STORY_WAIT_FOREVER);
}

/* ---- operations of several */

static void test_lending_makes_a_transaction_wait(void **state) {
  (void)state;
  Holdfast__ListGet get = HOLDFAST__LIST_GET__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__Request first = story_request(0, "q", STORY_WAIT_FOREVER);
  Holdfast__Request second = story_request(0, "list", STORY_WAIT_FOREVER);
  Holdfast__Request *operations[] = {&first, &second};
  Holdfast__Transaction transaction = HOLDFAST__TRANSACTION__INIT;
  Holdfast__Request request = story_request(1, NULL, 0);
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  put.value = &value;
  first.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  first.queue_put = &put;
  second.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_GET;
  second.list_get = &get;
  transaction.n_operations = 2;
  transaction.operations = operations;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_TRANSACTION;
  request.transaction = &transaction;
  send_sort(1, 1, STORY_WAIT_FOREVER);
  story_send(&story, 2, &request);
  story_get(&story, 3, 1, "q", 0); /* none of it is done */
  story_expect(&story, "3 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 OK\n2 <- #1 OK OK, OK 1\n");
}

/* ---- memory and references */

static void test_lending_charges_scratch_before_it_is_taken(void **state) {
  (void)state;
  send_repeat(1, 1, 120); /* of 64 MiB, for 30 bytes an item: 36 */
  send_repeat(2, 1, 2);   /* in the line; then there is no room for it */
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 OK\n2 <- #1 RESOURCE_EXHAUSTED MEMORY_FULL\n");
  send_sort(1, 2, STORY_WAIT_FOREVER); /* which needs as much again */
  story_expect(&story, "1 <- #2 RESOURCE_EXHAUSTED MEMORY_FULL\n");
}

static size_t used(enum memory_use use) {
  return story.engine->memory.used[use];
}

static void test_lending_counts_memory_until_it_is_brought_back(void **state) {
  (void)state;
  const size_t values = used(MEMORY_VALUES);
  send_sort(1, 1, STORY_WAIT_FOREVER);
  assert_true(used(MEMORY_SCRATCH) >= ITEMS * sizeof(struct value));
  assert_int_equal(used(MEMORY_VALUES), values);
  assert_true(story_run_job(&story));
  assert_int_equal(used(MEMORY_SCRATCH), 0);
  /* Sorted, its leaves are full. */
  assert_true(used(MEMORY_VALUES) >= ITEMS * sizeof(struct value));
  assert_int_equal(used(MEMORY_WAITERS), 0);
}

static void test_lending_counts_what_is_deleted_meanwhile(void **state) {
  (void)state;
  const size_t values = used(MEMORY_VALUES);
  send_sort(1, 1, STORY_WAIT_FOREVER);
  send_delete(3, 1);
  assert_true(used(MEMORY_VALUES) < values / 2);
  assert_true(used(MEMORY_RECLAIMED) >= values);
  assert_true(story_run_job(&story));
  apply_freed(story.engine, engine_free_deferred(engine_take_deferred(story.engine)));
  assert_int_equal(used(MEMORY_RECLAIMED), 0);
  assert_int_equal(used(MEMORY_SCRATCH), 0);
}

static void test_lending_counts_references_of_what_is_repeated(void **state) {
  (void)state;
  uint64_t others = story_objects(&story, 4);
  uint64_t object = story_open(&story, 1, 0, HOLDFAST__KIND__DICT, NULL, 0);
  story_append_reference(&story, 1, 0, "list", object);
  story_drop(&story, 1, 0, object, 1);
  send_repeat(1, 0, 10);
  assert_true(story_run_job(&story));
  story_pop(&story, 2, 0, "list");
  story_pop(&story, 2, 0, "list");
  assert_int_equal(story_objects(&story, 4), others + 1);
  send_clear(1);
  story_close_session(&story, 2);
  assert_int_equal(story_objects(&story, 4), others);
}

static void give_back(struct job *job) {
  uint64_t steps = engine_steps(story.engine);
  engine_apply(story.engine,
               &(struct command){.kind = COMMAND_JOB_DONE, .now_ns = story.now_ns, .job = job});
  assert_true(engine_steps(story.engine) - steps <= 2 * HF_BATCH_STEPS_MAX);
}

/* The list, of numbers and 100 references, is repeated 10 times, and that again 10 times. */
static void test_lending_counts_many_references_in_slices(void **state) {
  (void)state;
  uint64_t others = story_objects(&story, 4);
  uint64_t object = story_open(&story, 1, 0, HOLDFAST__KIND__DICT, NULL, 0);
  for (int i = 0; i < 100; i++) {
    story_append_reference(&story, 1, 0, "list", object);
  }
  story_drop(&story, 1, 0, object, 1);
  for (uint64_t sequence = 1; sequence <= 2; sequence++) {
    story_forget(&story);
    send_repeat(1, sequence, 10);
    struct job *job = engine_take_job(story.engine);
    assert_non_null(job);
    job_run(job);
    unsigned slices = 0;
    while (!job->is_back) {
      story_expect(&story, "");
      give_back(job);
      slices++;
      job_run(job); /* as one who takes it over would: it is done */
    }
    job_free(job);
    assert_true(slices > 2 * sequence);
    story_expect(&story, sequence == 1 ? "1 <- #1 OK\n" : "1 <- #2 OK\n");
  }
  assert_int_equal(story_objects(&story, 4), others + 1);
  send_clear(1);
  assert_int_equal(story_objects(&story, 4), others);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_lending_serves_others_and_the_line_in_order),
      STORY(test_lending_ends_waits_at_their_deadlines),
      STORY(test_lending_is_not_begun_after_a_deadline),
      STORY(test_lending_is_cancelled),
      STORY(test_lending_for_one_who_dies_changes_nothing),
      STORY(test_lending_goes_on_while_a_session_is_lost),
      STORY(test_lending_of_what_is_deleted),
      STORY(test_lending_stops_with_the_server),
      STORY(test_lending_may_be_left_when_the_engine_goes),
      STORY(test_lending_makes_a_transaction_wait),
      STORY(test_lending_charges_scratch_before_it_is_taken),
      STORY(test_lending_counts_memory_until_it_is_brought_back),
      STORY(test_lending_counts_what_is_deleted_meanwhile),
      STORY(test_lending_counts_references_of_what_is_repeated),
      STORY(test_lending_counts_many_references_in_slices),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
