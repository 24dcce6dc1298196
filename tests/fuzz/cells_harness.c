#include "tests/fuzz/cells_harness.h"

#include "proto/base/clock.h"
#include "proto/wire.h"
#include "server/dispatch/operations.h"
#include "server/dispatch/processes.h"
#include "tests/fuzz/cells_grants.h"
#include "tests/support/apply.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 10000 /* of the engine's timers in one go */
#define ROUNDS_MAX 1000
#define LOCK_WAIT_MS 100
#define MEMORY_BYTES_MAX (1u << 20)

static const struct known_object objects[OBJECTS_COUNT] = {
    {"v", HOLDFAST__KIND__VALUE, 'i', 1, 0},     {"w", HOLDFAST__KIND__VALUE, 'q', 1, 0},
    {"a", HOLDFAST__KIND__ARRAY, 'h', 5, 0},     {"r", HOLDFAST__KIND__RAW_VALUE, 'd', 1, 0},
    {"s", HOLDFAST__KIND__RAW_ARRAY, 'B', 7, 0}, {NULL, HOLDFAST__KIND__VALUE, 'i', 1, 0},
    {NULL, HOLDFAST__KIND__ARRAY, 'q', 3, 0},    {NULL, HOLDFAST__KIND__RAW_VALUE, 'f', 1, 0},
};

/* ---- what the engine calls */

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  struct harness *harness = ctx;
  size_t idx = sp_route_id(route);
  require(idx < harness->asks_count);
  struct ask *ask = &harness->asks[idx];
  require(!ask->is_answered && !ask->is_over);
  require(connection == ask->connection || connection == 0);
  require(reply->sequence == ask->sequence);
  require(reply_status(reply) <= HF_UNAUTHENTICATED && reply_status(reply) != HF_INTERNAL);
  require((reply_status(reply) == HF_OK) == (reply->reason == HF_REASON_NONE));
  ask->is_answered = true;
  ask->went_well = reply->reason == HF_REASON_NONE;
  require(!ask->went_well || !ask->is_silent);
  if (ask->went_well) {
    grants_record_answer(harness, ask, reply);
  }
  reply_release(reply);
}

static void close_connection(void *ctx, uint64_t connection) {
  struct harness *harness = ctx;
  require(harness->to_close == 0);
  harness->to_close = connection;
}

static void forget_process(void *ctx, int process, uint64_t session) {
  (void)session;
  (void)ctx;
  require(process > 0);
}

static void watch_process(void *ctx, int process, uint64_t session) {
  (void)ctx;
  require(process > 0 && session > 0);
}

static bool has_thread(void *ctx, uint64_t id, uint32_t thread) {
  const struct harness *harness = ctx;
  require(id == PROCESS_OF(0) || id == PROCESS_OF(1)); /* others were not found */
  require(thread > 0 && thread <= CELL_WORD_THREAD);
  return harness->threads >> (id - PROCESS_OF(0)) & 1;
}

static void wake(void *ctx, void *word) {
  struct harness *harness = ctx;
  slots_wake(&harness->slots, word);
}

static bool session_has_threads(void *ctx, int idx) {
  const struct harness *harness = ctx;
  const struct client_session *session = &harness->sessions[idx];
  return session->is_visible && !grants_session_is_over(harness, idx) &&
         (harness->threads >> session->client & 1);
}

/* ---- after each step */

static bool is_pending(const struct ask *ask) {
  return !ask->is_answered && !ask->is_over && !ask->is_silent;
}

/* Those of a lost session answer when it is back. */
static void check_deadlines(const struct harness *harness) {
  for (size_t i = 0; i < harness->asks_count; i++) {
    const struct ask *ask = &harness->asks[i];
    bool is_lost = ask->session >= 0 && harness->sessions[ask->session].state == SESSION_LOST;
    require(!is_pending(ask) || is_lost || ask->deadline_ns > harness->now_ns);
  }
}

