#include "server/journal/journal.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/dispatch/batch.h"
#include "server/dispatch/operations.h"
#include "server/engine/digest.h"
#include "server/engine/revision.h"
#include "server/journal/backups.h"
#include "server/journal/data_directory.h"
#include "server/journal/digest.h"
#include "server/journal/record_writer.h"
#include "server/journal/releaser.h"
#include "server/journal/snapshot_taking.h"
#include "server/journal/snapshots.h"
#include "server/journal/sqlite_backend.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 100     /* of a commit that found the disk full */
#define BEHIND_MS 20     /* between commits while a snapshot is behind */
#define LOOK_MS 1000     /* for room on a full disk; for a snapshot that is due */
#define ROOM_PERCENT 150 /* of the reserve, until a full disk counts as having room again */
/* A batch's memory that is kept for the next one. */
#define KEPT_BYTES_MAX (2 * JOURNAL_BATCH_BYTES_MAX)

struct journal {
  struct command_log log;
  struct journal_settings settings;
  struct journal_host host;
  const struct engine *engine;
  struct journal_backend *backend; /* the committer's */
  struct snapshots snapshots;
  struct backups backups;
  uint64_t recovered; /* the last batch that was there already */
  struct releaser releaser;
  pthread_t committer;
  bool is_started;

  /* Between begin and end the appender's; else whose the mutex is. */
  uint64_t epoch, index, last_ns, replies;
  struct batch_writer writers[2];
  struct batch_writer *filling;
  bool is_begun; /* `filling` has its header */

  /* The committer's. */
  uint64_t bytes;      /* of the journal since the last snapshot, about */
  uint64_t measure_ns; /* when its files are to be looked at; 0: nothing was written since */
  bool is_full;        /* the host was notified */
  bool is_disk_known;
  enum journal_loss loss;
  bool has_lost;
  char sentence[RECOVERY_ERROR_BYTES];

  pthread_mutex_t mutex; /* of everything below */
  pthread_cond_t changed, has_room;
  struct batch_writer *ready; /* to be committed */
  size_t filling_bytes;
  bool is_pinned, is_idle, is_awake, is_stopping, is_broken, is_full_shown;
  uint64_t shown_bytes;            /* of the journal's files, about */
  uint64_t committed, unsynced_ns; /* since when; 0: all is on the disk */
};

/* ---- appending: under the engine's lock */

static void lose(struct journal *journal, const char *sentence) {
  pthread_mutex_lock(&journal->mutex);
  journal->is_broken = true;
  pthread_cond_broadcast(&journal->has_room);
  pthread_cond_broadcast(&journal->changed);
  pthread_mutex_unlock(&journal->mutex);
  journal->host.lost(journal->host.ctx, sentence);
}

static void begin_batch(struct journal *journal, const struct engine *engine) {
  const struct batch_header header = {
      .engine = ENGINE_REVISION,
      .epoch = journal->epoch,
      .index = journal->index,
      .now_ns = journal->last_ns,
      .digest = digest_of(engine, journal->replies),
      .memory = engine_memory_digest(engine),
  };
  journal->is_begun = record_begin(journal->filling, &header);
}

/* With the mutex; nothing is pinned. */
static void hand_over(struct journal *journal) {
  journal->ready = journal->filling;
  journal->filling = &journal->writers[journal->filling == journal->writers];
  journal->filling_bytes = 0;
  journal->is_begun = journal->is_idle = false;
  journal->index++;
  pthread_cond_broadcast(&journal->has_room);
}

static bool has_commands(const struct journal *journal) {
  return journal->is_begun && journal->filling->commands > 0;
}

