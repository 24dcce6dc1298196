/* Waiting on a condition, step by step:
 *
 *   (first run)  gives the lock up, whatever its depth     -> STEP_WAITING, on WAIT_NOTIFY
 *   WAITING      notified                                  -> STEP_NOTIFIED, on WAIT_NOTIFIED
 *                out of time                               -> STEP_LATE
 *                cancelled                                 -> STEP_CANCELLED
 *   NOTIFIED, LATE, CANCELLED  takes the lock back as deep as it was, waiting for it as long as it takes
 *
 * Who takes a given lock back waits for that, whatever becomes of the condition.
 */
#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/lock.h"
#include "server/engine/kinds/notification.h"
#include "server/engine/locks.h"
#include "server/engine/parking.h"
#include "server/engine/references.h"
#include "server/engine/snapshot_parts.h"

/* The condition's lock, if the calling thread owns it; a plain lock may have any owner, as in Python.
 * HF_REASON_NONE | NOT_ACQUIRED | as core_enter_guard */
static hf_reason find_owned_lock(struct call *call, struct object **guard, struct lock **lock) {
  hf_reason reason = core_enter_guard(call, guard);
  if (reason) {
    return reason;
  }
  *lock = object_lock(*guard);
  bool is_owned =
      (*lock)->depth > 0 && (!(*lock)->recursive || lock_is_free_for(*lock, call_owner(call)));
  return is_owned ? HF_REASON_NONE : HF_REASON_NOT_ACQUIRED;
}

static void give_up(struct call *call, struct object *guard, struct lock *lock) {
  struct lock_owner owner = lock->owner;
  lock_abandon(lock, false);
  core_forget_lock(call->engine, guard, owner);
}

static hf_reason begin_waiting(struct call *call) {
  struct object *guard;
  struct lock *lock;
  hf_reason reason = find_owned_lock(call, &guard, &lock);
  if (reason) {
    return reason;
  }
  if (call_may_not_wait(call)) {
    call_answer_flag(call, false);
    return HF_REASON_NONE;
  }
  reason = core_prepare_park(call);
  if (reason) {
    return reason;
  }
  call->step = STEP_WAITING;
  call->condition = call->object->id;
  call->progress = lock->depth;
  call->terms = (struct lock_terms){.lease_ms = lock->lease_ms, .robust = lock->robust};
  give_up(call, guard, lock);
  return call_park(call, &call->object->waits[WAIT_NOTIFY], HF_REASON_TIMED_OUT);
}

static hf_reason take_back(struct call *call) {
  struct object *guard = core_guard_of(call->engine, call->object);
  if (!guard) {
    return HF_REASON_OBJECT_DELETED;
  }
  call->object = guard;
  struct lock *lock = object_lock(guard);
  if (lock->depth > 0) {
    call->timed_out = false; /* it returns with the lock, however long that takes */
    call->park_queue = &guard->waits[WAIT_LOCK];
    return REASON_PARKED;
  }
  bool owner_died;
  call->terms.token = ++call->engine->next_token;
  hf_reason reason = core_take_lock(call, guard, &call->terms, &owner_died);
  if (reason) {
    return reason;
  }
  lock->depth = call->progress;
  lock->owner_died |= owner_died; /* the reply does not say so: the next grant does */
  if (call->step == STEP_CANCELLED) {
    return HF_REASON_CANCELLED;
  }
  call_answer_flag(call, call->step == STEP_NOTIFIED);
  call->reply->notified_by = call->step == STEP_NOTIFIED ? call->condition : 0;
  call->reply->source = guard->id;
  call->reply->taken.order = call->terms.token;
  return HF_REASON_NONE;
}

hf_reason handle_condition_wait(struct call *call) {
  if (call->step == 0) {
    return begin_waiting(call);
  }
  bool has_guard = core_guard_of(call->engine, call->object) != NULL;
  if (call->step == STEP_WAITING && !call->timed_out && has_guard) {
    call->park_queue = &call->object->waits[WAIT_NOTIFY]; /* it was not notified */
    return REASON_PARKED;
  }
  if (call->step == STEP_WAITING) {
    call->step = STEP_LATE;
  }
  return take_back(call);
}

