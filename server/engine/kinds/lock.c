#include "server/engine/kinds/lock.h"

#include "proto/base/clock.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/notification.h"
#include "server/engine/locks.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/steps.h"

/* The lock a condition was given stands in for it. */
static hf_reason enter_guard(struct call *call) {
  struct object *guard;
  hf_reason reason = core_enter_guard(call, &guard);
  call->object = reason ? NULL : guard;
  return reason;
}

/* Before a wait: whether it would be a deadlock. */
static hf_reason check_deadlock(struct call *call, struct lock_owner owner) {
  /* A part of several is not all that the thread waits for. */
  bool begins = !call->waiter && !call->is_part && !call_may_not_wait(call);
  unsigned steps = HF_CYCLE_STEPS_MAX;
  bool closes = begins && core_closes_cycle(call->engine, owner, call->object, &steps);
  core_spend(call->engine, (HF_CYCLE_STEPS_MAX - steps) / 8);
  if (!closes) {
    return HF_REASON_NONE;
  }
  core_report_deadlock(call->engine, owner, call->object);
  return call->message->lock_acquire->refuse_deadlock ? HF_REASON_DEADLOCK : HF_REASON_NONE;
}

hf_reason handle_lock_acquire(struct call *call) {
  struct engine *engine = call->engine;
  hf_reason reason = enter_guard(call);
  if (reason) {
    return reason;
  }
  struct lock *lock = object_lock(call->object);
  struct wait_queue *queue = &call->object->waits[WAIT_LOCK];
  struct lock_owner owner = call_owner(call);
  const Holdfast__LockAcquire *message = call->message->lock_acquire;
  bool again = lock->depth > 0 && lock_is_free_for(lock, owner);
  if (message->levels) {
    reason = core_take_cells_over(engine, call->session, call->object);
  } else if (!again) {
    reason = call_request_lock(call);
  }
  if (reason == HF_REASON_LOCK_HELD) {
    reason = check_deadlock(call, owner);
    return reason ? reason : call_park(call, queue, HF_REASON_LOCK_HELD);
  }
  if (reason) {
    return reason;
  }
  struct lock_terms terms = {again ? lock->token : ++engine->next_token, message->lease_ms,
                             message->robust};
  bool owner_died;
  reason = core_take_lock(call, call->object, &terms, &owner_died);
  if (reason) {
    return reason;
  }
  call->reply->shape = REPLY_GRANT;
  call->reply->token = terms.token;
  if (message->levels) {
    lock->depth = message->levels;
  }
  lock->took_death = core_take_cells_death(call->object);
  call->reply->owner_died = lock->took_death || owner_died;
  call_set_source(call, terms.token);
  call->reply->taken.suborder = message->levels;
  return HF_REASON_NONE;
}

/* Whether a grant of the session ended with its lease; reported once. */
static bool has_expired(struct call *call, const struct lock *lock) {
  struct session *session = call->session;
  bool is_owner = session && lock->depth > 0 && lock->owner.session == session->serial;
  return session && !is_owner && session_remove(session, &session->expired, call->object->id);
}

hf_reason handle_lock_release(struct call *call) {
  const Holdfast__LockRelease *message = call->message->lock_release;
  hf_reason reason = enter_guard(call);
  if (reason) {
    return reason;
  }
  struct lock *lock = object_lock(call->object);
  bool fenced = message->fence_case == HOLDFAST__LOCK_RELEASE__FENCE_TOKEN;
  if (fenced && (lock->depth == 0 || message->token != lock->token)) {
    return HF_REASON_TOKEN_STALE;
  }
  if (!fenced && has_expired(call, lock)) {
    return HF_REASON_TOKEN_STALE;
  }
  struct lock_owner owner = lock->owner;
  bool freed;
  reason = lock_give_back(lock, call_owner(call), 1, &freed);
  if (freed) {
    core_forget_lock(call->engine, call->object, owner);
  }
  return reason;
}

/* ---- transactions */

static struct session *owner_of(const struct undo *undo, const struct lock *lock) {
  return lock->depth > 0 ? map64_get(&undo->call->engine->sessions, lock->owner.session) : NULL;
}

