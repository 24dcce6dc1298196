#include "server/objects/list.h"

#include "proto/limits.h"
#include "server/objects/list_edges.h"
#include "server/objects/list_join.h"
#include "server/objects/list_tree.h"

#include <assert.h>
#include <stdlib.h>

size_t list_clamp(size_t len, int64_t index) {
  if (index < 0) {
    return index + (int64_t)len < 0 ? 0 : (size_t)(index + (int64_t)len);
  }
  return (uint64_t)index < len ? (size_t)index : len;
}

static void drop_pinned(struct list *list) {
  if (list->pinned) {
    list_pool_deinit(list->pinned);
    free(list->pinned);
    list->pinned = NULL;
  }
}

void list_deinit(struct list *list) {
  for (size_t at = 0, count; at < list->len; at += count) {
    const struct value *items = list_run(list, at, &count);
    for (size_t i = 0; i < count; i++) {
      value_release(items[i]);
    }
  }
  drop_pinned(list);
  list_tree_free(list);
}

/* What a list counts for beside its items: its only leaf's own and free slots; two edges, which may
 * have one item each, and a node. */
#define ONE_LEAF_BYTES 80
#define SEVERAL_LEAVES_BYTES 5120

size_t list_memory_bytes(const struct list *list) {
  size_t fixed_bytes = list->len > SMALL_ITEMS ? SEVERAL_LEAVES_BYTES : ONE_LEAF_BYTES;
  return list->len ? fixed_bytes + list->len * LIST_ITEM_BYTES + list->values_bytes : 0;
}

bool list_bytes_of_copies(const struct list *list, uint64_t copies, size_t *bytes) {
  size_t once = list->len * LIST_ITEM_BYTES + list->values_bytes;
  return !__builtin_mul_overflow(once, copies, bytes);
}

/* ---- reading */

struct value list_at(const struct list *list, size_t position) {
  assert(position < list->len);
  size_t slot = list->first + position;
  const struct list_leaf *leaf = list_leaf_at(list, &slot);
  return leaf->items[slot];
}

struct value list_replace(struct list *list, size_t position, struct value value) {
  assert(position < list->len);
  size_t slot = list->first + position;
  struct value *item = &list_leaf_at(list, &slot)->items[slot], old = *item;
  int64_t bytes = (int64_t)value_memory_bytes(value) - (int64_t)value_memory_bytes(old);
  *item = value;
  if (bytes != 0) {
    struct list_path path;
    list_path_find(list, list->first + position, &path);
    list_path_add_bytes(list, &path, bytes);
  }
  return old;
}

/* ---- putting in */

/* Half of the leaf's items move to a fresh one. */
static void split_leaf(struct list *list, const struct list_path *path, struct list_pool *pool) {
  struct list_leaf *right = list_pool_take_leaf(pool);
  size_t bytes = list_leaf_cut(path->leaf, LEAF_SLOTS / 2, right);
  struct list_branch branch = {right, right->count, bytes};
  list_path_add_slots(list, path, -(int64_t)right->count);
  list_path_add_bytes(list, path, -(int64_t)bytes);
  if (list->height == 0) {
    list_tree_grow(list, branch, true, pool);
  } else {
    unsigned depth = list->height - 1;
    list_tree_insert(list, path, depth, path->steps[depth].idx + 1, branch, pool);
  }
}

/* A neighbour of the way's leaf, below the same node, has room for a good part. *idx: the first of
 * the two. */
static bool finds_room_beside(const struct list *list, const struct list_path *path,
                              unsigned *idx) {
  if (list->height == 0) {
    return false;
  }
  const struct list_step *step = &path->steps[list->height - 1];
  for (unsigned i = step->idx > 0 ? step->idx - 1 : 1; i <= step->idx + 1; i += 2) {
    if (i < step->node->count && list_child_slots(step->node, i) <= LEAF_SLOTS * 3 / 4) {
      *idx = i < step->idx ? i : step->idx;
      return true;
    }
  }
  return false;
}

