#include "server/objects/list_join.h"

#include "server/objects/list_edges.h"

#include <assert.h>
#include <stdlib.h>

bool list_pool_fill_for_parts(struct list_pool *pool, const struct list *list,
                              const struct list *other, size_t parts) {
  size_t height = other && other->height > list->height ? other->height : list->height;
  return list_pool_fill(pool, 2 * parts, (height + 2) * parts);
}

/* ---- cutting */

struct piece {
  struct list_branch branch; /* what was cut off, a tree of the same height */
  size_t bytes;              /* what the tree that was cut lost; the rest of the branch's is new */
};

static struct piece cut_leaf(struct list_leaf *leaf, size_t slot, struct list_pool *pool) {
  struct list_leaf *right = list_pool_take_leaf(pool);
  size_t bytes = list_leaf_cut(leaf, slot, right);
  return (struct piece){{right, right->count, bytes}, bytes};
}

/* Before the slot, which is not the tree's first. */
static struct piece cut_tree(void *tree, unsigned height, size_t slot, struct list_pool *pool) {
  if (height == 0) {
    return cut_leaf(tree, slot, pool);
  }
  struct list_node *node = tree, *right = list_pool_take_node(pool);
  struct list_branch branches[FANOUT];
  unsigned count = list_node_read(node, branches);
  unsigned idx = list_child_at(node, height, slot);
  struct piece piece = {0};
  node->count = idx;
  if (slot > list_child_start(node, idx)) {
    piece = cut_tree(node->children[idx], height - 1, slot - list_child_start(node, idx), pool);
    branches[idx] = piece.branch;
    node->ends[idx] = (uint32_t)slot;
    node->bytes[idx] -= piece.bytes;
    node->count++;
  }
  for (unsigned i = node->count; i < count; i++) {
    piece.bytes += branches[i].bytes;
  }
  list_node_write(right, branches + idx, count - idx);
  piece.branch = list_node_branch(right);
  return piece;
}

void list_cut(struct list *list, size_t position, struct list *tail, struct list_pool *pool) {
  assert(!list->pinned && position <= list->len);
  list_init(tail);
  if (position == list->len) {
    return;
  }
  if (position == 0) {
    *tail = *list;
    list_init(list);
    return;
  }
  list_tree_close_gaps(list);
  struct piece piece = cut_tree(list->root, list->height, position, pool);
  tail->root = piece.branch.tree;
  tail->height = list->height;
  tail->len = list->len - position;
  tail->values_bytes = piece.branch.bytes;
  list->len = position;
  list->values_bytes -= piece.bytes;
  struct list *parts[] = {list, tail};
  for (size_t i = 0; i < 2; i++) {
    list_tree_lower(parts[i]);
    list_tree_find_edges(parts[i]);
    list_fit(parts[i]);
  }
}

/* ---- joining */

/* The list's only leaf has LEAF_SLOTS, as it is to be one of several. */
static void widen_leaf(struct list *list, struct list_pool *pool) {
  struct list_leaf *old = list->root;
  if (list->height > 0 || old->capacity == LEAF_SLOTS) {
    return;
  }
  struct list_leaf *leaf = list_pool_take_leaf(pool);
  leaf->count = old->count;
  list_copy_items(leaf->items, old->items, old->count);
  list->root = list->front = list->back = leaf;
  free(old);
}

static void join_leaves(struct list *list, struct list *tail, struct list_pool *pool) {
  const struct value *items = tail->front->items + tail->first;
  while (tail->len > 0) {
    hf_reason reason = list_make_room(list, true, tail->len, pool);
    assert(reason == HF_REASON_NONE);
    (void)reason;
    size_t some = tail->len < list->rest ? tail->len : list->rest;
    list_push_back(list, items, some, list_items_bytes(items, some));
    items += some;
    tail->len -= some;
  }
  list_tree_free(tail);
}

/* The lower tree becomes a child at the edge of the higher one. */
static void join_trees(struct list *list, struct list *tail, struct list_pool *pool) {
  struct list_branch front = {list->root, list->len, list->values_bytes};
  struct list_branch back = {tail->root, tail->len, tail->values_bytes};
  struct list_path path;
  if (list->height == tail->height) {
    list_tree_grow(list, back, true, pool);
  } else if (list->height > tail->height) {
    unsigned depth = list->height - tail->height - 1;
    list_path_edge(list, true, &path);
    list_tree_insert(list, &path, depth, path.steps[depth].node->count, back, pool);
  } else {
    unsigned depth = tail->height - list->height - 1;
    list_path_edge(tail, false, &path);
    list_tree_insert(tail, &path, depth, 0, front, pool);
    list->root = tail->root;
    list->height = tail->height;
    list->values_bytes = tail->values_bytes;
  }
  list->len += tail->len;
  list_init(tail);
}

void list_join(struct list *list, struct list *tail, struct list_pool *pool) {
  assert(!list->pinned && !tail->pinned);
  size_t seam = list->len;
  if (tail->len == 0) {
    return;
  }
  if (list->len == 0) {
    *list = *tail;
    list_init(tail);
    return;
  }
  if (list->height == 0 && tail->height == 0 && list->len + tail->len <= LEAF_SLOTS) {
    join_leaves(list, tail, pool);
    return;
  }
  struct list *parts[] = {list, tail};
  for (size_t i = 0; i < 2; i++) {
    list_tree_close_gaps(parts[i]);
    widen_leaf(parts[i], pool);
  }
  join_trees(list, tail, pool);
  list_tree_find_edges(list);
  list_tree_rebalance(list, seam - 1);
  list_tree_rebalance(list, seam);
  list_tree_find_edges(list);
  list_fit(list);
}

/* ---- both */

hf_reason list_splice(struct list *list, size_t position, size_t count, struct list *part,
                      struct list *removed) {
  struct list_pool pool = {0};
  struct list tail;
  if (!list_pool_fill_for_parts(&pool, list, part, SPLICE_PARTS)) {
    list_pool_deinit(&pool);
    return HF_REASON_NO_MEMORY;
  }
  list_cut(list, position, removed, &pool);
  list_cut(removed, count, &tail, &pool);
  list_join(list, part, &pool);
  list_join(list, &tail, &pool);
  list_pool_deinit(&pool);
  return HF_REASON_NONE;
}

hf_reason list_insert_run(struct list *list, size_t position, const struct value *values,
                          size_t count) {
  struct list part, none;
  list_init(&part);
  hf_reason reason = list_append_run(&part, values, count);
  if (!reason && count > 0) {
    reason = list_splice(list, position, 0, &part, &none);
  }
  list_tree_free(&part);
  return reason;
}
