/* The journal's threads, on a backend of the test's own: one that is slow, has no room, or fails. Several threads
 * append as dispatch does, each under the engine's lock.
 *
 *   appenders --journal_log--> journal.c --append--> the backend here, which keeps what it is given
 *                                 '--committed, lost, disk--> the host here
 *
 * The functions of sqlite_backend.h are defined here, so that the archive's are not linked.
 *
 * usage: [SEED [TEST]]; a pattern of names
 */
#include "proto/base/clock.h"
#include "server/journal/cell_tape.h"
#include "server/journal/double_buffer.h"
#include "server/journal/journal.h"
#include "server/journal/record_reader.h"
#include "server/journal/sqlite_backend.h"
#include "tests/support/directory.h"
#include "tests/support/random.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define APPENDERS 4
#define BATCHES_MAX 65536
#define BODY_BYTES ((size_t)64 << 10)
#define BACKEND_BYTES 4711
#define P99_NS 1234
#define INTERVAL_MS 50
/* A busy machine, or a sanitizer's, may be late by that much. */
#define LATE_MS 2000
#define SENTENCE "the backend has failed"

static uint64_t seed;
static char directory[DIRECTORY_PATH_BYTES];

static void sleep_us(uint64_t us) {
  nanosleep(&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
}

static uint64_t ms_since(uint64_t start_ns) {
  return (clock_now_ns() - start_ns) / CLOCK_NS_PER_MS;
}

/* On any thread. */
static void demand(bool is_so, const char *what) {
  if (!is_so) {
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    abort();
  }
}

/* ---- the backend. Its thread is the committer; what the test looks at is atomic. */

static struct {
  struct journal_backend base;
  struct random random;
  uint64_t delay_us_max; /* of an append */
  uint64_t fails_at;     /* this batch is lost; 0: none is */
  bool fails_to_sync;
  bool is_held; /* appends wait for `go_on` */
  sem_t arrived, go_on;
  _Atomic uint64_t full_at; /* there is no room from this batch on; 0: there is */
  _Atomic uint64_t attempts_when_full;
  uint64_t last;                              /* batch */
  _Atomic uint64_t committed;                 /* as the journal was notified */
  _Atomic uint32_t commands[BATCHES_MAX + 1]; /* in each batch */
  _Atomic uint64_t syncs, synced;             /* batches that were brought to the disk */
  uint64_t first_attempt_hash;                /* of the batch there was no room for */
  bool is_closed;
} backend;

static uint64_t hash_of(struct bytes bytes) {
  uint64_t hash = 0;
  for (size_t i = 0; i < bytes.len; i++) {
    hash = hash * 31 + bytes.data[i];
  }
  return hash;
}

static void lose(enum journal_loss why) {
  backend.base.sink.lost(backend.base.sink.ctx, why, SENTENCE);
}

/* What is tried again has to be the same. */
static bool has_no_room(uint64_t index, struct bytes batch) {
  uint64_t full_at = atomic_load(&backend.full_at);
  bool is_full = full_at > 0 && index >= full_at;
  if (is_full || backend.attempts_when_full > 0) {
    uint64_t hash = hash_of(batch) + index;
    if (atomic_load(&backend.attempts_when_full) > 0) {
      demand(hash == backend.first_attempt_hash, "another batch is tried again");
    }
    backend.first_attempt_hash = hash;
  }
  if (is_full) {
    atomic_fetch_add(&backend.attempts_when_full, 1);
    lose(JOURNAL_FULL);
  } else {
    atomic_store(&backend.attempts_when_full, 0);
  }
  return is_full;
}

static void keep(uint64_t index, struct bytes batch) {
  struct batch_header header;
  const char *why;
  struct batch_reader *reader = record_open(batch, &header, &why);
  demand(reader && header.index == index, "a batch is no batch");
  demand(index == backend.last + 1 && index <= BATCHES_MAX, "another batch is next");
  struct record record;
  while (record_next(reader, &record, &why)) {
    atomic_fetch_add(&backend.commands[index], !record.is_genesis);
  }
  demand(why == NULL, "a command is none");
  record_close(reader);
  backend.last = index;
}

static void append(struct journal_backend *base, uint64_t index, struct bytes batch) {
  if (backend.is_held) {
    sem_post(&backend.arrived);
    sem_wait(&backend.go_on);
  }
  if (backend.delay_us_max > 0) {
    sleep_us(random_below(&backend.random, backend.delay_us_max));
  }
  if (index == backend.fails_at) {
    lose(JOURNAL_BROKEN);
  } else if (!has_no_room(index, batch)) {
    keep(index, batch);
    atomic_store(&backend.committed, index);
    base->sink.committed(base->sink.ctx, index);
  }
}

static bool replay(struct journal_backend *base, uint64_t from) {
  (void)base;
  return from == 0;
}

static bool cut(struct journal_backend *base) {
  (void)base;
  demand(false, "no snapshot is due");
  return false;
}

static bool truncate_below(struct journal_backend *base, uint64_t below) {
  (void)base;
  (void)below;
  return true;
}

static uint64_t bytes(const struct journal_backend *base) {
  (void)base;
  return BACKEND_BYTES;
}

static void close_backend(struct journal_backend *base) {
  (void)base;
  backend.is_closed = true;
}

struct journal_backend *sqlite_backend_open(const struct sqlite_options *options,
                                            const struct journal_sink *sink) {
  static const struct journal_ops ops = {replay, append, cut, truncate_below, bytes, close_backend};
  assert_string_equal(options->directory, directory);
  backend.base = (struct journal_backend){&ops, *sink};
  return &backend.base;
}

bool sqlite_backend_sync(struct journal_backend *base) {
  (void)base;
  if (backend.fails_to_sync) {
    lose(JOURNAL_BROKEN);
    return false;
  }
  atomic_store(&backend.synced, backend.last);
  atomic_fetch_add(&backend.syncs, 1);
  return true;
}

bool sqlite_backend_drop_behind(struct journal_backend *base, uint64_t index) {
  (void)base;
  fail_msg("nothing is damaged behind %llu", (unsigned long long)index);
  return false;
}

uint64_t sqlite_backend_p99_ns(const struct journal_backend *base) {
  (void)base;
  return P99_NS;
}

/* ---- the host */

static struct {
  _Atomic uint64_t committed, calls, delay_us;
  atomic_int losses, full, room; /* times that it was notified of */
} host;

static void note_committed(void *ctx, uint64_t through) {
  (void)ctx;
  demand(through > atomic_load(&host.committed), "committed is called out of order");
  demand(through <= atomic_load(&backend.committed), "a batch is released, and not committed");
  atomic_store(&host.committed, through);
  atomic_fetch_add(&host.calls, 1);
  sleep_us(atomic_load(&host.delay_us));
}

static void note_lost(void *ctx, const char *sentence) {
  (void)ctx;
  demand(strcmp(sentence, SENTENCE) == 0, sentence);
  atomic_fetch_add(&host.losses, 1);
}

static bool is_awaited(void *ctx) {
  (void)ctx;
  return false;
}

static void note_disk(void *ctx, bool is_full) {
  (void)ctx;
  atomic_fetch_add(is_full ? &host.full : &host.room, 1);
}

static void ignore_guard(void *ctx, bool is_on) {
  (void)ctx;
  (void)is_on;
}

/* ---- the journal, as dispatch has it */

static struct journal *journal;
static const struct command_log *command_log;
static struct engine *engine;
static struct cell_tape cells;
static pthread_mutex_t engine_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t appended[BATCHES_MAX + 1]; /* commands, by the batch that begin answered */
static uint64_t newest;                    /* of these batches that has commands */

static void begin_with(struct fsync_setting fsync) {
  static const struct journal_host callbacks = {.committed = note_committed,
                                                .is_awaited = is_awaited,
                                                .lost = note_lost,
                                                .disk = note_disk,
                                                .guard = ignore_guard};
  const struct journal_settings settings = {.directory = directory,
                                            .fsync = fsync,
                                            .cells = &cells,
                                            .memory_bytes_max = 64u << 20,
                                            .program = "/nowhere"};
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES];
  memset(&backend, 0, sizeof backend);
  memset(&host, 0, sizeof host);
  memset(appended, 0, sizeof appended);
  newest = 0;
  backend.random = (struct random){seed};
  directory_make(directory);
  cell_tape_init(&cells);
  sem_init(&backend.arrived, 0, 0);
  sem_init(&backend.go_on, 0, 0);
  journal = journal_open(&settings, NULL, &recovered, error);
  assert_non_null(journal);
  engine = recovered.engine;
  command_log = journal_log(journal);
  assert_true(journal_start(journal, engine, &callbacks));
}

