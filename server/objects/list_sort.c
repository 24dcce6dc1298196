/* A stable merge sort, beside the list: a failure half-way leaves the list as it was. Every item is
 * compared with its neighbours in the result at least, so items that can't be ordered are always
 * found. */
#include "proto/base/chunk.h"
#include "server/objects/list.h"
#include "server/objects/list_tree.h"

#include <stdlib.h>

/* So many items are sorted by insertion. */
#define RUN_ITEMS 16
/* Steps between two questions whether to stop: a comparison, or the reading of 64 bytes for one. */
#define STOP_STEPS 4096

struct sorting {
  struct value *items; /* being sorted */
  struct value *left;  /* half as many: the left part of what is merged */
  bool reverse;
  size_t steps;
  const struct list_stop *stop;
};

static hf_reason take_steps(struct sorting *sorting, size_t steps) {
  sorting->steps += steps;
  if (sorting->steps < STOP_STEPS) {
    return HF_REASON_NONE;
  }
  sorting->steps = 0;
  const struct list_stop *stop = sorting->stop;
  return stop && stop->stop(stop->ctx) ? HF_REASON_STOPPING : HF_REASON_NONE;
}

/* Whether `later` must come before `earlier`; equal ones stay as they are, also in reverse. */
static hf_reason must_swap(struct sorting *sorting, struct value earlier, struct value later,
                           bool *swap) {
  int order;
  hf_reason reason = sorting->reverse ? value_compare(earlier, later, &order)
                                      : value_compare(later, earlier, &order);
  if (reason) {
    return reason;
  }
  *swap = order < 0;
  return take_steps(sorting, 1 + value_memory_bytes(later) / 64);
}

static hf_reason sort_run(struct sorting *sorting, struct value *items, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct value item = items[i];
    size_t to = i;
    for (bool swap; to > 0; to--) {
      hf_reason reason = must_swap(sorting, items[to - 1], item, &swap);
      if (reason) {
        return reason;
      }
      if (!swap) {
        break;
      }
    }
    list_move_items(items + to + 1, items + to, i - to);
    items[to] = item;
  }
  return HF_REASON_NONE;
}

/* Merges the sorted items[0 .. middle) and items[middle .. end). */
static hf_reason merge(struct sorting *sorting, struct value *items, size_t middle, size_t end) {
  bool swap;
  hf_reason reason = must_swap(sorting, items[middle - 1], items[middle], &swap);
  if (reason || !swap) {
    return reason;
  }
  struct value *left = sorting->left, *to = items;
  size_t left_idx = 0, right_idx = middle;
  list_copy_items(left, items, middle);
  while (left_idx < middle && right_idx < end) {
    reason = must_swap(sorting, left[left_idx], items[right_idx], &swap);
    if (reason) {
      return reason;
    }
    *to++ = swap ? items[right_idx++] : left[left_idx++];
  }
  list_copy_items(to, left + left_idx, middle - left_idx);
  return HF_REASON_NONE;
}

static hf_reason sort_items(struct sorting *sorting, size_t len) {
  hf_reason reason = HF_REASON_NONE;
  for (size_t at = 0; at < len && !reason; at += RUN_ITEMS) {
    reason = sort_run(sorting, sorting->items + at, len - at < RUN_ITEMS ? len - at : RUN_ITEMS);
  }
  for (size_t run = RUN_ITEMS; run < len && !reason; run *= 2) {
    for (size_t at = 0; at + run < len && !reason; at += 2 * run) {
      reason = merge(sorting, sorting->items + at, run, len - at < 2 * run ? len - at : 2 * run);
    }
  }
  return reason;
}

/* Writes the items in order, from *slot on; answers the tree's bytes. */
static size_t write_back(void *tree, unsigned height, size_t *slot, const struct value *items) {
  struct list_leaf *leaf = tree;
  if (height > 0) {
    struct list_node *node = tree;
    for (unsigned i = 0; i < node->count; i++) {
      node->bytes[i] = write_back(node->children[i], height - 1, slot, items);
    }
    return list_node_bytes(node);
  }
  list_copy_items(leaf->items, items + *slot, leaf->count);
  *slot += leaf->count;
  return list_items_bytes(leaf->items, leaf->count);
}

/* The left part of the last merge is the largest power of two below the length. */
static size_t left_count(size_t len) {
  size_t count = RUN_ITEMS;
  while (count * 2 < len) {
    count *= 2;
  }
  return count;
}

size_t list_sort_scratch_bytes(const struct list *list) {
  return chunk_bytes((list->len + left_count(list->len)) * sizeof(struct value));
}

hf_reason list_sort(struct list *list, bool reverse, const struct list_stop *stop) {
  size_t len = list->len;
  if (len < 2) {
    return HF_REASON_NONE;
  }
  struct value *scratch = malloc((len + left_count(len)) * sizeof *scratch);
  if (!scratch) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t at = 0, count; at < len; at += count) {
    const struct value *items = list_run(list, at, &count);
    list_copy_items(scratch + at, items, count);
  }
  struct sorting sorting = {
      .items = scratch, .left = scratch + len, .reverse = reverse, .stop = stop};
  hf_reason reason = sort_items(&sorting, len);
  if (!reason) {
    size_t slot = 0;
    list_tree_close_gaps(list);
    list->values_bytes = write_back(list->root, list->height, &slot, scratch);
  }
  free(scratch);
  return reason;
}
