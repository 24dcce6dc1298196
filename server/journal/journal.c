#include "server/journal/journal.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/dispatch/batch.h"
#include "server/engine/revision.h"
#include "server/engine/state_digest.h"
#include "server/journal/backups.h"
#include "server/journal/committer.h"
#include "server/journal/digest.h"
#include "server/journal/genesis.h"
#include "server/journal/snapshot_taking.h"
#include "server/journal/sqlite_backend.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

struct journal {
  struct command_log log;
  struct journal_settings settings;
  struct journal_host host;
  const struct engine *engine;
  struct journal_backend *backend; /* the committer's, while it runs */
  struct double_buffer batches;
  struct committer committer;
  struct snapshots snapshots;
  struct backups backups;
  bool is_started;
  uint64_t epoch, last_ns, replies; /* the appender's */
};

/* ---- appending: under the engine's lock */

static bool begin_batch(struct journal *journal, const struct engine *engine) {
  const struct batch_header header = {
      .engine = ENGINE_REVISION,
      .epoch = journal->epoch,
      .now_ns = journal->last_ns,
      .digest = digest_of(engine, journal->replies),
      .memory = engine_memory_digest(engine),
  };
  return double_buffer_begin(&journal->batches, header);
}

static uint64_t begin(void *ctx) {
  struct journal *journal = ctx;
  double_buffer_pin(&journal->batches);
  journal->host.guard(journal->host.ctx, true);
  if (!journal->batches.is_begun) {
    (void)begin_batch(journal, journal->engine); /* append reports a failure */
  }
  return journal->batches.index;
}

static void add_reply(void *ctx, uint64_t connection, const struct reply *reply) {
  struct journal *journal = ctx;
  journal->replies = digest_add_reply(journal->replies, connection, reply);
}

static void drop(void *ctx) {
  struct journal *journal = ctx;
  cell_tape_clear(journal->settings.cells);
}

/* What was heard is appended between a command and its record, and has asked for nothing. */
static void append(void *ctx, const struct command *command) {
  struct journal *journal = ctx;
  bool has_asked = command->kind != COMMAND_HEARD;
  struct bytes answers = bytes_of("", 0);
  if (!journal->batches.is_begun ||
      (has_asked && !cell_tape_answers(journal->settings.cells, &answers)) ||
      !record_append(journal->batches.filling, command, answers)) {
    committer_lose(&journal->committer, "there is no memory for the journal");
    return;
  }
  if (has_asked) {
    cell_tape_clear(journal->settings.cells);
  }
  journal->last_ns = journal->batches.filling->last_ns;
}

static bool fits(void *ctx, size_t bytes) {
  struct journal *journal = ctx;
  return committer_fits(&journal->committer, bytes);
}

static void end(void *ctx) {
  struct journal *journal = ctx;
  journal->host.guard(journal->host.ctx, false);
  double_buffer_unpin(&journal->batches);
}

static bool begin_batching(void *ctx) {
  struct journal *journal = ctx;
  return double_buffer_begin_batching(&journal->batches);
}

static void end_batching(void *ctx) {
  struct journal *journal = ctx;
  double_buffer_end_batching(&journal->batches);
}

static void lead(void *ctx) {
  struct journal *journal = ctx;
  committer_lead(&journal->committer);
}

static void hurry(void *ctx) {
  struct journal *journal = ctx;
  double_buffer_hurry(&journal->batches);
}

static void give_up(void *ctx, const char *sentence) {
  struct journal *journal = ctx;
  committer_lose(&journal->committer, sentence);
}

static bool await_room(void *ctx, uint64_t wait_ns) {
  struct journal *journal = ctx;
  return double_buffer_await_room(&journal->batches, wait_ns);
}

const struct command_log *journal_log(struct journal *journal) {
  return &journal->log;
}

/* ---- for people */

static void request_snapshot(void *ctx) {
  struct journal *journal = ctx;
  snapshots_request(&journal->snapshots);
}

static void back_up(void *ctx, const struct batch_delivery *delivery) {
  struct journal *journal = ctx;
  const struct backup_asked asked = {delivery->connection, delivery->route, delivery->reply};
  backups_ask(&journal->backups, &asked);
}

