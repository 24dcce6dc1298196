#include "server/objects/list_node.h"

#include <assert.h>
#include <stdlib.h>

/* ---- pools */

struct list_spare {
  struct list_spare *next;
};

struct list_leaf *list_leaf_new(size_t capacity) {
  struct list_leaf *leaf = malloc(sizeof *leaf + capacity * sizeof *leaf->items);
  if (leaf) {
    leaf->count = 0;
    leaf->capacity = (uint16_t)capacity;
  }
  return leaf;
}

static bool fill(struct list_spare **spares, size_t *count, size_t wanted, size_t size) {
  for (; *count < wanted; (*count)++) {
    struct list_spare *spare = malloc(size);
    if (!spare) {
      return false;
    }
    spare->next = *spares;
    *spares = spare;
  }
  return true;
}

bool list_pool_fill(struct list_pool *pool, size_t leaves, size_t nodes) {
  size_t leaf_size = sizeof(struct list_leaf) + LEAF_SLOTS * sizeof(struct value);
  return fill(&pool->leaves, &pool->leaves_count, leaves, leaf_size) &&
         fill(&pool->nodes, &pool->nodes_count, nodes, sizeof(struct list_node));
}

static void *take(struct list_spare **spares, size_t *count) {
  struct list_spare *spare = *spares;
  assert(spare);
  *spares = spare->next;
  --*count;
  return spare;
}

struct list_leaf *list_pool_take_leaf(struct list_pool *pool) {
  struct list_leaf *leaf = take(&pool->leaves, &pool->leaves_count);
  leaf->count = 0;
  leaf->capacity = LEAF_SLOTS;
  return leaf;
}

struct list_node *list_pool_take_node(struct list_pool *pool) {
  struct list_node *node = take(&pool->nodes, &pool->nodes_count);
  node->count = 0;
  return node;
}

void list_pool_deinit(struct list_pool *pool) {
  while (pool->leaves) {
    free(take(&pool->leaves, &pool->leaves_count));
  }
  while (pool->nodes) {
    free(take(&pool->nodes, &pool->nodes_count));
  }
}

/* ---- nodes */

size_t list_node_bytes(const struct list_node *node) {
  size_t bytes = 0;
  for (unsigned i = 0; i < node->count; i++) {
    bytes += node->bytes[i];
  }
  return bytes;
}

struct list_branch list_node_branch(struct list_node *node) {
  return (struct list_branch){node, list_node_slots(node), list_node_bytes(node)};
}

unsigned list_node_read(const struct list_node *node, struct list_branch *branches) {
  for (unsigned i = 0; i < node->count; i++) {
    branches[i] =
        (struct list_branch){node->children[i], list_child_slots(node, i), node->bytes[i]};
  }
  return node->count;
}

void list_node_write(struct list_node *node, const struct list_branch *branches, unsigned count) {
  uint32_t end = 0;
  for (unsigned i = 0; i < count; i++) {
    end += (uint32_t)branches[i].slots;
    node->ends[i] = end;
    node->bytes[i] = branches[i].bytes;
    node->children[i] = branches[i].tree;
  }
  node->count = count;
}

void list_node_insert(struct list_node *node, unsigned idx, struct list_branch branch) {
  unsigned behind = node->count - idx;
  memmove(node->children + idx + 1, node->children + idx, behind * sizeof *node->children);
  memmove(node->bytes + idx + 1, node->bytes + idx, behind * sizeof *node->bytes);
  memmove(node->ends + idx + 1, node->ends + idx, behind * sizeof *node->ends);
  node->children[idx] = branch.tree;
  node->bytes[idx] = branch.bytes;
  node->ends[idx] = list_child_start(node, idx);
  node->count++;
  for (unsigned i = idx; i < node->count; i++) {
    node->ends[i] += (uint32_t)branch.slots;
  }
}

void list_node_remove(struct list_node *node, unsigned idx) {
  uint32_t slots = (uint32_t)list_child_slots(node, idx);
  unsigned behind = node->count - idx - 1;
  memmove(node->children + idx, node->children + idx + 1, behind * sizeof *node->children);
  memmove(node->bytes + idx, node->bytes + idx + 1, behind * sizeof *node->bytes);
  memmove(node->ends + idx, node->ends + idx + 1, behind * sizeof *node->ends);
  node->count--;
  for (unsigned i = idx; i < node->count; i++) {
    node->ends[i] -= slots;
  }
}

/* ---- items */

size_t list_items_bytes(const struct value *items, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    total += value_memory_bytes(items[i]);
  }
  return total;
}

size_t list_leaf_cut(struct list_leaf *leaf, size_t slot, struct list_leaf *right) {
  size_t moved = leaf->count - slot;
  list_copy_items(right->items, leaf->items + slot, moved);
  right->count = (uint16_t)moved;
  leaf->count = (uint16_t)slot;
  return list_items_bytes(right->items, moved);
}
