/* Commands that are batched for one commit, and leaders, which commit them themselves.
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
  await_idle();
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

  await_idle();
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
  await_idle();
  assert_true(command_log->begin_batching(command_log->ctx));
  for (size_t bytes = 0; bytes < 2 * JOURNAL_BATCH_BYTES_MAX; bytes += 100 * BODY_BYTES) {
    append_commands(100, BODY_BYTES);
    while (!command_log->await_room(command_log->ctx, CLOCK_NS_PER_MS)) {
    }
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
  await_idle();
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

/* ---- leaders */

/* Whether there was a leader, which answers when its batch is committed. */
static bool lead(size_t count) {
  await_idle();
  assert_true(command_log->begin_batching(command_log->ctx));
  uint64_t index = append_commands(count, 10);
  command_log->lead(command_log->ctx);
  bool has_led = host.committed == index && pthread_equal(backend.thread, pthread_self()) != 0;
  command_log->end_batching(command_log->ctx);
  await_number("committed", &host.committed, index);
  return has_led;
}

static void test_journal_leader_commits_its_batch(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  for (uint64_t i = 2; i < 20; i++) {
    assert_true(lead(3));
    assert_int_equal(host.committed, i);
    assert_int_equal(append_commands(1, 10), ++i); /* the committer's again */
    await_number("committed", &host.committed, i);
    assert_false(pthread_equal(backend.thread, pthread_self()));
  }
  fake_journal_close();
  expect_all_committed();
}

static void *lead_once(void *arg) {
  (void)arg;
  lead(1);
  return NULL;
}

/* What is appended meanwhile is the committer's, which begins when the leader has ended: also when the committer woke
 * before that, as it does each second. */
static void test_journal_waits_for_its_leader(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) {
    bool is_hurried = i & 1, is_batched = i & 2, is_woken = i >= 4;
    pthread_t leader;
    begin();
    await_number("committed", &host.committed, append_commands(1, 10));
    backend.is_held = true;
    pthread_create(&leader, NULL, lead_once, NULL);
    sem_wait(&backend.arrived);
    backend.is_held = false;
    if (is_batched) {
      assert_true(command_log->begin_batching(command_log->ctx));
    }
    assert_int_equal(append_commands(2, 10), 3);
    if (is_hurried) {
      command_log->hurry(command_log->ctx);
    }
    command_log->lead(command_log->ctx); /* there is one already */
    sleep_us(is_woken ? 1200000 : 20000);
    assert_int_equal(host.committed, 1);
    sem_post(&backend.go_on);
    if (is_batched && !is_woken && !is_hurried) {
      await_number("committed", &host.committed, 2);
      sleep_us(20000);
      assert_int_equal(host.committed, 2);
    }
    if (is_batched) {
      command_log->end_batching(command_log->ctx);
    }
    await_number("committed", &host.committed, 3);
    pthread_join(leader, NULL);
    fake_journal_close();
    expect_all_committed();
  }
}

/* Nobody leads while others batch, or while it would be late that something is synced. */
static void test_journal_has_no_leader_when_others_batch(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  assert_true(command_log->begin_batching(command_log->ctx));
  assert_false(lead(1));
  fake_journal_close();
  expect_all_committed();

  fake_journal_begin(seed, (struct fsync_setting){FSYNC_INTERVAL, 50});
  await_number("committed", &host.committed, append_commands(1, 10));
  assert_false(lead(1));
  fake_journal_close();
  expect_all_committed();
}

/* Its batch is the committer's then, the same bytes, and nobody leads until there is room. */
static void test_journal_leader_finds_no_room(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  await_idle();
  atomic_store(&backend.full_at, 2);
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(2, 10);
  command_log->lead(command_log->ctx);
  assert_int_not_equal(backend.attempts_when_full, 0);
  assert_true(pthread_equal(backend.first_attempt_thread, pthread_self()) != 0);
  command_log->end_batching(command_log->ctx);
  append_commands(1, 10);
  await_number("attempts", &backend.attempts_when_full, 3);
  assert_false(pthread_equal(backend.thread, pthread_self()));
  assert_true(fake_journal_report().is_full);
  assert_int_equal(host.committed, 1);
  atomic_store(&backend.full_at, 0);
  await_number("committed", &host.committed, newest);
  while (fake_journal_report().is_full) {
    sleep_us(1000);
  }
  assert_true(lead(1));
  fake_journal_close();
  expect_all_committed();
}

static void test_journal_leader_loses(void **state) {
  (void)state;
  begin();
  await_number("committed", &host.committed, append_commands(1, 10));
  await_idle();
  backend.fails_at = 2;
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(1, 10);
  command_log->lead(command_log->ctx);
  assert_int_equal(host.losses, 1);
  assert_true(pthread_equal(backend.thread, pthread_self()) != 0);
  command_log->end_batching(command_log->ctx);
  append_commands(1, 10);
  fake_journal_close();
  assert_int_equal(host.losses, 1);
  assert_int_equal(host.committed, 1);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_batches_commands_for_one_commit),
      cmocka_unit_test(test_journal_that_is_full_batches_no_more),
      cmocka_unit_test(test_journal_hurries_when_its_batch_is_free),
      cmocka_unit_test(test_journal_leader_commits_its_batch),
      cmocka_unit_test(test_journal_waits_for_its_leader),
      cmocka_unit_test(test_journal_has_no_leader_when_others_batch),
      cmocka_unit_test(test_journal_leader_finds_no_room),
      cmocka_unit_test(test_journal_leader_loses),
  };
  seed = random_seed(argc, argv);
  if (argc > 2) {
    cmocka_set_test_filter(argv[2]);
  }
  return cmocka_run_group_tests_name("unit.journal_batching", tests, NULL, NULL);
}
