/* Objects that are lent to a job, and requests that wait for them meanwhile: see job.h.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_LENDING_H
#define HF_ENGINE_LENDING_H

#include "server/engine/core.h"

/* The object's loan, made if it has none. NULL: out of memory. */
struct loan *core_loan(struct engine *engine, struct object *object);

/* Has the job's work done: at once if it takes few steps (of a tenth of a microsecond or so); else the object
 * is lent to a thread, the call parks, and the handler runs again. scratch_bytes: memory that the work takes
 * meanwhile, or for its result. job->value is the caller's again unless the call parks.
 *
 * HF_REASON_NONE the results are in *job | REASON_PARKED | MEMORY_FULL NO_MEMORY, or what the work
 * says: unchanged */
hf_reason call_work(struct call *call, struct job *job, size_t steps, size_t scratch_bytes);
/* Whether the call may use the object. HF_REASON_NONE | REASON_PARKED the object is lent, or waiters that
 * came while it was lent are before the call: call->park_queue is where to wait | TIMED_OUT the same, after
 * the deadline */
hf_reason core_pass_line(struct call *call, const struct object *object);
/* Whether a job works on the object now. */
static inline bool core_is_lent(const struct object *object) {
  return object && object->loan && object->loan->job;
}
/* Lends the job's object; the requester waits in the object's loan until the job is done. */
void core_begin_job(struct engine *engine, struct job *job, struct waiter *requester);
/* Asks the job to stop: if the job stops before its work is done, its requester is answered the reason. */
void core_stop_job(struct job *job, hf_reason reason);
void core_stop_all_jobs(struct engine *engine);
/* The waiter ends: its job, if any, is asked to stop, and answers no request. */
void core_forget_requester(struct waiter *waiter);
/* The job is done, or was stopped: its object is given back, and job->is_back, unless there are more
 * references to count than one command may: then it is to be called again. Answers the requester, which has
 * no answer yet; NULL: none, or not yet. */
struct waiter *core_take_job_back(struct engine *engine, struct job *job);
/* Counts the references that the work has added and removed, and installs the cell that it made. */
void core_take_effect(struct engine *engine, struct object *object, struct job *job);
/* Frees jobs that were never taken. */
void core_free_jobs(struct engine *engine);

#endif
