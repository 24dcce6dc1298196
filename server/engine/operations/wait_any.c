/* The first of several operations that can go on.
 *
 *   first run    each part in order; all have to wait        -> an entry in each one's queue
 *   woken        through an entry: that part only, which is next in line there
 *   out of time  each part once more
 */
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/lending.h"
#include "server/engine/nested.h"
#include "server/engine/require.h"
#include "server/engine/wait_entries.h"

#include <stdlib.h>

hf_reason wait_any_check_parts(struct call *call) {
  const Holdfast__WaitAny *message = call->message->wait_any;
  if (message->n_operations == 0) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (message->n_operations > HF_WAIT_ANY_COUNT_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  for (size_t i = 0; i < message->n_operations; i++) {
    hf_reason reason = nested_check(call, message->operations[i], OPERATION_SELECTABLE);
    if (reason) {
      call->reply->part = (uint32_t)i + 1;
      return reason;
    }
  }
  return HF_REASON_NONE;
}

/* One part after the other is run into an outcome that is there before anything is taken. */
struct attempt {
  struct call *call;
  uint32_t part; /* run last, from 1 */
  struct reply **outcomes;
  struct nested nested;
};

static bool attempt_init(struct attempt *attempt, struct call *call) {
  attempt->call = call;
  attempt->outcomes = malloc(sizeof *attempt->outcomes);
  struct reply *outcome = reply_new(0);
  if (!attempt->outcomes || !outcome) {
    free(attempt->outcomes);
    reply_release(outcome);
    return false;
  }
  attempt->outcomes[0] = outcome;
  return true;
}

/* entry: of a part that waited; NULL: it runs for the first time. */
static hf_reason attempt_part(struct attempt *attempt, uint32_t part, struct waiter *entry) {
  const Holdfast__Request *message = attempt->call->message->wait_any->operations[part - 1];
  struct call *nested = &attempt->nested.call;
  attempt->part = part;
  nested_init(&attempt->nested, attempt->call, message, attempt->outcomes[0], true);
  if (entry) {
    nested->waiter = entry;
    nested->object = entry->object;
    nested->step = entry->step;
    nested->progress = entry->progress;
    nested->key_hash = entry->key_hash;
    if (core_is_lent(entry->object)) { /* it is woken when that is back */
      nested->park_queue = entry->queue;
      return REASON_PARKED;
    }
  }
  return nested_run(&attempt->nested);
}

/* Brings the outcome of the last part, unless it waits, into the reply. */
static hf_reason attempt_end(struct attempt *attempt, hf_reason reason) {
  struct reply *reply = attempt->call->reply;
  if (reason) {
    reply_release(attempt->outcomes[0]);
    free(attempt->outcomes);
    reply->part = reason == REASON_PARKED ? 0 : attempt->part;
    return reason;
  }
  reply->shape = REPLY_FIRST;
  reply->first = attempt->part - 1;
  reply->outcomes = attempt->outcomes;
  reply->outcomes_count = 1;
  return HF_REASON_NONE;
}

static hf_reason park(struct call *call) {
  if (call_may_not_wait(call)) {
    wait_entries_free(&call->entries);
    return HF_REASON_TIMED_OUT;
  }
  return REASON_PARKED; /* in no queue: call->entries wait */
}

static hf_reason run_all(struct call *call) {
  struct attempt attempt;
  hf_reason reason = REASON_PARKED;
  TAILQ_INIT(&call->entries);
  if (!attempt_init(&attempt, call)) {
    return HF_REASON_NO_MEMORY;
  }
  for (uint32_t part = 1; part <= call->message->wait_any->n_operations; part++) {
    reason = attempt_part(&attempt, part, NULL);
    if (reason == REASON_PARKED && !wait_entries_add(&call->entries, &attempt.nested.call, part)) {
      requirements_free(attempt.nested.call.requirements);
      reason = HF_REASON_NO_MEMORY;
    }
    if (reason != REASON_PARKED) {
      wait_entries_free(&call->entries);
      break;
    }
  }
  reason = attempt_end(&attempt, reason);
  return reason == REASON_PARKED ? park(call) : reason;
}

static hf_reason run_woken_part(struct call *call) {
  struct attempt attempt;
  if (!attempt_init(&attempt, call)) {
    return HF_REASON_NO_MEMORY;
  }
  hf_reason reason = attempt_part(&attempt, call->woken_entry->part, call->woken_entry);
  if (reason == REASON_PARKED) {
    hf_reason kept = wait_entries_follow(call->woken_entry, &attempt.nested.call);
    reason = kept ? kept : REASON_PARKED;
  }
  return attempt_end(&attempt, reason);
}

static hf_reason run_last(struct call *call) {
  struct attempt attempt;
  struct waiter *entry;
  hf_reason reason = REASON_PARKED;
  if (!attempt_init(&attempt, call)) {
    return HF_REASON_NO_MEMORY;
  }
  TAILQ_FOREACH(entry, &call->waiter->entries, owner_link) {
    reason = attempt_part(&attempt, entry->part, entry);
    if (reason != REASON_PARKED) {
      break;
    }
    requirements_free(attempt.nested.call.requirements); /* of a part whose object is just back */
  }
  reason = attempt_end(&attempt, reason);
  return reason == REASON_PARKED ? HF_REASON_TIMED_OUT : reason;
}

hf_reason handle_wait_any(struct call *call) {
  if (call->woken_entry) {
    return run_woken_part(call);
  }
  return call->waiter ? run_last(call) : run_all(call);
}
