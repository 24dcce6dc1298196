#include "server/objects/list_tree.h"

#include <assert.h>
#include <stdlib.h>

/* ---- ways */

const struct value *list_run(const struct list *list, size_t position, size_t *count) {
  assert(position < list->len);
  size_t slot = list->first + position;
  const struct list_leaf *leaf = list_leaf_at(list, &slot);
  size_t behind = leaf->count - slot, left = list->len - position;
  *count = behind < left ? behind : left;
  return &leaf->items[slot];
}

void list_path_find(const struct list *list, size_t slot, struct list_path *path) {
  void *tree = list->root;
  for (unsigned depth = 0; depth < list->height; depth++) {
    struct list_node *node = tree;
    unsigned idx = list_child_at(node, list->height - depth, slot);
    path->steps[depth] = (struct list_step){node, idx};
    slot -= list_child_start(node, idx);
    tree = node->children[idx];
  }
  path->leaf = tree;
  path->local = slot;
}

void list_path_edge(const struct list *list, bool at_back, struct list_path *path) {
  void *tree = list->root;
  for (unsigned depth = 0; depth < list->height; depth++) {
    struct list_node *node = tree;
    path->steps[depth] = (struct list_step){node, at_back ? node->count - 1 : 0};
    tree = node->children[path->steps[depth].idx];
  }
  path->leaf = tree;
}

/* Of the steps above that depth. */
static void add_slots_above(const struct list_path *path, unsigned depth, int64_t slots) {
  for (unsigned i = 0; i < depth; i++) {
    struct list_node *node = path->steps[i].node;
    for (unsigned idx = path->steps[i].idx; idx < node->count; idx++) {
      node->ends[idx] += (uint32_t)slots;
    }
  }
}