static void check(struct harness *harness) {
  if (harness->to_close) { /* fenced: its session has moved on */
    apply_disconnect(harness->engine, harness->now_ns, harness->to_close);
    harness->to_close = 0;
  }
  for (size_t i = 0; i < harness->sessions_count; i++) {
    struct client_session *session = &harness->sessions[i];
    if (session->state == SESSION_LOST && grants_session_is_over(harness, (int)i)) {
      session->state = SESSION_ENDED;
    }
  }
  grants_drop_ended(harness);
  check_deadlines(harness);
  slots_check(&harness->slots);
}

/* ---- requests */

static bool passes_lock_only(const Holdfast__Request *message) {
  const Holdfast__Transaction *transaction = message->transaction;
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_VALUE_GET:
    case HOLDFAST__REQUEST__OPERATION_VALUE_SET:
    case HOLDFAST__REQUEST__OPERATION_VALUE_ADD:
    case HOLDFAST__REQUEST__OPERATION_VALUE_COMPARE_AND_SET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_GET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_GET_SLICE:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET_SLICE:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_ADD:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_READ:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_WRITE:
    case HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE:
      return true;
    case HOLDFAST__REQUEST__OPERATION_WAIT_ANY:
      return message->wait_any->operations[0]->operation_case ==
             HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
    case HOLDFAST__REQUEST__OPERATION_TRANSACTION:
      return transaction->n_conditions == 1 &&
             transaction->conditions[0]->check_case == HOLDFAST__CONDITION__CHECK_FREE;
    default:
      return false;
  }
}

/* Of one session and number only the last one asked is answered. */
static void record_repeat(struct harness *harness, struct ask *ask) {
  for (size_t i = 0; i + 1 < harness->asks_count; i++) {
    struct ask *former = &harness->asks[i];
    if (ask->sequence && former->session == ask->session && former->sequence == ask->sequence) {
      former->is_over = !former->is_answered;
      ask->is_repeat |= former->went_well;
    }
  }
}

/* What it may let go of is not sure to be its any more, whether or not the server agrees. */
static void record_letting_go(struct harness *harness, int session,
                              const Holdfast__Request *message) {
  if (session < 0) {
    return;
  }
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_OBJECT_RELEASE:
    case HOLDFAST__REQUEST__OPERATION_CANCEL:
    case HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION:
      slots_forget(&harness->slots, session, CELLS_ALL_OBJECTS);
      break;
    default:
      break;
  }
}

static void apply(struct harness *harness, struct ask *ask) {
  Holdfast__Request *message;
  struct bytes machine;
  uint64_t process;
  struct engine_request request = {
      .connection = ask->connection,
      .route = sp_route_of((uint32_t)(ask - harness->asks)),
      .body = bytes_of(ask->body, ask->len),
  };
  require(wire_unpack_request(request.body, &harness->arena, &message) == HF_REASON_NONE);
  request.message = message;
  if (processes_are_named(message, &machine, &process)) {
    request.process = machine.data[0] == 'h' ? (int)process : PROCESS_HIDDEN;
  }
  const struct operation *operation = operations_find(message);
  if (!operation) {
    abort();
  }
  request.operation = operation;
  uint64_t serial = harness->sessions_count + 1;
  memcpy(request.entropy, &serial, sizeof serial);
  bool waits = operation->flags & OPERATION_WAITS;
  bool is_timed = message->wait_case == HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  uint64_t timeout_ms = waits && message->timeout_ms > 0 ? (uint64_t)message->timeout_ms : 0;
  ask->deadline_ns =
      waits && !is_timed ? CLOCK_NEVER : clock_deadline_ns(harness->now_ns, timeout_ms);
  ask->is_silent = operation->flags & OPERATION_SILENT;
  ask->waits_for_lock = passes_lock_only(message);
  record_letting_go(harness, ask->session, message);
  record_repeat(harness, ask);
  apply_request(harness->engine, harness->now_ns, &request);
  if (ask->session >= 0 && message->operation_case != HOLDFAST__REQUEST__OPERATION_OPEN_SESSION) {
    harness->sessions[ask->session].heard_ns = harness->now_ns;
  }
  arena_reset(&harness->arena);
  check(harness);
}

