/* What a journal has is the state: random stories are appended to one as dispatch does, and the engine that is
 * recovered from the files is the one that was lost, after crashes and snapshots at random points.
 *
 * arguments  [SEED | --seeds COUNT]: one story, or COUNT of them from HOLDFAST_SEED, else 1, on
 *            --compact DIRECTORY THROUGH: makes a snapshot, as the server does
 */
#include "proto/base/clock.h"
#include "server/engine/core.h"
#include "server/engine/job.h"
#include "server/engine/revision.h"
#include "server/engine/snapshot.h"
#include "server/engine/state_digest.h"
#include "server/journal/compaction.h"
#include "server/journal/compactor.h"
#include "server/journal/data_directory.h"
#include "server/journal/digest.h"
#include "server/journal/recovery.h"
#include "server/journal/snapshot_taking.h"
#include "server/journal/sqlite_backend.h"
#include "tests/support/batch_log.h"
#include "tests/support/directory.h"
#include "tests/support/messages.h"
#include "tests/support/random.h"
#include "tests/support/replay.h"
#include "tests/support/step_maker.h"
#include "tests/support/wild_cells.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS 1200
#define SETTLE_STEPS_MAX 10000

static uint64_t first_seed = 1, seeds_count = 25, story_seed;
static uint64_t recoveries, snapshots_compared, snapshots_made, batches, reads, lost_tails,
    answered, local_writes;

static char directory[DIRECTORY_PATH_BYTES];
static struct step_maker maker;
static struct replay live;
static struct batch_log batch_log;
/* What local threads write to; one tape is the live engine's, the other that of the engine being recovered. */
static struct wild_cells cells;
static struct cell_tape tapes[2];
static unsigned live_tape;
static struct random chance;

static void learn(void *ctx, uint64_t object) {
  (void)ctx;
  request_maker_learn(&maker.requests, object);
}

static uint64_t below(uint64_t bound) {
  return random_below(&chance, bound);
}

/* ---- recovery */

static void note_error(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  snprintf(ctx, RECOVERY_ERROR_BYTES, "%s", sentence);
}

static bool recover(uint64_t accept_loss_after, struct recovered *recovered,
                    char error[RECOVERY_ERROR_BYTES]) {
  const struct sqlite_options sqlite = {.directory = directory, .sync = JOURNAL_SYNC_NEVER};
  const struct journal_sink sink = {.ctx = error, .lost = note_error};
  struct journal_backend *backend = sqlite_backend_open(&sqlite, &sink);
  assert_non_null(backend);
  cell_tape_init(&tapes[!live_tape]);
  const struct recovery_options options = {.directory = directory,
                                           .backend = backend,
                                           .cells = &tapes[!live_tape],
                                           .accept_loss_after = accept_loss_after};
  bool is_recovered = recovery_run(&options, recovered, error);
  if (is_recovered && recovered->is_cut_short) {
    assert_true(sqlite_backend_drop_behind(backend, recovered->index));
  }
  backend->ops->close(backend);
  return is_recovered;
}

/* ---- snapshots as bytes */

struct text {
  uint8_t *data; /* malloc */
  size_t len, capacity;
};

static bool write_text(void *ctx, struct bytes bytes) {
  struct text *text = ctx;
  if (text->len + bytes.len > text->capacity) {
    text->capacity = 2 * text->capacity + bytes.len;
    text->data = realloc(text->data, text->capacity);
    assert_non_null(text->data);
  }
  memcpy(text->data + text->len, bytes.data, bytes.len);
  text->len += bytes.len;
  return true;
}

static struct text take_snapshot(const struct engine *engine) {
  struct text text = {0};
  const struct snapshot_writer writer = {&text, write_text};
  assert_true(engine_snapshot(engine, &writer));
  return text;
}

static void expect_same_snapshots(const struct engine *one, const struct engine *other) {
  struct text a = take_snapshot(one), b = take_snapshot(other);
  assert_int_equal(a.len, b.len);
  assert_memory_equal(a.data, b.data, a.len);
  free(a.data);
  free(b.data);
  snapshots_compared++;
}

/* ---- what happens to the live engine */

