/* Objects that are lent to a job, and requests that wait for them meanwhile: see job.h. */
#include "server/engine/lending.h"

#include "server/engine/cells.h"
#include "server/engine/emptying.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/references.h"
#include "server/engine/steps.h"
#include "server/engine/wake.h"

#include <stdlib.h>

/* ---- who waits */

struct loan *core_loan(struct engine *engine, struct object *object) {
  if (!object->loan && (object->loan = calloc(1, sizeof *object->loan))) {
    wait_queue_init(&object->loan->queue, false);
    engine->has_loans = true;
  }
  return object->loan;
}

/* Also with a timeout of 0, which is not for what takes its time by itself. */
static hf_reason line_up(struct call *call, struct loan *loan) {
  call->late = call->timed_out;
  call->park_queue = &loan->queue;
  return call->timed_out ? HF_REASON_TIMED_OUT : REASON_PARKED;
}

hf_reason core_pass_line(struct call *call, const struct object *object) {
  struct loan *loan = object->loan;
  bool must_wait = loan && (loan->job || (!call->waiter && loan->queue.count > 0));
  return must_wait ? line_up(call, loan) : HF_REASON_NONE;
}

/* ---- lending */

static hf_reason do_here(struct call *call, struct job *job) {
  struct object *object = call->object;
  list_init(&job->removed);
  job->list = &object->list;
  job->reason = job->work(job);
  core_take_effect(call->engine, object, job);
  return job->reason;
}

/* What the job has found out is the caller's. */
static hf_reason take_results(struct job *done, struct job *job) {
  *job = *done;
  done->values = NULL;
  done->value = (struct value){0};
  return job->reason;
}

static hf_reason lend(struct call *call, const struct job *job, size_t scratch_bytes) {
  struct loan *loan = core_loan(call->engine, call->object);
  hf_reason reason = core_check_memory(call->engine, scratch_bytes);
  if (!reason && !loan) {
    reason = HF_REASON_NO_MEMORY;
  }
  if (!reason) {
    reason = line_up(call, loan);
  }
  if (reason != REASON_PARKED) {
    return reason;
  }
  struct job *lent = malloc(sizeof *lent);
  if (!lent) {
    return HF_REASON_NO_MEMORY;
  }
  *lent = *job;
  list_init(&lent->removed);
  lent->object = call->object;
  lent->charged_bytes = scratch_bytes;
  call->lends = lent;
  return REASON_PARKED;
}

hf_reason call_work(struct call *call, struct job *job, size_t steps, size_t scratch_bytes) {
  if (call->job) {
    value_release(job->value);
    return take_results(call->job, job);
  }
  if (steps <= HF_BATCH_STEPS_MAX) {
    core_spend(call->engine, steps);
    return do_here(call, job);
  }
  return lend(call, job, scratch_bytes);
}

void core_begin_job(struct engine *engine, struct job *job, struct waiter *requester) {
  struct object *object = job->object;
  job->number = ++engine->next_job;
  job->requester = requester;
  requester->job = job;
  const struct kind *kind = object->row;
  if (kind->lend) {
    kind->lend(object, job);
  }
  object->loan->job = job;
  memory_charge(&engine->memory, MEMORY_SCRATCH, job->charged_bytes);
  TAILQ_INSERT_TAIL(&engine->jobs, job, link);
}

/* ---- stopping */

void core_stop_job(struct job *job, hf_reason reason) {
  job->stop_reason = reason;
  shared_flag_raise(&job->stop);
}

void core_forget_requester(struct waiter *waiter) {
  if (waiter->job) {
    core_stop_job(waiter->job, HF_REASON_CANCELLED);
    waiter->job->requester = NULL;
    waiter->job = NULL;
  }
}

void core_stop_all_jobs(struct engine *engine) {
  struct job *job;
  TAILQ_FOREACH(job, &engine->jobs, link) {
    core_stop_job(job, HF_REASON_STOPPING);
  }
  TAILQ_FOREACH(job, &engine->taken_jobs, link) {
    core_stop_job(job, HF_REASON_STOPPING);
  }
}

/* ---- taking back */

static void drop_removed(struct engine *engine, struct object *object, struct list *removed) {
  struct object *dropped = object_new_shell(object);
  if (!dropped) {
    core_drop_values(engine, object, removed);
    return;
  }
  dropped->list = *removed;
  dropped->memory_bytes = list_memory_bytes(removed);
  list_init(removed);
  core_drop_content(engine, dropped);
}

/* Of the list's items, the first ones came to it so many times more. */
static bool has_uncounted(const struct job *job, const struct object *object,
                          const struct list *list) {
  return job->reason == HF_REASON_NONE && job->repeats && job->times > 1 &&
         object->stored_references > 0 && job->counted < list->len / (size_t)job->times;
}

static void count_next(struct engine *engine, struct object *object, struct job *job,
                       const struct list *list) {
  struct value value = list_at(list, job->counted++);
  core_keep_times(engine, object, value, (uint64_t)job->times - 1);
  core_spend(engine, value_has_reference(value) ? STEPS_OF_COUNT : 1);
}

void core_take_effect(struct engine *engine, struct object *object, struct job *job) {
  if (job->removed.len > 0) {
    drop_removed(engine, object, &job->removed);
  }
  while (has_uncounted(job, object, &object->list)) {
    count_next(engine, object, job, &object->list);
  }
  bool is_gone = object->is_deleted || core_is_lost_cell(object);
  if (job->reason == HF_REASON_NONE && job->share && !is_gone) {
    job->replaced = core_install_share(engine, object, job->share);
    job->share = NULL;
  }
}

static void wake_all(struct engine *engine, struct object *object) {
  core_wake(engine, &object->loan->queue);
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    core_wake(engine, &object->waits[i]);
  }
}

/* It was deleted meanwhile: what is left of that goes on. */
static void bring_back_deleted(struct engine *engine, struct object *object) {
  if (object->loan->awaits_job) {
    object->loan->awaits_job = false;
    memory_refund(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
    TAILQ_INSERT_TAIL(&engine->deleted, object, unreferenced_link);
  }
}

/* Its object is back. */
static void bring_back(struct engine *engine, struct job *job) {
  struct object *object = job->object;
  const struct kind *kind = object->row;
  if (kind->bring_back) {
    kind->bring_back(object, job);
  }
  object->loan->job = NULL;
  memory_refund(&engine->memory, MEMORY_SCRATCH, job->charged_bytes);
  core_take_effect(engine, object, job);
  core_drop_lost_elements(object);
  cell_share_release(job->share); /* of one that is gone: here, where counts may change */
  job->share = NULL;
  if (object->is_deleted) {
    bring_back_deleted(engine, object);
  } else {
    registry_account(&engine->registry, object);
    wake_all(engine, object);
  }
}

struct waiter *core_take_job_back(struct engine *engine, struct job *job) {
  struct waiter *requester = job->requester;
  while (core_has_steps(engine) && has_uncounted(job, job->object, job->list)) {
    count_next(engine, job->object, job, job->list);
  }
  if (has_uncounted(job, job->object, job->list)) {
    return NULL;
  }
  job->is_back = true;
  TAILQ_REMOVE(job->is_taken ? &engine->taken_jobs : &engine->jobs, job, link);
  bring_back(engine, job);
  if (requester) {
    requester->job = NULL;
  }
  return requester;
}

void core_free_jobs(struct engine *engine) {
  struct job *job;
  while ((job = TAILQ_FIRST(&engine->jobs))) {
    job->reason = HF_REASON_STOPPING;
    TAILQ_REMOVE(&engine->jobs, job, link);
    bring_back(engine, job);
    job_free(job);
  }
}
