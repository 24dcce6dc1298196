/* Stories of forked children: what their parents refer to is theirs too. */
#include "proto/limits.h"
#include "server/engine/core.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CHILD = 200, CHILD_PROCESS = 4711, GRACE_MS = HF_GRACE_MS_DEFAULT };

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 2);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* process 0: before the fork. */
static void fork_session(uint64_t sequence, uint8_t child, uint64_t process) {
  uint8_t id[HF_SESSION_BYTES];
  Holdfast__ForkSession fork = HOLDFAST__FORK_SESSION__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  memset(id, child, sizeof id);
  fork.child = (ProtobufCBinaryData){sizeof id, id};
  fork.machine = (ProtobufCBinaryData){process ? 4 : 0, (uint8_t *)"here"};
  fork.process = process;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_FORK_SESSION;
  request.fork_session = &fork;
  story_send(&story, 1, &request);
}

static void revoke(uint64_t sequence, uint64_t withdrawn) {
  Holdfast__Cancel cancel = HOLDFAST__CANCEL__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  cancel.sequence = withdrawn;
  cancel.revoke = true;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CANCEL;
  request.cancel = &cancel;
  story_send(&story, 1, &request);
}

static uint64_t objects(void) {
  return story_objects(&story, 2);
}

static void test_fork_child_has_what_the_parent_drops(void **state) {
  (void)state;
  uint64_t dict = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  fork_session(2, CHILD, 0);
  story_drop(&story, 1, 3, dict, 1);
  assert_int_equal(objects(), 1);
  story_connect(&story, 11);
  story_resume(&story, 11, CHILD, 1);
  story_close_session(&story, 1);
  assert_int_equal(objects(), 1);
  story_drop(&story, 11, 1, dict, 1);
  assert_int_equal(objects(), 0);
}

static void test_fork_child_that_is_not_seen_ends_after_its_parent(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  fork_session(2, CHILD, 0);
  story_pass_ms(&story, 10 * GRACE_MS);
  story_close_session(&story, 1);
  story_pass_ms(&story, GRACE_MS - 1);
  assert_int_equal(objects(), 1);
  story_pass_ms(&story, 1);
  assert_int_equal(objects(), 0);
}

static void test_fork_child_that_is_seen_ends_with_its_process(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  fork_session(2, CHILD, 0);
  fork_session(3, CHILD, CHILD_PROCESS);
  story_close_session(&story, 1);
  story_pass_ms(&story, 10 * GRACE_MS);
  assert_int_equal(objects(), 1);
  story_end_process(&story);
  assert_int_equal(objects(), 0);
  story_expect(&story,
               "1 <- #1 OK created\n1 <- #2 OK\nprocess 4711 watched\n1 <- #3 OK\n1 <- #0 OK\n"
               "process 4711 forgotten\n");
}

static void test_fork_of_a_child_that_has_come_is_like_others(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  fork_session(2, CHILD, 0);
  story_connect(&story, 11);
  story_resume(&story, 11, CHILD, 1);
  fork_session(3, CHILD, CHILD_PROCESS); /* it was faster */
  revoke(4, 2);
  story_close_session(&story, 1);
  story_pass_ms(&story, 10 * GRACE_MS);
  assert_int_equal(objects(), 1);
  story_disconnect(&story, 11);
  story_pass_ms(&story, GRACE_MS);
  assert_int_equal(objects(), 0);
}

static void test_fork_that_is_taken_back_leaves_nothing(void **state) {
  (void)state;
  uint64_t dict = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  fork_session(2, CHILD, 0);
  revoke(3, 2);
  story_drop(&story, 1, 4, dict, 1);
  assert_int_equal(objects(), 0);
  story_forget(&story);
  story_connect(&story, 11);
  story_resume(&story, 11, CHILD, 1);
  story_expect(&story, "11 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
}

static void test_fork_refuses_a_name_that_is_taken(void **state) {
  (void)state;
  fork_session(1, CHILD, 0);
  fork_session(2, CHILD, 0);
  fork_session(3, 0, 0);
  story_expect(&story,
               "1 <- #1 OK\n1 <- #2 INVALID_ARGUMENT BAD_SESSION\n"
               "1 <- #3 INVALID_ARGUMENT BAD_SESSION\n");
}

#define FORK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void test_fork_child_is_counted_as_another_session(void **state) {
  (void)state;
  const struct memory *memory = &story.engine->memory;
  story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  size_t sessions = memory->used[MEMORY_SESSIONS], references = memory->used[MEMORY_REFERENCES];
  fork_session(2, CHILD, 0);
  assert_true(memory->used[MEMORY_SESSIONS] >= sessions + sizeof(struct session));
  assert_int_equal(memory->used[MEMORY_REFERENCES], 2 * references);
  story_close_session(&story, 1);
  story_close_session(&story, 2);
  story_pass_ms(&story, GRACE_MS);
  assert_int_equal(memory->total, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FORK_TEST(test_fork_child_has_what_the_parent_drops),
      FORK_TEST(test_fork_child_that_is_not_seen_ends_after_its_parent),
      FORK_TEST(test_fork_child_that_is_seen_ends_with_its_process),
      FORK_TEST(test_fork_of_a_child_that_has_come_is_like_others),
      FORK_TEST(test_fork_that_is_taken_back_leaves_nothing),
      FORK_TEST(test_fork_refuses_a_name_that_is_taken),
      FORK_TEST(test_fork_child_is_counted_as_another_session),
  };
  return cmocka_run_group_tests_name("engine_forks", tests, NULL, NULL);
}
