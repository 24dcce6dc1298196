/* Who holds locks, how they lose them, and who waits for whom.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_LOCKS_H
#define HF_ENGINE_LOCKS_H

#include "server/engine/core.h"

/* The object whose lock a condition uses; itself unless it was given one. NULL: that one is gone. */
struct object *core_guard_of(const struct engine *engine, struct object *object);
/* Takes the object's lock, which is free for the owner. HF_REASON_NONE | NO_MEMORY, not taken */
hf_reason core_take_lock(struct call *call, struct object *object, const struct lock_terms *terms,
                         bool *owner_died);
/* Whoever held the object's lock does so no more: its session forgets it, the next may come. Before
 * or after the lock itself changed owner, but with `owner` as it was. */
void core_forget_lock(struct engine *engine, struct object *object, struct lock_owner owner);
/* A lease is over, or is found renewed. */
void core_end_lease(struct engine *engine, uint64_t now_ns, struct object *object);
/* The object whose lock the thread waits for; NULL: none, or *steps, how many waiters may be looked
 * at, are used up. */
struct object *core_lock_waited_for(const struct engine *engine, struct lock_owner thread,
                                    unsigned *steps);
/* Whether the thread's waiting for the object's lock closes a circle of holders who wait. */
bool core_closes_circle(const struct engine *engine, struct lock_owner thread,
                        struct object *object, unsigned *steps);
/* Counts it, and says who is in it. */
void core_note_circle(struct engine *engine, struct lock_owner thread, struct object *object);

#endif