static struct replay_step plain_step(enum replay_kind kind, uint64_t connection) {
  return (struct replay_step){
      .kind = kind, .now_ns = maker.now_ns, .connection = connection, .address = connection};
}

static void apply(struct replay_step step) {
  replay_apply(&live, &step);
}

static void settle(void) {
  for (size_t i = 0; i < SETTLE_STEPS_MAX && !engine_is_settled(live.engine); i++) {
    apply(plain_step(REPLAY_TAKE_JOB, 0));
    apply(plain_step(REPLAY_FINISH_JOB, 0));
    apply(plain_step(REPLAY_FREE, 0));
    apply(plain_step(REPLAY_TIME, 0));
  }
  assert_true(engine_is_settled(live.engine));
}

/* A command that is no read: what was only read is in the log then, too. */
static void commit_all(void) {
  apply(plain_step(REPLAY_TIME, 0));
  batch_log_commit(&batch_log);
}

/* The process is gone; what it had is compared with what was recovered. */
static void replace_live(struct recovered *recovered, bool is_same) {
  struct replay restored;
  replay_begin_with(&restored, recovered->engine);
  live.effects_len = 0;
  if (is_same && !replay_is_equal(&live, &restored, true)) {
    fail_msg("seed %llu: what was recovered at batch %llu is not what was lost",
             (unsigned long long)story_seed, (unsigned long long)recovered->index);
  }
  if (is_same && engine_is_settled(live.engine)) {
    expect_same_snapshots(live.engine, restored.engine);
  }
  reads += live.reads_count;
  live.log = NULL;
  replay_end(&live);
  cell_tape_deinit(&tapes[live_tape]);
  live_tape = !live_tape;
  live = restored;
  replay_begin_with(&live, recovered->engine); /* whose sink is this one's now */
  arena_deinit(&restored.arena);
  live.log = &batch_log.log;
  live.learn = learn;
}

static void restart(const struct recovered *recovered) {
  cell_tape_record(&tapes[live_tape], &cells.cells.host);
  batch_log_open(&batch_log, directory, &tapes[live_tape]);
  batch_log_go_on(&batch_log, live.engine, recovered->epoch, recovered->index, recovered->replies);
  for (uint64_t connection = 1; connection <= STEP_MAKER_CONNECTIONS; connection++) {
    maker.open[connection] = false;
    maker.bound[connection] = NULL;
  }
  apply(plain_step(REPLAY_RESTART, 0));
}

static void crash(void) {
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "";
  bool loses_tail = batch_log.committed > 0 && below(3) == 0;
  if (loses_tail) {
    lost_tails += batch_log.is_begun;
    batch_log_drop(&batch_log);
  } else {
    if (below(2)) {
      settle();
    }
    commit_all();
  }
  uint64_t committed = batch_log.committed, replies = batch_log.replies;
  batches += committed;
  answered += batch_log.answered;
  batch_log_close(&batch_log);
  if (!recover(0, &recovered, error)) {
    fail_msg("seed %llu: %s", (unsigned long long)story_seed, error);
  }
  assert_int_equal(recovered.index, committed);
  if (!loses_tail) {
    assert_int_equal(recovered.replies, replies);
  }
  replace_live(&recovered, !loses_tail);
  restart(&recovered);
  recoveries++;
}

/* ---- snapshots that are made beside it */

static struct compactor compactor;
static sem_t compacted;
static uint64_t compacted_index;

static void note_end(void *ctx, uint64_t index) {
  (void)ctx;
  compacted_index = index;
  sem_post(&compacted);
}

/* Through any batch that there is, but to the end: behind an earlier one there may be none that is settled. */
static void compact(void) {
  settle();
  commit_all();
  assert_true(batch_log.backend->ops->cut(batch_log.backend));
  assert_true(compactor_start(&compactor, "/proc/self/exe", directory, note_end, NULL));
  compactor_run(&compactor, batch_log.committed - below(batch_log.committed > 20 ? 20 : 1));
  sem_wait(&compacted);
  compactor_stop(&compactor);
  assert_true(compacted_index > 0);
  assert_true(compacted_index <= batch_log.committed);
  assert_true(batch_log.backend->ops->truncate(batch_log.backend, compacted_index + 1));
  snapshot_file_remove_older(directory, compacted_index);
  snapshots_made++;
}

