/* bench_stalls: names, sessions, and waiters. See stalls.h. */
#include "tests/bench/stalls.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONDITIONS_COUNT 1000
#define MANY_COUNT 10000 /* items of one put_many */

static void open_object(const char *name, Holdfast__Kind kind) {
  stalls_call(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA(name)));
}

static void pause_s(time_t seconds) {
  nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
}

/* ---- names and sessions */

static Holdfast__Request *make_event(uint64_t idx) {
  static char name[64];
  static Holdfast__ObjectOpen open;
  static Holdfast__Request request;
  snprintf(name, sizeof name, "object number %08llu", (unsigned long long)idx);
  open = *MESSAGE(ObjectOpen, object_open, .kind = HOLDFAST__KIND__EVENT, .name = DATA(name));
  request = *REQUEST(OBJECT_OPEN, ObjectOpen, object_open);
  request.object_open = &open;
  return &request;
}

void stalls_names(void) {
  uint64_t count = stalls_scaled(1000000);
  stalls_call_many(count, make_event);
  stalls_measure("object_list, a page of one", count,
                 REQUEST(OBJECT_LIST, ObjectList, object_list, .limit = 1));
  stalls_measure("object_list, the largest page", count,
                 REQUEST(OBJECT_LIST, ObjectList, object_list));
  stalls_measure(
      "object_list, a prefix that few have", count,
      REQUEST(OBJECT_LIST, ObjectList, object_list, .prefix = DATA("object number 000001")));
  stalls_measure("object_list with anonymous ones", count,
                 REQUEST(OBJECT_LIST, ObjectList, object_list, .anonymous = true));
  stalls_measure("lock_list", count, REQUEST(LOCK_LIST, LockList, lock_list));
}

static Holdfast__Request *make_anonymous(uint64_t idx) {
  static Holdfast__ObjectOpen open;
  static Holdfast__Request request;
  open = *MESSAGE(ObjectOpen, object_open, .kind = HOLDFAST__KIND__LIST);
  request = *REQUEST(OBJECT_OPEN, ObjectOpen, object_open);
  request.object_open = &open;
  request.sequence = idx + 1;
  request.acked = idx < 1000 ? 0 : idx - 1000;
  return &request;
}

void stalls_sessions(void) {
  uint64_t count = stalls_scaled(1000000);
  stalls_open_session(1);
  stalls_call_many(count, make_anonymous);
  stalls_begin();
  attacker_close(&stalls_client);
  pause_s(5);
  stalls_end("end of a session with anonymous lists", count);
}

static uint64_t *chain;

static Holdfast__Request *make_link(uint64_t idx) {
  static Holdfast__Reference reference;
  static Holdfast__Value value;
  static Holdfast__ListAppend append;
  static Holdfast__Request request;
  reference = *MESSAGE(Reference, reference, .object = chain[idx + 1]);
  value =
      *MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_REFERENCE, .reference = &reference);
  append = *MESSAGE(ListAppend, list_append, .value = &value);
  request = *REQUEST(LIST_APPEND, ListAppend, list_append);
  request.list_append = &append;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = chain[idx];
  return &request;
}

static Holdfast__Request *make_release(uint64_t idx) {
  static Holdfast__ObjectRelease__Release release;
  static Holdfast__ObjectRelease__Release *releases[] = {&release};
  static Holdfast__ObjectRelease message;
  static Holdfast__Request request;
  release =
      *MESSAGE(ObjectRelease__Release, object_release__release, .object = chain[idx], .count = 1);
  message = *MESSAGE(ObjectRelease, object_release, .releases = releases, .n_releases = 1);
  request = *REQUEST(OBJECT_RELEASE, ObjectRelease, object_release);
  request.object_release = &message;
  return &request;
}

static Holdfast__Request *make_release_but_first(uint64_t idx) {
  return make_release(idx + 1);
}

/* Each list of the chain has a reference to the next. Ids count up, so the first id gives the
 * others. */
void stalls_chain(void) {
  uint64_t count = stalls_scaled(1000000);
  chain = calloc(count, sizeof *chain);
  stalls_open_session(0);
  open_object("before", HOLDFAST__KIND__EVENT);
  uint64_t before = stalls_object("before");
  for (uint64_t i = 0; i < count; i++) {
    chain[i] = before + 1 + i;
  }
  stalls_call_many(count, make_anonymous);
  stalls_call_many(count - 1, make_link);
  stalls_call_many(count - 1, make_release_but_first);
  stalls_begin();
  stalls_call(make_release(0));
  pause_s(3);
  stalls_end("object_release of the head of a chain, and 3 s", count);
  free(chain);
}

