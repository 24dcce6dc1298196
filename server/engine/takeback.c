/* Taking back what a reply gave away, when nobody will ever look at the reply. */
#include "server/engine/takeback.h"

#include "server/engine/forks.h"
#include "server/engine/holding.h"
#include "server/engine/locks.h"
#include "server/engine/settle.h"
#include "server/engine/sync.h"
#include "server/engine/tasks.h"

#include <stdlib.h>

static void wake_change(struct engine *engine, struct object *object, unsigned wait) {
  registry_account(&engine->registry, object);
  core_wake(engine, &object->waits[wait]);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
}

static void put_back_items(struct engine *engine, struct object *object,
                           const struct reply *reply) {
  for (size_t i = reply->values_count; i > 0; i--) {
    core_put_back_item(engine, object, value_retain(reply->values[i - 1]),
                       &reply->taken_many[i - 1]);
  }
}

static void put_back_message(struct engine *engine, struct object *object, struct value value,
                             uint64_t end) {
  struct pipe *pipe = &object->pipe;
  if (pipe->closed[end] || list_insert(&pipe->lines[end], 0, &value, 1) != HF_REASON_NONE) {
    return;
  }
  core_keep(engine, object, value_retain(value));
  wake_change(engine, object, WAIT_PIPE_RECV + (unsigned)end);
}

/* The grant, unless it was given back or lost meanwhile. One level of a recursive lock; all of them
 * when a condition took it. */
static void release_grant(struct engine *engine, struct session *session, struct object *object,
                          const struct reply *reply, bool all) {
  struct lock *lock = object_lock(object);
  bool is_current = lock && lock->depth > 0 && lock->token == reply->taken.order;
  if (!is_current || lock->owner.session != session->serial) {
    return;
  }
  struct lock_owner owner = lock->owner;
  bool freed = true;
  if (all) {
    lock_abandon(lock, false);
  } else {
    lock_give_back(lock, owner, &freed);
    lock->owner_died |= reply->owner_died; /* which nobody was told */
  }
  if (freed) {
    core_forget_lock(engine, object, owner);
  }
}

static void return_permit(struct engine *engine, struct session *session, struct object *object) {
  if (map64_get(&session->permits, object->id)) {
    (void)core_release_permits(engine, session, object, 1);
  }
}

static void take_back_from(struct engine *engine, struct session *session, struct object *object,
                           const struct reply *reply) {
  switch (reply->operation) {
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET:
      core_put_back_item(engine, object, value_retain(reply->value), &reply->taken);
      break;
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET_MANY:
      put_back_items(engine, object, reply);
      break;
    case HOLDFAST__REQUEST__OPERATION_QUEUE_RESERVE:
      core_end_reservation(engine, session, reply->reservation, false);
      break;
    case HOLDFAST__REQUEST__OPERATION_PIPE_RECV:
      put_back_message(engine, object, reply->value, reply->taken.order);
      break;
    case HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE:
      release_grant(engine, session, object, reply, false);
      break;
    case HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT:
      release_grant(engine, session, object, reply, true);
      break;
    case HOLDFAST__REQUEST__OPERATION_SEMAPHORE_ACQUIRE:
      return_permit(engine, session, object);
      break;
    case HOLDFAST__REQUEST__OPERATION_BARRIER_WAIT:
      if (object->barrier.actor_serial == session->serial) {
        core_end_round(engine, object, STEP_BROKEN);
      }
      break;
    case HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN:
      core_unhold(engine, object->id, session_unhold(session, object->id, 1));
      break;
    default:
      break;
  }
}

struct unhold_context {
  struct engine *engine;
  struct session *session;
};

static void unhold_for_session(void *ctx, uint64_t object) {
  struct unhold_context *context = ctx;
  core_unhold(context->engine, object, session_unhold(context->session, object, 1));
}

/* The reply that says what was given: of a wait_first, the one inside. */
static struct reply *giving_reply(struct reply *reply) {
  return reply->shape == REPLY_FIRST ? reply->outcomes[0] : reply;
}

static void give_back(struct engine *engine, struct session *session, struct reply *reply) {
  if (reply->operation == HOLDFAST__REQUEST__OPERATION_FORK_SESSION) {
    core_take_back_forked(engine, session, reply->source);
    reply->source = 0;
    return;
  }
  struct object *object = reply->source ? registry_find(&engine->registry, reply->source) : NULL;
  if (object) {
    take_back_from(engine, session, object, reply);
  }
  reply->source = 0;
}

bool core_take_back(struct engine *engine, struct session *session, struct reply *reply) {
  struct unhold_context context = {engine, session};
  if (reply->reason || reply->taken_back) {
    return false;
  }
  struct reply *giving = giving_reply(reply);
  bool gave = giving->source != 0;
  give_back(engine, session, giving);
  reply_each_reference(reply, unhold_for_session, &context);
  reply->taken_back = true;
  return gave;
}

/* ---- the end of a session */

static int compare_newest_first(const void *one, const void *other) {
  uint64_t a = (*(struct reply *const *)one)->sequence;
  uint64_t b = (*(struct reply *const *)other)->sequence;
  return (a < b) - (a > b);
}

static bool gave_items(const struct reply *reply) {
  switch (reply->operation) {
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET:
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET_MANY:
    case HOLDFAST__REQUEST__OPERATION_PIPE_RECV:
      return reply->source != 0;
    default:
      return false;
  }
}

/* What a session may have unacknowledged, and what waited beside that. */
#define UNSEEN_MAX (HF_WINDOW_COUNT_MAX + HF_IN_FLIGHT_MAX)

bool core_take_back_unseen(struct engine *engine, struct session *session) {
  struct reply *unseen[UNSEEN_MAX];
  size_t count = 0, position = 0;
  uint64_t sequence;
  void *item;
  while (map64_next(&session->window, &position, &sequence, &item)) {
    struct reply *reply = item;
    if (!reply->pending && gave_items(giving_reply(reply)) && count < UNSEEN_MAX) {
      unseen[count++] = reply;
    }
  }
  qsort(unseen, count, sizeof *unseen, compare_newest_first);
  for (size_t i = 0; i < count; i++) {
    if (!core_has_steps(engine)) {
      return false;
    }
    core_spend(engine, 1 + reply_array_bytes(giving_reply(unseen[i])) / sizeof(struct value));
    give_back(engine, session, giving_reply(unseen[i]));
  }
  return true;
}
