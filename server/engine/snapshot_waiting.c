/* Checks a waiter of a snapshot, so that its handler, which checked the request before the wait,
 * may run. */
#include "server/engine/admission.h"
#include "server/engine/nested.h"
#include "server/engine/require.h"
#include "server/engine/snapshot_parts.h"

/* Other operations end what they would wait for, or wait for nothing. */
static bool may_wait(const struct operation *operation) {
  bool looks_inside = operation->kinds && operation->kinds != OPERATION_ANY_KIND;
  return looks_inside || operation->flags & OPERATION_WAITS ||
         operation->arm == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN ||
         operation->arm == HOLDFAST__REQUEST__OPERATION_OBJECT_INFO;
}

/* Of a waiter, or of a wait entry. */
static bool has_target(const struct waiter *waiter) {
  const struct operation *operation = waiter->operation;
  bool opens = operation->arm == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  if (operation->kinds == 0) {
    return !waiter->object || opens;
  }
  uint32_t kinds = operation->kinds;
  if (operation->arm == HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT &&
      waiter->step > STEP_WAITING) {
    kinds |= 1u << HOLDFAST__KIND__LOCK | 1u << HOLDFAST__KIND__RLOCK; /* which it takes back */
  }
  return waiter->object && kinds & (1u << waiter->object->kind);
}

/* A known key is searched in the waiter's own dict. */
static bool knows_dict(const struct waiter *waiter) {
  const struct requirements *requirements = waiter->requirements;
  bool waits_for_change = waiter->operation->arm == HOLDFAST__REQUEST__OPERATION_DICT_WAIT;
  for (size_t i = 0; requirements && i < requirements->count; i++) {
    const struct requirement *item = &requirements->items[i];
    bool is_change = item->check == REQUIRE_CHANGED;
    bool is_own = waits_for_change && item->object == waiter->object->id &&
                  value_is_absent(item->name) && requirements->count == 1;
    if (is_change != waits_for_change || (is_change && !is_own)) {
      return false;
    }
  }
  return !requirements || requirements->suffice == waits_for_change;
}

static bool is_admitted(const struct waiter *waiter) {
  return may_wait(waiter->operation) && has_target(waiter) && knows_dict(waiter) &&
         admission_check_origin(waiter->operation, waiter->session, waiter->one_way) ==
             HF_REASON_NONE;
}

static bool check_entry(const struct restoring *restoring, const struct waiter *entry,
                        const Holdfast__WaitAny *message) {
  const struct engine *engine = restoring->engine;
  return entry->part >= 1 && entry->part <= message->n_operations && entry->queue &&
         entry->operation == engine->config.find_operation(message->operations[entry->part - 1]) &&
         is_admitted(entry);
}

static bool check_entries(struct restoring *restoring, const struct waiter *waiter,
                          struct call *call) {
  const struct waiter *entry, *before = NULL;
  bool is_good = wait_any_check_parts(call) == HF_REASON_NONE && !waiter->queue &&
                 !TAILQ_EMPTY(&waiter->entries);
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    is_good = is_good && (!before || before->part < entry->part) &&
              check_entry(restoring, entry, call->message->wait_any);
    before = entry;
  }
  return is_good;
}

static bool check_parts(struct restoring *restoring, const struct waiter *waiter,
                        const Holdfast__Request *message) {
  struct reply outcome = {.refs = {1}};
  struct call call = {.engine = restoring->engine,
                      .operation = waiter->operation,
                      .message = message,
                      .session = waiter->session,
                      .one_way = waiter->one_way,
                      .reply = &outcome};
  const struct requirements *requirements = waiter->requirements;
  switch (waiter->operation->arm) {
    case HOLDFAST__REQUEST__OPERATION_WAIT_ANY:
      return check_entries(restoring, waiter, &call);
    case HOLDFAST__REQUEST__OPERATION_TRANSACTION:
      return transaction_check_parts(&call) == HF_REASON_NONE &&
             (!requirements || requirements->count == message->transaction->n_conditions);
    default:
      return true;
  }
}

bool restore_check_waiter(struct restoring *restoring, const struct waiter *waiter,
                          const Holdfast__Request *message) {
  bool has_entries = !TAILQ_EMPTY(&waiter->entries);
  bool is_wait_any = waiter->operation->arm == HOLDFAST__REQUEST__OPERATION_WAIT_ANY;
  bool has_message = message && (uint32_t)message->operation_case == waiter->operation->arm;
  bool suffices = !message && waiter->requirements && waiter->requirements->suffice;
  bool is_good = (has_message || suffices) && is_wait_any == has_entries &&
                 (waiter->queue || is_wait_any) && is_admitted(waiter) &&
                 (!message || check_parts(restoring, waiter, message));
  return is_good || snapshot_fail(&restoring->in, "a waiting request can't wait");
}
