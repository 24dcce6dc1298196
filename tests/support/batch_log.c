#include "tests/support/batch_log.h"

#include "server/engine/revision.h"
#include "server/engine/state_digest.h"
#include "server/journal/digest.h"
#include "server/journal/sqlite_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t begin(void *ctx) {
  struct batch_log *log = ctx;
  if (!log->is_begun) {
    const struct batch_header header = {
        .engine = log->engine_revision,
        .epoch = log->epoch,
        .index = log->index,
        .now_ns = log->last_ns,
        .digest = digest_of(log->engine, log->replies) + log->wrong_digest,
        .memory = engine_memory_digest(log->engine) + log->wrong_memory};
    assert_true(record_begin(&log->writer, &header));
    log->is_begun = true;
    log->wrong_digest = log->wrong_memory = 0;
  }
  return log->index;
}

static void add_reply(void *ctx, uint64_t connection, const struct reply *reply) {
  struct batch_log *log = ctx;
  log->replies = digest_add_reply(log->replies, connection, reply);
}

static void drop(void *ctx) {
  struct batch_log *log = ctx;
  cell_tape_clear(log->cells);
}

static void append(void *ctx, const struct command *command) {
  struct batch_log *log = ctx;
  struct bytes answers = bytes_of("", 0);
  if (command->kind != COMMAND_HEARD) {
    assert_true(cell_tape_answers(log->cells, &answers));
    log->answered += answers.len > 0;
  }
  assert_true(record_append(&log->writer, command, answers));
  if (command->kind != COMMAND_HEARD) {
    cell_tape_clear(log->cells);
  }
  log->last_ns = log->writer.last_ns;
}

static bool has_room(void *ctx, uint64_t wait_ns) {
  (void)ctx;
  (void)wait_ns;
  return true;
}

static void ignore(void *ctx) {
  (void)ctx;
}

static void note_committed(void *ctx, uint64_t through) {
  ((struct batch_log *)ctx)->committed = through;
}

static void note_lost(void *ctx, enum journal_loss why, const char *sentence) {
  (void)ctx;
  fail_msg("lost %d: %s", (int)why, sentence);
}

void batch_log_open(struct batch_log *log, const char *directory, struct cell_tape *cells) {
  const struct sqlite_options options = {.directory = directory, .sync = JOURNAL_SYNC_NEVER};
  const struct journal_sink sink = {.ctx = log, .committed = note_committed, .lost = note_lost};
  *log = (struct batch_log){.cells = cells,
                            .log = {.ctx = log,
                                    .begin = begin,
                                    .reply = add_reply,
                                    .append = append,
                                    .drop = drop,
                                    .end = ignore,
                                    .hurry = ignore,
                                    .await_room = has_room},
                            .engine_revision = ENGINE_REVISION};
  log->backend = sqlite_backend_open(&options, &sink);
  assert_non_null(log->backend);
}

void batch_log_close(struct batch_log *log) {
  log->backend->ops->close(log->backend);
  record_deinit(&log->writer);
}

void batch_log_begin(struct batch_log *log, const struct engine *engine, size_t memory_bytes_max) {
  const struct genesis genesis = {.first_object = 1, .memory_bytes_max = memory_bytes_max};
  batch_log_go_on(log, engine, 0, 0, 0);
  begin(log);
  assert_true(record_append_genesis(&log->writer, &genesis));
}

void batch_log_go_on(struct batch_log *log, const struct engine *engine, uint64_t epoch,
                     uint64_t index, uint64_t replies) {
  log->engine = engine;
  log->epoch = epoch + 1;
  log->index = index + 1;
  log->committed = index;
  log->replies = replies;
  log->last_ns = engine_now_ns(engine);
  log->is_begun = false;
}

void batch_log_commit(struct batch_log *log) {
  struct bytes batch;
  if (log->is_begun && log->writer.commands > 0) {
    assert_true(record_end(&log->writer, &batch));
    log->backend->ops->append(log->backend, log->index, batch);
    assert_int_equal(log->committed, log->index);
    log->index++;
    log->is_begun = false;
  }
}

void batch_log_drop(struct batch_log *log) {
  log->is_begun = false;
}