/* A request on a connection without the session belongs to no session. */
static int asking_session(const struct harness *harness, int client) {
  return harness_is_bound(harness, client) ? harness->clients[client].session : CELLS_NOBODY;
}

static struct ask *new_ask(struct harness *harness, int client, size_t len) {
  require(harness->asks_count < ASKS_MAX);
  struct ask *ask = &harness->asks[harness->asks_count++];
  *ask = (struct ask){.connection = harness->clients[client].connection,
                      .session = asking_session(harness, client),
                      .body = malloc(len + 1),
                      .len = len};
  require(ask->body != NULL);
  return ask;
}

bool harness_send(struct harness *harness, int client, Holdfast__Request *request,
                  bool is_numbered) {
  int session = asking_session(harness, client);
  if (harness->clients[client].connection == 0) {
    return false;
  }
  request->sequence = session >= 0 && is_numbered ? ++harness->sessions[session].sequence : 0;
  struct ask *ask = new_ask(harness, client, holdfast__request__get_packed_size(request));
  ask->sequence = request->sequence;
  holdfast__request__pack(request, ask->body);
  apply(harness, ask);
  return true;
}

void harness_repeat(struct harness *harness, int client, size_t idx) {
  const struct ask *former = harness->asks_count ? &harness->asks[idx % harness->asks_count] : NULL;
  bool is_its = former && former->session == harness->clients[client].session;
  if (!is_its || !harness_is_bound(harness, client) || former->sequence == 0) {
    return;
  }
  struct ask *ask = new_ask(harness, client, former->len);
  ask->sequence = former->sequence;
  memcpy(ask->body, former->body, former->len);
  apply(harness, ask);
}

/* ---- connections and sessions */

bool harness_is_bound(const struct harness *harness, int client) {
  const struct client *about = &harness->clients[client];
  return about->connection && about->session >= 0 &&
         harness->sessions[about->session].state == SESSION_BOUND;
}

void harness_connect(struct harness *harness, int client) {
  if (harness->clients[client].connection == 0) {
    harness->clients[client].connection = ++harness->next_connection;
    harness->clients[client].bound_count = 0;
    require(apply_connect(harness->engine, harness->next_connection, ADDRESS_LOCAL, false));
  }
}

static void lose(struct harness *harness, int session) {
  if (session >= 0 && harness->sessions[session].state == SESSION_BOUND) {
    harness->sessions[session].state = SESSION_LOST;
    harness->sessions[session].lost_ns = harness->now_ns;
    harness->slots.lost |= UINT64_C(1) << session;
  }
}

static void forget_bound(struct client *about, size_t idx) {
  about->bound_count--;
  memmove(about->bound + idx, about->bound + idx + 1,
          (about->bound_count - idx) * sizeof *about->bound);
}

/* A connection's oldest session ends when it is bound to one too many. */
static void bind(struct harness *harness, int client, int session) {
  struct client *about = &harness->clients[client];
  for (size_t i = about->bound_count; i-- > 0;) {
    if (about->bound[i] == session || grants_session_is_over(harness, about->bound[i])) {
      forget_bound(about, i);
    }
  }
  if (about->bound_count == HF_SESSIONS_OF_CONNECTION_MAX) {
    harness->sessions[about->bound[0]].state = SESSION_ENDED;
    forget_bound(about, 0);
  }
  about->bound[about->bound_count++] = session;
}

void harness_disconnect(struct harness *harness, int client) {
  struct client *about = &harness->clients[client];
  uint64_t connection = about->connection;
  if (connection == 0) {
    return;
  }
  for (size_t i = 0; i < harness->asks_count; i++) {
    struct ask *ask = &harness->asks[i];
    ask->is_over |= ask->session < 0 && ask->connection == connection && !ask->is_answered;
  }
  about->connection = 0;
  lose(harness, about->session);
  apply_disconnect(harness->engine, harness->now_ns, connection);
  check(harness);
}

