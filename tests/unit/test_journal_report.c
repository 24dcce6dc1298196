/* What `holdfast info` says of the journal is answered under the engine's lock: nothing is looked at on the disk. */
#include "tests/support/durable.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define MEASURED_US \
  2500000 /* the journal looks at its files a second after something was written */

static struct durable durable;

static hf_reason call(Holdfast__Request *request) {
  return durable_ask(&durable, 1, request);
}

static void test_a_report_touches_no_file(void **state) {
  (void)state;
  char away[DIRECTORY_PATH_BYTES + 8];
  durable_begin(&durable, NULL);
  durable_connect(&durable, 1, false, "");
  assert_int_equal(call(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__DICT,
                                .name = DATA("d"))),
                   HF_REASON_NONE);
  assert_int_equal(call(IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = INT(5))),
                   HF_REASON_NONE);
  usleep(MEASURED_US);
  struct reply_journal before = durable_report(&durable);
  snprintf(away, sizeof away, "%s.away", durable.directory);
  assert_int_equal(rename(durable.directory, away), 0);
  struct reply_journal report = durable_report(&durable);
  assert_int_equal(rename(away, durable.directory), 0);
  assert_true(before.journal_bytes > 0);
  assert_int_equal(report.journal_bytes, before.journal_bytes);
  assert_int_equal(report.index, before.index);
  durable_end(&durable);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_report_touches_no_file),
  };
  return cmocka_run_group_tests_name("unit.journal_report", tests, NULL, NULL);
}
