#include "tests/support/random_story_parts.h"

#include "tests/support/messages.h"

#include <string.h>

#define SEQUENCES_KEPT 12 /* replies that a party has not acknowledged, about */
#define LARGE_BYTES 6000  /* of a request that is decoded before it waits */

/* ---- one request */

/* Now and then a request that was sent before comes again, with its number. */
static uint64_t number(struct random_story *story, struct random_party *party) {
  if (story->one_way) {
    return below(story, 20) ? ++party->one_way_sequence : 0;
  }
  if (!party->has_session || below(story, 12) == 0) {
    return 0;
  }
  bool repeats = party->sequence > 1 && below(story, 12) == 0;
  return repeats ? party->sequence - below(story, party->sequence < 20 ? party->sequence : 20)
                 : ++party->sequence;
}

static void acknowledge(struct random_story *story, struct random_party *party,
                        Holdfast__Request *request) {
  if (party->sequence > SEQUENCES_KEPT && below(story, 3) == 0) {
    party->acked = party->sequence - SEQUENCES_KEPT;
  }
  request->acked = below(story, 5) ? party->acked : 0;
  if (party->has_session && below(story, 10) == 0) {
    uint64_t *also = story->also;
    also[0] = party->acked + 1 + below(story, SEQUENCES_KEPT);
    also[1] = also[0] + 2;
    request->acked_also = also;
    request->n_acked_also = 2;
  }
}

static void send(struct random_story *story, Holdfast__Request *request) {
  struct random_party *party = &story->parties[below(story, RANDOM_PARTIES)];
  if (!party->connection) {
    party = &story->parties[0];
  }
  bool is_stale = story->stale_connection && below(story, 20) == 0;
  story->event = RANDOM_REQUEST;
  story->connection = is_stale ? story->stale_connection : party->connection;
  story->one_way = party == &story->parties[RANDOM_PARTIES - 1];
  request->sequence = number(story, party);
  request->thread = below(story, 2);
  if (story->one_way && story->parties[0].has_session) {
    request->session = (ProtobufCBinaryData){HF_SESSION_BYTES, story->parties[0].session};
  } else {
    acknowledge(story, party, request);
  }
  uint64_t waits = below(story, 10);
  if (waits < 5) {
    request->wait_case = HOLDFAST__REQUEST__WAIT__NOT_SET;
  } else if (waits < 8) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = (int64_t)below(story, 2000);
  }
  random_party_put_body(story, request);
}

/* ---- requests that make sense */