static void begin(void) {
  begin_with((struct fsync_setting){.mode = FSYNC_ALWAYS});
}

/* Commands in one locked pass. Answers their batch. */
static uint64_t append_commands(size_t count, size_t body_bytes) {
  static uint8_t body[BODY_BYTES];
  pthread_mutex_lock(&engine_mutex);
  uint64_t index = command_log->begin(command_log->ctx);
  for (size_t i = 0; i < count; i++) {
    struct engine_request request = {.connection = 1, .body = bytes_of(body, body_bytes)};
    const struct command command = {
        .kind = COMMAND_REQUEST, .now_ns = clock_now_ns(), .request = &request};
    command_log->append(command_log->ctx, &command);
  }
  demand(index >= newest && index <= BATCHES_MAX, "commands are out of order");
  appended[index] += (uint32_t)count;
  newest = count > 0 ? index : newest;
  command_log->end(command_log->ctx);
  pthread_mutex_unlock(&engine_mutex);
  return index;
}

static struct reply_journal report(void) {
  struct reply_journal state;
  pthread_mutex_lock(&engine_mutex);
  command_log->report(command_log->ctx, &state);
  pthread_mutex_unlock(&engine_mutex);
  return state;
}

static void await(const char *what, const _Atomic uint64_t *number, uint64_t least) {
  uint64_t start_ns = clock_now_ns();
  while (atomic_load(number) < least) {
    if (ms_since(start_ns) > LATE_MS) {
      fail_msg("%s: %llu, not %llu", what, (unsigned long long)atomic_load(number),
               (unsigned long long)least);
    }
    sleep_us(200);
  }
}

