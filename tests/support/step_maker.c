#include "tests/support/step_maker.h"

#include "proto/base/clock.h"
#include "server/engine/addresses.h"
#include "tests/support/messages.h"
#include "tests/support/random_users.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE_WAY STEP_MAKER_CONNECTIONS
#define ELSEWHERE 77 /* an address */
#define LONG_ITEMS 3000
#define LONG_ELEMENTS 160000

static uint64_t below(struct step_maker *maker, uint64_t limit) {
  return random_below(&maker->requests.random, limit);
}

void step_maker_init(struct step_maker *maker, uint64_t seed) {
  *maker = (struct step_maker){.now_ns = CLOCK_NS_PER_MS};
  request_maker_init(&maker->requests, seed);
}

void step_maker_deinit(struct step_maker *maker) {
  request_maker_deinit(&maker->requests);
  free(maker->body);
}

/* ---- steps */

static struct replay_step make_step(const struct step_maker *maker, enum replay_kind kind,
                                    uint64_t connection) {
  return (struct replay_step){.kind = kind, .now_ns = maker->now_ns, .connection = connection};
}

struct replay_step step_maker_send(struct step_maker *maker, uint64_t connection,
                                   const Holdfast__Request *request) {
  struct replay_step step = make_step(maker, REPLAY_REQUEST, connection);
  size_t len = holdfast__request__get_packed_size(request);
  free(maker->body);
  maker->body = malloc(len + 1);
  assert(maker->body);
  holdfast__request__pack(request, maker->body);
  step.body = bytes_of(maker->body, len);
  step.id = ++maker->next_id;
  for (size_t i = 0; i < HF_SESSION_BYTES; i++) {
    step.entropy[i] = (uint8_t)below(maker, 256);
  }
  return step;
}

/* ---- sessions */

static struct step_session *add_session(struct step_maker *maker, const uint8_t *id) {
  struct step_session *session = &maker->sessions[maker->sessions_count++ % STEP_MAKER_SESSIONS];
  for (size_t i = 1; i <= STEP_MAKER_CONNECTIONS; i++) {
    maker->bound[i] = maker->bound[i] == session ? NULL : maker->bound[i];
  }
  *session = (struct step_session){0};
  memcpy(session->id, id, sizeof session->id);
  return session;
}

static struct step_session *any_session(struct step_maker *maker) {
  size_t known =
      maker->sessions_count < STEP_MAKER_SESSIONS ? maker->sessions_count : STEP_MAKER_SESSIONS;
  return known > 0 ? &maker->sessions[below(maker, known)] : NULL;
}

static ProtobufCBinaryData id_of(struct step_session *session) {
  return (ProtobufCBinaryData){sizeof session->id, session->id};
}

struct replay_step step_maker_open_session(struct step_maker *maker, uint64_t connection) {
  bool tells = below(maker, 4) > 0;
  Holdfast__Request *request =
      REQUEST(OPEN_SESSION, OpenSession, open_session, .grace_ms = 1 + (uint32_t)below(maker, 200),
              .machine = {tells ? 4 : 0, (uint8_t *)"here"}, .process = 1 + below(maker, 50));
  struct replay_step step = step_maker_send(maker, connection, request);
  maker->bound[connection] = add_session(maker, step.entropy);
  return step;
}

static struct replay_step resume_session(struct step_maker *maker, uint64_t connection) {
  struct step_session *session = any_session(maker);
  if (!session) {
    return step_maker_open_session(maker, connection);
  }
  Holdfast__Request *request =
      REQUEST(RESUME_SESSION, ResumeSession, resume_session, .attempt = ++session->attempt);
  request->session = id_of(session);
  for (size_t i = 1; i <= STEP_MAKER_CONNECTIONS; i++) {
    maker->bound[i] = maker->bound[i] == session ? NULL : maker->bound[i];
  }
  maker->bound[connection] = session;
  return step_maker_send(maker, connection, request);
}