/* ---- stories */

static void begin(uint64_t seed) {
  static const size_t memory[] = {4u << 20, 8u << 20, 64u << 20, 1u << 30};
  size_t memory_bytes_max = memory[seed % 4];
  directory_make(directory);
  story_seed = seed;
  chance = (struct random){seed};
  step_maker_init(&maker, seed);
  maker.has_long_arrays = true;
  cell_tape_init(&tapes[live_tape]);
  cell_tape_record(&tapes[live_tape], wild_cells_begin(&cells));
  replay_begin(&live, memory_bytes_max, &tapes[live_tape].host);
  batch_log_open(&batch_log, directory, &tapes[live_tape]);
  batch_log_begin(&batch_log, live.engine, memory_bytes_max);
  live.log = &batch_log.log;
  live.learn = learn;
  apply(plain_step(REPLAY_USERS, 0));
  apply(plain_step(REPLAY_CONNECT, 2));
  maker.open[2] = true;
  for (size_t i = 0; i < STEP_SHARED_OBJECTS; i++) {
    apply(step_open_shared(&maker, 2, i));
  }
}

static void end(void) {
  live.log = NULL;
  replay_end(&live);
  cell_tape_deinit(&tapes[live_tape]);
  wild_cells_end(&cells);
  step_maker_deinit(&maker);
  batch_log_close(&batch_log);
  directory_remove(directory);
}

static void happen(void) {
  switch (below(160)) {
    case 0:
      crash();
      break;
    case 1:
      compact();
      break;
    default:
      apply(below(3) ? step_maker_make(&maker) : step_maker_make_cell(&maker));
      wild_cells_stir(&cells, &chance);
      if (below(30) == 0) {
        batch_log_commit(&batch_log);
      }
      break;
  }
}

static void run_story(uint64_t seed) {
  begin(seed);
  for (size_t i = 0; i < STEPS; i++) {
    happen();
  }
  crash();
  local_writes += cells.writes;
  end();
}

static void test_what_was_committed_is_recovered(void **state) {
  (void)state;
  for (uint64_t seed = first_seed; seed < first_seed + seeds_count; seed++) {
    run_story(seed);
  }
  print_message(
      "  %llu seeds from %llu: %llu recoveries of %llu batches, %llu of them without the end; "
      "%llu snapshots made, %llu pairs compared, %llu requests only read; local threads wrote %llu "
      "times to "
      "cells, %llu commands were answered by them\n",
      (unsigned long long)seeds_count, (unsigned long long)first_seed,
      (unsigned long long)recoveries, (unsigned long long)batches, (unsigned long long)lost_tails,
      (unsigned long long)snapshots_made, (unsigned long long)snapshots_compared,
      (unsigned long long)reads, (unsigned long long)local_writes, (unsigned long long)answered);
}

/* ---- damage */

/* Batches of some steps each. Answers the digest's chain behind the last one. */
static uint64_t append_batches(size_t count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < 20; j++) {
      apply(step_maker_make(&maker));
    }
    settle();
    commit_all();
  }
  return batch_log.replies;
}

static void expect_refused(uint64_t accept_loss_after, const char *part) {
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "";
  assert_false(recover(accept_loss_after, &recovered, error));
  assert_null(recovered.engine);
  if (!strstr(error, part)) {
    fail_msg("\"%s\" is not in: %s", part, error);
  }
}

/* Batches 1 to 3 are right, 4 is not, `more` are behind it. With the loss accepted the state is that of 3, and new
 * batches go on from there. */
static void expect_loss(struct text *before, uint64_t replies, uint64_t more) {
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "", count[32];
  batch_log_close(&batch_log);
  snprintf(count, sizeof count, "%llu behind it", (unsigned long long)more);
  expect_refused(0, "batch 4 ");
  expect_refused(0, "--accept-loss-after 3 ");
  expect_refused(0, count);
  expect_refused(2, "--accept-loss-after 3 ");
  expect_refused(4, "--accept-loss-after 3 ");
  if (!recover(3, &recovered, error)) {
    fail_msg("%s", error);
  }
  assert_true(recovered.is_cut_short);
  assert_int_equal(recovered.index, 3);
  assert_int_equal(recovered.dropped, more + 1);
  assert_int_equal(recovered.replies, replies);
  struct text after = take_snapshot(recovered.engine);
  assert_int_equal(after.len, before->len);
  assert_memory_equal(after.data, before->data, after.len);
  free(after.data);
  free(before->data);
  replace_live(&recovered, false);
  restart(&recovered);
  append_batches(2);
  batch_log_close(&batch_log);
  if (!recover(3, &recovered, error)) { /* what is not needed any more does no harm */
    fail_msg("%s", error);
  }
  assert_false(recovered.is_cut_short);
  assert_int_equal(recovered.index, 5);
  replace_live(&recovered, true);
  restart(&recovered);
}