static uint64_t close_journal(void) {
  uint64_t start_ns = clock_now_ns();
  journal_close(journal);
  engine_free(engine);
  cell_tape_deinit(&cells);
  directory_remove(directory); /* with the snapshot that is made at the end */
  assert_true(backend.is_closed);
  return ms_since(start_ns);
}

/* Each command is in the batch that begin answered, and all are committed. */
static void expect_all_committed(void) {
  assert_int_equal(backend.last, newest);
  assert_int_equal(host.committed, newest);
  assert_int_equal(host.losses, 0);
  for (uint64_t index = 1; index <= newest; index++) {
    assert_int_equal(backend.commands[index], appended[index]);
  }
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
    if (is_batching) {
      command_log->end_batching(command_log->ctx);
    }
    is_batching = !is_batching && random_below(&appender->random, 8) == 0 &&
                  command_log->begin_batching(command_log->ctx);
    append_commands(count, random_below(&appender->random, 300));
    command_log->await_room(command_log->ctx);
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
    close_journal();
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
    await("committed", &host.committed, index);
    assert_int_equal(index, i);
  }
  assert_true(close_journal() < LATE_MS);
  expect_all_committed();
}

static void test_journal_batches_commands_for_one_commit(void **state) {
  (void)state;
  begin();
  await("committed", &host.committed, append_commands(1, 10));
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
  await("committed", &host.committed, 2);

  sleep_us(20000);
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(1, 10);
  command_log->hurry(command_log->ctx);
  await("committed", &host.committed, 3);
  command_log->end_batching(command_log->ctx);
  close_journal();
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
  close_journal();
  expect_all_committed();
}

