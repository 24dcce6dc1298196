/* The list: Python's list of values, which also serves as a queue.
 *
 * A counted B+-tree: the items are in leaves of up to 256, in order; inner nodes of up to 64 children
 * know how many items each child has, and how much memory (list_tree.h has a drawing). A list of up
 * to 256 items is one leaf that grows with it. Appending fills leaves completely.
 *
 * layer   objects
 * memory  as in dict.h: arguments are taken on success only, `out` values are the caller's unless
 *         "borrowed". A list may be moved by assignment. What fails for want of memory has changed
 *         nothing, unless it says otherwise.
 * cost    O(1) at both ends; O(log n) by index, at a cut and at a seam, and at most 256 items are
 *         moved for it. n: also O(n) work that is said at the function; a caller with a bound
 *         on steps runs that on a lent list, and passes a `struct list_stop`.
 */
#ifndef HF_OBJECTS_LIST_H
#define HF_OBJECTS_LIST_H

#include "proto/range.h"
#include "proto/status.h"
#include "server/objects/list_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asked every few thousand steps of a long operation. true: it ends with STOPPING, the list as it
 * was. Where a `const struct list_stop *` is NULL, the operation runs to its end. */
struct list_stop {
  bool (*stop)(void *ctx);
  void *ctx;
};

/* Where an insertion at that index goes: as in Python, beyond either end means that end. */
size_t list_clamp(size_t len, int64_t index);

void list_deinit(struct list *list); /* releases the items: n */
/* Bytes that the list counts for: a function of its items, whatever was done to it before. Beside its
 * value's own memory an item takes 16 where the list was appended to, 37 at most, in leaves that have
 * lost what they may lose: a quarter more than it counts for, and a page. O(1) */
#define LIST_ITEM_BYTES 30
size_t list_memory_bytes(const struct list *list);
/* About what so many more copies of its items would add to that. false: more than there can be. */
bool list_bytes_of_copies(const struct list *list, uint64_t copies, size_t *bytes);
/* Borrowed item; position < len. */
struct value list_at(const struct list *list, size_t position);
/* value is taken, the old item is answered and the caller's. */
struct value list_replace(struct list *list, size_t position, struct value value);
/* All or none are taken. O(log n + count). HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG */
hf_reason list_insert(struct list *list, size_t position, const struct value *values, size_t count);
hf_reason list_append(struct list *list, struct value value);
/* The removed item, the caller's. position < len. */
struct value list_remove_at(struct list *list, size_t position);

/* For undoing, which must not need memory. */

/* The item at that position, which list_remove_at removes next, can be put back without memory,
 * whatever is removed or inserted after it. Until list_unpin; for HF_TRANSACTION_COUNT_MAX changes.
 * position < len. false: out of memory, unchanged. */
bool list_pin(struct list *list, size_t position);
/* Puts back an item that was removed since, after all later changes have been undone; value is
 * taken. */
void list_restore(struct list *list, size_t position, struct value value);
void list_unpin(struct list *list); /* harmless when it is not pinned */

/* Parts. */

/* The items from position on become *tail, which needs no initializing. position <= len. O(log n)
 * HF_REASON_NONE | NO_MEMORY */
hf_reason list_split(struct list *list, size_t position, struct list *tail);
/* The items of tail come behind those of the list; tail is empty. O(log n)
 * HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG, both unchanged */
hf_reason list_concat(struct list *list, struct list *tail);
/* Bytes of memory that the next two take beyond what they leave, at most, until they return. 0 for
 * a range of step 1 or -1. */
size_t list_range_scratch_bytes(const struct list *list, struct list_range range);
/* Removes what the range selects, into *removed (initialized, empty), in ascending order: the
 * caller's. step 1 or -1: O(log n); else the stretch from the first to the last, and it asks stop.
 * HF_REASON_NONE | NO_MEMORY STOPPING */
hf_reason list_remove_range(struct list *list, struct list_range range, struct list *removed,
                            const struct list_stop *stop);
/* Python's l[slice] = values. step 1: any number of values may replace the range; else as many as
 * it selects. Values are taken on success; the replaced go to *removed (initialized, empty).
 * O(log n + count) for step 1, O(count log n) else.
 * HF_REASON_NONE | BAD_SLICE NO_MEMORY OBJECT_TOO_BIG */
hf_reason list_replace_range(struct list *list, struct list_range range, const struct value *values,
                             size_t count, struct list *removed);

/* Whole lists: n. */

/* Position of the first equal item in [from, to). false: none. May be asked in pieces. */
bool list_find(const struct list *list, struct value value, size_t from, size_t to,
               size_t *position);
/* Equal items in [from, to). */
size_t list_count(const struct list *list, struct value value, size_t from, size_t to);
void list_reverse(struct list *list); /* about 2 s for the longest list */
/* Bytes of memory that sorting takes until it returns. */
size_t list_sort_scratch_bytes(const struct list *list);
/* Stable, as Python's. HF_REASON_NONE | NOT_ORDERED NO_MEMORY STOPPING, the list as it was */
hf_reason list_sort(struct list *list, bool reverse, const struct list_stop *stop);
/* In place, count times the items. count <= 0 moves them to *removed (initialized, empty): O(1).
 * HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG STOPPING */
hf_reason list_repeat(struct list *list, int64_t count, struct list *removed,
                      const struct list_stop *stop);

#endif
