/* Stories of clients that do what no library would: the engine stays consistent, at no cost for
 * other clients.
 */
#include "proto/limits.h"
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct story story;

static void forget(void) {
  story_forget(&story);
}

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 2);
  story_open(&story, 2, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  forget();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* ---- objects */

static void append_reference(uint64_t connection, uint64_t sequence, uint64_t list,
                             uint64_t object) {
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  reference.object = object;
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  append.value = &value;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = list;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  story_send(&story, connection, &request);
}

static void delete_object(uint64_t connection, uint64_t sequence, uint64_t object) {
  Holdfast__ObjectDelete delete = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = object;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &delete;
  story_send(&story, connection, &request);
}

static void test_list_that_only_holds_itself_is_deleted_once(void **state) {
  (void)state;
  uint64_t before = story_objects(&story, 1);
  uint64_t list = story_open(&story, 1, 1, HOLDFAST__KIND__LIST, NULL, 0);
  append_reference(1, 2, list, list);
  story_drop(&story, 1, 3, list, 1);
  assert_int_equal(story_objects(&story, 1), before + 1); /* a circle keeps itself */
  delete_object(1, 4, list);
  assert_int_equal(story_objects(&story, 1), before);
  story_put(&story, 1, 5, "q", 1, 0);
}

static void append_text(uint64_t connection, uint64_t sequence, const char *list, size_t len) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Request request = story_request(sequence, list, STORY_WAIT_FOREVER);
  value.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  value.text = (ProtobufCBinaryData){len, malloc(len)};
  assert_non_null(value.text.data);
  memset(value.text.data, 'a', len);
  append.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  story_send(&story, connection, &request);
  free(value.text.data);
}

static void repeat(uint64_t connection, uint64_t sequence, const char *list, int64_t count) {
  Holdfast__ListRepeatInPlace message = HOLDFAST__LIST_REPEAT_IN_PLACE__INIT;
  Holdfast__Request request = story_request(sequence, list, STORY_WAIT_FOREVER);
  message.count = count;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_REPEAT_IN_PLACE;
  request.list_repeat_in_place = &message;
  story_send(&story, connection, &request);
}

static void test_repeat_beyond_the_memory_limit_is_refused_before_it_counts(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__LIST, "list", 0);
  append_text(1, 2, "list", 1000);
  repeat(1, 3, "list", 2000); /* 2 MB of items in a server of 1 MB */
  story_put(&story, 2, 2, "q", 1, 0);
  story_expect(&story,
               "1 <- #1 OK created\n"
               "1 <- #2 OK\n"
               "1 <- #3 RESOURCE_EXHAUSTED MEMORY_FULL\n"
               "2 <- #2 OK\n");
}

/* ---- locks */

static void test_rlock_left_locked_is_nobodys_to_release(void **state) {
  (void)state;
  story_connect(&story, 9);
  story_open(&story, 1, 1, HOLDFAST__KIND__RLOCK, "rlock", 0);
  story_acquire(&story, 1, 2, "rlock", 0, 0);
  story_close_session(&story, 1);
  forget();
  story_release(&story, 9, 0, "rlock", 0);
  story_release(&story, 2, 3, "rlock", 0);
  story_expect(&story,
               "9 <- #0 FAILED_PRECONDITION NOT_OWNER\n"
               "2 <- #3 FAILED_PRECONDITION NOT_OWNER\n");
}

/* ---- windows and sessions */