/* Mostly as a library would, sometimes again or out of order. */
static void put_in_session(struct step_maker *maker, uint64_t connection,
                           Holdfast__Request *request) {
  static uint64_t also[2];
  struct step_session *session = maker->bound[connection];
  uint64_t choice = below(maker, 30);
  if (connection == ONE_WAY) {
    session = choice < 25 ? any_session(maker) : NULL;
    request->session = session ? id_of(session) : request->session;
    request->sequence = session && choice < 23 ? ++session->one_way_sequence : 0;
    return;
  }
  if (!session || choice == 0) {
    return;
  }
  request->sequence = choice == 1 ? session->sequence - below(maker, 5) : ++session->sequence;
  request->acked = session->sequence - below(maker, 40);
  if (below(maker, 4) == 0) {
    also[0] = session->sequence - below(maker, 20);
    also[1] = session->sequence - below(maker, 20);
    request->acked_also = also;
    request->n_acked_also = 2;
  }
}

static struct replay_step fork_session(struct step_maker *maker, uint64_t connection) {
  static uint8_t child[HF_SESSION_BYTES];
  for (size_t i = 0; i < sizeof child; i++) {
    child[i] = (uint8_t)below(maker, 256);
  }
  Holdfast__Request *request =
      REQUEST(FORK_SESSION, ForkSession, fork_session, .child = {sizeof child, child});
  put_in_session(maker, connection, request);
  if (maker->bound[connection]) {
    (void)add_session(maker, child);
  }
  return step_maker_send(maker, connection, request);
}

/* ---- requests that work together */

static const struct shared {
  const char *name;
  Holdfast__Kind kind;
} shared[] = {
    {"lock", HOLDFAST__KIND__LOCK},       {"rlock", HOLDFAST__KIND__RLOCK},
    {"sema", HOLDFAST__KIND__SEMAPHORE},  {"pipe", HOLDFAST__KIND__PIPE},
    {"barrier", HOLDFAST__KIND__BARRIER}, {"condition", HOLDFAST__KIND__CONDITION},
    {"queue", HOLDFAST__KIND__QUEUE},     {"list", HOLDFAST__KIND__LIST},
    {"value", HOLDFAST__KIND__VALUE},     {"array", HOLDFAST__KIND__ARRAY},
};
#define SHARED_KINDS (sizeof shared / sizeof *shared)

/* "lock3" */
static const char *name_of(size_t kind, size_t number) {
  static char name[32];
  snprintf(name, sizeof name, "%s%zu", shared[kind].name, number);
  return name;
}

/* Some are moved to shared memory by a job. */
static uint64_t length_of_array(const struct step_maker *maker, size_t number) {
  return maker->has_long_arrays && number == 3 ? LONG_ELEMENTS : 4;
}

struct replay_step step_maker_open_shared(struct step_maker *maker, uint64_t connection,
                                          size_t object) {
  size_t kind = object % SHARED_KINDS;
  Holdfast__Request *request =
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = shared[kind].kind,
              .name = DATA(name_of(kind, object / SHARED_KINDS)), .start = 1, .parties = 2,
              .typecode = DATA("i"), .length = length_of_array(maker, object / SHARED_KINDS),
              .is_volatile = object / SHARED_KINDS % 4 > 0, .map = true);
  return step_maker_send(maker, connection, request);
}

static struct replay_step send_shared(struct step_maker *maker, uint64_t connection,
                                      Holdfast__Request *request) {
  request->thread = below(maker, 2);
  if (below(maker, 4)) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = (int64_t)below(maker, 300);
  }
  put_in_session(maker, connection, request);
  return step_maker_send(maker, connection, request);
}

static struct replay_step make_long_list(struct step_maker *maker, uint64_t connection,
                                         const char *name) {
  static Holdfast__Value values[LONG_ITEMS];
  static Holdfast__Value *items[LONG_ITEMS];
  for (size_t i = 0; i < LONG_ITEMS; i++) {
    values[i] = *INT((int64_t)below(maker, 1000));
    items[i] = &values[i];
  }
  return send_shared(
      maker, connection,
      IN(name, LIST_EXTEND, ListExtend, list_extend, .n_items = LONG_ITEMS, .items = items));
}

