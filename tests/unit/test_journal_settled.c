/* How long recovery waits for a settled state: as long as it says, after what was there has been replayed,
 * however long that takes. */
#include "proto/base/clock.h"
#include "server/journal/recovery.h"
#include "tests/support/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define LONG_MS (2 * (uint64_t)RECOVERY_SETTLED_MS)

static char directory[DIRECTORY_PATH_BYTES]; /* empty */
static uint64_t passed_ns;                   /* beside what has really passed */
static unsigned replays, replays_max;
static uint64_t replay_ms[3]; /* how long each takes */

uint64_t __real_clock_now_ns(void);
uint64_t __wrap_clock_now_ns(void);

uint64_t __wrap_clock_now_ns(void) {
  return __real_clock_now_ns() + passed_ns;
}

/* There is nothing, and so no settled state; at last it is stopped. */
static bool replay_nothing(struct journal_backend *backend, uint64_t from) {
  (void)backend;
  (void)from;
  passed_ns += replay_ms[replays] * CLOCK_NS_PER_MS;
  return ++replays < replays_max;
}

static uint64_t no_bytes(const struct journal_backend *backend) {
  (void)backend;
  return 0;
}

static bool recover(void) {
  static const struct journal_ops ops = {.replay = replay_nothing, .bytes = no_bytes};
  struct journal_backend backend = {.ops = &ops};
  const struct recovery_options options = {
      .directory = directory, .backend = &backend, .through = 1};
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "";
  replays = 0;
  passed_ns = 0;
  replays_max = sizeof replay_ms / sizeof *replay_ms;
  directory_make(directory);
  bool is_recovered = recovery_run(&options, &recovered, error);
  directory_remove(directory);
  return is_recovered;
}

static void test_a_long_replay_leaves_all_the_time(void **state) {
  (void)state;
  replay_ms[0] = LONG_MS;
  replay_ms[1] = replay_ms[2] = 0;
  assert_true(recover());
  assert_int_equal(replays, 3);
}

static void test_the_time_ends(void **state) {
  (void)state;
  replay_ms[0] = replay_ms[2] = 0;
  replay_ms[1] = LONG_MS;
  assert_false(recover());
  assert_int_equal(replays, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_long_replay_leaves_all_the_time),
      cmocka_unit_test(test_the_time_ends),
  };
  return cmocka_run_group_tests_name("unit.journal_settled", tests, NULL, NULL);
}
