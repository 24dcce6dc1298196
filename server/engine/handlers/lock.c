#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"

/* The lock a condition was given stands in for it. */
static hf_reason enter_guard(struct call *call) {
  struct object *guard = core_guard_of(call->engine, call->object);
  call->object = guard;
  return guard ? HF_REASON_NONE : HF_REASON_NO_SUCH_OBJECT;
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
  bool again = lock->depth > 0 && lock_is_free_for(lock, owner);
  if (!again && (lock->depth > 0 || call_must_line_up(call, queue))) {
    return call_park(call, queue, HF_REASON_LOCK_HELD);
  }
  if (!map64_set(&call->session->locks, call->object->id, call->object)) {
    return HF_REASON_NO_MEMORY;
  }
  bool owner_died;
  uint64_t token = again ? lock->token : ++engine->next_token;
  lock_take(lock, owner, token, call->message->lock_acquire->robust, &owner_died);
  call->reply->shape = REPLY_GRANT;
  call->reply->token = token;
  call->reply->owner_died = owner_died;
  return HF_REASON_NONE;
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
  struct session *owner = map64_get(&call->engine->sessions, lock->owner.session);
  bool freed;
  reason = lock_give_back(lock, call_owner(call), &freed);
  if (freed) {
    if (owner) {
      map64_remove(&owner->locks, call->object->id);
    }
    core_wake(call->engine, &call->object->waits[WAIT_LOCK]);
  }
  return reason;
}
