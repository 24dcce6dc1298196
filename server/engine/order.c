#include "server/engine/order.h"

#include <assert.h>

/* Splits the tree into the nodes before the key and those after, and finds the new node's
 * neighbours. */
static void split(const struct order *order, struct order_node *tree, const void *key,
                  struct order_node *node) {
  struct order_node **before = &node->left, **after = &node->right;
  while (tree) {
    if (order->compare(key, tree) < 0) {
      node->next = tree;
      *after = tree;
      after = &tree->left;
      tree = tree->left;
    } else {
      node->previous = tree;
      *before = tree;
      before = &tree->right;
      tree = tree->right;
    }
  }
  *before = *after = NULL;
}

void order_insert(struct order *order, struct order_node *node, const void *key,
                  uint64_t priority) {
  struct order_node **link = &order->root;
  *node = (struct order_node){.priority = priority};
  while (*link && (*link)->priority >= priority) {
    int side = order->compare(key, *link);
    assert(side != 0);
    if (side < 0) {
      node->next = *link;
      link = &(*link)->left;
    } else {
      node->previous = *link;
      link = &(*link)->right;
    }
  }
  split(order, *link, key, node);
  *link = node;
  if (node->previous) {
    node->previous->next = node;
  }
  if (node->next) {
    node->next->previous = node;
  }
}

/* All of `before` comes before all of `after`. */
static void merge(struct order_node **link, struct order_node *before, struct order_node *after) {
  while (before && after) {
    if (before->priority >= after->priority) {
      *link = before;
      link = &before->right;
      before = before->right;
    } else {
      *link = after;
      link = &after->left;
      after = after->left;
    }
  }
  *link = before ? before : after;
}

void order_remove(struct order *order, struct order_node *node, const void *key) {
  struct order_node **link = &order->root;
  while (*link != node) {
    link = order->compare(key, *link) < 0 ? &(*link)->left : &(*link)->right;
    assert(*link);
  }
  merge(link, node->left, node->right);
  if (node->previous) {
    node->previous->next = node->next;
  }
  if (node->next) {
    node->next->previous = node->previous;
  }
}

struct order_node *order_from(const struct order *order, const void *key) {
  struct order_node *node = order->root, *found = NULL;
  while (node) {
    if (order->compare(key, node) <= 0) {
      found = node;
      node = node->left;
    } else {
      node = node->right;
    }
  }
  return found;
}

struct order_node *order_beyond(const struct order *order, const void *key) {
  struct order_node *node = order_from(order, key);
  return node && order->compare(key, node) == 0 ? node->next : node;
}
