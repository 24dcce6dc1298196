/* What happens to dispatch while its state is loaded counts for that state. */
#include "server/engine/core.h"
#include "tests/support/durable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct durable durable;

/* Peers that stand in line: grace times stand still, until they don't. */
static void test_a_loaded_state_knows_that_peers_stand_in_line(void **state) {
  (void)state;
  durable_begin(&durable, NULL);
  durable.is_crowded = true;
  durable_restart(&durable, NULL);
  assert_int_not_equal(durable.recovered.engine->crowding.since_ns, 0);
  dispatch_set_crowded(durable.dispatch, false);
  assert_int_equal(durable.recovered.engine->crowding.since_ns, 0);
  durable.is_crowded = false;
  durable_restart(&durable, NULL);
  assert_int_equal(durable.recovered.engine->crowding.since_ns, 0);
  durable_end(&durable);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_loaded_state_knows_that_peers_stand_in_line),
  };
  return cmocka_run_group_tests_name("unit.journal_loading", tests, NULL, NULL);
}