static const char *any(struct random_story *story, const char *const *names, size_t count) {
  return names[below(story, count)];
}
#define ANY(...)                                 \
  any(story, (const char *const[]){__VA_ARGS__}, \
      sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
#define WORD story->word /* macros of messages.h evaluate twice */
#define SMALL (int64_t) below(story, 4)
#define SEND(...) send(story, __VA_ARGS__)

static void send_about_locks(struct random_story *story) {
  const char *lock = ANY("lock", "rlock", "value", "array", "condition", "given");
  if (below(story, 3)) {
    SEND(IN(lock, LOCK_ACQUIRE, LockAcquire, lock_acquire,
            .lease_ms = below(story, 3) ? 0 : 1 + below(story, 3000),
            .robust = below(story, 2) == 0));
  } else {
    SEND(IN(lock, LOCK_RELEASE, LockRelease, lock_release));
  }
}

static uint64_t reservation(struct random_story *story) {
  size_t count = story->reservations_count < RANDOM_RESERVATIONS ? story->reservations_count
                                                                 : RANDOM_RESERVATIONS;
  return count ? story->reservations[below(story, count)] : 0;
}

static void send_about_items(struct random_story *story) {
  uint64_t reserved = reservation(story);
  const char *queue = ANY("queue", "short");
  switch (below(story, 11)) {
    case 0:
    case 1:
      SEND(IN(queue, QUEUE_RESERVE, QueueReserve, queue_reserve,
              .lease_ms = below(story, 2) ? 0 : 1 + below(story, 3000)));
      break;
    case 2:
      SEND(IN(queue, QUEUE_ACK, QueueAck, queue_ack, .reservation = reserved));
      break;
    case 3:
      SEND(IN(queue, QUEUE_EXTEND, QueueExtend, queue_extend, .reservation = reserved,
              .lease_ms = below(story, 3000)));
      break;
    case 4:
      SEND(IN(queue, QUEUE_RETURN, QueueReturn, queue_return, .reservation = reserved,
              .delay_ms = below(story, 2) ? 0 : below(story, 3000)));
      break;
    case 5:
      SEND(IN(queue, QUEUE_BURY, QueueBury, queue_bury, .reservation = reserved));
      break;
    case 6:
      SEND(IN(queue, QUEUE_KICK, QueueKick, queue_kick, .count = 1));
      break;
    case 7:
      SEND(IN(queue, QUEUE_JOIN, QueueJoin, queue_join));
      break;
    case 8:
      SEND(IN(queue, QUEUE_GET, QueueGet, queue_get));
      break;
    case 9:
      SEND(IN(queue, QUEUE_TASK_DONE, QueueTaskDone, queue_task_done));
      break;
    default:
      SEND(IN(queue, QUEUE_GET_MANY, QueueGetMany, queue_get_many, .count = 3));
      break;
  }
}

static void send_a_put(struct random_story *story) {
  const char *queue = ANY("queue", "short");
  switch (below(story, 3)) {
    case 0:
      SEND(IN(queue, QUEUE_PUT, QueuePut, queue_put, .value = TEXT(WORD)));
      break;
    case 1:
      SEND(IN(queue, QUEUE_PUT, QueuePut, queue_put, .value = INT(SMALL), .priority = SMALL - 1,
              .delay_ms = below(story, 2) ? 0 : below(story, 5000)));
      break;
    default:
      SEND(IN(queue, QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = 3,
              .items = LIST_OF(Value, INT(1), TEXT(WORD), INT(SMALL))));
      break;
  }
}

static void send_about_permits(struct random_story *story) {
  const char *semaphore = ANY("sema", "bound");
  if (below(story, 2)) {
    SEND(IN(semaphore, SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire));
  } else {
    SEND(IN(semaphore, SEMAPHORE_RELEASE, SemaphoreRelease, semaphore_release));
  }
}

static void send_about_events(struct random_story *story) {
  switch (below(story, 7)) {
    case 0:
      SEND(IN("event", EVENT_SET, EventSet, event_set));
      break;
    case 1:
    case 2:
    case 3:
      SEND(IN("event", EVENT_CLEAR, EventClear, event_clear));
      break;
    default:
      SEND(IN("event", EVENT_WAIT, EventWait, event_wait));
      break;
  }
}

static void send_about_conditions(struct random_story *story) {
  const char *condition = ANY("condition", "given");
  switch (below(story, 4)) {
    case 0:
      SEND(IN(condition, LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 0));
      break;
    case 1:
      SEND(IN(condition, CONDITION_NOTIFY, ConditionNotify, condition_notify,
              .all = below(story, 2) == 0));
      break;
    default:
      SEND(IN(condition, CONDITION_WAIT, ConditionWait, condition_wait));
      break;
  }
}

static void send_about_barriers(struct random_story *story) {
  switch (below(story, 8)) {
    case 0:
      SEND(IN("barrier", BARRIER_DONE, BarrierDone, barrier_done, .round = below(story, 3)));
      break;
    case 1:
    case 2:
      SEND(IN("barrier", BARRIER_RESET, BarrierReset, barrier_reset));
      break;
    default:
      SEND(IN("barrier", BARRIER_WAIT, BarrierWait, barrier_wait,
              .has_action = below(story, 2) == 0));
      break;
  }
}

static void send_about_pipes(struct random_story *story) {
  uint32_t end = (uint32_t)below(story, 2);
  switch (below(story, 6)) {
    case 0:
    case 1:
      SEND(IN("pipe", PIPE_ATTACH, PipeAttach, pipe_attach, .end = end));
      break;
    case 2:
      SEND(IN("pipe", PIPE_SEND, PipeSend, pipe_send, .end = end, .value = TEXT(WORD)));
      break;
    case 3:
      SEND(IN("pipe", PIPE_POLL, PipePoll, pipe_poll, .end = end));
      break;
    default:
      SEND(IN("pipe", PIPE_RECV, PipeRecv, pipe_recv, .end = end));
      break;
  }
}

static void send_about_dicts(struct random_story *story) {
  char key[24];
  snprintf(key, sizeof key, "key %u", (unsigned)below(story, 700));
  switch (below(story, 8)) {
    case 0:
    case 1:
    case 2:
      SEND(IN("dict", DICT_SET, DictSet, dict_set, .key = TEXT(key), .value = INT(SMALL)));
      break;
    case 3:
      SEND(IN("dict", DICT_DELETE, DictDelete, dict_delete, .key = TEXT(key)));
      break;
    case 4:
      SEND(IN("dict", DICT_SCAN, DictScan, dict_scan, .cursor = below(story, 800), .limit = 5));
      break;
    case 5:
      SEND(IN("dict", DICT_SET, DictSet, dict_set, .key = TEXT(WORD), .value = INT(SMALL)));
      break;
    case 6:
      SEND(IN("namespace", NAMESPACE_SET, NamespaceSet, namespace_set, .attribute = DATA(WORD),
              .value = TEXT(WORD)));
      break;
    default:
      SEND(IN("dict", DICT_WAIT, DictWait, dict_wait, .key = TEXT(WORD), .known = INT(SMALL)));
      break;
  }
}

/* Three hundred entries at once, so that there are pages, and most of these go again. */
static void send_many_entries(struct random_story *story) {
  static char keys[300][24];
  static Holdfast__Value values[300];
  static Holdfast__Entry entries[300], *items[300];
  size_t count = 1 + below(story, 300);
  uint64_t first = below(story, 700);
  for (size_t i = 0; i < count; i++) {
    snprintf(keys[i], sizeof keys[i], "key %u", (unsigned)(first + i));
    holdfast__value__init(&values[i]);
    holdfast__entry__init(&entries[i]);
    values[i].kind_case = HOLDFAST__VALUE__KIND_TEXT;
    values[i].text = (ProtobufCBinaryData)DATA(keys[i]);
    entries[i].key = entries[i].value = &values[i];
    items[i] = &entries[i];
  }
  SEND(IN("dict", DICT_UPDATE, DictUpdate, dict_update, .n_items = count, .items = items));
}

/* All but a few of a page's entries at once, so that it is packed. */
static void send_many_pops(struct random_story *story) {
  enum { POPS = 500 };
  static char keys[POPS][24];
  static Holdfast__Value values[POPS];
  static Holdfast__DictPop pops[POPS];
  static Holdfast__Request requests[POPS], *operations[POPS];
  uint64_t first = below(story, 400);
  for (size_t i = 0; i < POPS; i++) {
    snprintf(keys[i], sizeof keys[i], "key %u", (unsigned)(first + i));
    holdfast__value__init(&values[i]);
    holdfast__dict_pop__init(&pops[i]);
    holdfast__request__init(&requests[i]);
    values[i].kind_case = HOLDFAST__VALUE__KIND_TEXT;
    values[i].text = (ProtobufCBinaryData)DATA(keys[i]);
    pops[i].key = pops[i].fallback = &values[i];
    requests[i].target_case = HOLDFAST__REQUEST__TARGET_NAME;
    requests[i].name = (ProtobufCBinaryData)DATA("dict");
    requests[i].operation_case = HOLDFAST__REQUEST__OPERATION_DICT_POP;
    requests[i].dict_pop = &pops[i];
    operations[i] = &requests[i];
  }
  SEND(REQUEST(TRANSACTION, Transaction, transaction, .n_operations = POPS,
               .operations = operations));
}

static void send_a_reference(struct random_story *story) {
  uint64_t count = story->maker.objects_count;
  uint64_t object = count ? story->maker.objects[below(story, count) % 16] : 1;
  SEND(IN("list", LIST_APPEND, ListAppend, list_append, .value = REFERENCE(object)));
}

/* Two conditions, of which one is rarely met, and two operations. */
static void send_a_transaction(struct random_story *story) {
  Holdfast__Condition *is_set = MESSAGE(
      Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME, .name = DATA("event"),
      .check_case = HOLDFAST__CONDITION__CHECK_IS_SET, .is_set = HOLDFAST__NONE_VALUE__NONE);
  Holdfast__Condition *equals =
      MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
              .name = DATA("dict"), .check_case = HOLDFAST__CONDITION__CHECK_KEY_EQUALS,
              .key_equals = MESSAGE(KeyEquals, key_equals, .key = TEXT(WORD), .value = INT(SMALL)));
  Holdfast__Condition *length = MESSAGE(
      Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME, .name = DATA("list"),
      .check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST, .length_at_least = below(story, 9));
  Holdfast__Condition *conditions[] = {below(story, 2) ? is_set : length, equals};
  Holdfast__Request *operations[] = {
      IN("list", LIST_APPEND, ListAppend, list_append, .value = TEXT(WORD)),
      IN("value", VALUE_ADD, ValueAdd, value_add, .amount = INT(SMALL))};
  SEND(REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1 + below(story, 2),
               .conditions = conditions, .n_operations = 2, .operations = operations));
}

