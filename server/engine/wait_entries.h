/* Wait-any: a request that waits in several queues at once has a wait entry in each.
 *
 *   waiter, in no queue itself            queue of a lock     queue of another object
 *     entries: entry (part 1) ------------> [ ... entry ... ]
 *              entry (part 2) --------------------------------> [ ... entry ... ]
 *
 * layer   engine
 *
 * An entry is a waiter too. Its owner is the waiter of the request; its position in the queue is by
 * the owner's ticket. A wake of the entry runs the owner's part. The end of the owner frees all entries.
 */
#ifndef HF_ENGINE_WAIT_ENTRIES_H
#define HF_ENGINE_WAIT_ENTRIES_H

#include "server/engine/core.h"

/* Adds an entry for a nested call that is to wait; the entry is in no queue yet. The requirements are
 * taken. false: out of memory, nothing taken. */
bool wait_entries_add(struct waiter_list *entries, const struct call *nested, uint32_t part);
/* Frees entries that are in no queue. */
void wait_entries_free(struct waiter_list *entries);
/* Moves the entries to the owner, and each into its queue. */
void wait_entries_start(struct waiter *owner, struct waiter_list *entries);
/* The owner's wait is over: removes and frees its entries. */
void wait_entries_end(struct waiter *owner);
/* The entry's part has run again and waits on, perhaps in another queue; the part's requirements are
 * taken. HF_REASON_NONE | MEMORY_FULL */
hf_reason wait_entries_follow(struct waiter *entry, struct call *nested);
size_t wait_entries_bytes(const struct waiter_list *entries);

#endif
