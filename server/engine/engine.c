#include "server/engine/engine.h"

#include "proto/base/clock.h"
#include "server/engine/binding.h"
#include "server/engine/cells.h"
#include "server/engine/core.h"
#include "server/engine/decoded.h"
#include "server/engine/ending.h"
#include "server/engine/enforcement.h"
#include "server/engine/leases.h"
#include "server/engine/lending.h"
#include "server/engine/locks.h"
#include "server/engine/parking.h"
#include "server/engine/peers.h"
#include "server/engine/quota.h"
#include "server/engine/reads.h"
#include "server/engine/restart.h"
#include "server/engine/run.h"
#include "server/engine/sessions.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"

#include <stdlib.h>
#include <string.h>

struct engine *engine_new(const struct engine_config *config, const struct engine_sink *sink) {
  struct engine *engine = calloc(1, sizeof *engine);
  if (!engine) {
    return NULL;
  }
  engine->config = *config;
  engine->sink = *sink;
  engine->next_token = config->first_token;
  engine->memory.max = config->memory_bytes_max;
  engine->sessions.secret = value_hash(&engine->config.hash_key, value_uint(0)); /* clients choose
                                                        the numbers of forked children's sessions */
  TAILQ_INIT(&engine->ready);
  TAILQ_INIT(&engine->unreferenced);
  TAILQ_INIT(&engine->reviewed);
  TAILQ_INIT(&engine->deleted);
  TAILQ_INIT(&engine->emptied);
  TAILQ_INIT(&engine->ending);
  TAILQ_INIT(&engine->jobs);
  TAILQ_INIT(&engine->taken_jobs);
  TAILQ_INIT(&engine->lost);
  TAILQ_INIT(&engine->heard_sessions);
  list_init(&engine->dropped_values);
  arena_init(&engine->scratch, HF_UNPACK_BYTES_MAX);
  if (!registry_init(&engine->registry, &engine->config.hash_key, config->first_object,
                     &engine->memory)) {
    free(engine);
    return NULL;
  }
  return engine;
}

static void drop_waiters(struct engine *engine, struct waiter_list *waiters) {
  struct waiter *waiter;
  while ((waiter = TAILQ_FIRST(waiters))) {
    core_drop_waiter(engine, waiter);
  }
}

/* Before anything is freed: a wait that ends is felt by timers, objects and sessions. */
static void drop_all_waiters(struct engine *engine) {
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    drop_waiters(engine, &((struct session *)item)->waiters);
  }
  position = 0;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    drop_waiters(engine, &((struct peer *)item)->waiters);
  }
}

static void free_sessions(struct engine *engine) {
  uint64_t position = 0, serial;
  void *item;
  while (map64_next(&engine->sessions, &position, &serial, &item)) {
    struct session *session = item;
    core_forget_process(engine, session);
    address_release(&engine->addresses, session->address);
    user_leave_session(session->user);
    session_free(session);
  }
  map64_deinit(&engine->sessions);
}

/* Whose end was still under way. */
static void free_leftovers(struct engine *engine) {
  struct object *object;
  while (!TAILQ_EMPTY(&engine->ending)) {
    core_begin_steps(engine);
    core_go_on_ending(engine);
  }
  TAILQ_CONCAT(&engine->emptied, &engine->deleted, unreferenced_link);
  while ((object = TAILQ_FIRST(&engine->emptied))) {
    TAILQ_REMOVE(&engine->emptied, object, unreferenced_link);
    object_free(object);
  }
}

struct object *engine_take_deferred(struct engine *engine) {
  struct object *deferred = engine->deferred_free;
  engine->deferred_free = NULL;
  return deferred;
}

struct object *engine_join_deferred(struct object *one, struct object *other) {
  struct object **link = &one;
  while (*link) {
    link = &(*link)->next_deferred;
  }
  *link = other;
  return one;
}

size_t engine_free_deferred(struct object *deferred) {
  size_t bytes = 0;
  while (deferred) {
    struct object *next = deferred->next_deferred;
    bytes += deferred->memory_bytes;
    object_free(deferred);
    deferred = next;
  }
  return bytes;
}

struct decoded *engine_take_answered(struct engine *engine) {
  struct decoded *answered = engine->answered;
  engine->answered = NULL;
  return answered;
}

