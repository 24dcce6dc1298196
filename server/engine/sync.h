/* What others feel of a party or a waiter that is gone: of semaphores, conditions and barriers.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SYNC_H
#define HF_ENGINE_SYNC_H

#include "server/engine/core.h"

void core_leave_wait(struct engine *engine, const struct waiter *waiter);
/* Those who wait get `step`; the barrier begins anew, or stays as it is when broken. */
void core_end_round(struct engine *engine, struct object *object, unsigned step);
/* Ends the waits for the object that stand in other objects' queues. */
void core_end_foreign_waits(struct engine *engine, uint64_t now_ns, struct object *object);
/* Gives permits back, first of those the session (or NULL) has. HF_REASON_NONE | RELEASED_TOO_OFTEN
 * OVERFLOW, unchanged */
hf_reason core_release_permits(struct engine *engine, struct session *session,
                               struct object *object, uint64_t count);
/* Passes notifications to the first `count` who wait for one. */
void core_notify(struct engine *engine, struct object *object, uint64_t count);
/* The object whose lock a condition uses; itself unless it was given one. NULL: that one is gone.
 */
struct object *core_guard_of(const struct engine *engine, struct object *object);
/* Whether the request has done a part already, which must not be called an error: that part is
 * answered. */
bool core_answer_part(const struct waiter *waiter);
/* Steps of condition_wait and barrier_wait. */
enum { STEP_WAITING = 1, STEP_NOTIFIED, STEP_LATE, STEP_CANCELLED, STEP_RELEASED, STEP_BROKEN };

#endif
