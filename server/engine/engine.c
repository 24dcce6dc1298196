#include "server/engine/engine.h"

#include "server/engine/core.h"
#include "server/engine/decoded.h"
#include "server/engine/due.h"
#include "server/engine/enforcement.h"
#include "server/engine/lending.h"
#include "server/engine/parking.h"
#include "server/engine/peers.h"
#include "server/engine/reads.h"
#include "server/engine/requests.h"
#include "server/engine/restart.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"
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

static void tick(struct engine *engine, uint64_t now_ns) {
  core_begin_steps(engine);
  core_advance(engine, now_ns);
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
  const struct operation *operation;
  switch (command->kind) {
    case COMMAND_REQUEST:
      operation = command->request->operation;
      return operation && operation->kinds == 0 && operation->effect != EFFECT_NONE;
    case COMMAND_CONNECT:
    case COMMAND_CROWDED:
    case COMMAND_DISK:
    case COMMAND_HEARD:
      return false;
    default:
      return true;
  }
}

static bool apply(struct engine *engine, uint64_t now_ns, const struct command *command) {
  switch (command->kind) {
    case COMMAND_REQUEST:
      core_apply_request(engine, now_ns, command->request);
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
  engine->has_only_read = engine->has_failed_for_disk = engine->has_touched_cells = false;
  if (command->kind != COMMAND_REQUEST) {
    engine->examined_request = NULL; /* it is not the next command */
  }
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

bool engine_exceeds_quota(const struct engine *engine, uint64_t connection) {
  const struct peer *peer = core_peer(engine, connection);
  return peer && peer->user && peer->exceeds;
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
