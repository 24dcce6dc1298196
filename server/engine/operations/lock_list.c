/* Locks with their owners and waiters, and whether they are deadlocked. A user that is no admin sees those
 * of the objects that it may read or write, and of the threads there those of its own sessions. */
#include "proto/base/clock.h"
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/locks.h"
#include "server/engine/rights.h"

#include <stdlib.h>

static bool is_listed(struct object *object) {
  const struct lock *lock = object_lock(object);
  return lock && (lock->depth > 0 || object->waits[WAIT_LOCK].count > 0);
}

/* Whether requests wait for the lock, those of lost connections included. A lock without is in no
 * cycle. */
static bool is_awaited(const struct object *object) {
  const struct wait_queue *queue = &object->waits[WAIT_LOCK];
  return !TAILQ_EMPTY(&queue->waiters) || !TAILQ_EMPTY(&queue->suspended);
}

/* Nobody, if it is another user's. */
static struct reply_party party_of(const struct call *call, struct lock_owner thread) {
  const struct session *session = map64_get(&call->engine->sessions, thread.session);
  if (!session || !rights_see_session(call, session)) {
    return (struct reply_party){0};
  }
  return (struct reply_party){
      .client = value_retain(session->client), .session = session->number, .thread = thread.thread};
}

/* What is left of a page. */
struct budget {
  size_t entries; /* locks and waiters */
  size_t looks;   /* objects */
  unsigned steps; /* in search of cycles */
};

static hf_reason list_waiters(const struct call *call, const struct object *object,
                              struct budget *budget, struct reply_lock *listed) {
  const struct wait_queue *queue = &object->waits[WAIT_LOCK];
  size_t count = queue->count < budget->entries ? queue->count : budget->entries;
  struct waiter *waiter; /* or an entry of a wait-any */
  listed->more_waiters = queue->count - count;
  listed->waiters = calloc(count ? count : 1, sizeof *listed->waiters);
  if (!listed->waiters) {
    return HF_REASON_NO_MEMORY;
  }
  budget->entries -= count;
  TAILQ_FOREACH(waiter, &queue->waiters, queue_link) {
    if (listed->waiters_count == count) {
      break;
    }
    struct reply_party *party = &listed->waiters[listed->waiters_count++];
    const struct waiter *owner = waiter_owner(waiter);
    uint64_t session = owner->session ? owner->session->serial : 0;
    *party = party_of(call, (struct lock_owner){session, owner->thread});
    party->waited_ms = (call->now_ns - owner->since_ns) / CLOCK_NS_PER_MS;
  }
  return HF_REASON_NONE;
}

static hf_reason list_lock(const struct call *call, struct object *object, struct budget *budget,
                           struct reply_lock *listed) {
  const struct engine *engine = call->engine;
  const struct lock *lock = object_lock(object);
  struct object *awaited =
      is_awaited(object) ? core_lock_waited_for(engine, lock->owner, &budget->steps) : NULL;
  bool is_owned = lock->depth > 0;
  *listed = (struct reply_lock){
      .object = object->id,
      .kind = object->kind,
      .name = value_is_absent(object->name) ? object->name : value_retain(object->name),
      .owned = is_owned,
      .token = lock->token,
      .depth = lock->depth,
      .lease_ms = is_owned ? lock->lease_ms : 0,
      .owner = party_of(call, lock->owner),
      .deadlocked = is_owned && core_closes_cycle(engine, lock->owner, awaited, &budget->steps),
  };
  budget->entries--;
  return list_waiters(call, object, budget, listed);
}

/* Whether the lock and its waiters fit the rest of the page; the first lock of a page always does, with
 * as many waiters as fit. */
static bool fits(const struct object *object, const struct budget *budget) {
  return budget->entries == HF_LISTING_COUNT_MAX ||
         object->waits[WAIT_LOCK].count < budget->entries;
}

hf_reason handle_lock_list(struct call *call) {
  const struct registry *registry = &call->engine->registry;
  struct budget budget = {HF_LISTING_COUNT_MAX, HF_PAGE_COUNT_MAX, HF_PAGE_CYCLE_STEPS_MAX};
  struct object *object = registry_first_lock(registry, call->message->lock_list->after);
  struct reply *reply = call->reply;
  uint64_t last = 0, visited = 0;
  size_t room =
      registry->by_id.count < HF_LISTING_COUNT_MAX ? registry->by_id.count : HF_LISTING_COUNT_MAX;
  reply->locks = malloc((room + 1) * sizeof *reply->locks);
  if (!reply->locks) {
    return HF_REASON_NO_MEMORY;
  }
  reply->shape = REPLY_LOCKS;
  reply->locks_count = 0;
  hf_reason reason = HF_REASON_NONE;
  for (; !reason && object && budget.looks > 0; object = registry_next_lock(object)) {
    bool is_shown = is_listed(object) && (rights_see_all(call) || rights_see(call, object));
    if (is_shown && !fits(object, &budget)) {
      break;
    }
    budget.looks--;
    visited = object->id;
    if (is_shown) {
      last = visited;
      reason = list_lock(call, object, &budget, &reply->locks[reply->locks_count++]);
    }
  }
  reply->more_locks = object != NULL;
  uint64_t end =
      budget.looks > 0 ? last : visited; /* no hidden id, unless there was too much to see */
  reply->after_lock = object ? end : 0;
  return reason;
}
