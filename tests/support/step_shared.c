#include "tests/support/step_shared.h"

#include "tests/support/messages.h"

#include <stdio.h>

#define LONG_ITEMS 3000
#define LONG_ELEMENTS 160000

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

struct replay_step step_open_shared(struct step_maker *maker, uint64_t connection, size_t object) {
  size_t kind = object % SHARED_KINDS;
  Holdfast__Request *request =
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = shared[kind].kind,
              .name = DATA(name_of(kind, object / SHARED_KINDS)), .start = 1, .parties = 2,
              .typecode = DATA("i"), .length = length_of_array(maker, object / SHARED_KINDS),
              .is_volatile = object / SHARED_KINDS % 4 > 0, .map = true);
  return step_send(maker, connection, request);
}

static struct replay_step send_shared(struct step_maker *maker, uint64_t connection,
                                      Holdfast__Request *request) {
  request->thread = step_below(maker, 2);
  if (step_below(maker, 4)) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = (int64_t)step_below(maker, 300);
  }
  step_put_in_session(maker, connection, request);
  return step_send(maker, connection, request);
}

static struct replay_step make_long_list(struct step_maker *maker, uint64_t connection,
                                         const char *name) {
  static Holdfast__Value values[LONG_ITEMS];
  static Holdfast__Value *items[LONG_ITEMS];
  for (size_t i = 0; i < LONG_ITEMS; i++) {
    values[i] = *INT((int64_t)step_below(maker, 1000));
    items[i] = &values[i];
  }
  return send_shared(
      maker, connection,
      IN(name, LIST_EXTEND, ListExtend, list_extend, .n_items = LONG_ITEMS, .items = items));
}

static struct replay_step make_lock_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(step_below(maker, 4) ? 0 : 1, number);
  switch (step_below(maker, 5)) {
    case 0:
      return send_shared(maker, connection, IN(name, LOCK_RELEASE, LockRelease, lock_release));
    case 1:
      return send_shared(maker, connection, REQUEST(LOCK_LIST, LockList, lock_list));
    default:
      return send_shared(
          maker, connection,
          IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire, .robust = step_below(maker, 2),
             .lease_ms = step_below(maker, 4) ? 0 : 1 + step_below(maker, 100)));
  }
}

static struct replay_step make_pipe_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(3, number);
  uint32_t end = (uint32_t)step_below(maker, 2);
  switch (step_below(maker, 5)) {
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
  switch (step_below(maker, 4)) {
    case 0:
      return send_shared(maker, connection,
                         IN(name, CONDITION_NOTIFY, ConditionNotify, condition_notify,
                            .all = step_below(maker, 2)));
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
  switch (step_below(maker, 8)) {
    case 0:
      return send_shared(
          maker, connection,
          IN(name, BARRIER_DONE, BarrierDone, barrier_done, .round = step_below(maker, 3)));
    case 1:
      return send_shared(maker, connection, IN(name, BARRIER_RESET, BarrierReset, barrier_reset));
    default:
      return send_shared(
          maker, connection,
          IN(name, BARRIER_WAIT, BarrierWait, barrier_wait, .has_action = step_below(maker, 2)));
  }
}

static struct replay_step make_queue_step(struct step_maker *maker, uint64_t connection,
                                          size_t number) {
  const char *name = name_of(6, number);
  uint64_t reservation = 1 + step_below(maker, 200);
  switch (step_below(maker, 8)) {
    case 0:
      return send_shared(maker, connection, IN(name, QUEUE_GET, QueueGet, queue_get));
    case 1:
      return send_shared(maker, connection,
                         IN(name, QUEUE_RESERVE, QueueReserve, queue_reserve,
                            .lease_ms = step_below(maker, 3) ? 0 : 1 + step_below(maker, 100)));
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
          IN(name, QUEUE_PUT, QueuePut, queue_put, .value = INT((int64_t)step_below(maker, 9)),
             .priority = (int64_t)step_below(maker, 3),
             .delay_ms = step_below(maker, 3) ? 0 : step_below(maker, 50)));
  }
}

static struct replay_step make_list_step(struct step_maker *maker, uint64_t connection,
                                         size_t number) {
  const char *name = name_of(7, number);
  switch (step_below(maker, 12)) {
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
                            .value = REFERENCE(1 + step_below(maker, 400))));
  }
}

/* On a value: what waits, and what local threads are in the way of. */
static struct replay_step make_value_step(struct step_maker *maker, uint64_t connection,
                                          const char *name) {
  Holdfast__Value *number = INT((int64_t)step_below(maker, 3));
  switch (step_below(maker, 8)) {
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
      const char *other = name_of(8, step_below(maker, STEP_SHARED));
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
  int64_t index = (int64_t)step_below(maker, 4);
  switch (step_below(maker, 4)) {
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

struct replay_step step_make_cell(struct step_maker *maker, uint64_t connection, size_t number) {
  size_t kind = 8 + step_below(maker, 2);
  const char *name = name_of(kind, number);
  switch (step_below(maker, 20)) {
    case 0:
    case 1:
      return send_shared(maker, connection, IN(name, OBJECT_DELETE, ObjectDelete, object_delete));
    case 2:
    case 3:
    case 4:
    case 5:
      return step_open_shared(maker, connection, number * SHARED_KINDS + kind);
    case 6:
      return send_shared(
          maker, connection,
          IN(name, OBJECT_INFO, ObjectInfo, object_info, .map = step_below(maker, 2)));
    case 7:
      return send_shared(maker, connection,
                         IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire,
                            .levels = (uint32_t)(step_below(maker, 4) == 0),
                            .lease_ms = step_below(maker, 4) ? 0 : 1 + step_below(maker, 100)));
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
  uint64_t objects[] = {1 + step_below(maker, 400), 1 + step_below(maker, 400)};
  Holdfast__ObjectRelease__Release *release =
      MESSAGE(ObjectRelease__Release, object_release__release, .object = objects[0], .count = 1);
  switch (step_below(maker, 6)) {
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

struct replay_step step_make_shared(struct step_maker *maker, uint64_t connection) {
  size_t number = step_below(maker, STEP_SHARED);
  switch (step_below(maker, 17)) {
    case 14:
    case 15:
    case 16:
      return step_make_cell(maker, connection, number % 4);
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
      return step_open_shared(maker, connection, step_below(maker, SHARED_KINDS * 16));
    default:
      return make_lock_step(maker, connection, number);
  }
}
