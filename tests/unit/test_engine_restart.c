/* Stories of a server that was started again with its state, and of one whose disk is full. */
#include "proto/limits.h"
#include "tests/support/apply.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_MAX ((size_t)64 << 20)

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_with_memory(&story, MEMORY_MAX);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(&story, connection);
  }
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void restart(void) {
  assert_true(apply_restart(story.engine, story.now_ns, MEMORY_MAX));
}

static void resume(uint64_t connection, uint8_t session, uint64_t attempt) {
  story_connect(&story, connection);
  story_resume(&story, connection, session, attempt);
}

static void test_waiters_keep_their_places(void **state) {
  (void)state;
  uint8_t one = story_open_session(&story, 1), other = story_open_session(&story, 2);
  (void)story_open_session(&story, 3);
  story_open(&story, 3, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  restart();
  story_forget(&story);
  resume(12, other, 1); /* the later one is back first */
  story_get(&story, 12, 1, "q", STORY_WAIT_FOREVER);
  resume(11, one, 1);
  story_get(&story, 11, 1, "q", STORY_WAIT_FOREVER);
  story_connect(&story, 13);
  story_put(&story, 13, 0, "q", 5, 0);
  story_put(&story, 13, 0, "q", 6, 0);
  story_expect(&story,
               "12 <- #0 OK session\n11 <- #0 OK session\n"
               "13 <- #0 OK\n11 <- #1 OK 5\n13 <- #0 OK\n12 <- #1 OK 6\n");
}

static void test_what_was_answered_is_answered_again(void **state) {
  (void)state;
  uint8_t one = story_open_session(&story, 1);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_put(&story, 1, 2, "q", 5, 0);
  story_get(&story, 1, 3, "q", 0);
  restart();
  story_forget(&story);
  resume(11, one, 1);
  story_get(&story, 11, 3, "q", 0);
  story_expect(&story, "11 <- #0 OK session\n11 <- #3 OK 5\n");
}

static void test_locks_stay_owned_and_are_freed_with_the_grace_time(void **state) {
  (void)state;
  uint8_t one = story_open_session(&story, 1);
  uint8_t other = story_open_session(&story, 2);
  story_open(&story, 1, 1, HOLDFAST__KIND__LOCK, "l", 0);
  story_acquire(&story, 1, 2, "l", 1, 0);
  restart();
  story_forget(&story);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT - 1);
  resume(11, one, 1);
  resume(12, other, 1);
  story_acquire(&story, 12, 1, "l", 1, STORY_WAIT_FOREVER);
  story_disconnect(&story, 11);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT - 1);
  story_expect(&story, "11 <- #0 OK session\n12 <- #0 OK session\n");
  story_pass_ms(&story, 1);
  assert_non_null(strstr(story.text, "12 <- #1 OK"));
}

/* One that was lost before has its whole grace time again. */
static void test_grace_times_begin_anew(void **state) {
  (void)state;
  uint8_t one = story_open_session(&story, 1);
  story_disconnect(&story, 1);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT - 1);
  restart();
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT - 1);
  story_forget(&story);
  resume(11, one, 1);
  story_expect(&story, "11 <- #0 OK session\n");
}

/* The process of a session can't be watched any more: it counts as hidden until its client is back. */
static void test_processes_are_forgotten(void **state) {
  (void)state;
  uint8_t one = story_open_session_of(&story, 1, 7);
  restart();
  story.watched_session = 0;
  story_pass_ms(&story, 1);
  story_forget(&story);
  resume(11, one, 1);
  story_expect(&story, "11 <- #0 OK session\n");
}

static void test_connections_are_gone(void **state) {
  (void)state;
  (void)story_open_session(&story, 1);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  restart();
  story_forget(&story);
  story_put(&story, 1, 2, "q", 5, 0);
  story_put(&story, 2, 0, "q", 5, 0);
  story_expect(&story, "");
}

static void test_full_disk_refuses_what_stores(void **state) {
  (void)state;
  story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, "q", 0);
  story_put(&story, 1, 0, "q", 5, 0);
  story_forget(&story);
  apply_disk(story.engine, story.now_ns, true);
  story_put(&story, 1, 0, "q", 6, 0);
  story_get(&story, 1, 0, "q", 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__LIST, "l", 0);
  apply_disk(story.engine, story.now_ns, false);
  story_put(&story, 1, 0, "q", 6, 0);
  story_expect(&story,
               "1 <- #0 RESOURCE_EXHAUSTED JOURNAL_FULL\n1 <- #0 OK 5\n"
               "1 <- #0 RESOURCE_EXHAUSTED JOURNAL_FULL\n1 <- #0 OK\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_waiters_keep_their_places, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_what_was_answered_is_answered_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_locks_stay_owned_and_are_freed_with_the_grace_time,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_grace_times_begin_anew, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_processes_are_forgotten, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_connections_are_gone, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_full_disk_refuses_what_stores, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
