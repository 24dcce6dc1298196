/* What becomes of a queue's items that were given out or are delayed.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_TASKS_H
#define HF_ENGINE_TASKS_H

#include "server/engine/core.h"

/* Sees to object->queue.tasks and its timer. false: out of memory. */
bool core_begin_tasks(struct engine *engine, struct object *object);
/* The tasks' next deadline may have come nearer. */
void core_expect_tasks(struct engine *engine, struct queue *queue);
void core_tasks_due(struct engine *engine, uint64_t now_ns, struct timer *timer);
/* The caller's reservation, for as long as the task is reserved. HF_REASON_NONE | NO_MEMORY */
hf_reason core_own_task(struct engine *engine, struct session *session, uint64_t caller,
                        struct task *task);
/* It is about to be reserved no more. */
void core_disown_task(struct engine *engine, struct task *task);
/* The item is ready again at its place, if the session still has the reservation. */
void core_end_reservation(struct engine *engine, struct session *session, uint64_t reservation,
                          bool is_tried);
/* What a get took is ready again at its place. The value is taken, and not counted as kept by the
 * object while it is on its way. */
void core_put_back_item(struct engine *engine, struct object *object, struct value value,
                        const struct reply_taken *taken);
void core_leave_reservations(struct engine *engine, struct session *session, bool clean);
/* The queue is about to be deleted: time brings nothing more. */
void core_stop_tasks(struct engine *engine, uint64_t now_ns, struct object *object);
/* Then: what was reserved is nobody's any more. false: the rest is for later. */
bool core_forget_tasks(struct engine *engine, struct object *object);

#endif