static void test_a_batch_of_another_state_is_refused(void **state) {
  (void)state;
  begin(77);
  uint64_t replies = append_batches(3);
  struct text before = take_snapshot(live.engine);
  batch_log.wrong_digest = 1;
  append_batches(3);
  expect_loss(&before, replies, 2);
  end();
}

/* Its first commands are carried out before anything is found: they are not in what is gone on with. */
static void test_a_senseless_command_leaves_no_half_batch(void **state) {
  (void)state;
  struct job job = {.number = 999};
  begin(78);
  uint64_t replies = append_batches(3);
  struct text before = take_snapshot(live.engine);
  for (size_t i = 0; i < 20; i++) {
    apply(step_maker_make(&maker));
  }
  batch_log.log.append(&batch_log, &(struct command){.kind = COMMAND_JOB_DONE, .job = &job});
  append_batches(1);
  expect_loss(&before, replies, 0);
  end();
}

/* ---- revisions of the engine: this test's is 3, and replays what is of 2 */

_Static_assert(ENGINE_REVISION == 3 && ENGINE_REVISION_OLDEST == 2, "as CMakeLists.txt says");

/* Three batches, and behind them one that is said to be of that revision. */
static void append_batch_of(uint64_t seed, uint64_t revision, uint64_t wrong_digest,
                            uint64_t wrong_memory) {
  begin(seed);
  append_batches(3);
  batch_log.engine_revision = revision;
  batch_log.wrong_digest = wrong_digest;
  batch_log.wrong_memory = wrong_memory;
  append_batches(1);
  batch_log_close(&batch_log);
}

static void end_refused(void) {
  live.log = NULL;
  replay_end(&live);
  cell_tape_deinit(&tapes[live_tape]);
  step_maker_deinit(&maker);
  directory_remove(directory);
}

static void expect_recovered(uint64_t index) {
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "";
  if (!recover(0, &recovered, error)) {
    fail_msg("%s", error);
  }
  assert_int_equal(recovered.index, index);
  replace_live(&recovered, true);
  restart(&recovered);
}

static void test_the_same_revision_counts_for_the_same_memory(void **state) {
  (void)state;
  append_batch_of(80, 3, 0, 1);
  expect_refused(0, "batch 4 can't be replayed: it was written in another state");
  end_refused();
}

static void test_an_older_revision_may_count_for_another_memory(void **state) {
  (void)state;
  append_batch_of(81, 2, 0, 1);
  expect_recovered(4);
  append_batches(2); /* of this revision: what it counts for is its own */
  batch_log_close(&batch_log);
  expect_recovered(6);
  end();
}

/* Nothing is given up for the sake of a version. */
static void expect_refused_for_good(const char *part) {
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES] = "";
  expect_refused(0, part);
  expect_refused(3, part);
  assert_false(recover(0, &recovered, error));
  assert_null(strstr(error, "--accept-loss-after"));
  end_refused();
}

static void test_an_older_revision_that_did_something_else_is_refused_by_name(void **state) {
  (void)state;
  append_batch_of(82, 2, 1, 0);
  expect_refused_for_good(
      "batch 4 was written by an older server (engine 2), and this one "
      "(engine 3) carries out its commands otherwise: start the version");
}

static void test_a_revision_too_old_is_refused_by_name(void **state) {
  (void)state;
  append_batch_of(83, 1, 0, 0);
  expect_refused_for_good("batch 4 was written by an older server (engine 1), and this one ");
}