struct job *engine_take_job(struct engine *engine) {
  struct job *job = TAILQ_FIRST(&engine->jobs);
  if (job) {
    TAILQ_REMOVE(&engine->jobs, job, link);
    TAILQ_INSERT_TAIL(&engine->taken_jobs, job, link);
    job->is_taken = true;
  }
  return job;
}

void engine_give_jobs_back(struct engine *engine) {
  struct job *job;
  TAILQ_FOREACH(job, &engine->taken_jobs, link) {
    job->is_taken = false;
  }
  TAILQ_CONCAT(&engine->taken_jobs, &engine->jobs, link);
  TAILQ_CONCAT(&engine->jobs, &engine->taken_jobs, link);
}

const struct value_hash_key *engine_hash_key(const struct engine *engine) {
  return &engine->config.hash_key;
}

void engine_free(struct engine *engine) {
  drop_all_waiters(engine);
  core_free_jobs(engine);
  free_leftovers(engine);
  engine_free_deferred(engine->deferred_free);
  decoded_free(engine->answered);
  free_sessions(engine);
  core_free_peers(engine);
  registry_deinit(&engine->registry);
  users_deinit(&engine->users);
  list_deinit(&engine->dropped_values);
  timers_deinit(&engine->timers);
  arena_deinit(&engine->scratch);
  free(engine);
}

/* ---- connections */

static void disconnect(struct engine *engine, uint64_t now_ns, uint64_t id) {
  core_begin_steps(engine);
  core_remove_peer(engine, now_ns, id);
  core_settle(engine, now_ns);
}

static void end_process(struct engine *engine, uint64_t now_ns, uint64_t serial) {
  struct session *session = map64_get(&engine->sessions, serial);
  if (session && (session->is_lost || session->is_unadopted)) {
    core_begin_steps(engine);
    session->process_id = 0; /* threads of no session */
    core_end_session(engine, now_ns, session, false);
    core_settle(engine, now_ns);
  }
}

static void finish_job(struct engine *engine, uint64_t now_ns, struct job *job) {
  core_begin_steps(engine);
  struct waiter *requester = core_take_job_back(engine, job);
  if (requester) {
    core_end_job(engine, now_ns, requester, job);
  }
  core_settle(engine, now_ns);
}

/* ---- time */

/* The struct that `member` points into. */
#define OWNER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void end_grace(struct engine *engine, uint64_t now_ns, struct session *session) {
  if (!core_extend_grace(engine, now_ns, session)) {
    core_end_session(engine, now_ns, session, false);
  }
}

static void expire(struct engine *engine, uint64_t now_ns, struct timer *timer) {
  switch (timer->kind) {
    case TIMER_WAITER:
      core_time_out(engine, now_ns, OWNER_OF(timer, struct waiter, timer));
      break;
    case TIMER_SESSION:
      end_grace(engine, now_ns, OWNER_OF(timer, struct session, timer));
      break;
    case TIMER_LEASE:
      core_end_lease(engine, now_ns, OWNER_OF(timer, struct object, lease));
      break;
    case TIMER_TASKS:
      core_tasks_due(engine, now_ns, timer);
      break;
    case TIMER_CELL:
      core_cells_due(engine, now_ns, OWNER_OF(timer, struct object, cells.timer));
      break;
  }
}

static void advance(struct engine *engine, uint64_t now_ns) {
  struct timer *timer;
  core_settle(engine, now_ns);
  while (core_has_steps(engine) && (timer = timers_pop(&engine->timers, now_ns))) {
    core_spend(engine, STEPS_OF_TIMER);
    expire(engine, now_ns, timer);
    core_settle(engine, now_ns);
  }
}

/* ---- requests */

/* Answers without running anything. */
static void answer(struct engine *engine, const struct engine_request *request, uint64_t sequence,
                   hf_reason reason) {
  struct reply *reply = reply_new(sequence);
  if (reply) {
    reply->reason = reason;
    denial_explain(&engine->denial, reply);
    engine->sink.deliver(engine->sink.ctx, request->connection, &request->route, reply);
  }
}

