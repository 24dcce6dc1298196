/* Stories of large arrays that are lent to be moved to shared memory, and of who waits for that. */
#include "proto/limits.h"
#include "tests/support/messages.h"
#include "tests/support/story_cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of 8 bytes each: too many to be moved at once. */
#define ELEMENTS 100000u
#define OPEN(maps)                                                                                \
  REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__ARRAY, .name = DATA("a"), \
          .typecode = DATA("q"), .length = ELEMENTS, .map = (maps))
#define CANCEL(number) REQUEST(CANCEL, Cancel, cancel, .sequence = (number))

static struct story story;
static struct story_cells cells;
static uint8_t second_session;

/* An array in plain memory; connections 1 and 2 may map it. */
static int set_up(void **state) {
  (void)state;
  story_begin_sharing(&story, story_cells_begin(&cells), 16u << 20);
  cells.bytes_max = 2u << 20;
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(&story, connection);
  }
  story_open_session_of(&story, 1, 101);
  second_session = story_open_session_of(&story, 2, 102);
  story_open_session(&story, 3);
  ask(&story, 3, 1, OPEN(false));
  ask(&story, 3, 2, IN("a", ARRAY_SET, ArraySet, array_set, .index = 7, .value = INT(5)));
  story_forget(&story);
  story.keeps_jobs = true;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  assert_int_equal(cells.out, 0);
  story_cells_end(&cells);
  return 0;
}

static void test_lent_cells_are_mapped_by_all_who_waited(void **state) {
  (void)state;
  ask(&story, 1, 1, OPEN(true));
  ask(&story, 2, 1, OPEN(true));
  ask(&story, 3, 3, IN("a", ARRAY_GET, ArrayGet, array_get, .index = 7));
  story_expect(&story, "");
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 OK there shared\n2 <- #1 OK there shared\n3 <- #3 OK 5\n");
  assert_int_equal(cells.out, 1);
}

static void test_lent_cells_that_could_not_be_moved_in_time_are_not_opened(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 10, OPEN(true));
  ask_within(&story, 2, 1, 5, OPEN(true));
  story_pass_ms(&story, 10);
  story_expect(&story, "2 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  assert_int_equal(cells.out, 0);
  ask(&story, 1, 2, OPEN(true));
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #2 OK there shared\n");
}

/* The move that the second waited for was cancelled, and there is no time for another. */
static void test_lent_cells_are_not_moved_after_a_deadline(void **state) {
  (void)state;
  ask(&story, 1, 1, OPEN(true));
  ask_within(&story, 2, 1, 10, OPEN(true));
  story_disconnect(&story, 2);
  ask(&story, 1, 2, CANCEL(1));
  assert_true(story_run_job(&story));
  story_pass_ms(&story, 10); /* the answer would be lost with the connection */
  story_connect(&story, 6);
  story_resume(&story, 6, second_session, 1);
  story_forget(&story);
  ask_within(&story, 6, 1, 10, OPEN(true));
  story_expect(&story, "6 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  assert_false(story_run_job(&story));
  assert_int_equal(cells.out, 0);
}

/* Two requests come while it is lent: its lock is given back, and requested by another thread. */
static void test_lent_cells_are_locked_by_who_waited_first(void **state) {
  (void)state;
  story_acquire(&story, 3, 3, "a", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 1, "a", 1, STORY_WAIT_FOREVER);
  story_forget(&story);
  ask(&story, 1, 1, OPEN(true));
  story_release(&story, 3, 4, "a", 1);
  story_acquire(&story, 3, 5, "a", 2, STORY_WAIT_FOREVER);
  assert_true(story_run_job(&story));
  story_expect(&story, "1 <- #1 OK there shared locked by \"?\"\n3 <- #4 OK\n2 <- #1 OK granted\n");
  story_release(&story, 2, 2, "a", 1);
  story_expect(&story, "2 <- #2 OK\n3 <- #5 OK granted\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_lent_cells_are_mapped_by_all_who_waited),
      STORY(test_lent_cells_that_could_not_be_moved_in_time_are_not_opened),
      STORY(test_lent_cells_are_not_moved_after_a_deadline),
      STORY(test_lent_cells_are_locked_by_who_waited_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