/* The same while another thread has the batch: it is handed over when that is done. */
static void test_journal_hurries_when_its_batch_is_free(void **state) {
  (void)state;
  begin();
  await("committed", &host.committed, append_commands(1, 10));
  sleep_us(20000);
  assert_true(command_log->begin_batching(command_log->ctx));
  append_commands(1, 10);
  pthread_mutex_lock(&engine_mutex);
  command_log->begin(command_log->ctx);
  command_log->hurry(command_log->ctx);
  command_log->end(command_log->ctx);
  pthread_mutex_unlock(&engine_mutex);
  await("committed", &host.committed, 2);
  command_log->end_batching(command_log->ctx);
  close_journal();
  expect_all_committed();
}

static void test_journal_without_commands_commits_nothing(void **state) {
  (void)state;
  begin();
  for (int i = 0; i < 100; i++) {
    append_commands(0, 0);
  }
  close_journal();
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
    command_log->await_room(command_log->ctx);
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
  await("appended", &passes_done, fit);
  sleep_us(200000);
  assert_in_range(passes_done, fit, fit + APPENDERS);
  print_message("%llu of %zu commands of %zu bytes were appended beside a commit that hangs\n",
                (unsigned long long)passes_done, APPENDERS * passes, BODY_BYTES);
  backend.is_held = false;
  sem_post(&backend.go_on);
  for (size_t i = 0; i < APPENDERS; i++) {
    pthread_join(threads[i], NULL);
  }
  close_journal();
  expect_all_committed();
}

/* ---- no room */

static void test_journal_waits_for_room_and_goes_on(void **state) {
  (void)state;
  begin();
  append_commands(1, 10);
  await("committed", &host.committed, 1);
  int room = host.room;
  atomic_store(&backend.full_at, 2);
  append_commands(3, 10);
  append_commands(1, 10);
  await("attempts", &backend.attempts_when_full, 3);
  assert_int_equal(host.committed, 1);
  assert_int_equal(host.full, 1);
  assert_true(report().is_full);
  atomic_store(&backend.full_at, 0);
  await("committed", &host.committed, newest);
  uint64_t start_ns = clock_now_ns();
  while (host.room == room && ms_since(start_ns) < LATE_MS) {
    sleep_us(1000);
  }
  assert_int_equal(host.room, room + 1);
  assert_false(report().is_full);
  close_journal();
  expect_all_committed();
  assert_int_equal(host.full, 1);
}

