#include "server/engine/require.h"

#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/steps.h"

#include <stdlib.h>

/* ---- reading */

static hf_reason read_target(const Holdfast__Condition *condition,
                             struct requirement *requirement) {
  if (condition->target_case == HOLDFAST__CONDITION__TARGET_NAME) {
    struct bytes name = bytes_of(condition->name.data, condition->name.len);
    return value_text(name, &requirement->name) ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  }
  if (condition->target_case == HOLDFAST__CONDITION__TARGET_OBJECT) {
    requirement->object = condition->object;
  }
  return HF_REASON_NONE;
}

static hf_reason read_key_equals(struct call *call, const Holdfast__KeyEquals *message,
                                 struct requirement *requirement) {
  hf_reason reason = call_key(call, message->key, &requirement->key);
  requirement->compares = message->value != NULL;
  return !reason && message->value ? call_value(call, message->value, &requirement->value) : reason;
}

static hf_reason read_check(struct call *call, const Holdfast__Condition *condition,
                            struct requirement *requirement) {
  switch (condition->check_case) {
    case HOLDFAST__CONDITION__CHECK_KEY_EQUALS:
      return read_key_equals(call, condition->key_equals, requirement);
    case HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST:
      requirement->number = condition->length_at_least;
      return HF_REASON_NONE;
    case HOLDFAST__CONDITION__CHECK_ROOM_AT_LEAST:
      requirement->number = condition->room_at_least;
      return HF_REASON_NONE;
    case HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST:
      return call_value(call, condition->value_at_least, &requirement->value);
    case HOLDFAST__CONDITION__CHECK_OWNED_WITH_TOKEN:
      requirement->number = condition->owned_with_token;
      return HF_REASON_NONE;
    case HOLDFAST__CONDITION__CHECK_FREE:
      return condition->free ? HF_REASON_BAD_ARGUMENT : HF_REASON_NONE;
    case HOLDFAST__CONDITION__CHECK_IS_SET:
      return condition->is_set ? HF_REASON_BAD_ARGUMENT : HF_REASON_NONE;
    default:
      return HF_REASON_NONE;
  }
}

hf_reason require_read(struct call *call, const Holdfast__Condition *condition,
                       struct requirement *requirement) {
  *requirement = (struct requirement){.check = (int)condition->check_case};
  hf_reason reason = read_target(condition, requirement);
  if (!reason) {
    reason = read_check(call, condition, requirement);
  }
  if (reason) {
    require_drop(requirement);
  }
  return reason;
}

void require_drop(struct requirement *requirement) {
  value_release(requirement->name);
  value_release(requirement->key);
  value_release(requirement->value);
}

/* ---- looking */

static hf_reason find_object(const struct call *call, const struct requirement *requirement,
                             struct object **object) {
  hf_reason reason =
      value_is_absent(requirement->name)
          ? admission_find_id(call, requirement->object, ACCESS_READ, object)
          : admission_find_name(call, value_content(&requirement->name), ACCESS_READ, object);
  return !reason && core_is_lost_cell(*object) ? HF_REASON_CELL_LOST : reason;
}

static hf_reason met(bool is_met) {
  return is_met ? HF_REASON_NONE : HF_REASON_CONDITION_NOT_MET;
}

static bool is_expected(const struct call *call, const struct requirement *requirement,
                        struct value found) {
  return requirement->is_sealed
             ? value_matches(&call->engine->config.hash_key, found, &requirement->digest)
             : value_equal(found, requirement->value);
}

/* Replaces the requirement's key by the equal key of the dict, if there is one: later lookups compare
 * pointers and read no bytes. */
static bool find_key(const struct object *object, struct requirement *requirement,
                     struct value *found) {
  struct dict_slot slot;
  struct value key;
  if (!dict_find(object->dict, requirement->key, &slot, &key, found)) {
    return false;
  }
  value_retain(key);
  value_release(requirement->key);
  requirement->key = key;
  return true;
}

static hf_reason check_key(struct call *call, const struct object *object,
                           struct requirement *requirement, uint64_t *key_hash) {
  struct value found;
  if (object->kind != HOLDFAST__KIND__DICT) {
    return HF_REASON_WRONG_KIND;
  }
  bool is_there = find_key(object, requirement, &found);
  *key_hash = call_key_hash(call, requirement->key);
  return met(requirement->compares ? is_there && is_expected(call, requirement, found) : !is_there);
}

/* A known key that is gone is as good as changed. */
static hf_reason check_change(struct call *call, const struct object *object,
                              struct requirement *requirement, uint64_t *key_hash) {
  struct value found;
  bool is_there = find_key(object, requirement, &found);
  *key_hash = call_key_hash(call, requirement->key);
  bool is_known = requirement->compares;
  return met(is_there ? !is_known || !is_expected(call, requirement, found) : is_known);
}

static hf_reason check_length(const struct object *object, uint64_t least) {
  return object->row->is_counted ? met(object_length(object) >= least) : HF_REASON_WRONG_KIND;
}

static hf_reason check_room(const struct object *object, uint64_t least) {
  if (object->kind != HOLDFAST__KIND__QUEUE) {
    return HF_REASON_WRONG_KIND;
  }
  int64_t maxsize = object->queue.maxsize;
  uint64_t len = queue_waiting_count(&object->queue);
  return met(maxsize <= 0 || (len <= (uint64_t)maxsize && least <= (uint64_t)maxsize - len));
}