static void send_a_wait_any(struct random_story *story) {
  Holdfast__Request *operations[] = {
      IN("queue", QUEUE_GET, QueueGet, queue_get),
      IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 0),
      IN("queue", QUEUE_RESERVE, QueueReserve, queue_reserve, .lease_ms = 0),
      IN("event", EVENT_WAIT, EventWait, event_wait),
      IN("short", QUEUE_PUT, QueuePut, queue_put, .value = INT(SMALL)),
      IN("pipe", PIPE_RECV, PipeRecv, pipe_recv, .end = 0),
      IN("queue", QUEUE_GET, QueueGet, queue_get)};
  size_t first = below(story, 6);
  SEND(REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 1 + below(story, 7 - first),
               .operations = operations + first));
}

static void send_about_cells(struct random_story *story) {
  const char *value = ANY("value", "raw-value"), *array = ANY("array", "raw-array");
  switch (below(story, 4)) {
    case 0:
      SEND(IN(value, VALUE_SET, ValueSet, value_set, .value = INT(SMALL)));
      break;
    case 1:
      SEND(IN(array, ARRAY_SET, ArraySet, array_set, .index = SMALL, .value = INT(SMALL)));
      break;
    default:
      SEND(IN(value, VALUE_WAIT, ValueWait, value_wait, .known = INT(SMALL)));
      break;
  }
}

