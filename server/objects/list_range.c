/* Slices, and other changes of many items: ranges are cut off, and others joined. */
#include "proto/limits.h"
#include "server/objects/list.h"
#include "server/objects/list_edges.h"
#include "server/objects/list_join.h"

#include <assert.h>

/* Items between two questions whether to stop. */
#define STOP_STEPS 4096

static bool is_stopped(const struct list_stop *stop) {
  return stop && stop->stop(stop->ctx);
}

/* The position of the i-th item of a range. */
static size_t range_at(struct list_range range, size_t i) {
  return (size_t)(range.start + (int64_t)i * range.step);
}

/* The same items, in ascending order. */
static struct list_range ascending(struct list_range range) {
  if (range.step < 0 && range.count > 0) {
    range.start = (int64_t)range_at(range, range.count - 1);
  }
  range.step = range.step < 0 ? -range.step : range.step;
  range.step = range.count == 1 ? 1 : range.step;
  return range;
}

/* Items from the range's first to its last. */
static size_t range_span(struct list_range range) {
  return range.count > 0 ? (size_t)((int64_t)(range.count - 1) * range.step) + 1 : 0;
}

/* ---- removing */

size_t list_range_scratch_bytes(const struct list *list, struct list_range range) {
  range = ascending(range);
  size_t leaves = range_span(range) / LEAF_SLOTS_MIN + 2 * SPLICE_PARTS + 4, height = 1;
  for (size_t rest = list->len / LEAF_SLOTS_MIN; rest > 1; rest /= FANOUT_MIN) {
    height++; /* as high as it may be */
  }
  size_t nodes = leaves / FANOUT_MIN + SPLICE_PARTS * (height + 2) + 2 * height;
  size_t leaf_bytes = sizeof(struct list_leaf) + LEAF_SLOTS * sizeof(struct value);
  return range.step > 1 ? leaves * leaf_bytes + nodes * sizeof(struct list_node) : 0;
}

/* Items of a run of the list, the first of which is in the range, go to `chosen` if they are in it
 * themselves, else to `others`. */
static hf_reason sort_out(const struct value *items, size_t count, size_t phase, size_t step,
                          struct list *chosen, struct list *others) {
  hf_reason reason = HF_REASON_NONE;
  for (size_t i = 0; i < count && !reason;) {
    size_t until = phase == 0 ? 1 : step - phase;
    until = until < count - i ? until : count - i;
    reason = list_append_run(phase == 0 ? chosen : others, items + i, until);
    i += until;
    phase = (phase + until) % step;
  }
  return reason;
}

/* Copies what the ascending range spans to the two lists; nothing is counted for it. */
static hf_reason copy_apart(const struct list *list, struct list_range range, struct list *chosen,
                            struct list *others, const struct list_stop *stop) {
  size_t start = (size_t)range.start, span = range_span(range), step = (size_t)range.step;
  hf_reason reason = HF_REASON_NONE;
  for (size_t at = 0, count, steps = 0; at < span && !reason; at += count) {
    const struct value *items = list_run(list, start + at, &count);
    count = count < span - at ? count : span - at;
    reason = sort_out(items, count, at % step, step, chosen, others);
    steps += count;
    if (steps >= STOP_STEPS) {
      steps = 0;
      reason = !reason && is_stopped(stop) ? HF_REASON_STOPPING : reason;
    }
  }
  return reason;
}

hf_reason list_remove_range(struct list *list, struct list_range range, struct list *removed,
                            const struct list_stop *stop) {
  assert(removed->len == 0);
  struct list kept, copied;
  list_init(&kept);
  range = ascending(range);
  if (range.step == 1 || range.count == 0) {
    return range.count > 0 ? list_splice(list, (size_t)range.start, range.count, &kept, removed)
                           : HF_REASON_NONE;
  }
  hf_reason reason = copy_apart(list, range, removed, &kept, stop);
  if (!reason) {
    reason = list_splice(list, (size_t)range.start, range_span(range), &kept, &copied);
  }
  if (reason) {
    list_tree_free(removed);
    list_tree_free(&kept);
  } else {
    list_tree_free(&copied);
  }
  return reason;
}

/* ---- replacing */