void harness_open_session(struct harness *harness, int client, bool is_hidden) {
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  if (client == SESSIONLESS || harness->sessions_count == CELLS_SESSIONS_MAX) {
    return;
  }
  bool is_here = client < 2;
  harness_connect(harness, client);
  open.grace_ms = GRACE_MS;
  open.machine = (ProtobufCBinaryData){is_here, (uint8_t *)(is_hidden ? "?" : "h")};
  open.process = PROCESS_OF(client);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  lose(harness, harness->clients[client].session);
  bind(harness, client, (int)harness->sessions_count);
  harness_send(harness, client, &request, false);
  require(harness->asks[harness->asks_count - 1].went_well);
  uint64_t serial = harness->sessions_count + 1;
  struct client_session *session = &harness->sessions[harness->sessions_count];
  *session = (struct client_session){.serial = serial,
                                     .client = client,
                                     .is_visible = is_here && !is_hidden,
                                     .heard_ns = harness->now_ns};
  memcpy(session->id, &serial, sizeof serial);
  harness->clients[client].session = (int)harness->sessions_count++;
}

void harness_resume(struct harness *harness, int client) {
  Holdfast__ResumeSession resume = HOLDFAST__RESUME_SESSION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  if (harness->clients[client].session < 0) {
    return;
  }
  struct client_session *session = &harness->sessions[harness->clients[client].session];
  harness->clients[client].connection = 0; /* one that there still is will be closed */
  harness_connect(harness, client);
  resume.attempt = ++session->attempt;
  request.session = (ProtobufCBinaryData){sizeof session->id, session->id};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_RESUME_SESSION;
  request.resume_session = &resume;
  bool was_over = session->state == SESSION_ENDED;
  harness_send(harness, client, &request, false);
  require(was_over != harness->asks[harness->asks_count - 1].went_well);
  if (!was_over) {
    session->state = SESSION_BOUND;
    session->heard_ns = harness->now_ns;
    harness->slots.lost &= ~(UINT64_C(1) << harness->clients[client].session);
    bind(harness, client, harness->clients[client].session);
  }
}

void harness_close_session(struct harness *harness, int client) {
  Holdfast__CloseSession close = HOLDFAST__CLOSE_SESSION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  if (harness_is_bound(harness, client)) {
    request.operation_case = HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION;
    request.close_session = &close;
    harness_send(harness, client, &request, true);
  }
}

static void end_lost(struct harness *harness, int idx) {
  struct client_session *session = &harness->sessions[idx];
  if (session->state == SESSION_LOST) {
    session->state = SESSION_ENDED;
    apply_process_ended(harness->engine, harness->now_ns, session->serial);
    check(harness);
  }
}

void harness_end_process(struct harness *harness, int client) {
  if (harness->clients[client].session >= 0) {
    end_lost(harness, harness->clients[client].session);
  }
}

void harness_pass_ms(struct harness *harness, uint64_t ms, bool at_once) {
  uint64_t end_ns = harness->now_ns + ms * CLOCK_NS_PER_MS;
  for (unsigned steps = 0; !at_once; steps++) {
    uint64_t next_ns = engine_next_deadline_ns(harness->engine);
    if (next_ns > end_ns) {
      break;
    }
    require(steps < STEPS_MAX);
    harness->now_ns = next_ns > harness->now_ns ? next_ns : harness->now_ns;
    apply_tick(harness->engine, harness->now_ns);
    check(harness);
  }
  harness->now_ns = end_ns;
  apply_tick(harness->engine, harness->now_ns);
  check(harness);
}

/* ---- beginning and end */

