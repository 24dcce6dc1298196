/* Several operations as one: all are done, or none.
 *
 *   conditions   all met --> operations, each captured and run      all succeed --> results
 *                one unmet: waits for it, then checks all           one fails --> rolled back
 */
#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/nested.h"
#include "server/engine/require.h"
#include "server/engine/undo.h"

#include <stdlib.h>

/* Parts are counted from 1, conditions first. */
static uint32_t part_of_operation(const Holdfast__Transaction *message, size_t idx) {
  return (uint32_t)(message->n_conditions + idx + 1);
}

/* A delayed item may be on its way long after the transaction: it can't be taken back. */
static hf_reason check_operation(const struct call *call, const Holdfast__Request *message) {
  bool is_delayed = message->operation_case == HOLDFAST__REQUEST__OPERATION_QUEUE_PUT &&
                    message->queue_put->delay_ms > 0;
  return is_delayed ? HF_REASON_NOT_NESTABLE
                    : nested_check(call, message, OPERATION_IN_TRANSACTION);
}

hf_reason transaction_check_parts(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  size_t count = message->n_conditions + message->n_operations;
  if (count == 0) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (count > HF_TRANSACTION_COUNT_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  for (size_t i = 0; i < message->n_operations; i++) {
    hf_reason reason = check_operation(call, message->operations[i]);
    if (reason) {
      call->reply->part = part_of_operation(message, i);
      return reason;
    }
  }
  return HF_REASON_NONE;
}

hf_reason transaction_check_puts(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  for (size_t i = 0; i < message->n_operations; i++) {
    const Holdfast__Request *operation = message->operations[i];
    if (operation->operation_case == HOLDFAST__REQUEST__OPERATION_QUEUE_PUT &&
        operation->queue_put->priority != 0) {
      call->reply->part = part_of_operation(message, i);
      return HF_REASON_NOT_NESTABLE;
    }
  }
  return HF_REASON_NONE;
}

/* ---- conditions */

/* The first unmet condition, from 1; 0: all are met. */
struct unmet {
  uint32_t part;
  struct watch watch;
};

static hf_reason check(struct call *call, uint32_t part, struct requirement *requirement,
                       struct unmet *unmet) {
  struct watch watch;
  hf_reason reason = require_check(call, requirement, &watch);
  if (reason == HF_REASON_CONDITION_NOT_MET) {
    *unmet = unmet->part ? *unmet : (struct unmet){part, watch};
    return HF_REASON_NONE;
  }
  call->reply->part = reason ? part : 0;
  return reason;
}

static hf_reason read_and_check(struct call *call, uint32_t part, struct unmet *unmet) {
  struct requirement requirement;
  hf_reason reason =
      require_read(call, call->message->transaction->conditions[part - 1], &requirement);
  if (reason) {
    call->reply->part = part;
    return reason;
  }
  reason = check(call, part, &requirement, unmet);
  require_drop(&requirement);
  return reason;
}

/* An error of any comes before a wait for one. */
static hf_reason find_unmet(struct call *call, struct unmet *unmet) {
  struct requirements *kept = call->waiter ? call->waiter->requirements : NULL;
  hf_reason reason = HF_REASON_NONE;
  *unmet = (struct unmet){0};
  for (uint32_t part = 1; !reason && part <= call->message->transaction->n_conditions; part++) {
    reason =
        kept ? check(call, part, &kept->items[part - 1], unmet) : read_and_check(call, part, unmet);
  }
  return reason;
}

/* The conditions, decoded once. */
static hf_reason keep_conditions(struct call *call, uint32_t unmet) {
  const Holdfast__Transaction *message = call->message->transaction;
  struct requirements *requirements = requirements_new(message->n_conditions);
  hf_reason reason = requirements ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  for (size_t i = 0; !reason && i < message->n_conditions; i++) {
    struct requirement requirement;
    reason = require_read(call, message->conditions[i], &requirement);
    if (!reason) {
      requirements_add(call->engine, requirements, &requirement);
    }
  }
  if (reason) {
    requirements_free(requirements);
    return reason;
  }
  requirements->awaited = unmet - 1;
  call->requirements = requirements;
  return REASON_PARKED;
}

static hf_reason check_conditions(struct call *call) {
  struct unmet unmet;
  hf_reason reason = find_unmet(call, &unmet);
  if (reason || unmet.part == 0) {
    return reason;
  }
  if (!call_may_not_wait(call) && call->body.len > HF_WAITING_TRANSACTION_BYTES_MAX) {
    return HF_REASON_REQUEST_TOO_BIG;
  }
  reason = core_watch_cells(call->engine, call->now_ns, unmet.watch.object);
  if (reason) {
    return reason;
  }
  call->part = unmet.part;
  call->key_hash = unmet.watch.key_hash;
  reason = call_park(call, unmet.watch.queue, HF_REASON_CONDITION_NOT_MET);
  call->reply->part = reason == REASON_PARKED ? 0 : unmet.part;
  bool has_kept = call->waiter && call->waiter->requirements;
  return reason == REASON_PARKED && !has_kept ? keep_conditions(call, unmet.part) : reason;
}

/* ---- the objects of its parts */

struct object_name {
  bool is_named;
  struct bytes name;
  uint64_t id;
  unsigned access; /* 0: there is none */
};

static struct object_name name_in_condition(const Holdfast__Condition *condition) {
  return (struct object_name){
      .is_named = condition->target_case == HOLDFAST__CONDITION__TARGET_NAME,
      .name = bytes_of(condition->name.data, condition->name.len),
      .id = condition->object,
      .access = ACCESS_READ,
  };
}

static struct object_name name_in_operation(const struct call *call,
                                            const Holdfast__Request *operation) {
  const struct operation *row = call->engine->config.find_operation(operation);
  return (struct object_name){
      .is_named = operation->target_case == HOLDFAST__REQUEST__TARGET_NAME,
      .name = bytes_of(operation->name.data, operation->name.len),
      .id = operation->object,
      .access = row->kinds ? row->access : 0,
  };
}

/* Of a condition or an operation, from 0. */
static struct object_name name_of(const struct call *call, size_t idx) {
  const Holdfast__Transaction *message = call->message->transaction;
  return idx < message->n_conditions
             ? name_in_condition(message->conditions[idx])
             : name_in_operation(call, message->operations[idx - message->n_conditions]);
}

static hf_reason find_part(const struct call *call, const struct object_name *name,
                           struct object **object) {
  return name->is_named ? admission_find_name(call, name->name, name->access, object)
                        : admission_find_id(call, name->id, name->access, object);
}

hf_reason transaction_check_rights(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  size_t count = message->n_conditions + message->n_operations;
  for (size_t i = 0; call->user && i < count; i++) {
    struct object_name name = name_of(call, i);
    struct object *object;
    if (name.access && find_part(call, &name, &object) == HF_REASON_NO_RIGHT) {
      call->reply->part = (uint32_t)i + 1;
      return HF_REASON_NO_RIGHT;
    }
  }
  return HF_REASON_NONE;
}

/* A restart would leave half of what was done, of which the other half is lost. */
static hf_reason check_durability(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  size_t count = message->n_conditions + message->n_operations;
  bool has[2] = {false, false}; /* volatile ones: has[true] */
  for (size_t i = 0; call->engine->has_volatile && i < count; i++) {
    struct object_name name = name_of(call, i);
    struct object *object;
    if (!name.access || find_part(call, &name, &object)) {
      continue;
    }
    bool is_volatile = object->row->has_cells && object->cells.is_volatile;
    has[is_volatile] = true;
    if (has[!is_volatile]) {
      call->reply->part = (uint32_t)i + 1;
      return HF_REASON_MIXED_DURABILITY;
    }
  }
  return HF_REASON_NONE;
}

/* ---- objects that are lent */

/* What is wrong with an object that is not there is found later. */
static hf_reason pass_line(struct call *call, const struct object_name *name) {
  struct object *object;
  return find_part(call, name, &object) ? HF_REASON_NONE : core_pass_line(call, object);
}

/* Nothing begins before all of its objects are there: it waits in the line of the first that is not. */
static hf_reason pass_lines(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  hf_reason reason = HF_REASON_NONE;
  if (!call->engine->has_loans) {
    return reason;
  }
  for (size_t i = 0; !reason && i < message->n_conditions; i++) {
    struct object_name name = name_in_condition(message->conditions[i]);
    reason = pass_line(call, &name);
  }
  for (size_t i = 0; !reason && i < message->n_operations; i++) {
    struct object_name name = name_in_operation(call, message->operations[i]);
    reason = pass_line(call, &name);
  }
  return reason;
}

/* ---- operations */

static bool stores(const struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  for (size_t i = 0; i < message->n_operations; i++) {
    const struct operation *operation = call->engine->config.find_operation(message->operations[i]);
    if (operation->flags & OPERATION_STORES) {
      return true;
    }
  }
  return false;
}

struct results {
  struct reply **outcomes;
  size_t count;
  size_t bytes; /* no fewer than they take on the wire */
};

static void results_drop(struct results *results) {
  for (size_t i = 0; i < results->count; i++) {
    reply_release(results->outcomes[i]);
  }
  free(results->outcomes);
}

static hf_reason run_operation(struct call *call, const Holdfast__Request *message,
                               struct undo *undo, struct results *results) {
  struct nested nested;
  struct reply *outcome = reply_new(0);
  if (!outcome) {
    return HF_REASON_NO_MEMORY;
  }
  results->outcomes[results->count++] = outcome;
  nested_init(&nested, call, message, outcome, false);
  hf_reason reason = nested_find_target(&nested);
  if (!reason) {
    reason = undo_capture(undo, &nested.call);
  }
  if (!reason) {
    reason = nested_run(&nested);
  }
  if (reason) {
    return reason;
  }
  size_t memory_bytes = reply_memory_bytes(outcome);
  results->bytes += memory_bytes + memory_bytes / 8; /* see reply_bytes_of */
  if (results->bytes > HF_REPLY_BYTES_MAX) {
    return HF_REASON_REPLY_TOO_BIG;
  }
  bool is_small = results->bytes <= HF_SMALL_REPLY_BYTES * HF_TRANSACTION_COUNT_MAX;
  return is_small ? HF_REASON_NONE : core_check_memory(call->engine, results->bytes);
}

static hf_reason run_each(struct call *call, struct undo *undo, struct results *results) {
  const Holdfast__Transaction *message = call->message->transaction;
  hf_reason reason = HF_REASON_NONE;
  for (size_t i = 0; !reason && i < message->n_operations; i++) {
    reason = run_operation(call, message->operations[i], undo, results);
    if (reason) {
      call->reply->part = part_of_operation(message, i);
      undo_roll_back(undo);
    }
  }
  return reason;
}

static void answer_results(struct call *call, const struct results *results) {
  call->reply->shape = REPLY_RESULTS;
  call->reply->outcomes = results->outcomes;
  call->reply->outcomes_count = results->count;
}

static hf_reason run_operations(struct call *call) {
  size_t count = call->message->transaction->n_operations;
  struct results results = {.outcomes = malloc((count + 1) * sizeof *results.outcomes)};
  struct undo undo;
  if (!results.outcomes || !undo_init(&undo, call, count)) {
    free(results.outcomes);
    return HF_REASON_NO_MEMORY;
  }
  hf_reason reason = run_each(call, &undo, &results);
  undo_deinit(&undo);
  if (reason) {
    results_drop(&results);
  } else {
    answer_results(call, &results);
  }
  return reason;
}

hf_reason handle_transaction(struct call *call) {
  hf_reason reason = call->waiter ? transaction_check_rights(call) : HF_REASON_NONE;
  if (reason || (reason = check_durability(call)) || (reason = pass_lines(call)) ||
      (reason = check_conditions(call))) {
    return reason;
  }
  reason = stores(call) ? core_check_memory(call->engine, call->body.len) : HF_REASON_NONE;
  return reason ? reason : run_operations(call);
}