static struct replay_step make_lock_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(below(maker, 4) ? 0 : 1, number);
  switch (below(maker, 5)) {
    case 0:
      return send_shared(maker, connection, IN(name, LOCK_RELEASE, LockRelease, lock_release));
    case 1:
      return send_shared(maker, connection, REQUEST(LOCK_LIST, LockList, lock_list));
    default:
      return send_shared(
          maker, connection,
          IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire, .robust = below(maker, 2),
             .lease_ms = below(maker, 4) ? 0 : 1 + below(maker, 100)));
  }
}

static struct replay_step make_pipe_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(3, number);
  uint32_t end = (uint32_t)below(maker, 2);
  switch (below(maker, 5)) {
    case 0:
      return send_shared(maker, connection,
                         IN(name, PIPE_SEND, PipeSend, pipe_send, .end = end, .value = INT(5)));
    case 1:
      return send_shared(maker, connection, IN(name, PIPE_RECV, PipeRecv, pipe_recv, .end = end));
    default:
      return send_shared(maker, connection,
                         IN(name, PIPE_ATTACH, PipeAttach, pipe_attach, .end = end));
  }
}

static struct replay_step make_condition_step(struct step_maker *maker, uint64_t connection,
                                              size_t number) {
  const char *name = name_of(5, number);
  switch (below(maker, 4)) {
    case 0:
      return send_shared(
          maker, connection,
          IN(name, CONDITION_NOTIFY, ConditionNotify, condition_notify, .all = below(maker, 2)));
    case 1:
      return send_shared(maker, connection,
                         IN(name, CONDITION_WAIT, ConditionWait, condition_wait));
    case 2:
      return send_shared(maker, connection, IN(name, LOCK_RELEASE, LockRelease, lock_release));
    default:
      return send_shared(maker, connection, IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire));
  }
}

static struct replay_step make_barrier_step(struct step_maker *maker, uint64_t connection,
                                            size_t number) {
  const char *name = name_of(4, number);
  switch (below(maker, 8)) {
    case 0:
      return send_shared(maker, connection, IN(name, BARRIER_DONE, BarrierDone, barrier_done));
    case 1:
      return send_shared(maker, connection, IN(name, BARRIER_RESET, BarrierReset, barrier_reset));
    default:
      return send_shared(
          maker, connection,
          IN(name, BARRIER_WAIT, BarrierWait, barrier_wait, .has_action = below(maker, 2)));
  }
}

static struct replay_step make_queue_step(struct step_maker *maker, uint64_t connection,
                                          size_t number) {
  const char *name = name_of(6, number);
  uint64_t reservation = 1 + below(maker, 200);
  switch (below(maker, 8)) {
    case 0:
      return send_shared(maker, connection, IN(name, QUEUE_GET, QueueGet, queue_get));
    case 1:
      return send_shared(maker, connection,
                         IN(name, QUEUE_RESERVE, QueueReserve, queue_reserve,
                            .lease_ms = below(maker, 3) ? 0 : 1 + below(maker, 100)));
    case 2:
      return send_shared(maker, connection, IN(name, QUEUE_RESERVE, QueueReserve, queue_reserve));
    case 3:
      return send_shared(maker, connection,
                         IN(name, QUEUE_ACK, QueueAck, queue_ack, .reservation = reservation));
    case 4:
      return send_shared(maker, connection,
                         IN(name, QUEUE_BURY, QueueBury, queue_bury, .reservation = reservation));
    case 5:
      return send_shared(maker, connection, IN(name, QUEUE_KICK, QueueKick, queue_kick));
    default:
      return send_shared(
          maker, connection,
          IN(name, QUEUE_PUT, QueuePut, queue_put, .value = INT((int64_t)below(maker, 9)),
             .priority = (int64_t)below(maker, 3),
             .delay_ms = below(maker, 3) ? 0 : below(maker, 50)));
  }
}

