#include "server/engine/order.h"

#include <assert.h>

/* Takes the tree apart into what comes before the key and what comes after, and notes the node's
 * neighbours on the way. */
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
  struct order_node **place = &order->root;
  *node = (struct order_node){.priority = priority};
  while (*place && (*place)->priority >= priority) {
    int side = order->compare(key, *place);
    assert(side != 0);
    if (side < 0) {
      node->next = *place;
      place = &(*place)->left;
    } else {
      node->previous = *place;
      place = &(*place)->right;
    }
  }
  split(order, *place, key, node);
  *place = node;
  if (node->previous) {
    node->previous->next = node;
  }
  if (node->next) {
    node->next->previous = node;
  }
}

/* All of `before` comes before all of `after`. */
static void merge(struct order_node **place, struct order_node *before, struct order_node *after) {
  while (before && after) {
    if (before->priority >= after->priority) {
      *place = before;
      place = &before->right;
      before = before->right;
    } else {
      *place = after;
      place = &after->left;
      after = after->left;
    }
  }
  *place = before ? before : after;
}

void order_remove(struct order *order, struct order_node *node, const void *key) {
  struct order_node **place = &order->root;
  while (*place != node) {
    place = order->compare(key, *place) < 0 ? &(*place)->left : &(*place)->right;
    assert(*place);
  }
  merge(place, node->left, node->right);
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