static hf_reason find_session(struct engine *engine, struct peer *peer,
                              const struct engine_request *request, struct session **session) {
  const Holdfast__Request *message = request->message;
  uint32_t flags = request->operation ? request->operation->flags : 0;
  bool opens = flags & OPERATION_OPENS;
  if (opens && !(flags & OPERATION_NEEDS_SESSION)) {
    return HF_REASON_NONE; /* belongs to no session: it may even have to end the one it came from */
  }
  *session = peer->session;
  if (message->session.len == 0) {
    return peer->session_ended && !opens ? HF_REASON_SESSION_ENDED : HF_REASON_NONE;
  }
  if (message->session.len != HF_SESSION_BYTES) {
    return HF_REASON_BAD_SESSION;
  }
  *session = core_find_session(engine, bytes_of(message->session.data, message->session.len));
  if (*session && peer->user && peer->user != (*session)->user) {
    *session = NULL; /* the owner may resume any that it knows, which keep their rights */
  }
  if (!*session) {
    peer->session_ended |= opens && !peer->session;
    return HF_REASON_SESSION_ENDED;
  }
  return HF_REASON_NONE;
}

/* A stock socket that connected again just goes on. */
static void go_on(struct engine *engine, uint64_t now_ns, struct peer *peer,
                  const struct engine_request *request, struct session *session) {
  bool opens = request->operation->flags & OPERATION_OPENS;
  if (!opens && !peer->one_way && !peer->session && session->connection == 0) {
    core_bind_session(engine, now_ns, session, peer);
  }
}

/* A request that was seen before: its answer again, or its waiter answers here from now on. */
static void repeat(struct engine *engine, const struct engine_request *request,
                   struct reply *reply) {
  struct waiter *waiter = reply->pending;
  engine->duplicates++;
  if (!waiter) {
    reply_acquire(reply);
    engine->sink.deliver(engine->sink.ctx, request->connection, &request->route, reply);
    return;
  }
  struct peer *former = core_peer(engine, waiter->connection);
  struct peer *now = core_peer(engine, request->connection);
  if (former) {
    former->parked--;
  }
  now->parked++;
  waiter->connection = request->connection;
  waiter->route = request->route;
}

static void run(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                struct engine_request *request, struct session *session, struct reply *reply) {
  struct call call = {
      .engine = engine,
      .now_ns = now_ns,
      .operation = request->operation,
      .message = request->message,
      .body = request->body,
      .decoded = request->decoded,
      .entropy = request->entropy,
      .process = &request->process,
      .connection = request->connection,
      .route = &request->route,
      .session = session,
      .user = session ? session->user : peer->user,
      .reply = reply,
      .one_way = peer->one_way,
  };
  engine->requests++;
  reply->operation = request->operation->arm;
  core_run(&call);
  request->decoded = call.decoded;
}

/* Exactly once, with an answer. */
static void apply_call(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                       struct engine_request *request, struct session *session) {
  uint64_t sequence = request->message->sequence;
  bool is_kept = session && sequence && request->operation->repeat == REPEAT_KEPT;
  bool is_new = session && session_record_sequence(session, sequence);
  if (session && sequence) {
    struct reply *known = is_new ? NULL : session_find_reply(session, sequence);
    if (known) {
      repeat(engine, request, known);
      return;
    }
    hf_reason reason = is_kept ? session_check_sequence(session, sequence) : HF_REASON_NONE;
    if (reason) {
      answer(engine, request, sequence, reason);
      return;
    }
  }
  struct reply *reply = reply_new(sequence);
  if (!reply || (is_kept && !session_keep_reply(session, reply))) {
    reply_release(reply);
    answer(engine, request, sequence, HF_REASON_NO_MEMORY);
    return;
  }
  run(engine, now_ns, peer, request, session, reply);
}

/* In order, each once, without an answer. A gap means that something was lost: the sender will
 * learn so from Flush, and send again from there. */
static void apply_one_way(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                          struct engine_request *request, struct session *session) {
  uint64_t sequence = request->message->sequence;
  if (session && sequence) {
    if (sequence != session->one_way_received + 1) {
      engine->duplicates += sequence <= session->one_way_received;
      return;
    }
  }
  struct reply *reply = reply_new(session ? sequence : 0);
  if (!reply) {
    return;
  }
  if (session && sequence) {
    session->one_way_received = sequence;
  }
  run(engine, now_ns, peer, request, session, reply);
}

