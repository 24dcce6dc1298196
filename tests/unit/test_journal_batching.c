/* Commands that are batched for one commit.
 *
 * usage: [SEED [TEST]]; a pattern of names
 */
#include "proto/base/clock.h"
#include "server/journal/double_buffer.h"
#include "tests/support/fake_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static void begin(void) {
  fake_journal_begin(seed, (struct fsync_setting){.mode = FSYNC_ALWAYS});
}

static void test_journal_batches_commands_for_one_commit(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  sleep_us(20000); /* it waits for work */
  assert_true(command_log->begin_batching(command_log->ctx));
  assert_true(command_log->begin_batching(command_log->ctx));
  for (int i = 0; i < 3; i++) {
    assert_int_equal(append_commands(1, 10), 2);
  }
  assert_false(command_log->begin_batching(command_log->ctx)); /* some wait */
  command_log->end_batching(command_log->ctx);
  sleep_us(20000);
  assert_int_equal(host.committed, 1);
  command_log->end_batching(command_log->ctx);
  await_number("committed", &host.committed, 2);

  sleep_us(20000);
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(1, 10);
  command_log->hurry(command_log->ctx);
  await_number("committed", &host.committed, 3);
  command_log->end_batching(command_log->ctx);
  fake_journal_close();
  expect_all_committed();
}

/* A thread that waits for room is not waited for. */
static void test_journal_that_is_full_batches_no_more(void **state) {
  (void)state;
  begin();
  sleep_us(20000);
  assert_true(command_log->begin_batching(command_log->ctx));
  for (size_t bytes = 0; bytes < 2 * JOURNAL_BATCH_BYTES_MAX; bytes += 100 * BODY_BYTES) {
    append_commands(100, BODY_BYTES);
    command_log->await_room(command_log->ctx);
  }
  command_log->end_batching(command_log->ctx);
  fake_journal_close();
  expect_all_committed();
}

/* The same while another thread has the batch: it is handed over when that is done. */
static void test_journal_hurries_when_its_batch_is_free(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  sleep_us(20000);
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(1, 10);
  pthread_mutex_lock(&engine_mutex);
  command_log->begin(command_log->ctx);
  command_log->hurry(command_log->ctx);
  command_log->end(command_log->ctx);
  pthread_mutex_unlock(&engine_mutex);
  await_number("committed", &host.committed, 2);
  command_log->end_batching(command_log->ctx);
  fake_journal_close();
  expect_all_committed();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_batches_commands_for_one_commit),
      cmocka_unit_test(test_journal_that_is_full_batches_no_more),
      cmocka_unit_test(test_journal_hurries_when_its_batch_is_free),
  };
  seed = random_seed(argc, argv);
  if (argc > 2) {
    cmocka_set_test_filter(argv[2]);
  }
  return cmocka_run_group_tests_name("unit.journal_batching", tests, NULL, NULL);
}
