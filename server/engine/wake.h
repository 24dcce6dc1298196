/* Wakes waiters in queues: they run when the engine settles (settle.h).
 *
 * layer   engine
 */
#ifndef HF_ENGINE_WAKE_H
#define HF_ENGINE_WAKE_H

#include "server/engine/core.h"

/* Wakes the waiters of a queue: what they wait for may have happened. */
void core_wake(struct engine *engine, struct wait_queue *queue);
/* The same for a request that is about to be parked there, first in the queue: it runs again at once, as
 * a waiter, so that parking after a change can't fail. */
void core_wake_parking(struct engine *engine, struct wait_queue *queue);
/* The same for waiters for a change of that key, or of any. */
void core_wake_key(struct engine *engine, struct wait_queue *queue, uint64_t key_hash);
/* A lock was freed: wakes waiters for the lock and for a change. */
void core_wake_lock(struct engine *engine, struct object *object);
/* Wakes the queues that the waiter is in. */
void core_wake_waiter(struct engine *engine, const struct waiter *waiter);
/* The present waiters of the queue may go on, even if the condition is over by then. */
void core_release(struct engine *engine, struct wait_queue *queue);
/* Adds the queue to the engine's ready list. A pass under way goes on, and another follows. */
void core_make_ready(struct engine *engine, struct wait_queue *queue);
/* Removes the queue from the ready list, for good. */
void core_forget_queue(struct engine *engine, struct wait_queue *queue);

#endif