/* Sees to room in the leaf that has the position, or in the one the position moves to. */
static hf_reason relieve(struct list *list, size_t position, struct list_pool *pool) {
  struct list_path path;
  unsigned idx;
  if (list->height == 0 && list->len < LEAF_SLOTS) {
    return list_make_room(list, true, 1, pool);
  }
  if (!list_pool_fill(pool, 1, list_nodes_needed(list))) {
    return HF_REASON_NO_MEMORY;
  }
  list_tree_close_gaps(list);
  list_path_find(list, position, &path);
  if (finds_room_beside(list, &path, &idx)) {
    list_tree_level(list, &path, list->height - 1, idx);
  } else if (path.leaf->count == LEAF_SLOTS) {
    split_leaf(list, &path, pool);
  }
  list_tree_find_edges(list);
  return HF_REASON_NONE;
}

/* Between two items, where the way leads; false: there is no room. */
static bool insert_in_leaf(struct list *list, struct list_path *path, struct value value) {
  struct list_leaf *leaf = path->leaf;
  size_t behind = leaf->count - path->local;
  bool has_gap = leaf == list->front && list->first > 0;
  if (leaf == list->back && list->rest > 0) {
    behind -= list->rest;
    if (!has_gap || behind <= path->local - list->first) {
      list_move_items(leaf->items + path->local + 1, leaf->items + path->local, behind);
      list->rest--;
      leaf->items[path->local] = value;
      return true;
    }
  }
  if (has_gap) {
    list_move_items(leaf->items + list->first - 1, leaf->items + list->first,
                    path->local - list->first);
    list->first--;
    leaf->items[path->local - 1] = value;
    return true;
  }
  if (leaf->count == leaf->capacity) {
    return false;
  }
  list_move_items(leaf->items + path->local + 1, leaf->items + path->local, behind);
  leaf->items[path->local] = value;
  leaf->count++;
  list_path_add_slots(list, path, 1);
  return true;
}

static hf_reason insert_between(struct list *list, size_t position, struct value value,
                                struct list_pool *pool) {
  struct list_path path;
  list_path_find(list, list->first + position, &path);
  while (!insert_in_leaf(list, &path, value)) {
    hf_reason reason = relieve(list, position, pool);
    if (reason) {
      return reason;
    }
    list_path_find(list, list->first + position, &path);
  }
  list->len++;
  list_path_add_bytes(list, &path, (int64_t)value_memory_bytes(value));
  return HF_REASON_NONE;
}

/* Draws from the pool before it takes memory. HF_REASON_NONE | NO_MEMORY */
static hf_reason insert_one(struct list *list, size_t position, struct value value,
                            struct list_pool *pool) {
  bool at_back = position == list->len;
  if (position > 0 && !at_back) {
    return insert_between(list, position, value, pool);
  }
  if ((at_back ? list->rest : list->first) == 0) {
    hf_reason reason = list_make_room(list, at_back, 1, pool);
    if (reason) {
      return reason;
    }
  }
  if (at_back) {
    list_push_back(list, &value, 1, value_memory_bytes(value));
  } else {
    list_push_front(list, value);
  }
  return HF_REASON_NONE;
}

hf_reason list_append(struct list *list, struct value value) {
  if (list->rest > 0 && list->len < HF_LENGTH_MAX && !list->pinned) {
    list_push_back(list, &value, 1, value_memory_bytes(value));
    return HF_REASON_NONE;
  }
  return list_insert(list, list->len, &value, 1);
}

