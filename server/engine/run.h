/* Runs operations: for the first time, again when their waiters are woken, and to their outcomes.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_RUN_H
#define HF_ENGINE_RUN_H

#include "server/engine/core.h"

/* The first run of a request that was admitted; its answer is delivered, unless it waits. */
void core_run(struct call *call);
/* Runs the handler of a waiter again, or of a wait entry's owner. On a deleted object, a lost cell, or on a lent object
 * after the deadline, the waiter is answered without a run. false: it waits on. */
bool core_run_again(struct engine *engine, uint64_t now_ns, struct waiter *woken, bool timed_out);
/* The request of the call's waiter becomes its message, in the engine's scratch, which the caller resets, or
 * decoded once and for all. HF_REASON_NONE | NO_MEMORY */
hf_reason core_read_again(struct call *call);
/* The deadline of a waiter has passed: its handler runs for the last time. A suspended waiter is marked
 * as overdue, and that is done when it is resumed. */
void core_time_out(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* Answers a request whose job is done. */
void core_end_job(struct engine *engine, uint64_t now_ns, struct waiter *requester,
                  struct job *job);

#endif
