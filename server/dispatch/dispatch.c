#include "server/dispatch/dispatch.h"

#include "proto/base/clock.h"
#include "proto/base/limited_log.h"
#include "proto/base/log.h"
#include "server/dispatch/batch.h"
#include "server/dispatch/command_log.h"
#include "server/dispatch/first_config.h"
#include "server/dispatch/holding.h"
#include "server/dispatch/job_threads.h"
#include "server/dispatch/logged.h"
#include "server/dispatch/processes.h"
#include "server/dispatch/reclaimer.h"
#include "server/dispatch/request.h"
#include "server/dispatch/room.h"
#include "server/dispatch/ticker.h"
#include "server/engine/decoded.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Between two batches of a thread that does much work: the time to wake another thread. */
#define PAUSE_NS 20000

struct dispatch {
  struct dispatch_sink sink;
  const char *version;
  size_t memory_bytes_max;
  struct limited_log limited_log;
  struct batch_pool batches;
  struct ticker ticker;
  struct reclaimer reclaimer;
  struct job_threads job_threads;
  struct processes processes;
  struct budget budget;   /* of connections */
  struct holding holding; /* of replies, if there is a log */
  _Atomic uint64_t served_ns;
  atomic_bool is_disk_full; /* the log's */
  pthread_mutex_t disk;     /* of is_stopped; while what the log says of its disk is applied */
  bool is_stopped;
  pthread_mutex_t mutex; /* of everything below */
  struct engine *engine;
  const char *local_handshake; /* borrowed */
  uint64_t now_ns;             /* of all commands until the mutex is free again */
  uint64_t ahead_ns; /* how far the engine's time is ahead of this machine's clock, modulo 2^64 */
  /* Borrowed; set once. NULL: the state is in memory only. */
  const struct command_log *_Atomic log;
  const struct value_hash_key *_Atomic hash_key; /* the engine's, which is read without the lock */
  bool is_crowded;         /* as the engine was notified, for one that is loaded */
  struct engine *stand_in; /* was there while loading: what was under way may still read its key */
  uint64_t
      index; /* of the batch of the log that all commands are in until the mutex is free again */
  struct batch *batch; /* the engine's present one */
};

/* ---- the engine's sink: remembers deliveries, which are sent without the lock */

static void remember_reply(void *ctx, uint64_t connection, const struct sp_route *route,
                           struct reply *reply) {
  struct dispatch *dispatch = ctx;
  batch_add_delivery(dispatch->batch, connection, route, reply);
}

static void remember_close(void *ctx, uint64_t connection) {
  struct dispatch *dispatch = ctx;
  batch_add_delivery(dispatch->batch, connection, &(struct sp_route){0}, NULL);
}

static void watch_process(void *ctx, int process, uint64_t session) {
  struct dispatch *dispatch = ctx;
  processes_watch(&dispatch->processes, process, session);
}

static void forget_process(void *ctx, int process, uint64_t session) {
  struct dispatch *dispatch = ctx;
  processes_forget(&dispatch->processes, process, session);
}

static void remember_deadlock(void *ctx, const char *cycle) {
  struct dispatch *dispatch = ctx;
  free(dispatch->batch->deadlock);
  dispatch->batch->deadlock = strdup(cycle);
}

static void request_snapshot(void *ctx) {
  const struct command_log *log = ((struct dispatch *)ctx)->log;
  log->request_snapshot(log->ctx);
}

static void report_journal(void *ctx, struct reply_journal *journal) {
  const struct command_log *log = ((struct dispatch *)ctx)->log;
  log->report(log->ctx, journal);
}

/* ---- a batch */

/* Whether it is not to be sent yet: the log has it. */
static bool is_backup(const struct command_log *log, const struct batch_delivery *delivery) {
  const struct reply *reply = delivery->reply;
  if (!reply || reply->reason || reply->shape != REPLY_BACKUP) {
    return false;
  }
  log->back_up(log->ctx, delivery);
  return true;
}