static uint64_t begin(void *ctx) {
  struct journal *journal = ctx;
  pthread_mutex_lock(&journal->mutex);
  journal->is_pinned = true;
  pthread_mutex_unlock(&journal->mutex);
  journal->host.guard(journal->host.ctx, true);
  if (!journal->is_begun) {
    begin_batch(journal, journal->engine);
  }
  return journal->index;
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
  if (!journal->is_begun || (has_asked && !cell_tape_answers(journal->settings.cells, &answers)) ||
      !record_append(journal->filling, command, answers)) {
    lose(journal, "there is no memory for the journal");
    return;
  }
  if (has_asked) {
    cell_tape_clear(journal->settings.cells);
  }
  journal->last_ns = journal->filling->last_ns;
}

static void end(void *ctx) {
  struct journal *journal = ctx;
  journal->host.guard(journal->host.ctx, false);
  pthread_mutex_lock(&journal->mutex);
  journal->is_pinned = false;
  journal->filling_bytes = journal->is_begun ? record_bytes(journal->filling) : 0;
  if (journal->is_idle && has_commands(journal)) {
    hand_over(journal);
    pthread_cond_signal(&journal->changed);
  }
  pthread_mutex_unlock(&journal->mutex);
}

static void give_up(void *ctx, const char *sentence) {
  lose(ctx, sentence);
}

static void await_room(void *ctx) {
  struct journal *journal = ctx;
  pthread_mutex_lock(&journal->mutex);
  while (journal->filling_bytes > JOURNAL_BATCH_BYTES_MAX && !journal->is_broken) {
    pthread_cond_wait(&journal->has_room, &journal->mutex);
  }
  pthread_mutex_unlock(&journal->mutex);
}

const struct command_log *journal_log(struct journal *journal) {
  return &journal->log;
}

/* ---- what the backend says */

static void record_committed(void *ctx, uint64_t through) {
  struct journal *journal = ctx;
  pthread_mutex_lock(&journal->mutex);
  journal->committed = through;
  if (journal->settings.fsync.mode != FSYNC_ALWAYS && journal->unsynced_ns == 0) {
    journal->unsynced_ns = clock_now_ns();
  }
  bool is_alone = !journal->ready && !journal->is_pinned && !has_commands(journal);
  pthread_mutex_unlock(&journal->mutex);
  releaser_commit(&journal->releaser, through, is_alone);
}

static void record_loss(void *ctx, enum journal_loss why, const char *sentence) {
  struct journal *journal = ctx;
  journal->has_lost = true;
  journal->loss = why;
  snprintf(journal->sentence, sizeof journal->sentence, "%s", sentence);
}

/* Whether the journal goes on: nothing was lost, or there was no room. */
static bool check_loss(struct journal *journal) {
  if (journal->has_lost && journal->loss != JOURNAL_FULL) {
    lose(journal, journal->sentence);
    return false;
  }
  return true;
}

/* ---- the disk */

static void notify_disk(struct journal *journal, bool is_full) {
  if (journal->is_full != is_full || !journal->is_disk_known) {
    journal->is_full = is_full;
    journal->is_disk_known = true;
    pthread_mutex_lock(&journal->mutex);
    journal->is_full_shown = is_full;
    pthread_mutex_unlock(&journal->mutex);
    journal->host.disk(journal->host.ctx, is_full);
  }
}

/* In time for what frees memory to go on out of the reserve. The first time in any case: the state may say
 * something else. */
static void check_disk(struct journal *journal) {
  uint64_t free_bytes = data_directory_free_bytes(journal->settings.directory);
  if (free_bytes < JOURNAL_RESERVE_BYTES) {
    notify_disk(journal, true);
  } else if (free_bytes >= JOURNAL_RESERVE_BYTES / 100 * ROOM_PERCENT || !journal->is_disk_known) {
    notify_disk(journal, false);
  }
}

/* ---- the committer */

static struct timespec timespec_of(uint64_t ns) {
  const uint64_t ns_per_s = 1000 * CLOCK_NS_PER_MS;
  return (struct timespec){(time_t)(ns / ns_per_s), (long)(ns % ns_per_s)};
}

