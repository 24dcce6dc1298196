/* What a list's tree is made of: leaves, nodes, and pools of them. list_tree.h has the drawing.
 *
 * layer   objects, within list*.c
 * shapes  a leaf of LEAF_SLOTS items: 4 KiB. A node: 1.3 KiB
 */
#ifndef HF_OBJECTS_LIST_NODE_H
#define HF_OBJECTS_LIST_NODE_H

#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef LEAF_SHIFT /* smaller in a test of tall trees */
#define LEAF_SHIFT 8
#define LEAF_SLOTS 255u /* with its counts no more than a page */
#define FANOUT_SHIFT 6
/* Levels the tree grows by at most within a transaction: for two, each insertion of
 * HF_TRANSACTION_COUNT_MAX would have to split more than one leaf. */
#define HEIGHT_GROWTH_MAX 1
#else
#define LEAF_SLOTS (1u << LEAF_SHIFT)
#endif
#define LEAF_SLOTS_MIN (LEAF_SLOTS * 7 / 16) /* a leaf with fewer is joined with another */
#define FANOUT (1u << FANOUT_SHIFT)
#define FANOUT_LOW (FANOUT * 3 / 8) /* a node with fewer is joined with another */
#define FANOUT_MIN (FANOUT_LOW - 4) /* when its children are joined after that */
#define HEIGHT_MAX 8                /* more than there ever is */

struct list_leaf {
  uint16_t count; /* slots, as the tree counts them */
  uint16_t capacity;
  struct value items[];
};

struct list_node {
  uint32_t count;
  uint32_t ends[FANOUT];
  size_t bytes[FANOUT];
  void *children[FANOUT];
};

/* A list of so few items is in one leaf, of its own size. */
#define SMALL_ITEMS (LEAF_SLOTS * 3 / 4)

/* Leaves of LEAF_SLOTS, and nodes, for a change to come. */
struct list_pool {
  struct list_spare *leaves, *nodes;
  size_t leaves_count, nodes_count;
  /* Of list_pin: items, the leaf that had the last one, how often that was another. */
  size_t pins, pinned_leaves;
  const struct list_leaf *last_leaf;
};

/* Fills the pool to so many of each at least. false: out of memory; the pool keeps what it has. */
bool list_pool_fill(struct list_pool *pool, size_t leaves, size_t nodes);
/* Frees what is left. */
void list_pool_deinit(struct list_pool *pool);
/* Of LEAF_SLOTS, without slots, and without children. The pool has one. */
struct list_leaf *list_pool_take_leaf(struct list_pool *pool);
struct list_node *list_pool_take_node(struct list_pool *pool);
/* A leaf of any capacity. NULL: out of memory */
struct list_leaf *list_leaf_new(size_t capacity);

/* A tree, as its parent knows it. */
struct list_branch {
  void *tree;
  size_t slots;
  size_t bytes;
};

/* The node's children go to branches, which has room; answers how many. */
unsigned list_node_read(const struct list_node *node, struct list_branch *branches);
void list_node_write(struct list_node *node, const struct list_branch *branches, unsigned count);
/* There is room. */
void list_node_insert(struct list_node *node, unsigned idx, struct list_branch branch);
void list_node_remove(struct list_node *node, unsigned idx);

static inline size_t list_node_slots(const struct list_node *node) {
  return node->ends[node->count - 1];
}

static inline size_t list_child_start(const struct list_node *node, unsigned idx) {
  return idx > 0 ? node->ends[idx - 1] : 0;
}

static inline size_t list_child_slots(const struct list_node *node, unsigned idx) {
  return node->ends[idx] - list_child_start(node, idx);
}

/* Of the values of all within it. */
size_t list_node_bytes(const struct list_node *node);
struct list_branch list_node_branch(struct list_node *node);
/* The leaf's items from that slot on move to `right`, which is empty; answers their bytes. */
size_t list_leaf_cut(struct list_leaf *leaf, size_t slot, struct list_leaf *right);

size_t list_items_bytes(const struct value *items, size_t count);

static inline void list_move_items(struct value *to, const struct value *from, size_t count) {
  if (count > 0) {
    memmove(to, from, count * sizeof *to);
  }
}

static inline void list_copy_items(struct value *to, const struct value *from, size_t count) {
  if (count > 0) {
    memcpy(to, from, count * sizeof *to);
  }
}

#endif
