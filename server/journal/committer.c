#include "server/journal/committer.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/journal/data_directory.h"
#include "server/journal/sqlite_backend.h"

#include <stdio.h>

#define RETRY_MS 100     /* of a commit that found the disk full */
#define BEHIND_MS 20     /* between commits while a snapshot is behind */
#define LOOK_MS 1000     /* for room on a full disk; for a snapshot that is due */
#define ROOM_PERCENT 150 /* of the reserve, until a full disk counts as having room again */

void committer_lose(struct committer *committer, const char *sentence) {
  double_buffer_break(committer->batches);
  committer->host->lost(committer->host->ctx, sentence);
}

/* ---- what the backend says */

static void record_committed(void *ctx, uint64_t through) {
  struct committer *committer = ctx;
  atomic_store(&committer->committed, through);
  if (committer->fsync.mode != FSYNC_ALWAYS && committer->unsynced_ns == 0) {
    atomic_store(&committer->unsynced_ns, clock_now_ns());
  }
  bool is_short = committer->is_led || double_buffer_is_empty(committer->batches) ||
                  committer->host->is_awaited(committer->host->ctx);
  releaser_commit(&committer->releaser, through, is_short);
}

static void record_loss(void *ctx, enum journal_loss why, const char *sentence) {
  struct committer *committer = ctx;
  committer->has_lost = true;
  committer->loss = why;
  snprintf(committer->sentence, sizeof committer->sentence, "%s", sentence);
}

/* Whether the journal goes on: nothing was lost, or there was no room. */
static bool check_loss(struct committer *committer) {
  if (committer->has_lost && committer->loss != JOURNAL_FULL) {
    committer_lose(committer, committer->sentence);
    return false;
  }
  return true;
}

/* ---- the disk */

static void notify_disk(struct committer *committer, bool is_full) {
  if (committer->is_full != is_full || !committer->is_disk_known) {
    atomic_store(&committer->is_full, is_full);
    committer->is_disk_known = true;
    committer->host->disk(committer->host->ctx, is_full);
  }
}

/* Something found no room, whatever there seems to be. */
static void record_full(struct committer *committer) {
  committer->full_until_ns = clock_now_ns() + LOOK_MS * CLOCK_NS_PER_MS;
  notify_disk(committer, true);
}

/* That have to be free for the reserve to stay: each byte is written into the log, and then into the table. */
static uint64_t wanted_bytes(size_t pending) {
  return JOURNAL_RESERVE_BYTES + 2 * (uint64_t)pending;
}

static uint64_t measure_disk(struct committer *committer) {
  atomic_store(&committer->free_bytes, data_directory_free_bytes(committer->directory));
  return committer->free_bytes;
}

/* In time for what frees memory to go on out of the reserve. The first time in any case: the state may say
 * something else. */
static void check_disk(struct committer *committer) {
  uint64_t free_bytes = measure_disk(committer);
  uint64_t wanted = wanted_bytes(committer->batches->committing_bytes);
  uint64_t gap = JOURNAL_RESERVE_BYTES / 100 * (ROOM_PERCENT - 100);
  if (atomic_exchange(&committer->is_short, false)) {
    record_full(committer);
  } else if (free_bytes < wanted) {
    notify_disk(committer, true);
  } else if (clock_now_ns() >= committer->full_until_ns &&
             (free_bytes >= wanted + gap || !committer->is_disk_known)) {
    notify_disk(committer, false);
  }
}

bool committer_fits(struct committer *committer, size_t bytes) {
  size_t pending = double_buffer_bytes(committer->batches) + bytes; /* before what is free */
  if (committer->free_bytes >= wanted_bytes(pending)) {
    return true;
  }
  atomic_store(&committer->is_short, true);
  double_buffer_wake(committer->batches);
  return false;
}

/* ---- a batch */

enum outcome { COMMITTED, FULL, LOST };

static enum outcome try_commit(struct committer *committer, struct batch_writer *writer) {
  struct bytes batch;
  if (!record_end(writer, &batch)) {
    committer_lose(committer, "there is no memory for the journal");
    return LOST;
  }
  committer->has_lost = false;
  committer->backend->ops->append(committer->backend, writer->header.index, batch);
  if (!check_loss(committer)) {
    return LOST;
  }
  if (committer->committed != writer->header.index) {
    record_full(committer);
    return FULL;
  }
  atomic_store(&committer->bytes, committer->bytes + batch.len);
  committer->measure_ns =
      committer->measure_ns ? committer->measure_ns : clock_now_ns() + LOOK_MS * CLOCK_NS_PER_MS;
  measure_disk(committer);
  double_buffer_give_back(committer->batches, writer);
  return COMMITTED;
}

/* Whether the thread has anything to do but to commit. */
static bool is_undisturbed(const struct committer *committer) {
  return committer->fsync.mode == FSYNC_ALWAYS && !committer->is_full &&
         !snapshots_are_wanted(committer->snapshots, committer->bytes);
}

