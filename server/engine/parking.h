/* How a request begins to wait, and how its wait ends without a run of its handler.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_PARKING_H
#define HF_ENGINE_PARKING_H

#include "server/engine/core.h"

/* First parking. HF_REASON_NONE | NO_MEMORY IN_FLIGHT_FULL MEMORY_FULL */
hf_reason core_begin_wait(struct call *call);
/* Links a waiter, except into its queue: into its session or connection and the session's window.
 * Charges so many bytes. */
void core_link_waiter(struct engine *engine, struct waiter *waiter, size_t bytes);
/* Allocates all that parking needs, for handlers that change something before they wait: then parking
 * can't fail. HF_REASON_NONE | IN_FLIGHT_FULL MEMORY_FULL NO_MEMORY */
hf_reason core_prepare_park(struct call *call);
/* Whether the session's window has the waiter's reply, which does not count there yet. */
bool core_is_pending_in_window(const struct waiter *waiter);
/* The time of a request that waits begins now. HF_REASON_NONE | NO_MEMORY */
hf_reason core_restart_time(struct call *call);
/* Ends a wait with a reason; a put of many that has put some answers that, as does a kick. */
void core_end_wait(struct engine *engine, uint64_t now_ns, struct waiter *waiter, hf_reason reason);
/* What a waiter waited for is gone. */
void core_end_wait_on_gone(struct engine *engine, uint64_t now_ns, struct waiter *waiter,
                           hf_reason reason);
/* A waiter leaves without an answer. */
void core_drop_waiter(struct engine *engine, struct waiter *waiter);

/* ---- for run.c */

/* A waiter's call, without its message. */
struct call core_call_of(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* Unlinks the waiter from all but its reply, which stays with the caller. */
void core_unlink_waiter(struct engine *engine, struct waiter *waiter);
/* Lets the kind act on the end of a wait. */
void core_leave_wait(struct engine *engine, const struct waiter *waiter);

#endif