hf_reason handle_condition_notify(struct call *call) {
  const Holdfast__ConditionNotify *message = call->message->condition_notify;
  struct object *guard;
  struct lock *lock;
  hf_reason reason = find_owned_lock(call, &guard, &lock);
  if (!reason) {
    uint64_t count = message->count ? message->count : 1;
    core_notify(call->engine, call->object, message->all ? UINT64_MAX : count);
  }
  return reason;
}

/* ---- the kind */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  shape->guard = message->lock;
  return HF_REASON_NONE;
}

static bool has_shape(const struct object *object, const struct object_shape *shape) {
  return object->condition.guard == shape->guard;
}

/* The lock it is given is one that is nothing else. */
static hf_reason check_shape(const struct call *call, const struct object_shape *shape) {
  if (!shape->guard) {
    return HF_REASON_NONE;
  }
  struct object *guard;
  hf_reason reason = admission_find_id(call, shape->guard, ACCESS_READ | ACCESS_WRITE, &guard);
  if (reason) {
    return reason;
  }
  bool is_lock = guard->kind == HOLDFAST__KIND__LOCK || guard->kind == HOLDFAST__KIND__RLOCK;
  return is_lock ? HF_REASON_NONE : HF_REASON_WRONG_KIND;
}

static bool init_condition(struct object *object, const struct object_shape *shape,
                           const struct value_hash_key *hash_key) {
  (void)hash_key;
  object->condition.own.recursive = true;
  object->condition.guard = shape->guard;
  object->waits[WAIT_NOTIFIED].broadcast = true;
  return true;
}

/* It refers to the lock it was given. */
static void begin(struct call *call, const struct object_shape *shape) {
  struct object *guard = registry_find(&call->engine->registry, shape->guard);
  if (guard) {
    core_add_reference(call->engine, shape->guard);
    call->object->stored_references++;
    core_join_guard(call->object, guard);
  }
}

static bool next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  *value = value_reference(object->condition.guard, object->kind);
  return object->condition.guard && cursor->position++ == 0;
}

static struct lock *own_lock(struct object *object) {
  return object->condition.guard ? NULL : &object->condition.own;
}

static struct object *guard_of(const struct engine *engine, struct object *object) {
  uint64_t guard = object->condition.guard;
  return guard ? registry_find(&engine->registry, guard) : object;
}

static void stop(struct engine *engine, struct object *object) {
  (void)engine;
  core_leave_guard(object);
}

/* In a snapshot: the lock it was given, or its own. */
enum { OWN_LOCK = 1, GUARD };

static void snapshot_condition(const struct object *object, struct snapshot_out *out) {
  snapshot_put_lock(out, OWN_LOCK, &object->condition.own);
  snapshot_put_number(out, GUARD, object->condition.guard);
  snapshot_end_record(out, RECORD_CONTENT);
}

/* It was there before the condition; it may be gone. */
static bool read_guard(struct restoring *restoring, const struct wire_field *field,
                       struct object *object) {
  struct object *guard =
      field->type == VARINT ? registry_find(&restoring->engine->registry, field->integer) : NULL;
  bool is_lock =
      !guard || guard->kind == HOLDFAST__KIND__LOCK || guard->kind == HOLDFAST__KIND__RLOCK;
  if (field->type != VARINT || field->integer >= object->id || !is_lock) {
    return snapshot_fail(&restoring->in, "a condition's lock is none");
  }
  object->condition.guard = field->integer;
  object->stored_references = 1;
  if (guard) {
    core_join_guard(object, guard);
  }
  return true;
}

static bool visit_condition(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  struct object *object = restoring->object;
  (void)in;
  if (field->number == OWN_LOCK) {
    return restore_lock(restoring, field, &object->condition.own);
  }
  return field->number != GUARD || read_guard(restoring, field, object);
}

static bool restore_condition(struct restoring *restoring, struct object *object,
                              const struct snapshot_record *record) {
  (void)object;
  return snapshot_read(&restoring->in, record->body, NULL, NULL, visit_condition, restoring);
}

const struct kind kind_condition = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .check_shape = check_shape,
    .init = init_condition,
    .begin = begin,
    .next_value = next_value,
    .lock = own_lock,
    .guard = guard_of,
    .capture = capture_lock,
    .revoke = revoke_grant,
    .snapshot = snapshot_condition,
    .restore = restore_condition,
    .leave_wait = core_leave_condition,
    .stop = stop,
};
