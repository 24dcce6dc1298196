/* What the handlers of queues share.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_QUEUE_CALL_H
#define HF_ENGINE_KINDS_QUEUE_CALL_H

#include "server/engine/call.h"

/* Whether an item is ready and no earlier waiter has to get it; if not, call_park_for_item. */
bool call_finds_item(const struct call *call);
/* As call_park. QUEUE_EMPTY QUEUE_SHUT_DOWN */
hf_reason call_park_for_item(struct call *call);
/* Of the calling thread, in the call's queue; NULL: none. */
struct task *call_find_oldest_reservation(const struct call *call);
/* Ends a reservation: the item is done, and gone. */
void call_finish_task(struct call *call, struct task *task);
/* Wakes waiters of join if no task is unfinished. */
void call_wake_joins(struct call *call);
/* When the last item that could come back is gone, getters of a queue that is shut down learn it. */
void call_wake_at_end(struct call *call);

#endif