/* false: the journal is to be closed. */
static bool pause_ms(struct journal *journal, uint64_t ms) {
  struct timespec until = timespec_of(clock_now_ns() + ms * CLOCK_NS_PER_MS);
  pthread_mutex_lock(&journal->mutex);
  if (!journal->is_stopping) {
    pthread_cond_timedwait(&journal->changed, &journal->mutex, &until);
  }
  bool goes_on = !journal->is_stopping;
  pthread_mutex_unlock(&journal->mutex);
  return goes_on;
}

/* Whether it is committed. */
static bool commit_bytes(struct journal *journal, uint64_t index, struct bytes batch) {
  bool goes_on = true;
  while (goes_on) {
    journal->has_lost = false;
    journal->backend->ops->append(journal->backend, index, batch);
    if (!check_loss(journal)) {
      return false;
    }
    if (journal->committed == index) { /* which only this thread changes */
      return true;
    }
    notify_disk(journal, true);
    goes_on = pause_ms(journal, RETRY_MS);
  }
  log_line(LOG_ERROR, "the disk is full, batch %llu is given up: it was never acknowledged",
           (unsigned long long)index);
  return false;
}

static void show_bytes(struct journal *journal, uint64_t bytes) {
  journal->bytes = bytes;
  pthread_mutex_lock(&journal->mutex);
  journal->shown_bytes = bytes;
  pthread_mutex_unlock(&journal->mutex);
}

static bool commit(struct journal *journal, struct batch_writer *writer) {
  struct bytes batch;
  check_disk(journal);
  if (!record_end(writer, &batch)) {
    lose(journal, "there is no memory for the journal");
    return false;
  }
  if (!commit_bytes(journal, writer->header.index, batch)) {
    return false;
  }
  show_bytes(journal, journal->bytes + batch.len);
  journal->measure_ns =
      journal->measure_ns ? journal->measure_ns : clock_now_ns() + LOOK_MS * CLOCK_NS_PER_MS;
  if (snapshots_is_behind(&journal->snapshots, journal->bytes)) {
    (void)pause_ms(journal, BEHIND_MS);
  }
  if (writer->bytes.capacity > KEPT_BYTES_MAX) {
    record_deinit(writer);
  }
  return true;
}

static uint64_t sync_deadline_ns(const struct journal *journal) {
  const struct fsync_setting *fsync = &journal->settings.fsync;
  return fsync->mode == FSYNC_INTERVAL && journal->unsynced_ns > 0
             ? journal->unsynced_ns + fsync->interval_ms * CLOCK_NS_PER_MS
             : CLOCK_NEVER;
}

static bool sync_all(struct journal *journal) {
  journal->has_lost = false;
  bool is_synced = sqlite_backend_sync(journal->backend);
  if (is_synced) {
    pthread_mutex_lock(&journal->mutex);
    journal->unsynced_ns = 0;
    pthread_mutex_unlock(&journal->mutex);
  }
  return check_loss(journal);
}

/* What is to be done beside batches. false: it can't go on. */
static bool look_around(struct journal *journal) {
  if (clock_now_ns() >= sync_deadline_ns(journal) && !sync_all(journal)) {
    return false;
  }
  if (journal->is_full) {
    check_disk(journal);
  }
  journal->has_lost = false;
  const struct snapshots_journal state = {journal->bytes, journal->committed, journal->is_full};
  if (snapshots_step(&journal->snapshots, journal->backend, &state) ||
      (journal->measure_ns && clock_now_ns() >= journal->measure_ns)) {
    show_bytes(journal, journal->backend->ops->bytes(journal->backend));
    journal->measure_ns = 0;
  }
  return check_loss(journal);
}

/* With the mutex. Until there is a batch, or something else to do. */
static void await_work(struct journal *journal) {
  uint64_t deadline_ns = sync_deadline_ns(journal);
  uint64_t look_ns = clock_now_ns() + LOOK_MS * CLOCK_NS_PER_MS;
  struct timespec until = timespec_of(look_ns < deadline_ns ? look_ns : deadline_ns);
  journal->is_idle = true;
  if (!journal->is_awake) {
    pthread_cond_timedwait(&journal->changed, &journal->mutex, &until);
  }
  journal->is_idle = journal->is_awake = false;
}

