/* Runs handlers: a first run parks the request or answers it; each later run answers it, or it waits on. */
#include "server/engine/run.h"

#include "proto/wire.h"
#include "server/engine/admission.h"
#include "server/engine/admit_waiter.h"
#include "server/engine/decoded.h"
#include "server/engine/lending.h"
#include "server/engine/outcome.h"
#include "server/engine/parking.h"
#include "server/engine/require.h"
#include "server/engine/steps.h"
#include "server/engine/wait_entries.h"

#include <assert.h>
#include <stdlib.h>

hf_reason core_read_again(struct call *call) {
  struct waiter *waiter = call->waiter;
  struct engine *engine = call->engine;
  Holdfast__Request *message = NULL;
  if (waiter->decoded) {
    message = waiter->decoded->message;
  } else if (waiter->body_len > 0) {
    struct bytes body = bytes_of(waiter->body, waiter->body_len);
    core_spend(engine, body.len / STEPS_BODY_BYTES);
    if (wire_unpack_request(body, &engine->scratch, &message)) {
      return HF_REASON_NO_MEMORY;
    }
  }
  call->message = message;
  return HF_REASON_NONE;
}

/* One that waited before a lent object was not begun yet. */
static hf_reason check_quota_again(const struct call *call, const struct waiter *woken) {
  const struct object *object = woken->object;
  bool was_in_line = object && object->loan && woken->queue == &object->loan->queue;
  bool stores = call->operation->flags & OPERATION_STORES;
  return was_in_line && stores ? admission_check_again(call, call->body.len) : HF_REASON_NONE;
}

/* HF_REASON_NONE | OBJECT_DELETED CELL_LOST */
static hf_reason is_gone(const struct waiter *woken) {
  const struct object *object = woken->object;
  if (!object) {
    return HF_REASON_NONE;
  }
  return object->is_deleted ? HF_REASON_OBJECT_DELETED
                            : admission_check_content(woken->operation, object);
}

bool core_run_again(struct engine *engine, uint64_t now_ns, struct waiter *woken, bool timed_out) {
  struct waiter *waiter = waiter_owner(woken);
  struct call call = core_call_of(engine, now_ns, waiter);
  core_spend(engine, STEPS_OF_RUN);
  hf_reason gone = is_gone(woken);
  if (gone) {
    core_end_wait_on_gone(engine, now_ns, woken, gone);
    return true;
  }
  if (core_is_lent(woken->object)) {
    if (timed_out) {
      core_end_wait(engine, now_ns, waiter, HF_REASON_TIMED_OUT);
    }
    return timed_out; /* all are woken when it is back */
  }
  if (woken->requirements && !timed_out && requirements_still_wait(&call, woken)) {
    return false;
  }
  call.woken_entry = woken->owner ? woken : NULL;
  call.timed_out = timed_out;
  hf_reason reason = check_quota_again(&call, woken);
  reason = reason ? reason : core_read_again(&call);
  reason = reason ? reason : waiter->operation->handle(&call);
  arena_reset(&engine->scratch);
  if (reason == REASON_PARKED) {
    hf_reason kept = core_keep_requirements(&call, waiter);
    reason = kept ? kept : REASON_PARKED;
  }
  if (reason == REASON_PARKED) {
    assert(!call.timed_out); /* a step that must not be cut short has taken it back */
    waiter->step = call.step;
    waiter->progress = call.progress;
    waiter->key_hash = call.key_hash;
    waiter->object = call.object;
    waiter->terms = call.terms;
    waiter->part = call.part;
    wait_queue_move(waiter, call.park_queue);
    if (call.lends) {
      core_begin_job(engine, call.lends, waiter);
    }
    return false;
  }
  core_unlink_waiter(engine, waiter);
  if (reason == HF_REASON_NO_MEMORY) {
    core_leave_wait(engine, waiter);
  }
  core_finish(&call, reason);
  free(waiter);
  return true;
}

void core_end_job(struct engine *engine, uint64_t now_ns, struct waiter *requester,
                  struct job *job) {
  struct call call = core_call_of(engine, now_ns, requester);
  hf_reason reason = job->stop_reason;
  call.job = job;
  if (job->reason != HF_REASON_STOPPING) {
    reason = core_read_again(&call);
    reason = reason ? reason : requester->operation->handle(&call);
    arena_reset(&engine->scratch);
  }
  assert(reason != REASON_PARKED);
  core_unlink_waiter(engine, requester);
  core_finish(&call, reason);
  free(requester);
}

void core_time_out(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  if (waiter->suspended) {
    waiter->overdue = true; /* a grant would be lost with the connection */
  } else if (waiter->job) {
    core_stop_job(waiter->job, HF_REASON_TIMED_OUT); /* it answers, unless it is done already */
  } else {
    core_run_again(engine, now_ns, waiter, true);
  }
}

/* ---- first runs */

static hf_reason run_first(struct call *call) {
  bool looks_inside = call->object && call->operation->kinds != OPERATION_ANY_KIND;
  hf_reason reason = looks_inside ? core_pass_line(call, call->object) : HF_REASON_NONE;
  return reason ? reason : call->operation->handle(call);
}

/* It does not wait after all. */
static void drop_plans(struct call *call) {
  free(call->prepared);
  requirements_free(call->requirements);
  job_free(call->lends);
}

void core_run(struct call *call) {
  core_spend(call->engine, STEPS_OF_RUN + call->body.len / STEPS_BODY_BYTES);
  hf_reason reason = run_first(call);
  if (reason == REASON_PARKED) {
    reason = core_begin_wait(call);
    if (reason == HF_REASON_NONE) {
      return;
    }
    if (!call->park_queue) {
      wait_entries_free(&call->entries);
    }
  }
  if (call->prepared || call->requirements || call->lends) {
    drop_plans(call);
  }
  core_finish(call, reason);
}
