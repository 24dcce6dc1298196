#include "tests/support/durable.h"

#include "server/dispatch/batch.h"
#include "server/engine/state_digest.h"
#include "server/journal/sqlite_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MEMORY_MAX ((size_t)256 << 20)
#define REPLY_S 20

/* ---- dispatch's sink */

static void note(struct durable *durable, struct reply *reply) {
  pthread_mutex_lock(&durable->mutex);
  durable->replies++;
  durable->reason = reply->reason;
  durable->status = reply_status(reply);
  if (reply->shape == REPLY_SESSION) {
    memcpy(durable->session, reply->session, sizeof durable->session);
  }
  if (reply->shape == REPLY_FLUSHED) {
    durable->flushed = reply->flushed->finished;
    durable->failed = reply->flushed->failed;
  }
  pthread_cond_broadcast(&durable->replied);
  pthread_mutex_unlock(&durable->mutex);
  reply_release(reply);
}

static bool deliver(void *ctx, void *self, const struct batch_delivery *deliveries, size_t count) {
  (void)self;
  for (size_t i = 0; i < count; i++) {
    if (deliveries[i].reply) {
      note(ctx, deliveries[i].reply);
    }
  }
  return true;
}

static void ignore_close(void *ctx, uint64_t connection, const char *why) {
  (void)ctx;
  (void)connection;
  (void)why;
}

/* ---- the journal's host */

static void committed(void *ctx, uint64_t through) {
  dispatch_committed(((struct durable *)ctx)->dispatch, through);
}

static bool is_awaited(void *ctx) {
  return dispatch_is_awaited(((struct durable *)ctx)->dispatch);
}

static void lost(void *ctx, const char *sentence) {
  struct durable *durable = ctx;
  pthread_mutex_lock(&durable->mutex);
  snprintf(durable->lost, sizeof durable->lost, "%s", sentence);
  pthread_cond_broadcast(&durable->replied);
  pthread_mutex_unlock(&durable->mutex);
}

/* The test says how full the disk is. */
static void ignore_disk(void *ctx, bool is_full) {
  (void)ctx;
  (void)is_full;
}

static void ignore_guard(void *ctx, bool is_on) {
  (void)ctx;
  (void)is_on;
}

/* ---- life */

static void start(struct durable *durable, const struct users_settings *users) {
  char error[RECOVERY_ERROR_BYTES] = "";
  const struct users_settings nobody = {0};
  const struct dispatch_config config = {
      .memory_bytes_max = MEMORY_MAX, .version = "test", .is_loading = true};
  const struct dispatch_sink sink = {durable, deliver, ignore_close};
  const struct journal_settings settings = {.directory = durable->directory,
                                            .cells = &durable->cells,
                                            .fsync = {.mode = FSYNC_NEVER},
                                            .memory_bytes_max = MEMORY_MAX,
                                            .program = "/bin/false"};
  const struct journal_host host = {.ctx = durable,
                                    .committed = committed,
                                    .is_awaited = is_awaited,
                                    .lost = lost,
                                    .disk = ignore_disk,
                                    .guard = ignore_guard};
  durable->dispatch = dispatch_start(&config, &sink);
  assert_non_null(durable->dispatch);
  if (durable->is_crowded) {
    dispatch_set_crowded(durable->dispatch, true);
  }
  cell_tape_init(&durable->cells);
  durable->journal = journal_open(&settings, NULL, &durable->recovered, error);
  if (!durable->journal) {
    fail_msg("%s", error);
  }
  struct engine *engine = durable->recovered.engine;
  assert_true(journal_start(durable->journal, engine, &host));
  assert_true(dispatch_load(durable->dispatch, engine, engine_now_ns(engine),
                            durable->recovered.index, journal_log(durable->journal),
                            users ? users : &nobody));
}

/* The digest of the state that was there. */
static uint64_t stop(struct durable *durable) {
  dispatch_set_disk_full(durable->dispatch, false); /* what was only heard goes before a command */
  dispatch_stop(durable->dispatch);
  journal_close(durable->journal);
  uint64_t digest = engine_digest(durable->recovered.engine);
  dispatch_free(durable->dispatch);
  cell_tape_deinit(&durable->cells);
  return digest;
}

static void note_error(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  snprintf(ctx, RECOVERY_ERROR_BYTES, "%s", sentence);
}

static void expect_recovered(const struct durable *durable, uint64_t digest) {
  char error[RECOVERY_ERROR_BYTES] = "";
  struct recovered recovered;
  const struct sqlite_options sqlite = {.directory = durable->directory,
                                        .sync = JOURNAL_SYNC_NEVER};
  const struct journal_sink sink = {.ctx = error, .lost = note_error};
  struct journal_backend *backend = sqlite_backend_open(&sqlite, &sink);
  assert_non_null(backend);
  struct cell_tape cells;
  const struct recovery_options options = {
      .directory = durable->directory, .backend = backend, .cells = &cells};
  cell_tape_init(&cells);
  if (!recovery_run(&options, &recovered, error)) {
    fail_msg("%s", error);
  }
  assert_int_equal(engine_digest(recovered.engine), digest);
  engine_free(recovered.engine);
  cell_tape_deinit(&cells);
  backend->ops->close(backend);
}

void durable_begin(struct durable *durable, const struct users_settings *users) {
  *durable = (struct durable){.replies = 0};
  pthread_mutex_init(&durable->mutex, NULL);
  pthread_cond_init(&durable->replied, NULL);
  directory_make(durable->directory);
  start(durable, users);
}

void durable_restart(struct durable *durable, const struct users_settings *users) {
  expect_recovered(durable, stop(durable));
  start(durable, users);
}

void durable_end(struct durable *durable) {
  expect_recovered(durable, stop(durable));
  directory_remove(durable->directory);
  pthread_cond_destroy(&durable->replied);
  pthread_mutex_destroy(&durable->mutex);
}

/* ---- requests */

void durable_connect(struct durable *durable, uint64_t connection, bool one_way, const char *user) {
  assert_int_equal(
      dispatch_connected(durable->dispatch, connection, connection, one_way, bytes_of_text(user)),
      DISPATCH_CONNECTED);
}

void durable_send_bytes(struct durable *durable, uint64_t connection, struct bytes body) {
  const struct dispatch_message message = {.route = sp_route_of(1), .body = body};
  uint64_t pause_ns, awaited;
  assert_int_equal(
      dispatch_messages(durable->dispatch, NULL, connection, &message, 1, &pause_ns, &awaited), 1);
}

void durable_send(struct durable *durable, uint64_t connection, Holdfast__Request *request) {
  size_t len = holdfast__request__get_packed_size(request);
  uint8_t *body = malloc(len + 1);
  assert_non_null(body);
  holdfast__request__pack(request, body);
  durable_send_bytes(durable, connection, bytes_of(body, len));
  free(body);
}

void durable_await(struct durable *durable, uint64_t replies) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += REPLY_S;
  pthread_mutex_lock(&durable->mutex);
  while (durable->replies < replies && *durable->lost == '\0') {
    assert_int_equal(pthread_cond_timedwait(&durable->replied, &durable->mutex, &until), 0);
  }
  pthread_mutex_unlock(&durable->mutex);
}

hf_reason durable_ask(struct durable *durable, uint64_t connection, Holdfast__Request *request) {
  uint64_t before = durable->replies;
  durable_send(durable, connection, request);
  durable_await(durable, before + 1);
  return durable->reason;
}

struct reply_journal durable_report(struct durable *durable) {
  const struct command_log *log = journal_log(durable->journal);
  struct reply_journal report;
  log->report(log->ctx, &report);
  return report;
}
