#include "server/objects/list_edges.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 4
/* Empty slots for which all items of the front leaf move up. */
#define GAP_MIN (LEAF_SLOTS > 16 ? 16 : 1)

/* ---- a list of one leaf */

/* All items move into a fresh leaf, behind `first` empty slots. It is the list's only one then. */
static void move_to_leaf(struct list *list, struct list_leaf *leaf, size_t first) {
  size_t len = list->len;
  for (size_t at = 0, count; at < len; at += count) {
    const struct value *run = list_run(list, at, &count);
    list_copy_items(leaf->items + first + at, run, count);
  }
  size_t bytes = list_items_bytes(leaf->items + first, len);
  list_tree_free(list);
  leaf->count = leaf->capacity;
  list->root = list->front = list->back = leaf;
  list->len = len;
  list->first = (uint16_t)first;
  list->rest = (uint16_t)(leaf->capacity - len - first);
  list->values_bytes = bytes;
}

/* Where the items begin when `spare` slots are free and one is needed at that edge. A list that only
 * grows at the back gets no gap in front. */
static size_t first_of(const struct list *list, size_t spare, bool at_back) {
  if (at_back) {
    return list->first > 0 ? spare / 2 : 0;
  }
  return (spare + 1) / 2;
}

/* A larger one of the pool, if there is no memory but that. */
static struct list_leaf *new_leaf(size_t capacity, struct list_pool *pool) {
  struct list_leaf *leaf = list_leaf_new(capacity);
  return leaf || !pool->leaves ? leaf : list_pool_take_leaf(pool);
}

static hf_reason widen(struct list *list, bool at_back, size_t expected, struct list_pool *pool) {
  size_t needed = list->len + (expected < LEAF_SLOTS ? expected : LEAF_SLOTS);
  size_t capacity = needed + list->len / 2;
  capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
  struct list_leaf *leaf = new_leaf(capacity < LEAF_SLOTS ? capacity : LEAF_SLOTS, pool);
  if (!leaf) {
    return HF_REASON_NO_MEMORY;
  }
  move_to_leaf(list, leaf, first_of(list, leaf->capacity - list->len, at_back));
  return HF_REASON_NONE;
}

/* Moves the items within their leaf. */
static void slide(struct list *list, size_t first) {
  struct list_leaf *leaf = list->front;
  list_move_items(leaf->items + first, leaf->items + list->first, list->len);
  leaf->count = leaf->capacity;
  list->first = (uint16_t)first;
  list->rest = (uint16_t)(leaf->capacity - list->len - first);
}

/* ---- room */

static hf_reason add_leaf(struct list *list, bool at_back, struct list_pool *pool) {
  struct list_path path;
  if (!list_pool_fill(pool, 1, list_nodes_needed(list))) {
    return HF_REASON_NO_MEMORY;
  }
  struct list_leaf *leaf = list_pool_take_leaf(pool);
  struct list_branch branch = {leaf, LEAF_SLOTS, 0};
  leaf->count = LEAF_SLOTS;
  if (list->height == 0) {
    list_tree_grow(list, branch, at_back, pool);
  } else {
    list_path_edge(list, at_back, &path);
    unsigned depth = list->height - 1;
    unsigned idx = at_back ? path.steps[depth].node->count : 0;
    list_tree_insert(list, &path, depth, idx, branch, pool);
  }
  if (at_back) {
    list->back = leaf;
    list->rest = LEAF_SLOTS;
  } else {
    list->front = leaf;
    list->first = LEAF_SLOTS;
  }
  return HF_REASON_NONE;
}

/* The edge's leaf has slots that the tree does not count. */
static void open_gap(struct list *list, bool at_back) {
  struct list_path path;
  list_path_edge(list, at_back, &path);
  struct list_leaf *leaf = path.leaf;
  uint16_t gap = leaf->capacity - leaf->count;
  if (at_back) {
    list->rest = gap;
  } else {
    list_move_items(leaf->items + gap, leaf->items, leaf->count);
    list->first = gap;
  }
  leaf->count = leaf->capacity;
  list_path_add_slots(list, &path, gap);
}

