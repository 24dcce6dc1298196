/* The list: Python's list of values, with room at both ends so that it also serves as a queue.
 *
 * layer   objects
 * memory  as in dict.h: arguments are taken on success only, `out` values are the caller's unless
 *         "borrowed".
 * cost    O(1) at both ends and by index, O(n) in between, sort O(n log n).
 */
#ifndef HF_OBJECTS_LIST_H
#define HF_OBJECTS_LIST_H

#include "proto/range.h"
#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
  struct value *room; /* items are room[first .. first + len) */
  size_t first;
  size_t len;
  size_t capacity;
  size_t values_bytes; /* held by the items' boxes */
  bool held;           /* room is not given back */
};

/* Where an insertion at that index goes: as in Python, beyond either end means that end. */
size_t list_clamp(size_t len, int64_t index);

void list_init(struct list *list);
void list_deinit(struct list *list); /* releases the items */
size_t list_memory_bytes(const struct list *list);
/* Borrowed item; position < len. */
struct value list_at(const struct list *list, size_t position);
/* value is taken, the old item is answered and the caller's. */
struct value list_replace(struct list *list, size_t position, struct value value);
/* All or none are taken. HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG */
hf_reason list_insert(struct list *list, size_t position, const struct value *values, size_t count);
hf_reason list_append(struct list *list, struct value value);
/* The removed item, the caller's. position < len. */
struct value list_remove_at(struct list *list, size_t position);
/* Until list_release, removed items can be put back without memory. */
void list_hold(struct list *list);
/* Puts back an item that was removed since; value is taken. */
void list_restore(struct list *list, size_t position, struct value value);
void list_release(struct list *list);
/* Removes what the range selects. The removed are appended to *removed (initialized), the caller's.
 * HF_REASON_NONE | NO_MEMORY, unchanged */
hf_reason list_remove_range(struct list *list, struct list_range range, struct list *removed);
/* Python's l[slice] = values. step 1: any number of values may replace the range; else as many as
 * it selects. Values are taken on success; the replaced go to *removed. HF_REASON_NONE | BAD_SLICE
 * NO_MEMORY OBJECT_TOO_BIG, unchanged */
hf_reason list_replace_range(struct list *list, struct list_range range, const struct value *values,
                             size_t count, struct list *removed);
/* Position of the first equal item in [from, to). false: none. */
bool list_find(const struct list *list, struct value value, size_t from, size_t to,
               size_t *position);
size_t list_count(const struct list *list, struct value value);
void list_reverse(struct list *list);
/* Stable merge sort, as Python's. HF_REASON_NONE | NOT_ORDERED NO_MEMORY, the list as it was */
hf_reason list_sort(struct list *list, bool reverse);
/* In place; count <= 0 empties it into *removed. HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG */
hf_reason list_repeat(struct list *list, int64_t count, struct list *removed);

#endif