/* What found no room was never acknowledged, and is not waited for. */
static void test_journal_stops_while_the_disk_is_full(void **state) {
  (void)state;
  for (int is_waiting = 0; is_waiting < 2; is_waiting++) {
    begin();
    append_commands(1, 10);
    await("committed", &host.committed, 1);
    atomic_store(&backend.full_at, 2);
    append_commands(1, 10);
    if (is_waiting) {
      await("attempts", &backend.attempts_when_full, 2);
    }
    append_commands(1, 10);
    assert_in_range(close_journal(), 0, LATE_MS / 2);
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
    close_journal();
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
  await("appended", &passes_done, JOURNAL_BATCH_BYTES_MAX / BODY_BYTES);
  sleep_us(50000);
  assert_true(passes_done < passes);
  sem_post(&backend.go_on);
  pthread_join(thread, NULL);
  close_journal();
  assert_int_equal(host.losses, 1);
  assert_int_equal(host.committed, 0);
}

static void test_journal_loses_once_when_a_sync_fails(void **state) {
  (void)state;
  begin_with((struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  backend.fails_to_sync = true;
  append_commands(1, 10);
  uint64_t start_ns = clock_now_ns();
  while (host.losses == 0 && ms_since(start_ns) < LATE_MS) {
    sleep_us(1000);
  }
  append_commands(1, 10);
  close_journal();
  assert_int_equal(host.losses, 1);
}

/* ---- syncs in intervals */

static void test_journal_syncs_in_intervals(void **state) {
  uint64_t start_ns = clock_now_ns(), oldest_ms = 0;
  (void)state;
  begin_with((struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  while (ms_since(start_ns) < 20 * INTERVAL_MS) {
    await("committed, not synced", &host.committed, append_commands(1, 10));
    uint64_t unsynced_ms = report().unsynced_ms;
    oldest_ms = unsynced_ms > oldest_ms ? unsynced_ms : oldest_ms;
    sleep_us(500);
  }
  uint64_t syncs = backend.syncs, idle_ns = clock_now_ns();
  print_message("%llu batches, %llu syncs in %d intervals; the oldest was not synced for %llu ms\n",
                (unsigned long long)newest, (unsigned long long)syncs, 20,
                (unsigned long long)oldest_ms);
  assert_in_range(syncs, 1, 20);
  assert_in_range(oldest_ms, INTERVAL_MS / 2, INTERVAL_MS + LATE_MS);
  await("synced", &backend.synced, newest); /* without a further command */
  assert_in_range(ms_since(idle_ns), 0, INTERVAL_MS + LATE_MS);
  sleep_us(2000 * INTERVAL_MS);
  syncs = backend.syncs;
  assert_int_equal(report().unsynced_ms, 0);
  sleep_us(4000 * INTERVAL_MS);
  assert_int_equal(backend.syncs, syncs); /* what is synced is left alone */
  append_commands(1, 10);
  close_journal();
  assert_int_equal(backend.synced, newest); /* without waiting for the interval */
  expect_all_committed();
}

static void test_journal_that_never_syncs_does_so_at_its_end(void **state) {
  (void)state;
  begin_with((struct fsync_setting){.mode = FSYNC_NEVER});
  assert_int_equal(report().unsynced_ms, 0);
  await("committed", &host.committed, append_commands(1, 10));
  sleep_us(100000);
  assert_int_equal(backend.syncs, 0);
  assert_int_equal(report().unsynced_ms, UINT64_MAX);
  close_journal();
  assert_int_equal(backend.synced, newest);
}

/* ---- what it reports */

static void test_journal_reports_its_numbers(void **state) {
  (void)state;
  begin_with((struct fsync_setting){FSYNC_INTERVAL, INTERVAL_MS});
  struct reply_journal state_now = report();
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
  assert_int_equal(report().index, 1); /* being committed */
  append_commands(0, 0);
  assert_int_equal(report().index, 1);
  append_commands(1, 10);
  append_commands(1, 10);
  assert_int_equal(report().index, 2); /* being filled */
  assert_int_equal(report().committed, 0);
  backend.is_held = false;
  sem_post(&backend.go_on);
  await("committed", &host.committed, 2);
  assert_int_equal(report().committed, 2);
  assert_int_equal(report().index, 2);
  close_journal();
  expect_all_committed();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_commits_all_in_order),
      cmocka_unit_test(test_journal_commits_a_lone_command_at_once),
      cmocka_unit_test(test_journal_batches_commands_for_one_commit),
      cmocka_unit_test(test_journal_that_is_full_batches_no_more),
      cmocka_unit_test(test_journal_hurries_when_its_batch_is_free),
      cmocka_unit_test(test_journal_without_commands_commits_nothing),
      cmocka_unit_test(test_journal_bounds_what_waits_for_the_disk),
      cmocka_unit_test(test_journal_waits_for_room_and_goes_on),
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