/* What a client sends when it is back: the resume, and requests that the session knows already. Those are
 * answered, and not carried out again; refused, they would be carried out twice. */
static bool comes_again(const struct peer *peer, const struct engine_request *request,
                        const struct session *session) {
  uint64_t sequence = request->message->sequence;
  if (!session || !request->operation) {
    return false;
  }
  if (request->operation->flags & OPERATION_OPENS) {
    return true;
  }
  return sequence && (peer->one_way ? sequence <= session->one_way_received
                                    : session_find_reply(session, sequence) != NULL);
}

/* Whether the peer's user may send the request now. HF_REASON_NONE | QUOTA_CONNECTIONS TOO_FAST */
static hf_reason check_user(struct engine *engine, uint64_t now_ns, struct peer *peer,
                            const struct engine_request *request, const struct session *session) {
  bool is_limited = peer->exceeds || peer->user->settings.limits.requests_per_s;
  if (!is_limited || comes_again(peer, request, session)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = peer->exceeds ? core_count_peer(engine, peer) : HF_REASON_NONE;
  bool is_silent = request->operation && request->operation->flags & OPERATION_SILENT;
  return reason || is_silent ? reason : quota_check_rate(engine, peer->user, now_ns);
}

static hf_reason check_request(struct engine *engine, uint64_t now_ns, struct peer *peer,
                               const struct engine_request *request, struct session **session) {
  if (!request->message) {
    return request->malformed;
  }
  if (request->message->n_acked_also > HF_WINDOW_COUNT_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  if (engine->config.is_loading) {
    return HF_REASON_LOADING;
  }
  if (engine->draining) {
    return HF_REASON_STOPPING;
  }
  hf_reason reason = find_session(engine, peer, request, session);
  if (!reason && peer->user) {
    reason = check_user(engine, now_ns, peer, request, *session);
  }
  if (!reason && !request->operation) {
    reason = HF_REASON_UNKNOWN_OPERATION;
  }
  if (!reason && *session) {
    go_on(engine, now_ns, peer, request, *session);
  }
  return reason;
}

/* Drops the replies that the request acknowledges. */
static void acknowledge(struct engine *engine, struct session *session,
                        const Holdfast__Request *message) {
  size_t count = session->window.count, bytes = session->window_bytes;
  session_acknowledge(session, message->acked, message->acked_also, message->n_acked_also);
  uint64_t looked_at = message->n_acked_also + (count - session->window.count);
  size_t freed_bytes = bytes > session->window_bytes ? bytes - session->window_bytes : 0;
  core_spend(engine, STEPS_OF_ACKNOWLEDGEMENT * looked_at + freed_bytes / STEPS_BODY_BYTES);
}

static void apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  struct peer *peer = core_peer(engine, request->connection);
  if (!peer || peer->fenced) {
    return;
  }
  if (core_has_work(engine) || timers_next_deadline_ns(&engine->timers) <= now_ns) {
    core_begin_request_steps(engine);
    advance(engine, now_ns);
    core_begin_request_steps(engine);
    engine->changed = engine->index;
  } else {
    core_begin_steps(engine);
  }
  struct session *session = NULL;
  hf_reason reason = check_request(engine, now_ns, peer, request, &session);
  if (reason) {
    if (!peer->one_way) {
      answer(engine, request, request->message ? request->message->sequence : 0, reason);
    }
    return;
  }
  if (session) {
    session->heard_ns = now_ns;
  }
  if (peer->one_way) {
    apply_one_way(engine, now_ns, peer, request, session);
  } else {
    if (session) {
      acknowledge(engine, session, request->message);
    }
    apply_call(engine, now_ns, peer, request, session);
  }
  core_settle(engine, now_ns);
}

/* Finds out whether it has only read. */
static void apply_noted(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  uint64_t waiting = engine->waiting;
  apply_request(engine, now_ns, request);
  engine->has_only_read = request->may_only_read && core_record_read(engine, request, waiting);
}

static void tick(struct engine *engine, uint64_t now_ns) {
  core_begin_steps(engine);
  advance(engine, now_ns);
}

static void drain(struct engine *engine, uint64_t now_ns) {
  uint64_t position = 0, id;
  void *item;
  struct waiter *waiter;
  engine->draining = true;
  core_stop_all_jobs(engine);
  core_settle_all(engine, now_ns); /* woken waiters run first and are answered */
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    while ((waiter = TAILQ_FIRST(&((struct session *)item)->waiters))) {
      core_end_wait(engine, now_ns, waiter, HF_REASON_STOPPING);
    }
  }
  position = 0;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    while ((waiter = TAILQ_FIRST(&((struct peer *)item)->waiters))) {
      core_end_wait(engine, now_ns, waiter, HF_REASON_STOPPING);
    }
  }
}

