/* Leases of reserved items, and due times of delayed ones.
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
hf_reason core_own_task(struct engine *engine, struct session *session, uint64_t thread,
                        struct task *task);
/* The task's reservation is about to end. */
void core_disown_task(struct engine *engine, struct task *task);
/* The item is ready again at its old position, if the session still has the reservation. */
void core_end_reservation(struct engine *engine, struct session *session, uint64_t reservation,
                          bool is_tried);
/* The item that a get took is ready again at its old position. The value is taken; its references are
 * not counted for the object meanwhile. */
void core_put_back_item(struct engine *engine, struct object *object, struct value value,
                        const struct reply_taken *taken);
void core_leave_reservations(struct engine *engine, struct session *session, bool clean);
/* The queue is about to be deleted: time brings nothing more. */
void core_stop_tasks(struct engine *engine, struct object *object);
/* After core_stop_tasks: ends all reservations. false: the rest is for later. */
bool core_forget_tasks(struct engine *engine, struct object *object);

#endif