static struct replay_step make_list_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(7, number);
  switch (below(maker, 12)) {
    case 0:
      return make_long_list(maker, connection, name);
    case 1:
      return send_shared(maker, connection, IN(name, LIST_SORT, ListSort, list_sort));
    case 2:
      return send_shared(maker, connection, IN(name, LIST_CLEAR, ListClear, list_clear));
    case 3:
      return send_shared(maker, connection, IN(name, LIST_POP, ListPop, list_pop));
    case 4:
      return send_shared(maker, connection, IN(name, LIST_REVERSE, ListReverse, list_reverse));
    default: /* anonymous objects live in it */
      return send_shared(maker, connection,
                         IN(name, LIST_APPEND, ListAppend, list_append,
                            .value = REFERENCE(1 + below(maker, 400))));
  }
}

/* On a value: what waits, and what local threads are in the way of. */
static struct replay_step make_value_step(struct step_maker *maker, uint64_t connection,
                                          const char *name) {
  Holdfast__Value *number = INT((int64_t)below(maker, 3));
  switch (below(maker, 8)) {
    case 0:
      return send_shared(maker, connection, IN(name, VALUE_GET, ValueGet, value_get));
    case 1:
      return send_shared(maker, connection,
                         IN(name, VALUE_SET, ValueSet, value_set, .value = number));
    case 2:
      return send_shared(maker, connection,
                         IN(name, VALUE_WAIT, ValueWait, value_wait, .known = number));
    case 3:
      return send_shared(maker, connection,
                         IN(name, VALUE_COMPARE_AND_SET, ValueCompareAndSet, value_compare_and_set,
                            .expected = number, .desired = INT(7)));
    case 4: {
      const char *other = name_of(8, below(maker, STEP_MAKER_SHARED));
      Holdfast__Condition *condition =
          MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
                  .name = DATA(other), .check_case = HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST,
                  .value_at_least = number);
      Holdfast__Request *operation = IN(other, VALUE_ADD, ValueAdd, value_add, .amount = number);
      return send_shared(maker, connection,
                         REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1,
                                 .conditions = LIST_OF(Condition, condition), .n_operations = 1,
                                 .operations = LIST_OF(Request, operation)));
    }
    default:
      return send_shared(maker, connection,
                         IN(name, VALUE_ADD, ValueAdd, value_add, .amount = number));
  }
}

static struct replay_step make_array_step(struct step_maker *maker, uint64_t connection,
                                          const char *name) {
  int64_t index = (int64_t)below(maker, 4);
  switch (below(maker, 4)) {
    case 0:
      return send_shared(maker, connection,
                         IN(name, ARRAY_READ, ArrayRead, array_read, .count = 3));
    case 1:
      return send_shared(
          maker, connection,
          IN(name, ARRAY_WRITE, ArrayWrite, array_write, .elements = {8, (uint8_t *)"12345678"}));
    case 2:
      return send_shared(maker, connection,
                         IN(name, ARRAY_GET_SLICE, ArrayGetSlice, array_get_slice));
    default:
      return send_shared(
          maker, connection,
          IN(name, ARRAY_ADD, ArrayAdd, array_add, .index = index, .amount = INT(1)));
  }
}