/* Replaces the items of a range by as many values. */
static hf_reason replace_each(struct list *list, struct list_range range,
                              const struct value *values, struct list *removed) {
  for (size_t i = 0; i < range.count; i++) {
    struct value item = list_at(list, range_at(range, i));
    hf_reason reason = list_append_run(removed, &item, 1);
    if (reason) {
      list_tree_free(removed);
      return reason;
    }
  }
  for (size_t i = 0; i < range.count; i++) {
    list_replace(list, range_at(range, i), values[i]);
  }
  return HF_REASON_NONE;
}

hf_reason list_replace_range(struct list *list, struct list_range range, const struct value *values,
                             size_t count, struct list *removed) {
  assert(removed->len == 0);
  if (range.step != 1) {
    return range.count == count ? replace_each(list, range, values, removed) : HF_REASON_BAD_SLICE;
  }
  if (range.count == count && count <= LEAF_SLOTS) {
    return replace_each(list, range, values, removed);
  }
  if (count > range.count && count - range.count > HF_LENGTH_MAX - list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  struct list part;
  list_init(&part);
  hf_reason reason = list_append_run(&part, values, count);
  if (!reason) {
    reason = list_splice(list, (size_t)range.start, range.count, &part, removed);
  }
  list_tree_free(&part);
  return reason;
}

/* ---- repeating */

/* Appends the list's items to `more`, counted once more. */
static hf_reason append_again(const struct list *list, struct list *more, size_t *steps,
                              const struct list_stop *stop) {
  for (size_t at = 0, count; at < list->len; at += count) {
    const struct value *items = list_run(list, at, &count);
    hf_reason reason = list_append_run(more, items, count);
    if (reason) {
      return reason;
    }
    for (size_t i = 0; i < count; i++) {
      value_retain(items[i]);
    }
    *steps += count;
    if (*steps >= STOP_STEPS) {
      *steps = 0;
      if (is_stopped(stop)) {
        return HF_REASON_STOPPING;
      }
    }
  }
  return HF_REASON_NONE;
}

hf_reason list_repeat(struct list *list, int64_t count, struct list *removed,
                      const struct list_stop *stop) {
  if (count <= 0) {
    assert(removed->len == 0);
    *removed = *list;
    list_init(list);
    return HF_REASON_NONE;
  }
  if (list->len == 0 || count == 1) {
    return HF_REASON_NONE;
  }
  if ((uint64_t)count > HF_LENGTH_MAX / list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  struct list more;
  size_t steps = 0;
  list_init(&more);
  hf_reason reason = HF_REASON_NONE;
  for (int64_t i = 1; i < count && !reason; i++) {
    reason = append_again(list, &more, &steps, stop);
  }
  if (!reason) {
    reason = list_concat(list, &more);
  }
  list_deinit(&more);
  return reason;
}

/* ---- reversing */

static void reverse_items(struct value *items, size_t count) {
  for (size_t i = 0, j = count; i + 1 < j; i++) {
    struct value item = items[i];
    items[i] = items[--j];
    items[j] = item;
  }
}

static void reverse_tree(void *tree, unsigned height) {
  if (height == 0) {
    struct list_leaf *leaf = tree;
    reverse_items(leaf->items, leaf->count);
    return;
  }
  struct list_node *node = tree;
  struct list_branch branches[FANOUT], reversed[FANOUT];
  unsigned count = list_node_read(node, branches);
  for (unsigned i = 0; i < count; i++) {
    reverse_tree(branches[i].tree, height - 1);
    reversed[count - 1 - i] = branches[i];
  }
  list_node_write(node, reversed, count);
}

void list_reverse(struct list *list) {
  if (list->len > 0) {
    list_tree_close_gaps(list);
    reverse_tree(list->root, list->height);
    list_tree_find_edges(list);
  }
}

/* ---- parts */

hf_reason list_split(struct list *list, size_t position, struct list *tail) {
  struct list_pool pool = {0};
  bool has_room = list_pool_fill_for_parts(&pool, list, NULL, 1);
  if (has_room) {
    list_cut(list, position, tail, &pool);
  }
  list_pool_deinit(&pool);
  return has_room ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

hf_reason list_concat(struct list *list, struct list *tail) {
  struct list_pool pool = {0};
  if (tail->len > HF_LENGTH_MAX - list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  bool has_room = list_pool_fill_for_parts(&pool, list, tail, 1);
  if (has_room) {
    list_join(list, tail, &pool);
  }
  list_pool_deinit(&pool);
  return has_room ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}
