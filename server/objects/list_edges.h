/* The two ends of a list, where most happens: room, putting and taking there.
 *
 * layer   objects, within list*.c
 * cost    O(1) amortized
 */
#ifndef HF_OBJECTS_LIST_EDGES_H
#define HF_OBJECTS_LIST_EDGES_H

#include "proto/status.h"
#include "server/objects/list_tree.h"

/* Makes an empty slot at that edge, the first of `expected` that will be needed. Fills the pool first,
 * and leaves unused nodes in the pool. HF_REASON_NONE | NO_MEMORY */
hf_reason list_make_room(struct list *list, bool at_back, size_t expected, struct list_pool *pool);
/* Items are taken into empty slots there are at the back; bytes of theirs. */
void list_push_back(struct list *list, const struct value *items, size_t count, size_t bytes);
/* An item is taken into an empty slot there is at the front. */
void list_push_front(struct list *list, struct value item);
/* The item at that edge, the caller's. */
struct value list_take_front(struct list *list);
struct value list_take_back(struct list *list);
/* Appends items that lie together, taken. HF_REASON_NONE | NO_MEMORY, unchanged */
hf_reason list_append_run(struct list *list, const struct value *items, size_t count);
/* Drops that many items from the back, which are elsewhere by now, or never were the list's. */
void list_drop_back(struct list *list, size_t count);
/* After a removal: gives back room. Where there is no memory to move to, it stays. */
void list_fit(struct list *list);

#endif