/* Whether the connection that is served has room for more replies. */
static bool send_deliveries(struct dispatch *dispatch, void *self,
                            struct batch_delivery *deliveries, size_t count) {
  const struct command_log *log = dispatch->log;
  size_t left = 0;
  for (size_t i = 0; log && i < count; i++) {
    if (!is_backup(log, &deliveries[i])) {
      deliveries[left++] = deliveries[i];
    }
  }
  bool has_room = dispatch->sink.deliver(dispatch->sink.ctx, self, deliveries, log ? left : count);
  if (budget_is_exceeded(&dispatch->budget)) {
    dispatch_make_room(dispatch);
  }
  return has_room;
}

/* The only place where the time of commands is read: under the engine's lock, so that later commands have
 * later times. */
static void lock_engine(struct dispatch *dispatch) {
  pthread_mutex_lock(&dispatch->mutex);
  dispatch->now_ns = clock_now_ns() + dispatch->ahead_ns;
  const struct command_log *log = dispatch->log;
  if (log) {
    dispatch->index = log->begin(log->ctx);
  }
}

static void unlock_engine(struct dispatch *dispatch) {
  const struct command_log *log = dispatch->log;
  if (log) {
    log->end(log->ctx);
  }
  pthread_mutex_unlock(&dispatch->mutex);
}

static void take_jobs(struct dispatch *dispatch) {
  struct job *job;
  while ((job = engine_take_job(dispatch->engine))) {
    job_threads_add(&dispatch->job_threads, job);
  }
}

/* As engine_apply, stamped. */
static bool apply(struct dispatch *dispatch, struct command command) {
  const struct command_log *log = dispatch->log;
  command.now_ns = dispatch->now_ns;
  command.index = dispatch->index;
  if (command.kind == COMMAND_CROWDED) {
    dispatch->is_crowded = command.is_crowded;
  } else if (command.kind == COMMAND_DISK) {
    atomic_store_explicit(&dispatch->is_disk_full, command.is_full, memory_order_relaxed);
  }
  bool is_done = log ? logged_apply(log, dispatch->engine, dispatch->batch, &command)
                     : engine_apply(dispatch->engine, &command);
  take_jobs(dispatch);
  return is_done;
}

/* Locks the engine until end_batch. */
static void begin_batch(struct dispatch *dispatch, struct batch *batch) {
  lock_engine(dispatch);
  dispatch->batch = batch;
  size_t freed_bytes = reclaimer_take_freed(&dispatch->reclaimer);
  if (freed_bytes > 0) {
    apply(dispatch, (struct command){.kind = COMMAND_FREED, .freed_bytes = freed_bytes});
  }
}

/* As send_deliveries. */
static bool end_batch(struct dispatch *dispatch, void *self) {
  struct batch *batch = dispatch->batch;
  uint64_t deadline_ns = engine_next_deadline_ns(dispatch->engine);
  struct object *deferred = engine_take_deferred(dispatch->engine);
  struct decoded *answered = engine_take_answered(dispatch->engine);
  uint64_t ahead_ns = dispatch->ahead_ns;
  const struct command_log *log = dispatch->log;
  dispatch->batch = NULL;
  unlock_engine(dispatch);
  reclaimer_add(&dispatch->reclaimer, deferred);
  decoded_free(answered);
  if (deadline_ns != CLOCK_NEVER) {
    int64_t local_ns = (int64_t)(deadline_ns - ahead_ns); /* of a state that was loaded: long ago */
    ticker_expect(&dispatch->ticker, deadline_ns && local_ns > 0 ? (uint64_t)local_ns : 0);
  }
  if (batch->deadlock) {
    limited_log_line(&dispatch->limited_log, "deadlock: %s", batch->deadlock);
    free(batch->deadlock);
    batch->deadlock = NULL;
  }
  if (log && !holding_take(&dispatch->holding, batch)) {
    log->give_up(log->ctx, "there is no memory for the replies that wait");
  }
  size_t count = batch->deliveries_count;
  batch->deliveries_count = batch->reply_bytes = 0;
  return send_deliveries(dispatch, self, batch->deliveries, count);
}

/* Lets waiting threads lock the engine before this thread begins another batch: an unlocked mutex goes
 * to the first thread that asks, and a woken thread needs a moment. */
