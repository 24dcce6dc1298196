/* Who holds which lock, who waits for it, and whether they wait for each other. */
#include "proto/base/clock.h"
#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"

#include <stdlib.h>

static bool is_listed(struct object *object) {
  const struct lock *lock = object_lock(object);
  return lock && (lock->depth > 0 || object->waits[WAIT_LOCK].count > 0);
}

/* Also by those whose connection is lost. A lock that is not is in no circle. */
static bool is_awaited(const struct object *object) {
  const struct wait_queue *queue = &object->waits[WAIT_LOCK];
  return !TAILQ_EMPTY(&queue->waiters) || !TAILQ_EMPTY(&queue->suspended);
}

static struct reply_party party_of(const struct engine *engine, struct lock_owner thread) {
  const struct session *session = map64_get(&engine->sessions, thread.session);
  if (!session) {
    return (struct reply_party){0};
  }
  return (struct reply_party){
      .client = value_retain(session->client), .session = session->number, .caller = thread.caller};
}

static hf_reason list_waiters(const struct call *call, const struct object *object,
                              struct reply_lock *listed) {
  const struct wait_queue *queue = &object->waits[WAIT_LOCK];
  struct waiter *waiter; /* or an ear of one who waits for others too */
  listed->waiters = calloc(queue->count ? queue->count : 1, sizeof *listed->waiters);
  if (!listed->waiters) {
    return HF_REASON_NO_MEMORY;
  }
  TAILQ_FOREACH(waiter, &queue->waiters, queue_link) {
    struct reply_party *party = &listed->waiters[listed->waiters_count++];
    const struct waiter *principal = waiter_principal(waiter);
    uint64_t session = principal->session ? principal->session->serial : 0;
    *party = party_of(call->engine, (struct lock_owner){session, principal->caller});
    party->waited_ms = (call->now_ns - principal->since_ns) / CLOCK_NS_PER_MS;
  }
  return HF_REASON_NONE;
}

static hf_reason list_lock(const struct call *call, struct object *object, unsigned *steps,
                           struct reply_lock *listed) {
  const struct engine *engine = call->engine;
  const struct lock *lock = object_lock(object);
  struct object *awaited =
      is_awaited(object) ? core_lock_waited_for(engine, lock->owner, steps) : NULL;
  *listed = (struct reply_lock){
      .object = object->id,
      .kind = object->kind,
      .name = value_is_absent(object->name) ? object->name : value_retain(object->name),
      .held = lock->depth > 0,
      .token = lock->token,
      .depth = lock->depth,
      .lease_ms = lock->depth > 0 ? lock->lease_ms : 0,
      .holder = party_of(engine, lock->owner),
      .deadlocked = lock->depth > 0 && core_closes_circle(engine, lock->owner, awaited, steps),
  };
  return list_waiters(call, object, listed);
}

static size_t count_listed(const struct map64 *objects) {
  size_t count = 0, position = 0;
  uint64_t id;
  void *object;
  while (map64_next(objects, &position, &id, &object)) {
    count += is_listed(object);
  }
  return count;
}

static int compare_ids(const void *one, const void *other) {
  uint64_t a = ((const struct reply_lock *)one)->object;
  uint64_t b = ((const struct reply_lock *)other)->object;
  return (a > b) - (a < b);
}

hf_reason handle_lock_list(struct call *call) {
  const struct map64 *objects = &call->engine->registry.by_id;
  struct reply *reply = call->reply;
  size_t count = count_listed(objects), position = 0;
  unsigned steps = HF_CIRCLE_STEPS_MAX;
  uint64_t id;
  void *object;
  reply->locks = calloc(count ? count : 1, sizeof *reply->locks);
  if (!reply->locks) {
    return HF_REASON_NO_MEMORY;
  }
  reply->shape = REPLY_LOCKS;
  reply->locks_count = 0;
  hf_reason reason = HF_REASON_NONE;
  while (!reason && map64_next(objects, &position, &id, &object)) {
    if (is_listed(object)) {
      reason = list_lock(call, object, &steps, &reply->locks[reply->locks_count++]);
    }
  }
  qsort(reply->locks, reply->locks_count, sizeof *reply->locks, compare_ids);
  return reason;
}