/* Large ones wait for what is rarely there: decoded. */
static void send_a_large_one(struct random_story *story) {
  static char text[LARGE_BYTES + 1];
  memset(text, 'x', LARGE_BYTES);
  Holdfast__Value *opaque =
      MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_OPAQUE,
              .opaque = MESSAGE(Opaque, opaque, .codec = DATA("codec"), .data = DATA(text)));
  Holdfast__Value *tuple =
      MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_TUPLE,
              .tuple = MESSAGE(Tuple, tuple, .n_items = 3,
                               .items = LIST_OF(Value, TEXT(text), INT(SMALL), opaque)));
  switch (below(story, 3)) {
    case 0:
      SEND(IN("short", QUEUE_PUT, QueuePut, queue_put, .value = tuple));
      break;
    case 1:
      SEND(IN("dict", DICT_SET, DictSet, dict_set, .key = TEXT(WORD), .value = tuple));
      break;
    default:
      SEND(IN("dict", DICT_WAIT, DictWait, dict_wait, .key = TEXT(WORD), .known = tuple));
      break;
  }
}

static void send_about_sessions(struct random_story *story) {
  struct random_party *party = &story->parties[below(story, RANDOM_PARTIES)];
  uint8_t child[HF_SESSION_BYTES];
  switch (below(story, 8)) {
    case 0:
    case 1:
    case 2:
      SEND(REQUEST(FLUSH, Flush, flush, .through = party->one_way_sequence + below(story, 3)));
      break;
    case 3:
    case 4:
      memset(child, 0x80 + (int)below(story, 100), sizeof child);
      SEND(REQUEST(FORK_SESSION, ForkSession, fork_session, .child = {sizeof child, child}));
      break;
    case 5:
      SEND(REQUEST(LOCK_LIST, LockList, lock_list, .after = 0));
      break;
    case 6:
      SEND(REQUEST(SERVER_INFO, ServerInfo, server_info));
      break;
    default:
      SEND(REQUEST(CANCEL, Cancel, cancel,
                   .sequence = party->sequence > 3 ? party->sequence - below(story, 3) : 1,
                   .revoke = below(story, 2) == 0));
      break;
  }
}

/* ---- objects */

/* By their names: one of each kind, and two more. */
static void send_an_open(struct random_story *story) {
  uint64_t kinds = holdfast__kind__descriptor.n_values;
  uint64_t kind = HOLDFAST__KIND__DICT + below(story, kinds + 1);
  uint64_t objects = story->maker.objects_count;
  if (kind < kinds) {
    Holdfast__Request *request = request_maker_open(&story->maker, (Holdfast__Kind)kind);
    request->object_open->start = 2;
    SEND(request);
  } else if (kind == kinds) {
    SEND(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__QUEUE,
                 .name = DATA("short"), .maxsize = 2));
  } else {
    SEND(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__CONDITION,
                 .name = DATA("given"),
                 .lock = objects ? story->maker.objects[below(story, objects) % 8] : 0));
  }
}

static void send_anything(struct random_story *story) {
  size_t count = request_maker_operations_count();
  Holdfast__Request *request = request_maker_make(&story->maker, below(story, count));
  bool ends = request->operation_case == HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE ||
              request->operation_case == HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION ||
              request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION ||
              request->operation_case == HOLDFAST__REQUEST__OPERATION_QUEUE_SHUTDOWN ||
              request->operation_case == HOLDFAST__REQUEST__OPERATION_PIPE_CLOSE ||
              request->operation_case == HOLDFAST__REQUEST__OPERATION_BARRIER_ABORT;
  if (ends && below(story, 8)) { /* or there would soon be nothing to wait for */
    send_an_open(story);
  } else {
    SEND(request);
  }
}

void random_scene_send(struct random_story *story) {
  static void (*const scenes[])(struct random_story * story) = {
      send_about_locks,
      send_about_items,
      send_a_put,
      send_about_permits,
      send_about_events,
      send_about_barriers,
      send_about_pipes,
      send_about_dicts,
      send_a_transaction,
      send_a_wait_any,
      send_about_cells,
      send_a_large_one,
      send_about_conditions,
      send_about_sessions,
      send_about_items,
      send_a_put,
      send_an_open,
      send_anything,
      send_many_entries,
      send_anything,
      send_a_reference,
      send_a_wait_any,
      send_about_conditions,
      send_many_pops,
  };
  story->word = random_party_word(story);
  scenes[below(story, sizeof scenes / sizeof *scenes)](story);
}