static void deliver_part(void *ctx, const struct backup_asked *asked) {
  const struct journal *journal = ctx;
  journal->host.deliver(journal->host.ctx, asked->connection, &asked->route, asked->reply);
}

/* Under the engine's lock: nothing is looked at on the disk. */
static void report(void *ctx, struct reply_journal *state) {
  struct journal *journal = ctx;
  *state = (struct reply_journal){0};
  committer_report(&journal->committer, state);
  state->index = double_buffer_last(&journal->batches); /* no less than what is committed */
  state->is_compacting = snapshots_are_under_way(&journal->snapshots); /* before what comes of it */
  state->snapshot_index = journal->snapshots.index;
  state->snapshot_bytes = journal->snapshots.bytes;
  state->snapshot_age_ms = snapshots_age_ms(&journal->snapshots);
}

/* ---- opening */

/* An opening that fails says why in the backend's sentence. */
static void record_error(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  snprintf(ctx, RECOVERY_ERROR_BYTES, "%s", sentence);
}

static bool begin_anew(struct journal *journal, struct recovered *recovered,
                       char error[RECOVERY_ERROR_BYTES]) {
  const struct genesis genesis = genesis_choose(journal->settings.memory_bytes_max);
  const struct engine_sink sink = {0}; /* no command is applied before it has another one */
  recovered->engine = genesis_engine(&genesis, &journal->settings.cells->host, &sink);
  double_buffer_pin(&journal->batches); /* until the first command is there, too */
  if (recovered->engine && begin_batch(journal, recovered->engine) &&
      record_append_genesis(journal->batches.filling, &genesis)) {
    return true;
  }
  snprintf(error, RECOVERY_ERROR_BYTES, "out of memory");
  return false;
}

static bool recover(struct journal *journal, const struct recovery_options *progress,
                    struct recovered *recovered, char error[RECOVERY_ERROR_BYTES]) {
  const struct journal_settings *settings = &journal->settings;
  const struct recovery_options options = {
      .directory = settings->directory,
      .backend = journal->backend,
      .cells = settings->cells,
      .accept_loss_after = settings->accept_loss_after,
      .progress = progress ? progress->progress : NULL,
      .progress_ctx = progress ? progress->progress_ctx : NULL,
  };
  if (!recovery_run(&options, recovered, error)) {
    return false;
  }
  if (recovered->passed_over) {
    log_line(LOG_WARN, "a snapshot is damaged, the journal did without it snapshot=%llu",
             (unsigned long long)recovered->passed_over);
  }
  if (recovered->is_cut_short) {
    log_line(LOG_WARN, "batches are dropped after=%llu dropped=%llu",
             (unsigned long long)recovered->index, (unsigned long long)recovered->dropped);
    return sqlite_backend_drop_behind(journal->backend, recovered->index);
  }
  if (settings->accept_loss_after != 0) {
    log_line(LOG_WARN, "--accept-loss-after %llu is not made use of: nothing is damaged",
             (unsigned long long)settings->accept_loss_after);
  }
  return true;
}

static bool load(struct journal *journal, const struct recovery_options *progress,
                 struct recovered *recovered, char error[RECOVERY_ERROR_BYTES]) {
  const struct journal_settings *settings = &journal->settings;
  const struct sqlite_options sqlite = {
      .directory = settings->directory,
      .sync = settings->fsync.mode == FSYNC_ALWAYS ? JOURNAL_SYNC_ALWAYS : JOURNAL_SYNC_NEVER,
  };
  const struct journal_sink sink = {.ctx = error, .lost = record_error};
  *recovered = (struct recovered){0};
  journal->backend = sqlite_backend_open(&sqlite, &sink);
  if (!journal->backend || !recover(journal, progress, recovered, error)) {
    return false;
  }
  journal->epoch = recovered->epoch + 1;
  journal->batches.index = recovered->index + 1;
  journal->replies = recovered->replies;
  journal->last_ns = recovered->engine ? engine_now_ns(recovered->engine) : 0;
  return recovered->engine || begin_anew(journal, recovered, error);
}