/* With the mutex. The next batch; NULL: none yet. */
static struct batch_writer *take_ready(struct journal *journal) {
  if (!journal->ready && !journal->is_pinned && has_commands(journal)) {
    hand_over(journal);
  }
  struct batch_writer *ready = journal->ready;
  journal->ready = NULL;
  return ready;
}

/* With the mutex. Whether there is more to do. */
static bool go_on(struct journal *journal) {
  struct batch_writer *ready = take_ready(journal);
  if (!ready && journal->is_stopping) {
    return false;
  }
  if (!ready) {
    await_work(journal);
    ready = take_ready(journal);
  }
  pthread_mutex_unlock(&journal->mutex);
  bool goes_on = (!ready || commit(journal, ready)) && look_around(journal);
  pthread_mutex_lock(&journal->mutex);
  return goes_on;
}

static void *run_committer(void *arg) {
  struct journal *journal = arg;
  pthread_mutex_lock(&journal->mutex);
  while (!journal->is_broken && go_on(journal)) {
  }
  bool is_unsynced = journal->unsynced_ns > 0 && !journal->is_broken;
  pthread_mutex_unlock(&journal->mutex);
  if (is_unsynced) {
    sync_all(journal);
  }
  return NULL;
}

static void wake(void *ctx) {
  struct journal *journal = ctx;
  pthread_mutex_lock(&journal->mutex);
  journal->is_awake = true;
  pthread_cond_signal(&journal->changed);
  pthread_mutex_unlock(&journal->mutex);
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

static uint64_t unsynced_ms(const struct journal *journal) {
  if (journal->unsynced_ns == 0) {
    return 0;
  }
  return journal->settings.fsync.mode == FSYNC_NEVER
             ? UINT64_MAX
             : (clock_now_ns() - journal->unsynced_ns) / CLOCK_NS_PER_MS;
}

static void write_fsync(const struct fsync_setting *fsync, char text[32]) {
  if (fsync->mode == FSYNC_INTERVAL) {
    snprintf(text, 32, "interval %u", (unsigned)fsync->interval_ms);
  } else {
    snprintf(text, 32, "%s", fsync->mode == FSYNC_ALWAYS ? "always" : "never");
  }
}

/* Under the engine's lock: nothing is looked at on the disk. */
static void report(void *ctx, struct reply_journal *state) {
  struct journal *journal = ctx;
  pthread_mutex_lock(&journal->mutex);
  *state = (struct reply_journal){
      .index = journal->index - !has_commands(journal),
      .committed = journal->committed,
      .unsynced_ms = unsynced_ms(journal),
      .is_full = journal->is_full_shown,
      .journal_bytes = journal->shown_bytes,
  };
  pthread_mutex_unlock(&journal->mutex);
  state->is_compacting = snapshots_are_under_way(&journal->snapshots); /* before what comes of it */
  state->snapshot_index = journal->snapshots.index;
  state->snapshot_bytes = journal->snapshots.bytes;
  state->snapshot_age_ms = snapshots_age_ms(&journal->snapshots);
  state->fsync_p99_ns = sqlite_backend_p99_ns(journal->backend);
  write_fsync(&journal->settings.fsync, state->fsync);
}

/* ---- opening */

/* An opening that fails says why in the backend's sentence. */
static void record_error(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  snprintf(ctx, RECOVERY_ERROR_BYTES, "%s", sentence);
}

/* Of a new journal: numbers that clients of another one on this machine don't know. */
static bool begin_anew(struct journal *journal, struct recovered *recovered,
                       char error[RECOVERY_ERROR_BYTES]) {
  struct timespec now;
  struct genesis genesis = {
      .first_object = (uint64_t)randombytes_random() << 16 | 1,
      .start_ns = clock_now_ns(),
      .memory_bytes_max = journal->settings.memory_bytes_max,
  };
  struct engine_config config = {
      .memory_bytes_max = (size_t)genesis.memory_bytes_max,
      .first_object = genesis.first_object,
      .start_ns = genesis.start_ns,
      .find_operation = operations_find,
      .cell_host = &journal->settings.cells->host,
  };
  const struct engine_sink sink = {0}; /* no command is applied before it has another one */
  clock_gettime(CLOCK_REALTIME, &now);
  genesis.first_token = (uint64_t)now.tv_sec * 1000 * 1000 + (uint64_t)now.tv_nsec / 1000;
  config.first_token = genesis.first_token;
  randombytes_buf(genesis.hash_key, sizeof genesis.hash_key);
  memcpy(config.hash_key.bytes, genesis.hash_key, sizeof genesis.hash_key);
  recovered->engine = engine_new(&config, &sink);
  if (recovered->engine) {
    begin_batch(journal, recovered->engine);
  }
  if (journal->is_begun && record_append_genesis(journal->filling, &genesis)) {
    journal->is_pinned = true; /* until the first command is there, too */
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
  journal->index = recovered->index + 1;
  journal->committed = journal->recovered = recovered->index;
  journal->replies = recovered->replies;
  journal->last_ns = recovered->engine ? engine_now_ns(recovered->engine) : 0;
  journal->bytes = journal->shown_bytes = journal->backend->ops->bytes(journal->backend);
  return recovered->engine || begin_anew(journal, recovered, error);
}

static void init(struct journal *journal, const struct journal_settings *settings) {
  pthread_condattr_t monotonic;
  journal->settings = *settings;
  journal->log = (struct command_log){journal,    begin,   add_reply,        append,  drop,  end,
                                      await_room, give_up, request_snapshot, back_up, report};
  journal->filling = journal->writers;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&journal->mutex, NULL);
  pthread_cond_init(&journal->changed, &monotonic);
  pthread_cond_init(&journal->has_room, NULL);
  pthread_condattr_destroy(&monotonic);
}

static void deinit(struct journal *journal) {
  if (journal->backend) {
    journal->backend->ops->close(journal->backend);
  }
  record_deinit(&journal->writers[0]);
  record_deinit(&journal->writers[1]);
  pthread_cond_destroy(&journal->has_room);
  pthread_cond_destroy(&journal->changed);
  pthread_mutex_destroy(&journal->mutex);
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
    journal->backend->sink =
        (struct journal_sink){.ctx = journal, .committed = record_committed, .lost = record_loss};
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

static void stop(struct journal *journal) {
  pthread_mutex_lock(&journal->mutex);
  journal->is_stopping = true;
  pthread_cond_signal(&journal->changed);
  pthread_mutex_unlock(&journal->mutex);
  pthread_join(journal->committer, NULL);
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
  bool releases =
      releaser_start(&journal->releaser, journal->recovered, host->committed, host->ctx);
  journal->is_started =
      releases && pthread_create(&journal->committer, NULL, run_committer, journal) == 0;
  if (releases && !journal->is_started) {
    releaser_stop(&journal->releaser);
  }
  if (!journal->is_started) {
    backups_stop(&journal->backups);
    snapshots_stop(&journal->snapshots);
  }
  return journal->is_started;
}

/* Of all that there is; no thread runs any more. */
static void take_last_snapshot(struct journal *journal) {
  char error[SNAPSHOT_ERROR_BYTES];
  const struct snapshot_point point = {journal->committed, journal->epoch, journal->replies};
  uint64_t now_ns = clock_now_ns();
  bool is_all = !has_commands(journal) && journal->committed == journal->index - 1;
  if (journal->is_broken || journal->is_full || !is_all ||
      journal->committed <= journal->snapshots.index) {
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
    stop(journal);
    releaser_stop(&journal->releaser);
    backups_stop(&journal->backups);
    snapshots_stop(&journal->snapshots);
    take_last_snapshot(journal);
  }
  deinit(journal);
}