/* While another thread owns the value's lock, the value may be in the middle of a change. After this no
 * local thread gets the lock before the transaction is over. */
static bool is_locked(struct call *call, struct object *object) {
  struct lock *lock = object_lock(object);
  if (!lock || (lock->depth > 0 && lock_is_free_for(lock, call_owner(call)))) {
    return false;
  }
  return lock->depth > 0 || core_acquire_cells(call->engine, call->now_ns, object);
}

static hf_reason check_value(struct call *call, struct object *object, struct value least) {
  int order = 0;
  if (object->kind != HOLDFAST__KIND__VALUE && object->kind != HOLDFAST__KIND__RAW_VALUE) {
    return HF_REASON_WRONG_KIND;
  }
  if (is_locked(call, object)) {
    return HF_REASON_CONDITION_NOT_MET;
  }
  hf_reason reason = value_compare(core_watch_value(call->engine, object), least, &order);
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

static hf_reason check_lock(struct engine *engine, struct object *object) {
  const struct lock *lock = object_lock(object);
  return lock ? met(lock->depth == 0 && !core_is_locked_locally(engine, object))
              : HF_REASON_WRONG_KIND;
}

static hf_reason check_event(const struct object *object) {
  return object->kind == HOLDFAST__KIND__EVENT ? met(object->event_is_set) : HF_REASON_WRONG_KIND;
}

hf_reason require_check(struct call *call, struct requirement *requirement, struct watch *watch) {
  struct object *object;
  hf_reason reason = find_object(call, requirement, &object);
  if (reason) {
    return reason;
  }
  *watch = (struct watch){.object = object, .queue = &object->waits[WAIT_CHANGE]};
  switch (requirement->check) {
    case REQUIRE_CHANGED:
      return check_change(call, object, requirement, &watch->key_hash);
    case HOLDFAST__CONDITION__CHECK_KEY_EQUALS:
      return check_key(call, object, requirement, &watch->key_hash);
    case HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST:
      return check_length(object, requirement->number);
    case HOLDFAST__CONDITION__CHECK_ROOM_AT_LEAST:
      return check_room(object, requirement->number);
    case HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST:
      return check_value(call, object, requirement->value);
    case HOLDFAST__CONDITION__CHECK_OWNED_WITH_TOKEN:
      return check_token(object, requirement->number);
    case HOLDFAST__CONDITION__CHECK_FREE:
      return check_lock(call->engine, object);
    case HOLDFAST__CONDITION__CHECK_IS_SET:
      return check_event(object);
    default:
      return HF_REASON_BAD_ARGUMENT;
  }
}

/* ---- those of a waiter */

struct requirements *requirements_new(size_t count) {
  struct requirements *requirements =
      malloc(sizeof *requirements + count * sizeof *requirements->items);
  if (requirements) {
    *requirements = (struct requirements){.bytes = sizeof *requirements};
  }
  return requirements;
}

void requirements_free(struct requirements *requirements) {
  for (size_t i = 0; requirements && i < requirements->count; i++) {
    require_drop(&requirements->items[i]);
  }
  free(requirements);
}

/* The least of a value is a number, or is smaller than its request: it stays as it is. */
static void seal(const struct engine *engine, struct requirement *requirement) {
  if (requirement->compares) {
    requirement->digest = value_digest(&engine->config.hash_key, requirement->value);
    value_release(requirement->value);
    requirement->value = (struct value){0};
  }
  requirement->is_sealed = true;
}

void requirements_add(const struct engine *engine, struct requirements *requirements,
                      const struct requirement *requirement) {
  struct requirement *item = &requirements->items[requirements->count++];
  *item = *requirement;
  seal(engine, item);
  requirements->bytes += sizeof *item + value_memory_bytes(item->name) +
                         value_memory_bytes(item->key) + value_memory_bytes(item->value);
}

/* Finds the first unmet requirement; an error of any requirement precedes. HF_REASON_NONE all are met |
 * CONDITION_NOT_MET | an error */
static hf_reason check_all(struct call *call, struct requirements *requirements,
                           struct watch *unmet) {
  bool is_met = true;
  core_spend(call->engine, requirements->count);
  for (size_t i = 0; i < requirements->count; i++) {
    struct watch watch;
    hf_reason reason = require_check(call, &requirements->items[i], &watch);
    if (reason && reason != HF_REASON_CONDITION_NOT_MET) {
      return reason;
    }
    if (reason && is_met) {
      is_met = false;
      requirements->awaited = (uint32_t)i;
      *unmet = watch;
    }
  }
  return met(is_met);
}

bool requirements_still_wait(struct call *call, struct waiter *waiter) {
  struct requirements *requirements = waiter->requirements;
  struct watch watch = {0};
  uint32_t before = requirements->awaited;
  hf_reason reason = require_check(call, &requirements->items[before], &watch);
  if (!reason) {
    reason = check_all(call, requirements, &watch);
  }
  if (reason != HF_REASON_CONDITION_NOT_MET ||
      core_watch_cells(call->engine, call->now_ns, watch.object)) {
    return false;
  }
  if (requirements->awaited != before) { /* a transaction's parts are its conditions */
    waiter->part = requirements->awaited + 1;
    waiter->key_hash = watch.key_hash;
  }
  wait_queue_move(waiter, watch.queue);
  return true;
}
