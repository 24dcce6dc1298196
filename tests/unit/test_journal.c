/* The journal's threads: order, back-pressure, a disk without room, losses, syncs. Several threads append.
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

#define APPENDERS 4
#define INTERVAL_MS 50

static uint64_t seed;

static void begin(void) {
  fake_journal_begin(seed, (struct fsync_setting){.mode = FSYNC_ALWAYS});
}

/* ---- appenders */

struct appender {
  pthread_t thread;
  struct random random;
  size_t passes;
};

static void *run_appender(void *arg) {
  struct appender *appender = arg;
  bool is_batching = false;
  for (size_t i = 0; i < appender->passes; i++) {
    size_t count = random_below(&appender->random, 4); /* none: all was refused, or a read */
    if (is_batching && random_below(&appender->random, 2) == 0) {
      command_log->lead(command_log->ctx);
    }
    if (is_batching) {
      command_log->end_batching(command_log->ctx);
    }
    is_batching = !is_batching && random_below(&appender->random, 8) == 0 &&
                  command_log->begin_batching(command_log->ctx);
    append_commands(count, random_below(&appender->random, 300));
    while (!command_log->await_room(command_log->ctx, CLOCK_NS_PER_MS)) {
    }
    if (random_below(&appender->random, 8) == 0) {
      sleep_us(random_below(&appender->random, 1000));
    }
  }
  if (is_batching) {
    command_log->end_batching(command_log->ctx);
  }
  return NULL;
}

static void run_appenders(size_t passes) {
  struct appender appenders[APPENDERS];
  for (size_t i = 0; i < APPENDERS; i++) {
    appenders[i] = (struct appender){.random = {seed + 7919 * (i + 1)}, .passes = passes};
    pthread_create(&appenders[i].thread, NULL, run_appender, &appenders[i]);
  }
  for (size_t i = 0; i < APPENDERS; i++) {
    pthread_join(appenders[i].thread, NULL);
  }
}

/* ---- order */

static void test_journal_commits_all_in_order(void **state) {
  static const uint64_t delays_us[][2] = {{0, 0}, {300, 0}, {0, 500}, {2000, 2000}};
  uint64_t commands = 0, batches = 0, calls = 0;
  (void)state;
  for (size_t i = 0; i < sizeof delays_us / sizeof *delays_us; i++) {
    begin();
    backend.delay_us_max = delays_us[i][0];
    host.delay_us = delays_us[i][1];
    run_appenders(1500);
    fake_journal_close();
    expect_all_committed();
    for (uint64_t index = 1; index <= newest; index++) {
      commands += appended[index];
    }
    batches += newest;
    calls += host.calls;
  }
  print_message("%llu commands in %llu batches, released in %llu steps\n",
                (unsigned long long)commands, (unsigned long long)batches,
                (unsigned long long)calls);
}

/* Nothing waits for a next command, or for a timer. */
static void test_journal_commits_a_lone_command_at_once(void **state) {
  (void)state;
  begin();
  for (uint64_t i = 1; i <= 100; i++) {
    uint64_t index = append_commands(1, 10);
    await_number("committed", &host.committed, index);
    assert_int_equal(index, i);
  }
  assert_true(fake_journal_close() < LATE_MS);
  expect_all_committed();
}

static void test_journal_without_commands_commits_nothing(void **state) {
  (void)state;
  begin();
  for (int i = 0; i < 100; i++) {
    append_commands(0, 0);
  }
  fake_journal_close();
  assert_int_equal(backend.last, 1); /* what a new journal begins with */
  assert_int_equal(backend.commands[1], 0);
  assert_int_equal(host.calls, 1);
}

/* ---- back-pressure */

static _Atomic uint64_t passes_done;

static void *append_large(void *arg) {
  for (size_t i = 0; i < *(const size_t *)arg; i++) {
    append_commands(1, BODY_BYTES);
    atomic_fetch_add(&passes_done, 1);
    while (!command_log->await_room(command_log->ctx, CLOCK_NS_PER_MS)) {
    }
  }
  return NULL;
}

/* While the backend stands still: what is committed, and one batch that is filled; each appender is at most one
 * command beyond its limit. */
static void test_journal_bounds_what_waits_for_the_disk(void **state) {
  const size_t passes = 100, fit = JOURNAL_BATCH_BYTES_MAX / BODY_BYTES;
  pthread_t threads[APPENDERS];
  (void)state;
  begin();
  backend.is_held = true;
  atomic_store(&passes_done, 0);
  append_commands(1, 10);
  sem_wait(&backend.arrived);
  for (size_t i = 0; i < APPENDERS; i++) {
    pthread_create(&threads[i], NULL, append_large, (void *)&passes);
  }
  await_number("appended", &passes_done, fit);
  sleep_us(200000);
  assert_in_range(passes_done, fit, fit + APPENDERS);
  print_message("%llu of %zu commands of %zu bytes were appended beside a commit that hangs\n",
                (unsigned long long)passes_done, APPENDERS * passes, BODY_BYTES);
  backend.is_held = false;
  sem_post(&backend.go_on);
  for (size_t i = 0; i < APPENDERS; i++) {
    pthread_join(threads[i], NULL);
  }
  fake_journal_close();
  expect_all_committed();
}