static void test_a_newer_revision_is_refused_by_name(void **state) {
  (void)state;
  append_batch_of(84, 4, 0, 0);
  expect_refused_for_good(
      "batch 4 was written by a newer server (engine 4, this one has 3): "
      "start that version, or a newer one");
}

static size_t count_files(const char *suffix) {
  struct data_files files;
  assert_true(data_directory_list(directory, SNAPSHOT_PREFIX, suffix, &files));
  free(files.numbers);
  return files.count;
}

static void test_a_snapshot_that_takes_too_long_is_given_up(void **state) {
  (void)state;
  char error[SNAPSHOT_ERROR_BYTES];
  begin(86);
  append_batches(3);
  const struct snapshot_point point = {3, 1, batch_log.replies};
  assert_false(snapshot_take(directory, live.engine, &point, 1, error));
  assert_string_equal(error, "there was not enough time");
  assert_int_equal(count_files("") + count_files(".new"), 0);
  assert_true(snapshot_take(directory, live.engine, &point, CLOCK_NEVER, error));
  assert_int_equal(count_files(""), 1);
  batch_log_close(&batch_log);
  expect_recovered(3);
  end();
}

/* Of the state behind batch 3. */
static void write_snapshot_of(uint64_t revision, uint64_t wrong_memory) {
  char error[SNAPSHOT_ERROR_BYTES];
  const struct snapshot_header header = {
      .engine = revision,
      .index = 3,
      .epoch = 1,
      .digest = digest_of(live.engine, batch_log.replies),
      .memory = engine_memory_digest(live.engine) + wrong_memory,
      .replies = batch_log.replies,
  };
  struct snapshot_file *file = snapshot_file_create(directory, &header, error);
  assert_non_null(file);
  struct snapshot_writer writer = snapshot_file_writer(file);
  assert_true(engine_snapshot(live.engine, &writer));
  assert_true(snapshot_file_commit(file, error));
}

/* What it says was replayed already: no revision is too old for it. */
static void test_snapshots_have_a_revision(void **state) {
  (void)state;
  begin(85);
  append_batches(3);
  write_snapshot_of(4, 0);
  uint64_t replies = batch_log.replies;
  batch_log_close(&batch_log);
  expect_refused(3, "snapshot-3 was written by a newer server (engine 4, this one has 3)");
  batch_log.replies = replies;
  write_snapshot_of(3, 1);
  expect_refused(0, "snapshot-3 can't be loaded: what was read has another digest");
  write_snapshot_of(1, 1);
  expect_recovered(3);
  end();
}

static void test_an_empty_directory_is_no_journal(void **state) {
  (void)state;
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES];
  directory_make(directory);
  assert_true(recover(0, &recovered, error));
  assert_null(recovered.engine);
  assert_int_equal(recovered.index, 0);
  directory_remove(directory);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_empty_directory_is_no_journal),
      cmocka_unit_test(test_a_batch_of_another_state_is_refused),
      cmocka_unit_test(test_a_senseless_command_leaves_no_half_batch),
      cmocka_unit_test(test_the_same_revision_counts_for_the_same_memory),
      cmocka_unit_test(test_an_older_revision_may_count_for_another_memory),
      cmocka_unit_test(test_an_older_revision_that_did_something_else_is_refused_by_name),
      cmocka_unit_test(test_a_revision_too_old_is_refused_by_name),
      cmocka_unit_test(test_a_newer_revision_is_refused_by_name),
      cmocka_unit_test(test_snapshots_have_a_revision),
      cmocka_unit_test(test_a_snapshot_that_takes_too_long_is_given_up),
      cmocka_unit_test(test_what_was_committed_is_recovered),
  };
  const char *given = getenv("HOLDFAST_SEED");
  first_seed = given ? strtoull(given, NULL, 0) : first_seed;
  if (argc == 4 && strcmp(argv[1], "--compact") == 0) {
    return compaction_main(argv[2], strtoull(argv[3], NULL, 10));
  }
  if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
    seeds_count = strtoull(argv[2], NULL, 0);
  } else if (argc == 2) {
    first_seed = strtoull(argv[1], NULL, 0);
    seeds_count = 1;
  }
  sem_init(&compacted, 0, 0);
  return cmocka_run_group_tests_name("unit.journal_recovery", tests, NULL, NULL);
}