/* It goes on, in the room its timer had. */
static void undo_change_of_lease(const struct undo *undo, struct object *object,
                                 uint64_t lease_end_ns) {
  struct timers *timers = &undo->call->engine->timers;
  timers_stop(timers, &object->lease);
  if (lease_end_ns != CLOCK_NEVER) {
    timers_start(timers, &object->lease, lease_end_ns);
  }
}

/* The maps that had the lock have room for it: they are trimmed when the request is over. */
static void undo_change_of_lock(const struct undo *undo, struct undo_entry *entry) {
  struct object *object = entry->object;
  struct lock *lock = object_lock(object);
  struct session *owner = owner_of(undo, lock), *former = owner_of(undo, &entry->lock);
  if (owner) {
    session_remove(owner, &owner->locks, object->id);
  }
  if (former) {
    session_set(former, &former->locks, object->id, object);
  }
  if (entry->is_expired) {
    session_set(undo->call->session, &undo->call->session->expired, object->id, object);
  }
  bool took_death = lock->took_death;
  *lock = entry->lock;
  lock->owner_died |= took_death;
  undo_change_of_lease(undo, object, entry->lease_end_ns);
}

static const struct undo_way way_of_lock = {undo_change_of_lock, NULL, NULL};

hf_reason capture_lock(struct undo_entry *entry, struct call *call) {
  bool acquires = call->message->operation_case == HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
  struct object *guard = core_guard_of(call->engine, call->object);
  if (guard) {
    entry->way = &way_of_lock;
    entry->object = guard;
    entry->lock = *object_lock(guard);
    object_lock(guard)->took_death = false;
    entry->lease_end_ns = guard->lease.position ? guard->lease.deadline_ns : CLOCK_NEVER;
    entry->is_expired = acquires && map64_get(&call->session->expired, guard->id);
  }
  return HF_REASON_NONE;
}

/* The grant, unless it was given back or lost meanwhile. One level of a recursive lock; as many as came with the
 * request from shared memory; all of them when a condition took it. */
void revoke_grant(struct engine *engine, struct session *session, struct object *object,
                  const struct reply *reply) {
  bool all = reply->operation == HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT;
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
    uint64_t levels = reply->taken.suborder;
    lock_give_back(lock, owner, levels ? levels : 1, &freed);
    lock->owner_died |= reply->owner_died; /* of which no owner was notified */
  }
  if (freed) {
    core_forget_lock(engine, object, owner);
  }
}

/* ---- the kinds */

static bool init_rlock(struct object *object, const struct object_shape *shape,
                       const struct value_hash_key *hash_key) {
  (void)shape;
  (void)hash_key;
  object->guard.lock.recursive = true;
  return true;
}

static struct lock *lock_of(struct object *object) {
  return &object->guard.lock;
}

enum { LOCK = 1 };

static void snapshot_lock(const struct object *object, struct snapshot_out *out) {
  snapshot_put_lock(out, LOCK, &object->guard.lock);
  snapshot_end_record(out, RECORD_CONTENT);
}

static bool visit_lock(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  (void)in;
  return field->number != LOCK || restore_lock(restoring, field, &restoring->object->guard.lock);
}

static bool restore_own_lock(struct restoring *restoring, struct object *object,
                             const struct snapshot_record *record) {
  (void)object;
  return snapshot_read(&restoring->in, record->body, NULL, NULL, visit_lock, restoring);
}

const struct kind kind_lock = {
    .lock = lock_of,
    .capture = capture_lock,
    .revoke = revoke_grant,
    .snapshot = snapshot_lock,
    .restore = restore_own_lock,
    .leave_wait = core_leave_condition,
    .disown = core_end_conditions,
};

const struct kind kind_rlock = {
    .init = init_rlock,
    .lock = lock_of,
    .capture = capture_lock,
    .revoke = revoke_grant,
    .snapshot = snapshot_lock,
    .restore = restore_own_lock,
    .leave_wait = core_leave_condition,
    .disown = core_end_conditions,
};