/* ---- no room */

static void test_journal_waits_for_room_and_goes_on(void **state) {
  (void)state;
  begin();
  append_commands(1, 10);
  await_number("committed", &host.committed, 1);
  int room = host.room;
  atomic_store(&backend.full_at, 2);
  append_commands(3, 10);
  append_commands(1, 10);
  await_number("attempts", &backend.attempts_when_full, 3);
  assert_int_equal(host.committed, 1);
  assert_int_equal(host.full, 1);
  assert_true(fake_journal_report().is_full);
  atomic_store(&backend.full_at, 0);
  await_number("committed", &host.committed, newest);
  uint64_t start_ns = clock_now_ns();
  while (host.room == room && ms_since(start_ns) < LATE_MS) {
    sleep_us(1000);
  }
  assert_int_equal(host.room, room + 1);
  assert_false(fake_journal_report().is_full);
  fake_journal_close();
  expect_all_committed();
  assert_int_equal(host.full, 1);
}

/* What a snapshot has made obsolete is in the way of the first batch here. */
static void test_journal_removes_what_is_obsolete_while_the_disk_is_full(void **state) {
  (void)state;
  begin();
  atomic_store(&backend.full_at, 1);
  append_commands(1, 10);
  await_number("attempts", &backend.attempts_when_full, 1);
  await_number("truncations", &backend.truncations, 1);
  assert_int_equal(backend.committed, 0);
  atomic_store(&backend.full_at, 0);
  await_number("committed", &host.committed, newest);
  fake_journal_close();
  expect_all_committed();
}

/* What found no room was never acknowledged, and is not waited for. */
static void test_journal_stops_while_the_disk_is_full(void **state) {
  (void)state;
  for (int is_waiting = 0; is_waiting < 2; is_waiting++) {
    begin();
    append_commands(1, 10);
    await_number("committed", &host.committed, 1);
    atomic_store(&backend.full_at, 2);
    append_commands(1, 10);
    if (is_waiting) {
      await_number("attempts", &backend.attempts_when_full, 2);
    }
    append_commands(1, 10);
    assert_in_range(fake_journal_close(), 0, LATE_MS / 2);
    assert_int_equal(host.committed, 1);
    assert_int_equal(host.losses, 0);
    assert_int_equal(backend.last, 1);
  }
}

/* ---- a backend that fails */

static void test_journal_loses_once_and_acknowledges_nothing_more(void **state) {
  struct random random = {seed};
  (void)state;
  for (int i = 0; i < 20; i++) {
    begin();
    backend.delay_us_max = random_below(&random, 500);
    backend.fails_at = 1 + random_below(&random, 40);
    run_appenders(400); /* who don't wait for ever */
    append_commands(1, 10);
    fake_journal_close();
    if (newest >= backend.fails_at) {
      assert_int_equal(host.losses, 1);
      assert_int_equal(host.committed, backend.fails_at - 1);
      assert_int_equal(backend.last, backend.fails_at - 1);
    } else {
      expect_all_committed();
    }
  }
}

static void test_journal_frees_who_waits_for_a_backend_that_fails(void **state) {
  const size_t passes = JOURNAL_BATCH_BYTES_MAX / BODY_BYTES + 10;
  pthread_t thread;
  (void)state;
  begin();
  backend.is_held = true;
  backend.fails_at = 1;
  atomic_store(&passes_done, 0);
  append_commands(1, 10);
  sem_wait(&backend.arrived);
  pthread_create(&thread, NULL, append_large, (void *)&passes);
  await_number("appended", &passes_done, JOURNAL_BATCH_BYTES_MAX / BODY_BYTES);
  sleep_us(50000);
  assert_true(passes_done < passes);
  sem_post(&backend.go_on);
  pthread_join(thread, NULL);
  fake_journal_close();
  assert_int_equal(host.losses, 1);
  assert_int_equal(host.committed, 0);
}