static void let_others_in(void) {
  nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

static void decode(struct dispatch *dispatch, struct batch *batch, uint64_t connection,
                   const struct dispatch_message *message) {
  struct engine_request *request = &batch->requests[batch->requests_count++];
  request->connection = connection;
  request->route = message->route;
  request->body = message->body;
  request_decode(request, &batch->arena, dispatch->hash_key);
  if (request->decoded) {
    batch->decoded_bytes += request->decoded->memory_bytes;
  }
  if (request->operation && (request->operation->flags & OPERATION_OPENS)) {
    randombytes_buf(request->entropy, sizeof request->entropy);
  }
}

/* Decodes messages while the batch's arena has room. */
static size_t decode_some(struct dispatch *dispatch, struct batch *batch, uint64_t connection,
                          const struct dispatch_message *messages, size_t count) {
  size_t idx = 0;
  while (idx < count && batch->requests_count < BATCH_REQUESTS_MAX &&
         batch->arena.used_bytes + batch->decoded_bytes < HF_UNPACK_BYTES_MAX / 64) {
    decode(dispatch, batch, connection, &messages[idx++]);
  }
  return idx;
}

/* Before a request that does not fit on the disk, which is refused then if it stores. */
static void check_disk(struct dispatch *dispatch, const struct engine_request *request) {
  const struct command_log *log = dispatch->log;
  bool is_full = atomic_load_explicit(&dispatch->is_disk_full, memory_order_relaxed);
  if (log && !is_full && room_is_needed(request, false) &&
      !log->fits(log->ctx, request->body.len)) {
    apply(dispatch, (struct command){.kind = COMMAND_DISK, .is_full = true});
  }
}

/* Opens the process that the request names, then applies the request. */
static void apply_request(struct dispatch *dispatch, struct engine_request *request) {
  struct bytes machine;
  uint64_t id;
  request->process = 0;
  check_disk(dispatch, request);
  if (request->message && processes_are_named(request->message, &machine, &id)) {
    bool is_local = engine_is_local(dispatch->engine, request->connection);
    request->process = processes_open(&dispatch->processes, machine, id, is_local);
  }
  apply(dispatch, (struct command){.kind = COMMAND_REQUEST, .request = request});
  if (request->process > 0) { /* the engine has not taken it */
    processes_forget(&dispatch->processes, request->process, 0);
  }
}

static bool has_log_room(struct dispatch *dispatch, const struct batch *batch, size_t first) {
  const struct command_log *log = dispatch->log;
  bool is_full = atomic_load_explicit(&dispatch->is_disk_full, memory_order_relaxed);
  return !log || room_await(log, &dispatch->holding, is_full, batch, first);
}

/* Applies the batch's requests under one lock of the engine, or under several when the replies are
 * large or the work takes many steps; up to one after which the connection has to pause, or is over. Answers
 * how many were applied. */
static size_t apply_all(struct dispatch *dispatch, struct batch *batch, void *self,
                        uint64_t *pause_ns, bool *is_over) {
  size_t applied = 0;
  bool has_room = true, goes_on = true;
  while (has_room && goes_on && applied < batch->requests_count) {
    if (!has_log_room(dispatch, batch, applied)) {
      *pause_ns = ROOM_PAUSE_NS;
      break;
    }
    begin_batch(dispatch, batch);
    atomic_store_explicit(&dispatch->served_ns, dispatch->now_ns - dispatch->ahead_ns,
                          memory_order_relaxed);
    uint64_t steps_end = engine_steps(dispatch->engine) + HF_BATCH_STEPS_MAX;
    bool has_steps;
    do {
      struct engine_request *request = &batch->requests[applied++];
      apply_request(dispatch, request);
      *pause_ns = request->pause_ns;
      *is_over = request->ends_connection;
      goes_on = !*is_over && *pause_ns == 0;
      has_steps = engine_steps(dispatch->engine) < steps_end;
    } while (goes_on && applied < batch->requests_count && has_steps &&
             batch->reply_bytes <= HF_UNSENT_BYTES_MAX);
    has_room = end_batch(dispatch, self);
    if (!has_steps && applied < batch->requests_count) {
      let_others_in();
    }
  }
  return applied;
}

size_t dispatch_messages(struct dispatch *dispatch, void *self, uint64_t connection,
                         const struct dispatch_message *messages, size_t count, uint64_t *pause_ns,
                         uint64_t *awaited) {
  size_t applied = 0, decoded = 0;
  bool is_over = false;
  *pause_ns = *awaited = 0;
  while (!is_over && *pause_ns == 0 && applied == decoded && applied < count) {
    struct batch *batch = batch_acquire(&dispatch->batches);
    if (!batch) {
      dispatch->sink.close(dispatch->sink.ctx, connection, "no memory for its requests");
      break;
    }
    decoded += decode_some(dispatch, batch, connection, messages + applied, count - applied);
    batch->awaited = *awaited;
    applied += apply_all(dispatch, batch, self, pause_ns, &is_over);
    *awaited = batch->awaited;
    batch_release(&dispatch->batches, batch);
  }
  return is_over ? count : applied;
}

/* ---- connections, time, life */

void dispatch_init_outbox(struct dispatch *dispatch, struct outbox *outbox, uint64_t connection,
                          enum sp_transport transport) {
  outbox_init(outbox, &dispatch->budget, dispatch->version, connection, transport);
}

struct budget *dispatch_budget(struct dispatch *dispatch) {
  return &dispatch->budget;
}

void dispatch_make_room(struct dispatch *dispatch) {
  uint64_t connection = budget_choose(&dispatch->budget, clock_now_ns());
  if (connection != 0) {
    limited_log_line(&dispatch->limited_log,
                     "connection closed connection=%llu why=\"holds too much\"",
                     (unsigned long long)connection);
    dispatch->sink.close(dispatch->sink.ctx, connection, "holds too much");
  }
}

enum dispatch_connected dispatch_connected(struct dispatch *dispatch, uint64_t connection,
                                           uint64_t address, bool one_way, struct bytes user) {
  lock_engine(dispatch);
  bool connected = apply(dispatch, (struct command){.kind = COMMAND_CONNECT,
                                                    .connection = connection,
                                                    .address = address,
                                                    .user = user,
                                                    .one_way = one_way});
  bool is_beyond = engine_exceeds_quota(dispatch->engine, connection);
  unlock_engine(dispatch);
  if (!connected) {
    return DISPATCH_NOT_CONNECTED;
  }
  return is_beyond ? DISPATCH_BEYOND_QUOTA : DISPATCH_CONNECTED;
}

/* For a command that can't be dropped: retries until there is memory. */
static struct batch *must_acquire_batch(struct dispatch *dispatch) {
  struct batch *batch;
  while (!(batch = batch_acquire(&dispatch->batches))) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  return batch;
}

/* A batch of one command. As engine_apply. */
static bool run_batch(struct dispatch *dispatch, struct command command) {
  struct batch *batch = must_acquire_batch(dispatch);
  begin_batch(dispatch, batch);
  bool is_done = apply(dispatch, command);
  (void)end_batch(dispatch, NULL);
  batch_release(&dispatch->batches, batch);
  return is_done;
}

void dispatch_disconnected(struct dispatch *dispatch, uint64_t connection) {
  run_batch(dispatch, (struct command){.kind = COMMAND_DISCONNECT, .connection = connection});
}

/* Runs again and again while deferred work is left. */
static void tick(void *ctx) {
  run_batch(ctx, (struct command){.kind = COMMAND_TICK});
  let_others_in();
}

static void give_job_back(void *ctx, struct job *job) {
  run_batch(ctx, (struct command){.kind = COMMAND_JOB_DONE, .job = job});
  if (!job->is_back) {
    let_others_in();
  }
}

static void end_process(void *ctx, uint64_t session) {
  run_batch(ctx, (struct command){.kind = COMMAND_PROCESS_ENDED, .session = session});
}

void dispatch_set_local_handshake(struct dispatch *dispatch, const char *path) {
  pthread_mutex_lock(&dispatch->mutex);
  dispatch->local_handshake = path;
  engine_set_local_handshake(dispatch->engine, path);
  pthread_mutex_unlock(&dispatch->mutex);
}

bool dispatch_set_users(struct dispatch *dispatch, const struct users_settings *users) {
  return run_batch(dispatch, (struct command){.kind = COMMAND_USERS, .users = users});
}

static void release(void *ctx, struct batch_delivery *deliveries, size_t count) {
  (void)send_deliveries(ctx, NULL, deliveries, count);
}

void dispatch_committed(struct dispatch *dispatch, uint64_t through) {
  holding_commit(&dispatch->holding, through);
}

bool dispatch_is_awaited(const struct dispatch *dispatch) {
  return holding_is_awaited(&dispatch->holding);
}

bool dispatch_is_durable(const struct dispatch *dispatch, uint64_t awaited) {
  return holding_is_durable(&dispatch->holding, awaited);
}

void dispatch_await_log(struct dispatch *dispatch, uint64_t awaited, uint64_t deadline_ns,
                        const atomic_bool *interrupted) {
  holding_await(&dispatch->holding, awaited, deadline_ns, interrupted);
}

void dispatch_interrupt(struct dispatch *dispatch) {
  if (dispatch->log) {
    holding_interrupt(&dispatch->holding);
  }
}

bool dispatch_begin_batching(struct dispatch *dispatch) {
  const struct command_log *log = dispatch->log;
  return log && log->begin_batching(log->ctx);
}

void dispatch_lead_log(struct dispatch *dispatch) {
  const struct command_log *log = dispatch->log;
  log->lead(log->ctx);
}

void dispatch_end_batching(struct dispatch *dispatch) {
  const struct command_log *log = dispatch->log;
  log->end_batching(log->ctx);
}

void dispatch_deliver(struct dispatch *dispatch, uint64_t connection, const struct sp_route *route,
                      struct reply *reply) {
  struct batch_delivery delivery = {.connection = connection, .route = *route, .reply = reply};
  (void)dispatch->sink.deliver(dispatch->sink.ctx, NULL, &delivery, 1);
}

void dispatch_set_disk_full(struct dispatch *dispatch, bool is_full) {
  pthread_mutex_lock(&dispatch->disk);
  if (!dispatch->is_stopped) {
    run_batch(dispatch, (struct command){.kind = COMMAND_DISK, .is_full = is_full});
  }
  pthread_mutex_unlock(&dispatch->disk);
}

uint64_t dispatch_served_ns(const struct dispatch *dispatch) {
  return atomic_load_explicit(&dispatch->served_ns, memory_order_relaxed);
}

void dispatch_set_crowded(struct dispatch *dispatch, bool is_crowded) {
  run_batch(dispatch, (struct command){.kind = COMMAND_CROWDED, .is_crowded = is_crowded});
}

void dispatch_drain(struct dispatch *dispatch) {
  run_batch(dispatch, (struct command){.kind = COMMAND_DRAIN});
}

static struct engine_sink make_sink(struct dispatch *dispatch, bool has_log) {
  return (struct engine_sink){.ctx = dispatch,
                              .deliver = remember_reply,
                              .close = remember_close,
                              .forget_process = forget_process,
                              .watch_process = watch_process,
                              .deadlock = remember_deadlock,
                              .request_snapshot = has_log ? request_snapshot : NULL,
                              .report_journal = has_log ? report_journal : NULL};
}

/* All at once: no connection comes between with what its user might do before. */
static bool restart(struct dispatch *dispatch, const struct users_settings *users) {
  size_t memory_bytes_max = dispatch->memory_bytes_max;
  return apply(dispatch,
               (struct command){.kind = COMMAND_RESTART, .memory_bytes_max = memory_bytes_max}) &&
         apply(dispatch, (struct command){.kind = COMMAND_USERS, .users = users}) &&
         (!dispatch->is_crowded ||
          apply(dispatch, (struct command){.kind = COMMAND_CROWDED, .is_crowded = true}));
}

bool dispatch_load(struct dispatch *dispatch, struct engine *engine, uint64_t now_ns,
                   uint64_t committed, const struct command_log *log,
                   const struct users_settings *users) {
  struct engine_sink sink = make_sink(dispatch, true);
  struct batch *batch = must_acquire_batch(dispatch);
  holding_commit(&dispatch->holding, committed);
  engine_set_sink(engine, &sink);
  /* Nothing comes in between: the engine still has the connections of its last server, whose numbers are given
   * out again. */
  pthread_mutex_lock(&dispatch->mutex);
  dispatch->stand_in = dispatch->engine;
  engine_set_local_handshake(engine, dispatch->local_handshake);
  dispatch->engine = engine;
  dispatch->hash_key = engine_hash_key(engine);
  dispatch->log = log;
  dispatch->ahead_ns = now_ns - clock_now_ns();
  dispatch->now_ns = now_ns;
  dispatch->index = log->begin(log->ctx);
  dispatch->batch = batch;
  (void)reclaimer_take_freed(&dispatch->reclaimer); /* the stand-in's */
  bool is_restarted = restart(dispatch, users);
  (void)end_batch(dispatch, NULL);
  batch_release(&dispatch->batches, batch);
  return is_restarted;
}

static bool start_threads(struct dispatch *dispatch) {
  if (!job_threads_start(&dispatch->job_threads, give_job_back, dispatch)) {
    return false;
  }
  if (!reclaimer_start(&dispatch->reclaimer)) {
    job_threads_stop(&dispatch->job_threads);
    return false;
  }
  if (!ticker_start(&dispatch->ticker, tick, dispatch)) {
    reclaimer_stop(&dispatch->reclaimer);
    job_threads_stop(&dispatch->job_threads);
    return false;
  }
  if (!processes_start(&dispatch->processes, end_process, dispatch)) {
    ticker_stop(&dispatch->ticker);
    reclaimer_stop(&dispatch->reclaimer);
    job_threads_stop(&dispatch->job_threads);
    return false;
  }
  return true;
}

struct dispatch *dispatch_start(const struct dispatch_config *config,
                                const struct dispatch_sink *sink) {
  struct dispatch *dispatch = calloc(1, sizeof *dispatch);
  if (!dispatch || sodium_init() < 0) {
    free(dispatch);
    return NULL;
  }
  dispatch->sink = *sink;
  dispatch->version = config->version;
  dispatch->memory_bytes_max = config->memory_bytes_max;
  pthread_mutex_init(&dispatch->disk, NULL);
  pthread_mutex_init(&dispatch->mutex, NULL);
  batch_pool_init(&dispatch->batches);
  budget_init(&dispatch->budget, config->memory_bytes_max);
  holding_init(&dispatch->holding, 0, &(struct holding_sink){release, dispatch});
  limited_log_init(&dispatch->limited_log);
  struct engine_config engine_config = first_config(config->memory_bytes_max);
  engine_config.cell_host = config->cell_host;
  engine_config.is_loading = config->is_loading;
  struct engine_sink engine_sink = make_sink(dispatch, false);
  dispatch->engine = engine_new(&engine_config, &engine_sink);
  if (dispatch->engine) {
    dispatch->hash_key = engine_hash_key(dispatch->engine);
  }
  if (dispatch->engine && start_threads(dispatch)) {
    return dispatch;
  }
  dispatch_free(dispatch);
  return NULL;
}

void dispatch_stop(struct dispatch *dispatch) {
  pthread_mutex_lock(&dispatch->disk);
  dispatch->is_stopped = true;
  pthread_mutex_unlock(&dispatch->disk);
  processes_stop(&dispatch->processes); /* these two first: their batches may begin jobs */
  ticker_stop(&dispatch->ticker);
  job_threads_stop(&dispatch->job_threads); /* then this one: a finished job runs a batch */
  engine_give_jobs_back(dispatch->engine);
  reclaimer_stop(&dispatch->reclaimer);
}

void dispatch_free(struct dispatch *dispatch) {
  limited_log_deinit(&dispatch->limited_log);
  if (dispatch->engine) {
    engine_free(dispatch->engine);
  }
  if (dispatch->stand_in) {
    engine_free(dispatch->stand_in);
  }
  batch_pool_deinit(&dispatch->batches);
  holding_deinit(&dispatch->holding);
  budget_deinit(&dispatch->budget);
  pthread_mutex_destroy(&dispatch->mutex);
  pthread_mutex_destroy(&dispatch->disk);
  free(dispatch);
}
