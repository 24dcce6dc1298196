/* Runs operations: for the first time, again when their waiters are woken, and to their outcomes.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_RUN_H
#define HF_ENGINE_RUN_H

#include "server/engine/core.h"

/* A request's first run; its answer is delivered, unless it waits. */
void core_run(struct call *call);
/* After an operation: counts the memory of its object, wakes those who wait for its change. */
void core_note_end(struct call *call, hf_reason reason);
/* The waiter, whose queue is seen to apart, waits: its owner, its connection and its session's window know
 * it, and so many bytes are charged. */
void core_link_waiter(struct engine *engine, struct waiter *waiter, size_t bytes);
/* Sees to all that parking needs, for handlers that change something before they wait: then it can't
 * fail. HF_REASON_NONE | IN_FLIGHT_FULL MEMORY_FULL NO_MEMORY */
hf_reason core_prepare_park(struct call *call);
/* A waiter, or an ear, that waited for a lent object at first knows only now what it waits for. The
 * call's requirements, if it has any, are taken. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_keep_requirements(struct call *call, struct waiter *waiter);
/* The time of a request that waits begins now. HF_REASON_NONE | NO_MEMORY */
hf_reason core_restart_time(struct call *call);
/* Runs the handler of a waiter again, or of the one it is an ear of. false: it waits on. */
bool core_run_again(struct engine *engine, uint64_t now_ns, struct waiter *woken, bool timed_out);
/* Ends a wait with a reason; a put of many that has put some answers that, as does a kick. */
void core_end_wait(struct engine *engine, uint64_t now_ns, struct waiter *waiter, hf_reason reason);
/* The last run of a waiter whose time is up; when it is resumed, if it is suspended. */
void core_time_out(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* A waiter leaves without an answer. */
void core_drop_waiter(struct engine *engine, struct waiter *waiter);
/* Answers a request whose job is done. */
void core_end_job(struct engine *engine, uint64_t now_ns, struct waiter *requester,
                  struct job *job);

#endif
