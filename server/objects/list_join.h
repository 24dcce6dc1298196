/* Cutting lists, and joining them: what changes of many items are made of.
 *
 * layer   objects, within list*.c
 * memory  Draws from a pool that was filled before: none fails.
 * cost    O(log n)
 */
#ifndef HF_OBJECTS_LIST_JOIN_H
#define HF_OBJECTS_LIST_JOIN_H

#include "proto/status.h"
#include "server/objects/list_tree.h"

/* Fills the pool for so many cuts and seams of what these two (NULL: there is no other) are and
 * become. false: out of memory */
bool list_pool_fill_for_parts(struct list_pool *pool, const struct list *list,
                              const struct list *other, size_t parts);
/* list_split */
void list_cut(struct list *list, size_t position, struct list *tail, struct list_pool *pool);
/* list_concat; both fit into one. */
void list_join(struct list *list, struct list *tail, struct list_pool *pool);
/* Cuts and seams of a splice. */
#define SPLICE_PARTS 4

/* Replaces `count` items from position on, which become *removed, by those of the list `part`.
 * HF_REASON_NONE | NO_MEMORY, unchanged */
hf_reason list_splice(struct list *list, size_t position, size_t count, struct list *part,
                      struct list *removed);
/* list_insert of any number. */
hf_reason list_insert_run(struct list *list, size_t position, const struct value *values,
                          size_t count);

#endif