static void add_bytes_above(struct list *list, const struct list_path *path, unsigned depth,
                            int64_t bytes) {
  for (unsigned i = 0; i < depth; i++) {
    /* Each step of a path is a node of its own: one that was freed lies below `depth`.
     * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    path->steps[i].node->bytes[path->steps[i].idx] += (size_t)bytes;
  }
  list->values_bytes += (size_t)bytes;
}

void list_path_add_slots(const struct list *list, const struct list_path *path, int64_t slots) {
  add_slots_above(path, list->height, slots);
}

void list_path_add_bytes(struct list *list, const struct list_path *path, int64_t bytes) {
  add_bytes_above(list, path, list->height, bytes);
}

/* Whether the node at that depth is the first, or the last, of its level. */
static bool is_edge(const struct list_path *path, unsigned depth, bool at_back) {
  for (unsigned i = 0; i < depth; i++) {
    if (path->steps[i].idx != (at_back ? path->steps[i].node->count - 1 : 0)) {
      return false;
    }
  }
  return true;
}

/* ---- adding and removing branches */

void list_tree_grow(struct list *list, struct list_branch branch, bool at_back,
                    struct list_pool *pool) {
  size_t slots = list->height > 0 ? list_node_slots(list->root)
                                  : ((const struct list_leaf *)list->root)->count;
  struct list_branch old = {list->root, slots, list->values_bytes};
  struct list_branch both[2] = {at_back ? old : branch, at_back ? branch : old};
  struct list_node *root = list_pool_take_node(pool);
  list_node_write(root, both, 2);
  list->root = root;
  list->height++;
  assert(list->height <= HEIGHT_MAX);
  list->values_bytes += branch.bytes;
}

/* Splits a full node: its last children move to `right`, with the new branch in order. Where the node
 * grows at an edge only, all other children stay together. */
static void split_node(struct list_node *node, unsigned idx, struct list_branch branch,
                       struct list_node *right, bool grows_back, bool grows_front) {
  struct list_branch branches[FANOUT + 1];
  list_node_read(node, branches);
  memmove(branches + idx + 1, branches + idx, (FANOUT - idx) * sizeof *branches);
  branches[idx] = branch;
  unsigned left = grows_back ? FANOUT : grows_front ? 1 : (FANOUT + 1) / 2;
  list_node_write(node, branches, left);
  list_node_write(right, branches + left, FANOUT + 1 - left);
}

void list_tree_insert(struct list *list, const struct list_path *path, unsigned depth, unsigned idx,
                      struct list_branch branch, struct list_pool *pool) {
  add_slots_above(path, depth, (int64_t)branch.slots);
  add_bytes_above(list, path, depth, (int64_t)branch.bytes);
  struct list_node *node = path->steps[depth].node;
  while (node->count == FANOUT) {
    struct list_node *right = list_pool_take_node(pool);
    split_node(node, idx, branch, right, idx == FANOUT && is_edge(path, depth, true),
               idx == 0 && is_edge(path, depth, false));
    branch = list_node_branch(right);
    if (depth == 0) { /* values_bytes becomes the left one's, and the right one comes on top */
      list->values_bytes = list_node_bytes(node);
      list_tree_grow(list, branch, true, pool);
      return;
    }
    depth--;
    node = path->steps[depth].node;
    idx = path->steps[depth].idx;
    for (unsigned i = idx; i < node->count; i++) {
      node->ends[i] -= (uint32_t)branch.slots; /* as the next insertion adds them */
    }
    node->bytes[idx] -= branch.bytes;
    idx++;
  }
  list_node_insert(node, idx, branch);
}

void list_tree_remove(struct list *list, const struct list_path *path, unsigned depth) {
  const struct list_step *step = &path->steps[depth];
  add_slots_above(path, depth, -(int64_t)list_child_slots(step->node, step->idx));
  add_bytes_above(list, path, depth, -(int64_t)step->node->bytes[step->idx]);
  list_node_remove(step->node, step->idx);
  while (step->node->count == 0) { /* an edge; its slots are gone already */
    free(step->node);
    depth--;
    step--;
    list_node_remove(step->node, step->idx);
  }
  list_tree_lower(list);
}

void list_tree_lower(struct list *list) {
  while (list->height > 0) {
    struct list_node *root = list->root;
    if (root->count == 2 && list->height > 1) {
      const struct list_node *left = root->children[0], *right = root->children[1];
      if (left->count + right->count <= FANOUT) {
        struct list_path path;
        path.steps[0] = (struct list_step){root, 0};
        list_tree_level(list, &path, 0, 0);
      }
    }
    if (root->count > 1) {
      return;
    }
    list->root = root->children[0];
    list->height--;
    free(root);
  }
}

/* ---- balance */

void list_tree_close_gaps(struct list *list) {
  struct list_path path;
  if (list->rest > 0) {
    list_path_edge(list, true, &path);
    path.leaf->count -= list->rest;
    list_path_add_slots(list, &path, -(int64_t)list->rest);
    list->rest = 0;
  }
  if (list->first > 0) {
    list_path_edge(list, false, &path);
    path.leaf->count -= list->first;
    list_move_items(path.leaf->items, path.leaf->items + list->first, path.leaf->count);
    list_path_add_slots(list, &path, -(int64_t)list->first);
    list->first = 0;
  }
}

/* Leaves children idx and idx + 1 of the node with `left` and the other items. */
static void share_items(struct list_node *node, unsigned idx, size_t left) {
  struct list_leaf *one = node->children[idx], *other = node->children[idx + 1];
  size_t bytes;
  if (left > one->count) {
    size_t moved = left - one->count;
    bytes = list_items_bytes(other->items, moved);
    list_copy_items(one->items + one->count, other->items, moved);
    other->count -= (uint16_t)moved;
    list_move_items(other->items, other->items + moved, other->count);
    node->ends[idx] += (uint32_t)moved;
    node->bytes[idx] += bytes;
    node->bytes[idx + 1] -= bytes;
  } else {
    size_t moved = one->count - left;
    bytes = list_items_bytes(one->items + left, moved);
    list_move_items(other->items + moved, other->items, other->count);
    list_copy_items(other->items, one->items + left, moved);
    other->count += (uint16_t)moved;
    node->ends[idx] -= (uint32_t)moved;
    node->bytes[idx] -= bytes;
    node->bytes[idx + 1] += bytes;
  }
  one->count = (uint16_t)left;
}

/* Likewise nodes, which are of the same height. */
static void share_children(struct list_node *node, unsigned idx, unsigned left) {
  struct list_node *one = node->children[idx], *other = node->children[idx + 1];
  struct list_branch branches[2 * FANOUT];
  unsigned count = list_node_read(one, branches);
  count += list_node_read(other, branches + count);
  size_t both = node->bytes[idx] + node->bytes[idx + 1];
  list_node_write(one, branches, left);
  list_node_write(other, branches + left, count - left);
  node->ends[idx] = list_child_start(node, idx) + (uint32_t)list_node_slots(one);
  node->bytes[idx] = list_node_bytes(one);
  node->bytes[idx + 1] = both - node->bytes[idx];
}

void list_tree_level(struct list *list, const struct list_path *path, unsigned depth,
                     unsigned idx) {
  struct list_node *node = path->steps[depth].node;
  bool has_leaves = list->height - depth == 1;
  void *right = node->children[idx + 1];
  bool is_merged;
  if (has_leaves) {
    const struct list_leaf *one = node->children[idx], *other = right;
    size_t all = one->count + other->count;
    is_merged = all <= LEAF_SLOTS;
    share_items(node, idx, is_merged ? all : all / 2);
  } else {
    const struct list_node *one = node->children[idx], *other = right;
    unsigned all = one->count + other->count;
    is_merged = all <= FANOUT;
    share_children(node, idx, is_merged ? all : all / 2);
  }
  if (is_merged) { /* the right one is empty */
    assert(node->bytes[idx + 1] == 0);
    if (right == list->back) {
      list->back = node->children[idx];
    }
    free(right);
    list_node_remove(node, idx + 1);
  }
}

static bool is_low(const void *tree, unsigned height) {
  return height > 0 ? ((const struct list_node *)tree)->count < FANOUT_LOW
                    : ((const struct list_leaf *)tree)->count < LEAF_SLOTS_MIN;
}

void list_tree_rebalance(struct list *list, size_t slot) {
  struct list_path path;
  bool front = true, back = true; /* the way goes along that edge so far */
  struct list_node *node = list->root;
  for (unsigned depth = 0; depth < list->height; depth++) {
    unsigned height = list->height - depth;
    unsigned idx;
    for (;;) {
      idx = list_child_at(node, height, slot);
      path.steps[depth] = (struct list_step){node, idx};
      bool is_edge_child = (front && idx == 0) || (back && idx == node->count - 1);
      if (is_edge_child || node->count == 1 || !is_low(node->children[idx], height - 1)) {
        break;
      }
      list_tree_level(list, &path, depth, idx > 0 ? idx - 1 : 0);
    }
    front = front && idx == 0;
    back = back && idx == node->count - 1;
    slot -= list_child_start(node, idx);
    node = node->children[idx];
  }
  list_tree_lower(list);
}

/* ---- whole trees */

void list_tree_find_edges(struct list *list) {
  struct list_path path;
  list_path_edge(list, false, &path);
  list->front = path.leaf;
  list_path_edge(list, true, &path);
  list->back = path.leaf;
}

static void free_tree(void *tree, unsigned height) {
  struct list_node *node = tree;
  for (unsigned i = 0; height > 0 && i < node->count; i++) {
    free_tree(node->children[i], height - 1);
  }
  free(tree);
}

void list_tree_free(struct list *list) {
  if (list->root) {
    free_tree(list->root, list->height);
  }
  struct list_pool *pinned = list->pinned;
  list_init(list);
  list->pinned = pinned;
}
