/* The memory of deleted objects: small ones are freed at once, large ones outside the batch. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin(&story);
  story_connect(&story, 1);
  story_open_session(&story, 1);
  story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, "q", 0);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void fill(int count) {
  for (int i = 0; i < count; i++) {
    story_put(&story, 1, 0, "q", i, STORY_WAIT_FOREVER);
    story.len = 0;
  }
}

static void delete_queue(void) {
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(0, "q", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &deletion;
  story_send(&story, 1, &request);
}

static void test_deferred_free_of_something_small_is_immediate(void **state) {
  (void)state;
  fill(10);
  delete_queue();
  assert_null(engine_take_deferred(story.engine));
}

static void test_deferred_free_of_something_large_is_left_to_others(void **state) {
  (void)state;
  fill(10000);
  delete_queue();
  assert_int_equal(story_objects(&story, 1), 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, "q", 0);
  fill(10000);
  delete_queue();
  struct object *both = engine_take_deferred(story.engine);
  assert_non_null(both);
  assert_null(engine_take_deferred(story.engine));
  engine_free_deferred(engine_join_deferred(NULL, both));
}

static void test_deferred_free_left_over_goes_with_the_engine(void **state) {
  (void)state;
  fill(10000);
  delete_queue();
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_deferred_free_of_something_small_is_immediate),
      STORY(test_deferred_free_of_something_large_is_left_to_others),
      STORY(test_deferred_free_left_over_goes_with_the_engine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