void harness_begin(struct harness *harness) {
  memset(harness, 0, sizeof *harness);
  harness->now_ns = 1;
  harness->threads = 3;
  harness->slots.ctx = harness;
  harness->slots.has_threads = session_has_threads;
  memcpy(harness->objects, objects, sizeof objects);
  arena_init(&harness->arena, HF_UNPACK_BYTES_MAX);
  arena_init(&harness->reading, HF_UNPACK_BYTES_MAX);
  struct engine_config config = {.first_object = 1,
                                 .memory_bytes_max = MEMORY_BYTES_MAX,
                                 .find_operation = operations_find,
                                 .cell_host = &harness->cells.host};
  struct engine_sink sink = {harness,        deliver,       close_connection,
                             forget_process, watch_process, NULL};
  const struct segment_source source = slots_source(&harness->slots);
  shared_cells_init(&harness->cells, &source, &(struct cell_kernel){harness, wake, has_thread});
  harness->engine = engine_new(&config, &sink);
  require(harness->engine != NULL);
  for (int client = 0; client < CLIENTS_COUNT; client++) {
    harness->clients[client].session = CELLS_NOBODY;
    harness_connect(harness, client);
    harness_open_session(harness, client, false);
  }
}

static void delete_object(struct harness *harness, uint64_t id) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = id;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &message;
  require(harness_send(harness, SESSIONLESS, &request, false));
}

static void release_grant(struct harness *harness, const struct grant *grant) {
  Holdfast__LockRelease message = HOLDFAST__LOCK_RELEASE__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = grant->object;
  request.thread = grant->thread;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE;
  request.lock_release = &message;
  require(harness_send(harness, harness->sessions[grant->session].client, &request, false));
}

/* A lock whose owner said goodbye goes with its object. Whether there was any grant. */
static bool release_grants(struct harness *harness) {
  bool any = false;
  for (size_t i = 0; i < harness->grants_count; i++) {
    struct grant *grant = &harness->grants[i];
    while (grants_is_valid(harness, grant)) {
      any = true;
      if (grant->session < 0) {
        delete_object(harness, grant->object);
      } else {
        release_grant(harness, grant);
      }
      if (!harness->asks[harness->asks_count - 1].went_well) {
        grant->depth = 0; /* of an anonymous object that is gone */
      }
    }
  }
  return any;
}

static void check_that_locks_are_had(struct harness *harness) {
  unsigned rounds = 0;
  harness->threads = 0;
  for (size_t i = 0; i < harness->sessions_count; i++) {
    end_lost(harness, (int)i);
  }
  do {
    require(rounds++ < ROUNDS_MAX);
    release_grants(harness);
    harness_pass_ms(harness, LOCK_WAIT_MS, false);
  } while (release_grants(harness));
  for (size_t i = 0; i < harness->asks_count; i++) {
    require(!is_pending(&harness->asks[i]) || !harness->asks[i].waits_for_lock);
  }
}

static void free_all(struct harness *harness) {
  harness->slots.is_ending = true;
  engine_free(harness->engine);
  shared_cells_deinit(&harness->cells);
  require(harness->slots.out_count == 0);
  for (size_t i = 0; i < harness->asks_count; i++) {
    free(harness->asks[i].body);
  }
  arena_deinit(&harness->arena);
  arena_deinit(&harness->reading);
}

void harness_end(struct harness *harness) {
  harness_connect(harness, SESSIONLESS);
  check_that_locks_are_had(harness);
  for (size_t i = 0; i < OBJECTS_COUNT; i++) {
    if (harness->objects[i].id && harness->objects[i].name) {
      delete_object(harness, harness->objects[i].id);
    }
  }
  for (int client = 0; client < SESSIONLESS; client++) {
    if (client == 0) {
      harness_disconnect(harness, client);
    } else {
      harness_close_session(harness, client);
    }
  }
  harness_pass_ms(harness, GRACE_MS, true);
  harness_pass_ms(harness, 0, false); /* what was too much for one command */
  require(harness->slots.out_count == 0);
  free_all(harness);
}

void harness_drop(struct harness *harness) {
  free_all(harness);
}