/* Deleted now and then: what was lost comes anew. */
static struct replay_step make_cell_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  size_t kind = 8 + below(maker, 2);
  const char *name = name_of(kind, number);
  switch (below(maker, 20)) {
    case 0:
    case 1:
      return send_shared(maker, connection, IN(name, OBJECT_DELETE, ObjectDelete, object_delete));
    case 2:
    case 3:
    case 4:
    case 5:
      return step_maker_open_shared(maker, connection, number * SHARED_KINDS + kind);
    case 6:
      return send_shared(maker, connection,
                         IN(name, OBJECT_INFO, ObjectInfo, object_info, .map = below(maker, 2)));
    case 7:
      return send_shared(maker, connection,
                         IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire,
                            .levels = (uint32_t)(below(maker, 4) == 0),
                            .lease_ms = below(maker, 4) ? 0 : 1 + below(maker, 100)));
    case 8:
    case 9:
      return send_shared(maker, connection, IN(name, LOCK_RELEASE, LockRelease, lock_release));
    case 10:
      return send_shared(maker, connection, IN(name, CELL_NOTIFY, CellNotify, cell_notify));
    default:
      return kind == 8 ? make_value_step(maker, connection, name)
                       : make_array_step(maker, connection, name);
  }
}

/* Anonymous objects that the session refers to. */
static struct replay_step make_reference_step(struct step_maker *maker, uint64_t connection) {
  uint64_t objects[] = {1 + below(maker, 400), 1 + below(maker, 400)};
  Holdfast__ObjectRelease__Release *release =
      MESSAGE(ObjectRelease__Release, object_release__release, .object = objects[0], .count = 1);
  switch (below(maker, 6)) {
    case 0:
      return send_shared(maker, connection,
                         REQUEST(OBJECT_RELEASE, ObjectRelease, object_release, .n_releases = 1,
                                 .releases = LIST_OF(ObjectRelease__Release, release)));
    case 1:
      return send_shared(
          maker, connection,
          REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 2, .objects = objects));
    case 2:
      return send_shared(maker, connection, REQUEST(SERVER_INFO, ServerInfo, server_info));
    default:
      return send_shared(
          maker, connection,
          REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__LIST));
  }
}

static struct replay_step make_shared_step(struct step_maker *maker, uint64_t connection) {
  size_t number = below(maker, STEP_MAKER_SHARED);
  switch (below(maker, 17)) {
    case 14:
    case 15:
    case 16:
      return make_cell_step(maker, connection, number % 4);
    case 0:
      return make_pipe_step(maker, connection, number);
    case 1:
      return make_condition_step(maker, connection, number);
    case 2:
      return make_barrier_step(maker, connection, number);
    case 3:
    case 4:
      return make_queue_step(maker, connection, number % 4);
    case 5:
      return make_list_step(maker, connection, number % 4);
    case 6:
    case 7:
      return make_reference_step(maker, connection);
    case 8:
      return send_shared(
          maker, connection,
          IN(name_of(2, number), SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire));
    case 9:
      return step_maker_open_shared(maker, connection, below(maker, SHARED_KINDS * 16));
    default:
      return make_lock_step(maker, connection, number);
  }
}

static struct replay_step make_random_request(struct step_maker *maker, uint64_t connection) {
  Holdfast__Request *request;
  do {
    request = request_maker_make(&maker->requests, below(maker, request_maker_operations_count()));
  } while (request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION ||
           request->operation_case == HOLDFAST__REQUEST__OPERATION_RESUME_SESSION ||
           request->operation_case == HOLDFAST__REQUEST__OPERATION_FORK_SESSION);
  put_in_session(maker, connection, request);
  return step_maker_send(maker, connection, request);
}

/* ---- what happens beside requests */

static struct replay_step connect(struct step_maker *maker, uint64_t connection) {
  struct replay_step step = make_step(maker, REPLAY_CONNECT, connection);
  step.address = below(maker, 2) ? ADDRESS_LOCAL : ELSEWHERE;
  step.one_way = connection == ONE_WAY;
  step.user = step.one_way && below(maker, 2) ? "" : random_users_name(below(maker, 4));
  maker->open[connection] = true;
  maker->bound[connection] = NULL;
  return step;
}

static struct replay_step disconnect(struct step_maker *maker, uint64_t connection) {
  maker->open[connection] = false;
  maker->bound[connection] = NULL;
  return make_step(maker, REPLAY_DISCONNECT, connection);
}

