/* Every operation with arguments that are refused: nothing is freed twice, nothing leaks, whatever
 * had been read before the refusal. */
#include "server/dispatch/operations.h"
#include "tests/support/request_maker.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS_COUNT 200

static struct story story;
static struct request_maker maker;

/* An object of each kind, for the names that requests aim at. */
static void open_all(void) {
  for (int kind = HOLDFAST__KIND__DICT; kind < (int)holdfast__kind__descriptor.n_values; kind++) {
    story_send(&story, 1, request_maker_open(&maker, (Holdfast__Kind)kind));
  }
  story_forget(&story);
}

static void test_every_value_argument_may_refer_to_nothing(void **state) {
  (void)state;
  maker.refers_to_nothing = true;
  for (int round = 0; round < ROUNDS_COUNT; round++) {
    for (size_t i = 0; i < request_maker_operations_count(); i++) {
      Holdfast__Request *request = request_maker_make(&maker, i);
      request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
      request->timeout_ms = 0;
      story_send(&story, 1, request);
      story_forget(&story);
    }
    open_all(); /* some were deleted */
  }
}

static int set_up(void **state) {
  (void)state;
  story_begin(&story);
  story_connect(&story, 1);
  request_maker_init(&maker, 1);
  open_all();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  request_maker_deinit(&maker);
  story_end(&story);
  return 0;
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_every_value_argument_may_refer_to_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
