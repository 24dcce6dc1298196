/* Owners of locks, the end of ownership, and deadlocks.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_LOCKS_H
#define HF_ENGINE_LOCKS_H

#include "server/engine/core.h"

/* The object whose lock a condition uses: another one if it was given a lock, else the condition itself.
 * NULL: the other object is gone. */
struct object *core_guard_of(const struct engine *engine, struct object *object);
/* The same for a call that takes or gives up that lock. A given lock that has a name needs the right to write
 * it; without a name it is whose the condition is. HF_REASON_NONE | NO_SUCH_OBJECT it is gone | NO_RIGHT */
hf_reason core_enter_guard(const struct call *call, struct object **guard);
/* Takes the object's lock, which is free for the owner. HF_REASON_NONE | NO_MEMORY, not taken */
hf_reason core_take_lock(struct call *call, struct object *object, const struct lock_terms *terms,
                         bool *owner_died);
/* The owner has lost the object's lock: removes the lock from its session and wakes the next waiter.
 * Before or after the change of the lock itself, with its former `owner`. */
void core_forget_lock(struct engine *engine, struct object *object, struct lock_owner owner);
/* A lease is over, or is found renewed. */
void core_end_lease(struct engine *engine, uint64_t now_ns, struct object *object);
/* The object whose lock the thread waits for; NULL: none, or no *steps are left. Each waiter that is
 * visited is a step. */
struct object *core_lock_waited_for(const struct engine *engine, struct lock_owner thread,
                                    unsigned *steps);
/* Whether a wait of the thread for the object's lock closes a cycle of owners that wait: a
 * deadlock. */
bool core_closes_cycle(const struct engine *engine, struct lock_owner thread, struct object *object,
                       unsigned *steps);
/* Counts the deadlock and reports its members. */
void core_report_deadlock(struct engine *engine, struct lock_owner thread, struct object *object);

#endif