static struct replay_step crowd(struct step_maker *maker) {
  struct replay_step step = make_step(maker, REPLAY_CROWDED, 0);
  step.is_crowded = below(maker, 2);
  return step;
}

static struct replay_step pass_time(struct step_maker *maker) {
  uint64_t ms = below(maker, 3) ? 0 : below(maker, 40);
  maker->now_ns += ms * CLOCK_NS_PER_MS;
  return make_step(maker, REPLAY_TIME, 0);
}

static struct replay_step fill_disk(struct step_maker *maker) {
  struct replay_step step = make_step(maker, REPLAY_DISK, 0);
  step.is_full = below(maker, 4) == 0;
  return step;
}

/* Now and then; all connections are gone. */
static struct replay_step restart(struct step_maker *maker) {
  for (uint64_t connection = 1; connection <= STEP_MAKER_CONNECTIONS; connection++) {
    maker->open[connection] = false;
    maker->bound[connection] = NULL;
  }
  return make_step(maker, REPLAY_RESTART, 0);
}

static struct replay_step happen_outside(struct step_maker *maker) {
  switch (below(maker, 64)) {
    case 0:
      return restart(maker);
    case 1:
    case 2:
      return fill_disk(maker);
    default:
      return below(maker, 4) ? pass_time(maker) : crowd(maker);
  }
}

/* Mostly all may do all: else little is left to be seen. */
static struct replay_step change_users(struct step_maker *maker) {
  struct replay_step step = make_step(maker, REPLAY_USERS, 0);
  step.users = below(maker, 3) ? 0 : below(maker, RANDOM_USERS_VARIANTS);
  return step;
}

static struct replay_step end_process(struct step_maker *maker) {
  struct replay_step step = make_step(maker, REPLAY_PROCESS_ENDED, 0);
  const struct step_session *session = any_session(maker);
  if (session) {
    memcpy(&step.session, session->id, sizeof step.session);
  }
  return step;
}

static struct replay_step close_session(struct step_maker *maker, uint64_t connection) {
  Holdfast__Request *request = REQUEST(CLOSE_SESSION, CloseSession, close_session);
  put_in_session(maker, connection, request);
  maker->bound[connection] = NULL;
  return step_maker_send(maker, connection, request);
}

static struct replay_step make_session_step(struct step_maker *maker, uint64_t connection) {
  switch (below(maker, 6)) {
    case 0:
      return close_session(maker, connection);
    case 1:
      return fork_session(maker, connection);
    case 2:
      return resume_session(maker, connection);
    case 3:
      return disconnect(maker, connection);
    case 4:
      return end_process(maker);
    default:
      return step_maker_open_session(maker, connection);
  }
}

struct replay_step step_maker_make(struct step_maker *maker) {
  uint64_t connection = 1 + below(maker, STEP_MAKER_CONNECTIONS), choice = below(maker, 100);
  if (!maker->open[connection]) {
    return connect(maker, connection);
  }
  if (choice < 2) {
    return make_session_step(maker, connection);
  }
  if (choice == 2 && below(maker, 3) == 0) {
    return change_users(maker);
  }
  if (choice < 10) {
    return choice == 2 ? happen_outside(maker) : pass_time(maker);
  }
  if (choice < 14) {
    return make_step(maker,
                     choice == 10   ? REPLAY_TAKE_JOB
                     : choice == 11 ? REPLAY_FINISH_JOB
                                    : REPLAY_FREE,
                     0);
  }
  if (connection != ONE_WAY && !maker->bound[connection] && below(maker, 3)) {
    return step_maker_open_session(maker, connection);
  }
  return choice < 45 ? make_random_request(maker, connection) : make_shared_step(maker, connection);
}

struct replay_step step_maker_make_cell(struct step_maker *maker) {
  uint64_t connection = 1 + below(maker, STEP_MAKER_CONNECTIONS - 1);
  return maker->open[connection] && maker->bound[connection]
             ? make_cell_step(maker, connection, below(maker, 4))
             : step_maker_make(maker);
}