/* ---- waits */

static Holdfast__Condition *make_condition(Holdfast__Value *key) {
  Holdfast__Condition *condition = malloc(sizeof *condition);
  Holdfast__KeyEquals *equals = malloc(sizeof *equals);
  *equals = *MESSAGE(KeyEquals, key_equals, .key = key);
  *condition = *MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
                        .name = DATA("d"), .check_case = HOLDFAST__CONDITION__CHECK_KEY_EQUALS,
                        .key_equals = equals);
  return condition;
}

void stalls_watchers(void) {
  uint64_t count = stalls_scaled(1024);
  static Holdfast__Value *nones[11];
  static Holdfast__Condition *conditions[CONDITIONS_COUNT + 1];
  for (size_t i = 0; i < 11; i++) {
    nones[i] = malloc(sizeof **nones);
    *nones[i] = *MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_NONE);
  }
  Holdfast__Value *key = MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_TUPLE,
                                 .tuple = MESSAGE(Tuple, tuple, .items = nones, .n_items = 11));
  open_object("d", HOLDFAST__KIND__DICT);
  conditions[0] =
      MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
              .name = DATA("d"), .check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST,
              .length_at_least = UINT64_C(1) << 60);
  for (size_t i = 1; i <= CONDITIONS_COUNT; i++) {
    conditions[i] = make_condition(key);
  }
  stalls_park(count, REQUEST(TRANSACTION, Transaction, transaction, .conditions = conditions,
                             .n_conditions = CONDITIONS_COUNT + 1));
  stalls_measure("dict_set of a dict that waiting transactions watch", count,
                 IN("d", DICT_SET, DictSet, dict_set, .key = INT(5), .value = INT(5)));
}

void stalls_known(void) {
  uint64_t count = stalls_scaled(100);
  const size_t width = 200000;
  Holdfast__Value **items = calloc(width, sizeof *items), *one = INT(1);
  for (size_t i = 0; i < width; i++) {
    items[i] = one;
  }
  Holdfast__Value *large =
      MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_TUPLE,
              .tuple = MESSAGE(Tuple, tuple, .items = items, .n_items = width));
  open_object("d", HOLDFAST__KIND__DICT);
  stalls_call(IN("d", DICT_SET, DictSet, dict_set, .key = INT(1), .value = large));
  stalls_park(count, IN("d", DICT_WAIT, DictWait, dict_wait, .key = INT(1), .known = large));
  stalls_measure("dict_set of another key than many with 800 KB known watch", count,
                 IN("d", DICT_SET, DictSet, dict_set, .key = INT(2), .value = INT(2)));
  stalls_measure("dict_set of their key to the same 800 KB", count,
                 IN("d", DICT_SET, DictSet, dict_set, .key = INT(1), .value = large));
  free(items);
}

void stalls_events(void) {
  uint64_t count = stalls_scaled(300000);
  open_object("e", HOLDFAST__KIND__EVENT);
  stalls_park(count, IN("e", EVENT_WAIT, EventWait, event_wait));
  stalls_measure("event_set for all that wait", count, IN("e", EVENT_SET, EventSet, event_set));
}

static Holdfast__Request *make_acquire(uint64_t idx) {
  static Holdfast__LockAcquire acquire;
  static Holdfast__Request request;
  (void)idx;
  acquire = *MESSAGE(LockAcquire, lock_acquire);
  request = *IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire);
  request.lock_acquire = &acquire;
  request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request.timeout_ms = 1;
  return &request;
}

void stalls_locks(void) {
  uint64_t count = stalls_scaled(65536);
  stalls_open_session(0);
  open_object("lock", HOLDFAST__KIND__LOCK);
  stalls_call(IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire));
  stalls_park(count, IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire));
  stalls_begin();
  for (int i = 0; i < 100; i++) {
    attacker_send_request(&stalls_client, make_acquire(0));
    Holdfast__Response *response;
    uint32_t id;
    if (attacker_receive(&stalls_client, 10000, &id, &response)) {
      holdfast__response__free_unpacked(response, NULL);
    }
  }
  stalls_end("100 lock_acquires of 1 ms behind many others", count);
}

/* ---- queues */