hf_reason list_insert(struct list *list, size_t position, const struct value *values,
                      size_t count) {
  assert(position <= list->len);
  if (count > HF_LENGTH_MAX - list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  if (count != 1) {
    return position == list->len ? list_append_run(list, values, count)
                                 : list_insert_run(list, position, values, count);
  }
  struct list_pool pool = {0};
  hf_reason reason = insert_one(list, position, *values, &pool);
  list_pool_deinit(&pool);
  if (list->pinned) {
    list->pinned->last_leaf = NULL;
  }
  return reason;
}

/* ---- taking out */

struct value list_remove_at(struct list *list, size_t position) {
  assert(position < list->len);
  if (position == list->len - 1) {
    return list_take_back(list);
  }
  if (position == 0) {
    return list_take_front(list);
  }
  struct list_path path;
  list_path_find(list, list->first + position, &path);
  struct list_leaf *leaf = path.leaf;
  struct value *item = &leaf->items[path.local], removed = *item;
  size_t behind = leaf->count - path.local - 1;
  list_path_add_bytes(list, &path, -(int64_t)value_memory_bytes(removed));
  list->len--;
  if (leaf == list->front && (leaf != list->back || position <= list->len / 2)) {
    list_move_items(leaf->items + list->first + 1, leaf->items + list->first, position);
    list->first++;
  } else if (leaf == list->back) {
    list_move_items(item, item + 1, behind - list->rest);
    list->rest++;
  } else {
    list_move_items(item, item + 1, behind);
    leaf->count--;
    list_path_add_slots(list, &path, -1);
    if (leaf->count < LEAF_SLOTS_MIN) {
      list_tree_close_gaps(list);
      list_tree_rebalance(list, path.local > 0 ? position - 1 : position);
      list_tree_find_edges(list);
    }
  }
  list_fit(list);
  return removed;
}

/* ---- undoing */

/* The number of leaves that restorations split at most. Items that one leaf lost without an insertion in
 * between are close together: they go back to 8 leaves at most, each of which is split once, and again
 * only after many more. */
static size_t splits_of(const struct list_pool *pinned) {
  size_t splits = 8 * pinned->pinned_leaves + pinned->pins * 16 / LEAF_SLOTS;
  return splits < pinned->pins ? splits : pinned->pins;
}

/* Nodes that so many new leaves split at most: at each level those there are, which may be full, and
 * others only after many more. Insertions may make the list longer and the tree higher. */
static size_t nodes_of(const struct list *list, size_t splits) {
  size_t nodes = 1, leaves = (list->len + 2 * HF_TRANSACTION_COUNT_MAX) / LEAF_SLOTS_MIN + 2;
  for (unsigned level = 0; level < list->height + HEIGHT_GROWTH_MAX; level++) {
    leaves = leaves / FANOUT_MIN + 2;
    size_t most = 2 * leaves + splits * 4 / FANOUT;
    splits = splits < most ? splits : most;
    nodes += splits;
  }
  return nodes;
}

bool list_pin(struct list *list, size_t position) {
  assert(position < list->len);
  if (!list->pinned && !(list->pinned = calloc(1, sizeof *list->pinned))) {
    return false;
  }
  struct list_pool *pinned = list->pinned, before = *pinned;
  size_t slot = list->first + position;
  const struct list_leaf *leaf = list_leaf_at(list, &slot);
  pinned->pins++;
  pinned->pinned_leaves += pinned->last_leaf != leaf;
  pinned->last_leaf = leaf;
  size_t splits = splits_of(pinned);
  if (list_pool_fill(pinned, splits, nodes_of(list, splits))) {
    return true;
  }
  pinned->pins = before.pins;
  pinned->pinned_leaves = before.pinned_leaves;
  pinned->last_leaf = before.last_leaf;
  if (pinned->pins == 0) {
    list_unpin(list);
  }
  return false;
}

void list_restore(struct list *list, size_t position, struct value value) {
  assert(list->pinned && position <= list->len);
  hf_reason reason = insert_one(list, position, value, list->pinned);
  assert(reason == HF_REASON_NONE);
  (void)reason;
}

void list_unpin(struct list *list) {
  if (list->pinned) {
    drop_pinned(list);
    list_fit(list); /* undoing may have taken larger leaves */
  }
}

/* ---- by value */

bool list_find(const struct list *list, struct value value, size_t from, size_t to,
               size_t *position) {
  to = to < list->len ? to : list->len;
  for (size_t at = from, count; at < to; at += count) {
    const struct value *items = list_run(list, at, &count);
    for (size_t i = 0; i < count && at + i < to; i++) {
      if (value_equal(items[i], value)) {
        *position = at + i;
        return true;
      }
    }
  }
  return false;
}

size_t list_count(const struct list *list, struct value value, size_t from, size_t to) {
  size_t equal = 0;
  to = to < list->len ? to : list->len;
  for (size_t at = from, count; at < to; at += count) {
    const struct value *items = list_run(list, at, &count);
    for (size_t i = 0; i < count && at + i < to; i++) {
      equal += value_equal(items[i], value);
    }
  }
  return equal;
}
