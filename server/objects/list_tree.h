/* The tree within a list: leaves of slots, and nodes that count them.
 *
 *   height 2             node: ends 3 5
 *                       /              \
 *   height 1     node: ends 2 3     node: ends 2
 *                 /      \                |
 *   leaves     [_ a]     [b]            [c _]     a list of 3 items: first 1, rest 1, 5 slots
 *                ^front                   ^back
 *
 * The tree counts slots. The front leaf may begin with empty slots, list->first of them, and the
 * back leaf end with list->rest of them, so that adding and removing at the ends changes no node.
 * Item i is in slot first + i.
 *
 * layer   objects, within list*.c
 * shapes  2^28 items: height 4, 5 at most
 * memory  Changes of the tree draw from a pool that was filled before: none fails half-way.
 *
 * Invariants, "edge" being the first or the last of its level:
 *  L1 first + len + rest is the number of slots of the tree; first < slots of the front leaf, rest <
 *     slots of the back leaf. No items: no tree, all fields 0.
 *  L2 All leaves have the same depth. The root of height > 0 has 2 children or more.
 *  L3 A leaf that is no edge has LEAF_SLOTS_MIN items or more, a node that is no edge has
 *     FANOUT_MIN children or more; an edge has 1 or more.
 *  L4 ends[i] is the number of slots of children 0 to i; bytes[i] is the memory of the values within
 *     child i; values_bytes is the root's.
 *  L5 Of a list of height > 0, each leaf has the capacity LEAF_SLOTS.
 */
#ifndef HF_OBJECTS_LIST_TREE_H
#define HF_OBJECTS_LIST_TREE_H

#include "server/objects/list_node.h"
#include "server/objects/list_type.h"

#define HEIGHT_MAX 8 /* more than there ever is */

/* The way from the root to a slot. */
struct list_path {
  struct list_step {
    struct list_node *node;
    unsigned idx; /* the child that the way goes through */
  } steps[HEIGHT_MAX];
  struct list_leaf *leaf;
  size_t local; /* the slot within the leaf */
};

/* Child of a node of that height which has the slot. A child has no more slots than when all within
 * it are full, so that the search begins where it would be then. */
static inline unsigned list_child_at(const struct list_node *node, unsigned height, size_t slot) {
  unsigned idx = (unsigned)(slot >> (LEAF_SHIFT + FANOUT_SHIFT * (height - 1)));
  while (node->ends[idx] <= slot) {
    idx++;
  }
  return idx;
}

/* *slot becomes the slot within the leaf. */
static inline struct list_leaf *list_leaf_at(const struct list *list, size_t *slot) {
  const void *tree = list->root;
  size_t at = *slot;
  for (unsigned height = list->height; height > 0; height--) {
    const struct list_node *node = tree;
    unsigned idx = list_child_at(node, height, at);
    at -= list_child_start(node, idx);
    tree = node->children[idx];
  }
  *slot = at;
  return (struct list_leaf *)tree;
}

/* The way to a slot there is. */
void list_path_find(const struct list *list, size_t slot, struct list_path *path);
/* The way to the front leaf, or to the back leaf; local is not set. */
void list_path_edge(const struct list *list, bool at_back, struct list_path *path);
/* Slots and bytes of what the way goes through grew by so much, or shrank. */
void list_path_add_slots(const struct list *list, const struct list_path *path, int64_t slots);
void list_path_add_bytes(struct list *list, const struct list_path *path, int64_t bytes);
/* Nodes that adding one leaf may take. */
static inline size_t list_nodes_needed(const struct list *list) {
  return list->height + 1;
}

/* The branch becomes child idx of the node at that depth of the way, which leads there, or of new
 * ones where nodes are full. Takes up to depth + 2 nodes from the pool. */
void list_tree_insert(struct list *list, const struct list_path *path, unsigned depth, unsigned idx,
                      struct list_branch branch, struct list_pool *pool);
/* The branch, of the root's height, stands behind the root, or before it, under a new root. */
void list_tree_grow(struct list *list, struct list_branch branch, bool at_back,
                    struct list_pool *pool);
/* The child the way goes through at that depth, which is freed already, is no more. There are other
 * leaves. */
void list_tree_remove(struct list *list, const struct list_path *path, unsigned depth);
/* The edges have no empty slots any more. */
void list_tree_close_gaps(struct list *list);
/* Restores L3 on the way to the slot. No gaps. */
void list_tree_rebalance(struct list *list, size_t slot);
/* Restores L2: a root of one child goes. */
void list_tree_lower(struct list *list);
/* Two neighbours below the node at that depth of the way, children idx and idx + 1, share what they
 * have, or become one, the first. No gaps. */
void list_tree_level(struct list *list, const struct list_path *path, unsigned depth, unsigned idx);
/* list->front and list->back anew. */
void list_tree_find_edges(struct list *list);
/* Frees all leaves and nodes; the items are elsewhere. */
void list_tree_free(struct list *list);

#endif
