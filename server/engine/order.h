/* An ordered index of structs that have a node in them: objects by name, by id.
 *
 * layer   engine
 * source  a treap (Seidel and Aragon): a search tree by key that is a heap by priority. Priorities
 *         that peers can't guess keep its depth logarithmic, whatever keys they choose; answers do not
 *         depend on priorities.
 * memory  the caller owns the nodes
 * cost    O(log n); from one node to the next O(1)
 */
#ifndef HF_ENGINE_ORDER_H
#define HF_ENGINE_ORDER_H

#include <stddef.h>
#include <stdint.h>

struct order_node {
  struct order_node *left, *right;
  struct order_node *previous, *next; /* in order; NULL: none */
  uint64_t priority;
};

struct order {
  struct order_node *root;
  /* <0, 0, >0: the key comes before the node, is its own, comes after it. */
  int (*compare)(const void *key, const struct order_node *node);
};

/* The key is the node's own, and in no other node. */
void order_insert(struct order *order, struct order_node *node, const void *key, uint64_t priority);
void order_remove(struct order *order, struct order_node *node, const void *key);
/* The first node whose key is not before that key. NULL: none. */
struct order_node *order_from(const struct order *order, const void *key);
/* The first node whose key is beyond that key. NULL: none. */
struct order_node *order_beyond(const struct order *order, const void *key);

#endif
