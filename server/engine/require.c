#include "server/engine/require.h"

#include "proto/cell.h"
#include "server/engine/call.h"

static hf_reason find_object(const struct call *call, const Holdfast__Condition *condition,
                             struct object **object) {
  const struct registry *registry = &call->engine->registry;
  *object = NULL;
  if (condition->target_case == HOLDFAST__CONDITION__TARGET_NAME) {
    *object = registry_find_name(registry, bytes_of(condition->name.data, condition->name.len));
  } else if (condition->target_case == HOLDFAST__CONDITION__TARGET_OBJECT) {
    *object = registry_find(registry, condition->object);
  }
  return *object ? HF_REASON_NONE : HF_REASON_NO_SUCH_OBJECT;
}

static hf_reason met(bool holds) {
  return holds ? HF_REASON_NONE : HF_REASON_CONDITION_NOT_MET;
}

static hf_reason check_key(struct call *call, const struct object *object,
                           const Holdfast__KeyEquals *message, uint64_t *note) {
  struct value key, expected = {0}, found;
  if (object->kind != HOLDFAST__KIND__DICT) {
    return HF_REASON_WRONG_KIND;
  }
  hf_reason reason = call_key(call, message->key, &key);
  if (!reason && message->value && (reason = call_value(call, message->value, &expected))) {
    value_release(key);
  }
  if (reason) {
    return reason;
  }
  bool is_there = dict_get(object->dict, key, &found);
  bool holds = message->value ? is_there && value_equal(found, expected) : !is_there;
  *note = call_key_note(call, key);
  value_release(key);
  value_release(expected);
  return met(holds);
}

static hf_reason check_length(const struct object *object, uint64_t least) {
  bool is_counted = object->kind == HOLDFAST__KIND__DICT || object->kind == HOLDFAST__KIND__LIST ||
                    object->kind == HOLDFAST__KIND__QUEUE;
  return is_counted ? met(object_length(object) >= least) : HF_REASON_WRONG_KIND;
}

static hf_reason check_room(const struct object *object, uint64_t least) {
  if (object->kind != HOLDFAST__KIND__QUEUE) {
    return HF_REASON_WRONG_KIND;
  }
  int64_t maxsize = object->queue.maxsize;
  uint64_t len = queue_waiting_count(&object->queue);
  return met(maxsize <= 0 || (len <= (uint64_t)maxsize && least <= (uint64_t)maxsize - len));
}

/* While somebody else has the value's lock it may be halfway through a change. From here on no local
 * thread has it before the transaction is over. */
static bool is_locked(struct call *call, struct object *object) {
  struct lock *lock = object_lock(object);
  if (!lock || (lock->depth > 0 && lock_is_free_for(lock, call_owner(call)))) {
    return false;
  }
  return lock->depth > 0 || core_claim_cells(call->engine, call->now_ns, object);
}

static hf_reason check_value(struct call *call, struct object *object,
                             const Holdfast__Value *message) {
  struct value bound;
  int order = 0;
  if (object->kind != HOLDFAST__KIND__VALUE && object->kind != HOLDFAST__KIND__RAW_VALUE) {
    return HF_REASON_WRONG_KIND;
  }
  hf_reason reason = call_value(call, message, &bound);
  if (reason) {
    return reason;
  }
  if (is_locked(call, object)) {
    value_release(bound);
    return HF_REASON_CONDITION_NOT_MET;
  }
  reason = value_compare(core_look_at_value(call->engine, object), bound, &order);
  value_release(bound);
  return reason ? reason : met(order >= 0);
}

/* A grant that is over never comes back. */
static hf_reason check_token(struct object *object, uint64_t token) {
  const struct lock *lock = object_lock(object);
  if (!lock) {
    return HF_REASON_WRONG_KIND;
  }
  return lock->depth > 0 && lock->token == token ? HF_REASON_NONE : HF_REASON_TOKEN_STALE;
}

static hf_reason check_free(struct object *object) {
  const struct lock *lock = object_lock(object);
  return lock ? met(lock->depth == 0 && !core_is_locked_locally(object)) : HF_REASON_WRONG_KIND;
}

static hf_reason check_event(const struct object *object) {
  return object->kind == HOLDFAST__KIND__EVENT ? met(object->event_is_set) : HF_REASON_WRONG_KIND;
}

hf_reason require_check(struct call *call, const Holdfast__Condition *condition,
                        struct watch *watch) {
  struct object *object;
  hf_reason reason = find_object(call, condition, &object);
  if (reason) {
    return reason;
  }
  *watch = (struct watch){.object = object, .queue = &object->waits[WAIT_CHANGE]};
  switch (condition->check_case) {
    case HOLDFAST__CONDITION__CHECK_KEY_EQUALS:
      return check_key(call, object, condition->key_equals, &watch->note);
    case HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST:
      return check_length(object, condition->length_at_least);
    case HOLDFAST__CONDITION__CHECK_ROOM_AT_LEAST:
      return check_room(object, condition->room_at_least);
    case HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST:
      return check_value(call, object, condition->value_at_least);
    case HOLDFAST__CONDITION__CHECK_HELD_WITH_TOKEN:
      return check_token(object, condition->held_with_token);
    case HOLDFAST__CONDITION__CHECK_FREE:
      return check_free(object);
    case HOLDFAST__CONDITION__CHECK_IS_SET:
      return check_event(object);
    default:
      return HF_REASON_BAD_ARGUMENT;
  }
}