void committer_lead(struct committer *committer) {
  struct batch_writer *writer;
  if (is_undisturbed(committer) && double_buffer_lead(committer->batches, &writer)) {
    committer->is_led = true;
    check_disk(committer);
    enum outcome outcome = try_commit(committer, writer);
    committer->is_led = false;
    double_buffer_end_lead(committer->batches, outcome == FULL ? writer : NULL);
  }
}

/* ---- the thread */

static uint64_t sync_deadline_ns(const struct committer *committer) {
  const struct fsync_setting *fsync = &committer->fsync;
  return fsync->mode == FSYNC_INTERVAL && committer->unsynced_ns > 0
             ? committer->unsynced_ns + fsync->interval_ms * CLOCK_NS_PER_MS
             : CLOCK_NEVER;
}

static bool sync_all(struct committer *committer) {
  committer->has_lost = false;
  if (sqlite_backend_sync(committer->backend)) {
    atomic_store(&committer->unsynced_ns, 0);
  }
  return check_loss(committer);
}

/* What is to be done beside batches. false: it can't go on. */
static bool look_around(struct committer *committer) {
  if (clock_now_ns() >= sync_deadline_ns(committer) && !sync_all(committer)) {
    return false;
  }
  check_disk(committer);
  committer->has_lost = false;
  const struct snapshots_journal state = {committer->bytes, committer->committed,
                                          committer->is_full};
  if (snapshots_step(committer->snapshots, committer->backend, &state) ||
      (committer->measure_ns && clock_now_ns() >= committer->measure_ns)) {
    atomic_store(&committer->bytes, committer->backend->ops->bytes(committer->backend));
    committer->measure_ns = 0;
  }
  return check_loss(committer);
}

/* Whether it is committed. While there is no room, what becomes obsolete meanwhile is removed. */
static bool commit(struct committer *committer, struct batch_writer *writer) {
  check_disk(committer);
  enum outcome outcome = try_commit(committer, writer);
  while (outcome == FULL && double_buffer_pause_ms(committer->batches, RETRY_MS)) {
    outcome = look_around(committer) ? try_commit(committer, writer) : LOST;
  }
  if (outcome == FULL) {
    log_line(LOG_ERROR, "the disk is full, batch %llu is given up: it was never acknowledged",
             (unsigned long long)writer->header.index);
  } else if (outcome == COMMITTED && snapshots_is_behind(committer->snapshots, committer->bytes)) {
    (void)double_buffer_pause_ms(committer->batches, BEHIND_MS);
  }
  return outcome == COMMITTED;
}

/* When there is something to do beside batches. */
static uint64_t deadline_ns(const struct committer *committer) {
  uint64_t sync_ns = sync_deadline_ns(committer);
  uint64_t look_ns = clock_now_ns() + LOOK_MS * CLOCK_NS_PER_MS;
  return look_ns < sync_ns ? look_ns : sync_ns;
}

static void *run_committer(void *arg) {
  struct committer *committer = arg;
  struct batch_writer *batch;
  while (double_buffer_take(committer->batches, deadline_ns(committer), &batch) &&
         (!batch || commit(committer, batch)) && look_around(committer)) {
  }
  if (committer->unsynced_ns > 0 && !double_buffer_is_broken(committer->batches)) {
    sync_all(committer);
  }
  return NULL;
}

/* ---- for people */

static uint64_t unsynced_ms(const struct committer *committer) {
  uint64_t since_ns = atomic_load(&committer->unsynced_ns);
  if (since_ns == 0) {
    return 0;
  }
  return committer->fsync.mode == FSYNC_NEVER ? UINT64_MAX
                                              : (clock_now_ns() - since_ns) / CLOCK_NS_PER_MS;
}

static void write_fsync(const struct fsync_setting *fsync, char text[32]) {
  if (fsync->mode == FSYNC_INTERVAL) {
    snprintf(text, 32, "interval %u", (unsigned)fsync->interval_ms);
  } else {
    snprintf(text, 32, "%s", fsync->mode == FSYNC_ALWAYS ? "always" : "never");
  }
}

void committer_report(const struct committer *committer, struct reply_journal *state) {
  state->committed = committer->committed;
  state->unsynced_ms = unsynced_ms(committer);
  state->is_full = committer->is_full;
  state->journal_bytes = committer->bytes;
  state->fsync_p99_ns = sqlite_backend_p99_ns(committer->backend);
  write_fsync(&committer->fsync, state->fsync);
}

/* ---- life */

void committer_init(struct committer *committer) {
  struct journal_backend *backend = committer->backend;
  committer->bytes = backend->ops->bytes(backend);
  measure_disk(committer);
  backend->sink =
      (struct journal_sink){.ctx = committer, .committed = record_committed, .lost = record_loss};
}

bool committer_start(struct committer *committer, const struct journal_host *host) {
  committer->host = host;
  if (!releaser_start(&committer->releaser, committer->committed, host->committed, host->ctx)) {
    return false;
  }
  if (pthread_create(&committer->thread, NULL, run_committer, committer) != 0) {
    releaser_stop(&committer->releaser);
    return false;
  }
  return true;
}

void committer_stop(struct committer *committer) {
  double_buffer_stop(committer->batches);
  pthread_join(committer->thread, NULL);
  releaser_stop(&committer->releaser);
}
