/* What a list is. list.h says what is done with it, list_tree.h has the drawing.
 *
 * layer   objects
 * memory  A list of zeros is empty, and may be moved by assignment.
 */
#ifndef HF_OBJECTS_LIST_TYPE_H
#define HF_OBJECTS_LIST_TYPE_H

#include "proto/value.h"

#include <stddef.h>
#include <stdint.h>

struct list_leaf;
struct list_pool;

struct list {
  size_t len;
  /* The rest is list_tree.h's. */
  void *root; /* a list_leaf when height is 0, else a list_node; NULL: no items */
  struct list_leaf *front, *back;
  size_t values_bytes;      /* of the items' boxes */
  uint16_t first;           /* slots of the front leaf that are empty, before its items */
  uint16_t rest;            /* slots of the back leaf that are empty, behind its items */
  uint32_t height;          /* of inner nodes */
  struct list_pool *pinned; /* see list_pin; NULL: not pinned */
};

static inline void list_init(struct list *list) {
  *list = (struct list){0};
}
/* The items from position on that lie together, borrowed, until the list changes: *count of them,
 * 1 to 256. position < len. O(log n); to visit all:
 *   for (size_t at = 0, count; at < list->len; at += count)
 *     items = list_run(list, at, &count); */
const struct value *list_run(const struct list *list, size_t position, size_t *count);

#endif