static void test_journal_loses_once_when_a_sync_fails(void **state) {
  (void)state;
  fake_journal_begin(seed, (struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  backend.fails_to_sync = true;
  append_commands(1, 10);
  uint64_t start_ns = clock_now_ns();
  while (host.losses == 0 && ms_since(start_ns) < LATE_MS) {
    sleep_us(1000);
  }
  append_commands(1, 10);
  fake_journal_close();
  assert_int_equal(host.losses, 1);
}

/* ---- syncs in intervals */

static void test_journal_syncs_in_intervals(void **state) {
  uint64_t start_ns = clock_now_ns(), oldest_ms = 0;
  (void)state;
  fake_journal_begin(seed, (struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  while (ms_since(start_ns) < 20 * INTERVAL_MS) {
    await_number("committed, not synced", &host.committed, append_commands(1, 10));
    uint64_t unsynced_ms = fake_journal_report().unsynced_ms;
    oldest_ms = unsynced_ms > oldest_ms ? unsynced_ms : oldest_ms;
    sleep_us(500);
  }
  uint64_t syncs = backend.syncs, idle_ns = clock_now_ns();
  print_message("%llu batches, %llu syncs in %d intervals; the oldest was not synced for %llu ms\n",
                (unsigned long long)newest, (unsigned long long)syncs, 20,
                (unsigned long long)oldest_ms);
  assert_in_range(syncs, 1, 20);
  assert_in_range(oldest_ms, INTERVAL_MS / 2, INTERVAL_MS + LATE_MS);
  await_number("synced", &backend.synced, newest); /* without a further command */
  assert_in_range(ms_since(idle_ns), 0, INTERVAL_MS + LATE_MS);
  sleep_us(2000 * INTERVAL_MS);
  syncs = backend.syncs;
  assert_int_equal(fake_journal_report().unsynced_ms, 0);
  sleep_us(4000 * INTERVAL_MS);
  assert_int_equal(backend.syncs, syncs); /* what is synced is left alone */
  append_commands(1, 10);
  fake_journal_close();
  assert_int_equal(backend.synced, newest); /* without waiting for the interval */
  expect_all_committed();
}

static void test_journal_that_never_syncs_does_so_at_its_end(void **state) {
  (void)state;
  fake_journal_begin(seed, (struct fsync_setting){.mode = FSYNC_NEVER});
  assert_int_equal(fake_journal_report().unsynced_ms, 0);
  await_number("committed", &host.committed, append_commands(1, 10));
  sleep_us(100000);
  assert_int_equal(backend.syncs, 0);
  assert_int_equal(fake_journal_report().unsynced_ms, UINT64_MAX);
  fake_journal_close();
  assert_int_equal(backend.synced, newest);
}

/* ---- what it reports */

static void test_journal_reports_its_numbers(void **state) {
  (void)state;
  fake_journal_begin(seed, (struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  struct reply_journal state_now = fake_journal_report();
  assert_int_equal(state_now.committed, 0);
  assert_int_equal(state_now.journal_bytes, BACKEND_BYTES);
  assert_int_equal(state_now.fsync_p99_ns, P99_NS);
  assert_int_equal(state_now.snapshot_index, 0);
  assert_int_equal(state_now.snapshot_bytes, 0);
  assert_true(state_now.snapshot_age_ms == UINT64_MAX);
  assert_string_equal(state_now.fsync, "interval 50");
  assert_false(state_now.is_full);
  assert_false(state_now.is_compacting);
  backend.is_held = true;
  append_commands(1, 10);
  sem_wait(&backend.arrived);
  assert_int_equal(fake_journal_report().index, 1); /* being committed */
  append_commands(0, 0);
  assert_int_equal(fake_journal_report().index, 1);
  append_commands(1, 10);
  append_commands(1, 10);
  assert_int_equal(fake_journal_report().index, 2); /* being filled */
  assert_int_equal(fake_journal_report().committed, 0);
  backend.is_held = false;
  sem_post(&backend.go_on);
  await_number("committed", &host.committed, 2);
  assert_int_equal(fake_journal_report().committed, 2);
  assert_int_equal(fake_journal_report().index, 2);
  fake_journal_close();
  expect_all_committed();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_commits_all_in_order),
      cmocka_unit_test(test_journal_commits_a_lone_command_at_once),
      cmocka_unit_test(test_journal_without_commands_commits_nothing),
      cmocka_unit_test(test_journal_bounds_what_waits_for_the_disk),
      cmocka_unit_test(test_journal_waits_for_room_and_goes_on),
      cmocka_unit_test(test_journal_removes_what_is_obsolete_while_the_disk_is_full),
      cmocka_unit_test(test_journal_stops_while_the_disk_is_full),
      cmocka_unit_test(test_journal_loses_once_and_acknowledges_nothing_more),
      cmocka_unit_test(test_journal_frees_who_waits_for_a_backend_that_fails),
      cmocka_unit_test(test_journal_loses_once_when_a_sync_fails),
      cmocka_unit_test(test_journal_syncs_in_intervals),
      cmocka_unit_test(test_journal_that_never_syncs_does_so_at_its_end),
      cmocka_unit_test(test_journal_reports_its_numbers),
  };
  seed = random_seed(argc, argv);
  if (argc > 2) {
    cmocka_set_test_filter(argv[2]);
  }
  return cmocka_run_group_tests_name("unit.journal", tests, NULL, NULL);
}