static void test_reply_acknowledged_ahead_is_not_kept(void **state) {
  (void)state;
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  Holdfast__ObjectRelease release = HOLDFAST__OBJECT_RELEASE__INIT;
  Holdfast__Request request = story_request(2, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_RELEASE;
  request.object_release = &release;
  story_send(&story, 1, &request);
  request.sequence = 3;
  request.acked = 2; /* the get still waits */
  story_send(&story, 1, &request);
  story_put(&story, 2, 2, "q", 7, 0);
  story_get(&story, 1, 1, "q", 0);
  story_expect(&story,
               "1 <- #2 OK\n"
               "1 <- #3 OK\n"
               "2 <- #2 OK\n"
               "1 <- #1 OK 7\n"
               "1 <- #1 INVALID_ARGUMENT BAD_SEQUENCE\n");
}

static void test_requests_behind_a_failed_resume_do_not_run(void **state) {
  (void)state;
  story_connect(&story, 3);
  story_connect(&story, 4);
  story_connect(&story, 5);
  story_resume(&story, 3, 99, 1); /* no such session */
  story_put(&story, 3, 1, "q", 1, 0);
  story_resume(&story, 4, 1, 2);
  story_resume(&story, 5, 1, 1); /* arrived late */
  story_put(&story, 5, 1, "q", 1, 0);
  story_open_session(&story, 5);
  story_put(&story, 5, 1, "q", 1, 0);
  story_expect(&story,
               "3 <- #0 FAILED_PRECONDITION SESSION_ENDED\n"
               "3 <- #1 FAILED_PRECONDITION SESSION_ENDED\n"
               "1 closed\n"
               "4 <- #0 OK session\n"
               "5 <- #0 ABORTED ATTEMPT_STALE\n"
               "5 <- #1 FAILED_PRECONDITION SESSION_ENDED\n"
               "5 <- #0 OK session\n"
               "5 <- #1 OK\n");
}

/* Opens a session named `serial` on the connection, in a request that names another. */
static void open_session_as(uint64_t connection, uint64_t serial, uint64_t sequence,
                            uint64_t named) {
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  uint64_t id[2] = {named, 0};
  if (named) {
    request.session = (ProtobufCBinaryData){sizeof id, (uint8_t *)id};
  }
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  struct engine_request applied = {
      .connection = connection,
      .message = &request,
      .operation = operations_find(&request),
  };
  memcpy(applied.entropy, &serial, sizeof serial);
  apply_request(story.engine, story.now_ns, &applied);
}

static void test_open_session_may_end_the_session_it_names(void **state) {
  (void)state;
  story_connect(&story, 9);
  for (uint64_t serial = 1; serial <= HF_SESSIONS_MAX - 2; serial++) {
    open_session_as(9, serial, 0, 0); /* the one before is lost */
    forget();
  }
  open_session_as(9, HF_SESSIONS_MAX, 1, 1); /* 1 is the longest lost, and has to go */
  story_expect(&story, "9 <- #1 OK session\n");
}

/* ---- time under the engine's lock: each would take minutes if it were quadratic */

static void test_resuming_many_waiters_is_linear(void **state) {
  (void)state;
  const uint64_t first = 100, others = 200;
  story.engine->memory.max = (size_t)4 << 30;
  for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
    story_get(&story, 1, sequence, "q", STORY_WAIT_FOREVER);
  }
  for (uint64_t connection = first; connection < first + others; connection++) {
    story_connect(&story, connection);
    for (size_t i = 0; i < 1000; i++) {
      story_get(&story, connection, 0, "q", STORY_WAIT_FOREVER);
    }
  }
  for (uint64_t attempt = 1; attempt <= 50; attempt++) {
    story_connect(&story, 1000 + attempt);
    story_resume(&story, 1000 + attempt, 1, attempt);
    forget();
  }
  for (uint64_t connection = first; connection < first + others; connection++) {
    story_disconnect(&story, connection); /* their waiting fills the memory */
  }
  story_put(&story, 2, 2, "q", 7, 0);
  story_expect(&story,
               "2 <- #2 OK\n"
               "0 <- #1 OK 7\n"); /* the first to wait, whose connection is gone */
}

static void test_one_way_requests_past_many_flushes_are_linear(void **state) {
  (void)state;
  uint8_t id[HF_SESSION_BYTES];
  memset(id, 1, sizeof id);
  for (uint64_t connection = 100; connection < 102; connection++) {
    story_connect(&story, connection);
    for (size_t i = 0; i < 1000; i++) {
      Holdfast__Flush flush = HOLDFAST__FLUSH__INIT;
      Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
      flush.through = 1000;
      request.session = (ProtobufCBinaryData){sizeof id, id};
      request.operation_case = HOLDFAST__REQUEST__OPERATION_FLUSH;
      request.flush = &flush;
      story_send(&story, connection, &request);
    }
  }
  story_connect_one_way(&story, 99);
  for (uint64_t sequence = 1; sequence <= 999; sequence++) {
    Holdfast__Value value = HOLDFAST__VALUE__INIT;
    Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
    Holdfast__Request request = story_request(sequence, "q", STORY_WAIT_FOREVER);
    value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
    put.value = &value;
    request.session = (ProtobufCBinaryData){sizeof id, id};
    request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
    request.queue_put = &put;
    story_send(&story, 99, &request);
  }
  story_expect(&story, "");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_list_that_only_holds_itself_is_deleted_once),
      STORY(test_repeat_beyond_the_memory_limit_is_refused_before_it_counts),
      STORY(test_rlock_left_locked_is_nobodys_to_release),
      STORY(test_reply_acknowledged_ahead_is_not_kept),
      STORY(test_requests_behind_a_failed_resume_do_not_run),
      STORY(test_open_session_may_end_the_session_it_names),
      STORY(test_resuming_many_waiters_is_linear),
      STORY(test_one_way_requests_past_many_flushes_are_linear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