hf_reason list_make_room(struct list *list, bool at_back, size_t expected, struct list_pool *pool) {
  if ((at_back ? list->rest : list->first) > 0) {
    return HF_REASON_NONE;
  }
  if (list->height == 0) {
    size_t capacity = list->root ? list->front->capacity : 0, spare = capacity - list->len;
    if (spare > 0 && spare >= list->len / 4) {
      slide(list, first_of(list, spare, at_back));
      return HF_REASON_NONE;
    }
    if (capacity < LEAF_SLOTS) {
      return widen(list, at_back, expected, pool);
    }
  }
  const struct list_leaf *leaf = at_back ? list->back : list->front;
  if (leaf->capacity - leaf->count >= (at_back ? 1 : GAP_MIN)) {
    open_gap(list, at_back);
    return HF_REASON_NONE;
  }
  return add_leaf(list, at_back, pool);
}

void list_fit(struct list *list) {
  if (list->len == 0) {
    list_tree_free(list);
    return;
  }
  size_t capacity = list->front->capacity;
  bool is_wide = list->height == 0 && capacity > 4 * CAPACITY_MIN && list->len < capacity / 2;
  if (is_wide || (list->height > 0 && list->len <= SMALL_ITEMS)) {
    size_t fit = list->len + list->len / 2;
    struct list_leaf *leaf = list_leaf_new(fit < LEAF_SLOTS ? fit : LEAF_SLOTS);
    if (leaf) {
      move_to_leaf(list, leaf, list->first > 0 ? (leaf->capacity - list->len) / 2 : 0);
    }
  }
}

/* ---- putting and taking */

static void add_edge_bytes(struct list *list, bool at_back, int64_t bytes) {
  if (bytes != 0) {
    struct list_path path;
    list_path_edge(list, at_back, &path);
    list_path_add_bytes(list, &path, bytes);
  }
}

void list_push_back(struct list *list, const struct value *items, size_t count, size_t bytes) {
  assert(count <= list->rest);
  list_copy_items(list->back->items + list->back->count - list->rest, items, count);
  list->rest -= (uint16_t)count;
  list->len += count;
  add_edge_bytes(list, true, (int64_t)bytes);
}

void list_push_front(struct list *list, struct value item) {
  assert(list->first > 0);
  list->front->items[--list->first] = item;
  list->len++;
  add_edge_bytes(list, false, (int64_t)value_memory_bytes(item));
}

/* The edge's leaf has no items any more; there are others. */
static void remove_edge_leaf(struct list *list, bool at_back) {
  struct list_path path;
  list_path_edge(list, at_back, &path);
  free(path.leaf);
  list_tree_remove(list, &path, list->height - 1);
  if (at_back) {
    list->rest = 0;
  } else {
    list->first = 0;
  }
  list_tree_find_edges(list);
}

struct value list_take_front(struct list *list) {
  struct value item = list->front->items[list->first];
  add_edge_bytes(list, false, -(int64_t)value_memory_bytes(item));
  list->first++;
  list->len--;
  if (list->len > 0 && list->first == list->front->count) {
    remove_edge_leaf(list, false);
  }
  list_fit(list);
  return item;
}

struct value list_take_back(struct list *list) {
  struct value item = list->back->items[list->back->count - list->rest - 1];
  add_edge_bytes(list, true, -(int64_t)value_memory_bytes(item));
  list->rest++;
  list->len--;
  if (list->len > 0 && list->rest == list->back->count) {
    remove_edge_leaf(list, true);
  }
  list_fit(list);
  return item;
}

/* ---- runs */

hf_reason list_append_run(struct list *list, const struct value *items, size_t count) {
  struct list_pool pool = {0};
  hf_reason reason = HF_REASON_NONE;
  size_t pushed = 0;
  while (pushed < count && !(reason = list_make_room(list, true, count - pushed, &pool))) {
    size_t some = count - pushed < list->rest ? count - pushed : list->rest;
    list_push_back(list, items + pushed, some, list_items_bytes(items + pushed, some));
    pushed += some;
  }
  list_pool_deinit(&pool);
  if (reason) {
    list_drop_back(list, pushed);
  }
  return reason;
}

void list_drop_back(struct list *list, size_t count) {
  while (count > 0) {
    size_t used = list->back->count - list->rest - (list->height == 0 ? list->first : 0u);
    size_t some = count < used ? count : used;
    const struct value *end = list->back->items + list->back->count - list->rest;
    add_edge_bytes(list, true, -(int64_t)list_items_bytes(end - some, some));
    list->rest += (uint16_t)some;
    list->len -= some;
    count -= some;
    if (list->len > 0 && list->rest == list->back->count) {
      remove_edge_leaf(list, true);
    }
    list_fit(list);
  }
}