static void init(struct journal *journal, const struct journal_settings *settings) {
  journal->settings = *settings;
  journal->log = (struct command_log){
      .ctx = journal,
      .begin = begin,
      .reply = add_reply,
      .append = append,
      .fits = fits,
      .drop = drop,
      .end = end,
      .begin_batching = begin_batching,
      .end_batching = end_batching,
      .lead = lead,
      .hurry = hurry,
      .await_room = await_room,
      .give_up = give_up,
      .request_snapshot = request_snapshot,
      .back_up = back_up,
      .report = report,
  };
  double_buffer_init(&journal->batches);
}

static void deinit(struct journal *journal) {
  if (journal->backend) {
    journal->backend->ops->close(journal->backend);
  }
  double_buffer_deinit(&journal->batches);
  free(journal);
}

struct journal *journal_open(const struct journal_settings *settings,
                             const struct recovery_options *progress, struct recovered *recovered,
                             char error[RECOVERY_ERROR_BYTES]) {
  struct journal *journal = calloc(1, sizeof *journal);
  if (!journal || sodium_init() < 0) {
    snprintf(error, RECOVERY_ERROR_BYTES, "out of memory");
    free(journal);
    return NULL;
  }
  init(journal, settings);
  if (load(journal, progress, recovered, error)) {
    journal->committer = (struct committer){
        .directory = settings->directory,
        .fsync = settings->fsync,
        .backend = journal->backend,
        .batches = &journal->batches,
        .snapshots = &journal->snapshots,
        .committed = recovered->index,
    };
    committer_init(&journal->committer);
    journal->snapshots.index = recovered->snapshot_index;
    return journal;
  }
  if (recovered->engine) {
    engine_free(recovered->engine);
    recovered->engine = NULL;
  }
  deinit(journal);
  return NULL;
}

/* ---- life */

static void wake(void *ctx) {
  struct journal *journal = ctx;
  double_buffer_wake(&journal->batches);
}

bool journal_start(struct journal *journal, const struct engine *engine,
                   const struct journal_host *host) {
  const struct journal_settings *settings = &journal->settings;
  journal->engine = engine;
  journal->host = *host;
  cell_tape_record(settings->cells, host->cells);
  if (!snapshots_start(&journal->snapshots, settings->program, settings->directory,
                       settings->snapshot_bytes_min, journal->snapshots.index, wake, journal)) {
    return false;
  }
  if (!backups_start(&journal->backups, settings->program, settings->directory, deliver_part,
                     journal)) {
    snapshots_stop(&journal->snapshots);
    return false;
  }
  journal->is_started = committer_start(&journal->committer, &journal->host);
  if (!journal->is_started) {
    backups_stop(&journal->backups);
    snapshots_stop(&journal->snapshots);
  }
  return journal->is_started;
}

/* Of all that there is; no thread runs any more. */
static void take_last_snapshot(struct journal *journal) {
  char error[SNAPSHOT_ERROR_BYTES];
  const struct snapshot_point point = {journal->committer.committed, journal->epoch,
                                       journal->replies};
  uint64_t now_ns = clock_now_ns();
  bool is_all = point.index == double_buffer_last(&journal->batches);
  if (double_buffer_is_broken(&journal->batches) || journal->committer.is_full || !is_all ||
      point.index <= journal->snapshots.index) {
    return;
  }
  if (snapshot_take(journal->settings.directory, journal->engine, &point,
                    now_ns + JOURNAL_CLOSE_MS * CLOCK_NS_PER_MS, error)) {
    log_line(LOG_INFO, "snapshot at the end index=%llu ms=%llu", (unsigned long long)point.index,
             (unsigned long long)((clock_now_ns() - now_ns) / CLOCK_NS_PER_MS));
  } else {
    log_line(LOG_WARN, "no snapshot at the end, the next start replays the journal reason=\"%s\"",
             error);
  }
}

void journal_close(struct journal *journal) {
  if (journal->is_started) {
    committer_stop(&journal->committer);
    backups_stop(&journal->backups);
    snapshots_stop(&journal->snapshots);
    take_last_snapshot(journal);
  }
  deinit(journal);
}