static Holdfast__QueuePutMany *make_many(size_t item_bytes, uint64_t delay_ms) {
  static Holdfast__Value value, *items[MANY_COUNT];
  static Holdfast__QueuePutMany many;
  value = *MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_BYTES,
                   .bytes = {item_bytes, calloc(1, item_bytes + 1)});
  for (size_t i = 0; i < MANY_COUNT; i++) {
    items[i] = &value;
  }
  many = *MESSAGE(QueuePutMany, queue_put_many, .items = items, .n_items = MANY_COUNT,
                  .delay_ms = delay_ms);
  return &many;
}

static void put_many(const char *queue, Holdfast__QueuePutMany *many) {
  Holdfast__Request *request = IN(queue, QUEUE_PUT_MANY, QueuePutMany, queue_put_many);
  request->queue_put_many = many;
  stalls_call(request);
}

static Holdfast__Request *make_get(uint64_t idx) {
  static Holdfast__QueueGet get;
  static Holdfast__Request request;
  (void)idx;
  get = *MESSAGE(QueueGet, queue_get);
  request = *IN("narrow", QUEUE_GET, QueueGet, queue_get);
  request.queue_get = &get;
  return &request;
}

void stalls_queues(void) {
  uint64_t count = stalls_scaled(300000) / MANY_COUNT;
  count = (count ? count : 1) * MANY_COUNT;
  stalls_call(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__QUEUE,
                      .name = DATA("narrow"), .maxsize = 1));
  Holdfast__Request *large = IN("narrow", QUEUE_PUT_MANY, QueuePutMany, queue_put_many);
  large->queue_put_many = make_many(1600, 0);
  stalls_park(1, large);
  stalls_begin();
  stalls_call_many(1000, make_get);
  stalls_end("1,000 gets beside one put_many of 16 MB that waits", MANY_COUNT);
  stalls_open_session(0);
  open_object("q", HOLDFAST__KIND__QUEUE);
  for (uint64_t done = 0; done < count; done += MANY_COUNT) {
    put_many("q", make_many(8, 0));
    for (int i = 0; i < MANY_COUNT; i++) {
      attacker_send_request(&stalls_client, IN("q", QUEUE_RESERVE, QueueReserve, queue_reserve));
      Holdfast__Response *response;
      uint32_t id;
      if (!attacker_receive(&stalls_client, 10000, &id, &response)) {
        abort();
      }
      uint64_t reservation = response->reservation->id;
      holdfast__response__free_unpacked(response, NULL);
      stalls_call(IN("q", QUEUE_BURY, QueueBury, queue_bury, .reservation = reservation));
    }
  }
  stalls_measure("queue_kick of all that are buried", count,
                 IN("q", QUEUE_KICK, QueueKick, queue_kick));
}

/* All items become due at about one moment. */
void stalls_delayed(void) {
  uint64_t count = stalls_scaled(1000000) / MANY_COUNT;
  count = count ? count : 1;
  struct timespec begun, now;
  open_object("q", HOLDFAST__KIND__QUEUE);
  clock_gettime(CLOCK_MONOTONIC, &begun);
  const int64_t due_ms = 500 + (int64_t)count * 100;
  for (uint64_t i = 0; i < count; i++) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed_ms =
        (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
    put_many("q", make_many(8, passed_ms < due_ms ? (uint64_t)(due_ms - passed_ms) : 1));
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  stalls_begin();
  pause_s(due_ms / 1000 - (now.tv_sec - begun.tv_sec) + 3);
  stalls_end("delayed items become due, 3 s", count * MANY_COUNT);
}

/* ---- acknowledgements */

/* Numbers that a multiplication by 2^64 divided by the golden ratio brings to neighbouring slots. */
void stalls_acknowledgements(void) {
  uint64_t count = stalls_scaled(500000);
  uint64_t inverse = 1, golden = UINT64_C(0x9e3779b97f4a7c15);
  for (int i = 0; i < 6; i++) {
    inverse *= 2 - golden * inverse;
  }
  uint64_t *also = calloc(count, sizeof *also);
  for (uint64_t i = 0; i < count; i++) {
    also[i] = (i + 1) * inverse;
  }
  stalls_open_session(0);
  open_object("l", HOLDFAST__KIND__LIST);
  for (uint64_t i = 0; i < HF_WINDOW_COUNT_MAX / 2; i++) {
    Holdfast__Request *append = IN("l", LIST_APPEND, ListAppend, list_append, .value = INT(1));
    append->sequence = also[i % count];
    stalls_call(append);
  }
  Holdfast__Request *ping = REQUEST(PING, Ping, ping);
  ping->acked_also = also;
  ping->n_acked_also = count;
  stalls_measure("ping that acknowledges numbers of one hash", count, ping);
  free(also);
}
