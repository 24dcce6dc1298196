/* The operations' table is right: what has no effect leaves the state as it was. Random requests
 * of all operations, on objects of all kinds. [SEED [COUNT]] */
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "tests/support/digest.h"
#include "tests/support/request_maker.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct story story;
static struct request_maker maker;
static uint64_t seed;
static size_t requests_count = 20000;

/* An object of each kind, for the names that requests aim at. */
static void open_all(void) {
  for (int kind = HOLDFAST__KIND__DICT; kind < (int)holdfast__kind__descriptor.n_values; kind++) {
    story_send(&story, 1, request_maker_open(&maker, (Holdfast__Kind)kind));
  }
  story_forget(&story);
}

/* Whether the state is another one after it. */
static bool changes(Holdfast__Request *request) {
  uint64_t before = digest_state(story.engine);
  request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request->timeout_ms = 0;
  story_send(&story, 1, request);
  story_forget(&story);
  return digest_state(story.engine) != before;
}

static void test_operations_without_effect_leave_the_state_as_it_was(void **state) {
  (void)state;
  struct random random = {seed};
  size_t count = request_maker_operations_count(), without = 0, effective = 0;
  for (size_t i = 0; i < requests_count; i++) {
    Holdfast__Request *request = request_maker_make(&maker, (size_t)random_below(&random, count));
    const struct operation *operation = operations_find(request);
    bool has_changed = changes(request);
    if (operation && operation->effect == EFFECT_NONE) {
      if (has_changed) {
        fail_msg("%s has changed something, seed %llu", operations_name(operation->arm),
                 (unsigned long long)seed);
      }
      without++;
    }
    effective += has_changed;
    if (i % 100 == 0) { /* some were deleted */
      open_all();
    }
  }
  printf("%zu requests without effect, %zu others that had one\n", without, effective);
  assert_true(without > requests_count / 5 && effective > requests_count / 50);
}

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 1);
  request_maker_init(&maker, seed);
  open_all();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  request_maker_deinit(&maker);
  story_end(&story);
  return 0;
}

int main(int argc, char **argv) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_operations_without_effect_leave_the_state_as_it_was),
  };
  seed = random_seed(argc, argv);
  requests_count = argc > 2 ? strtoul(argv[2], NULL, 10) : requests_count;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
