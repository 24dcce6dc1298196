/* Waking those who wait in queues: they run when the engine settles (settle.h).
 *
 * layer   engine
 */
#ifndef HF_ENGINE_WAKE_H
#define HF_ENGINE_WAKE_H

#include "server/engine/core.h"

/* Something a queue's waiters wait for may have happened. */
void core_wake(struct engine *engine, struct wait_queue *queue);
/* The same for one who is about to be parked there, first in line: it runs again at once, as a
 * waiter, whose handler can't fail to be parked after it has changed something. */
void core_wake_parking(struct engine *engine, struct wait_queue *queue);
/* The same for the waiters of that note, and those without one. */
void core_wake_noted(struct engine *engine, struct wait_queue *queue, uint64_t note);
/* A lock was freed: for those who want it, and those who watch it. */
void core_wake_lock(struct engine *engine, struct object *object);
/* Where it waits. */
void core_wake_waiter(struct engine *engine, const struct waiter *waiter);
/* Those who wait in the queue now may go on, also if what they wait for is over when they do. */
void core_release(struct engine *engine, struct wait_queue *queue);
/* The queue is to be run, be it in the middle of a pass: that one goes on, and then there is another. */
void core_make_ready(struct engine *engine, struct wait_queue *queue);
/* Nobody will be woken there any more. */
void core_forget_queue(struct engine *engine, struct wait_queue *queue);

#endif