static bool set_users(struct engine *engine, uint64_t now_ns,
                      const struct users_settings *settings) {
  bool lessens;
  if (!users_set(&engine->users, settings, &lessens)) {
    return false;
  }
  if (lessens) {
    core_begin_steps(engine);
    core_enforce_rights(engine, now_ns);
    core_settle(engine, now_ns);
  }
  return true;
}

/* Whether other objects may change than the one that the command names. */
static bool changes_widely(const struct command *command) {
  const struct operation *operation =
      command->kind == COMMAND_REQUEST ? command->request->operation : NULL;
  return command->kind != COMMAND_REQUEST ||
         (operation && operation->kinds == 0 && operation->effect != EFFECT_NONE);
}

static bool apply(struct engine *engine, uint64_t now_ns, const struct command *command) {
  switch (command->kind) {
    case COMMAND_REQUEST:
      apply_noted(engine, now_ns, command->request);
      break;
    case COMMAND_TICK:
      tick(engine, now_ns);
      break;
    case COMMAND_CONNECT:
      return core_add_peer(engine, command);
    case COMMAND_DISCONNECT:
      disconnect(engine, now_ns, command->connection);
      break;
    case COMMAND_PROCESS_ENDED:
      end_process(engine, now_ns, command->session);
      break;
    case COMMAND_JOB_DONE:
      finish_job(engine, now_ns, command->job);
      break;
    case COMMAND_FREED:
      memory_refund(&engine->memory, MEMORY_RECLAIMED, command->freed_bytes);
      engine->freeing_bytes -= command->freed_bytes;
      break;
    case COMMAND_CROWDED:
      core_set_crowded(engine, now_ns, command->is_crowded);
      break;
    case COMMAND_DRAIN:
      drain(engine, now_ns);
      break;
    case COMMAND_USERS:
      return set_users(engine, now_ns, command->users);
    case COMMAND_RESTART:
      return core_restart(engine, now_ns, command);
    case COMMAND_DISK:
      engine->is_disk_full = command->is_full;
      break;
    case COMMAND_HEARD:
      core_hear(engine, command->heard);
      break;
  }
  return true;
}

bool engine_apply(struct engine *engine, const struct command *command) {
  engine->now_ns = command->now_ns > engine->now_ns ? command->now_ns : engine->now_ns;
  uint64_t now_ns = engine->now_ns;
  engine->index = command->index;
  engine->has_only_read = false;
  engine->denial.reason = HF_REASON_NONE; /* one that no reply took would explain another's */
  bool is_done = apply(engine, now_ns, command);
  if (is_done && !engine->has_only_read) { /* else it will be in no log */
    engine->logged = command->index;
    engine->changed = changes_widely(command) ? command->index : engine->changed;
  }
  return is_done;
}

bool engine_is_local(const struct engine *engine, uint64_t connection) {
  const struct peer *peer = core_peer(engine, connection);
  return peer && peer->address->number == ADDRESS_LOCAL;
}

uint64_t engine_next_deadline_ns(const struct engine *engine) {
  return core_has_work(engine) ? 0 : timers_next_deadline_ns(&engine->timers);
}

uint64_t engine_steps(const struct engine *engine) {
  return engine->steps;
}

uint64_t engine_now_ns(const struct engine *engine) {
  return engine->now_ns;
}

void engine_set_sink(struct engine *engine, const struct engine_sink *sink) {
  engine->sink = *sink;
}

void engine_set_local_handshake(struct engine *engine, const char *path) {
  engine->local_handshake = path;
}
