#include "server/objects/list.h"

#include "proto/base/chunk.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 4

size_t list_clamp(size_t len, int64_t index) {
  if (index < 0) {
    return index + (int64_t)len < 0 ? 0 : (size_t)(index + (int64_t)len);
  }
  return (uint64_t)index < len ? (size_t)index : len;
}

/* ---------------------------------------------------------------- room */

void list_init(struct list *list) {
  *list = (struct list){0};
}

void list_deinit(struct list *list) {
  for (size_t i = 0; i < list->len; i++) {
    value_release(list->room[list->first + i]);
  }
  free(list->room);
  list_init(list);
}

size_t list_memory_bytes(const struct list *list) {
  size_t room = list->capacity > 0 ? chunk_bytes(list->capacity * sizeof *list->room) : 0;
  return room + list->values_bytes;
}

static struct value *item_at(const struct list *list, size_t position) {
  return &list->room[list->first + position];
}

static void move_items(struct value *to, const struct value *from, size_t count) {
  if (count > 0) {
    memmove(to, from, count * sizeof *to);
  }
}

static void copy_items(struct value *to, const struct value *from, size_t count) {
  if (count > 0) {
    memcpy(to, from, count * sizeof *to);
  }
}

/* Moves the items into new room, `first` from its beginning. false: no memory. */
static bool change_room(struct list *list, size_t capacity, size_t first) {
  struct value *room = malloc(capacity * sizeof *room);
  if (!room) {
    return false;
  }
  if (list->len > 0) { /* without room there is nothing to point into */
    copy_items(room + first, list->room + list->first, list->len);
  }
  free(list->room);
  list->room = room;
  list->first = first;
  list->capacity = capacity;
  return true;
}

/* Sees to room for `count` more items at the front or at the back. Where a good part of the room is
 * free, the items move to its middle, so that pushing at both ends, or pushing here and popping
 * there, stays O(1) amortized; else the room grows by half. */
static hf_reason make_room(struct list *list, size_t count, bool at_front) {
  if (count > HF_LENGTH_MAX - list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  size_t free_back = list->capacity - list->first - list->len;
  if (count <= (at_front ? list->first : free_back)) {
    return HF_REASON_NONE;
  }
  size_t spare = list->capacity - list->len;
  if (spare >= count && spare - count >= list->len / 4) {
    size_t first = (spare - count) / 2 + (at_front ? count : 0);
    move_items(list->room + first, list->room + list->first, list->len);
    list->first = first;
    return HF_REASON_NONE;
  }
  size_t needed = list->len + count;
  size_t capacity = needed < CAPACITY_MIN ? CAPACITY_MIN : needed + list->len / 2;
  /* A list that only grows at the back gets no gap in front. */
  size_t gap = capacity - needed;
  size_t first = at_front ? count + gap / 2 : list->first > 0 ? gap / 2 : 0;
  return change_room(list, capacity, first) ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

/* Gives room back after a removal; where there is no memory to move to, it stays. */
static void shrink_room(struct list *list) {
  if (list->held) {
    return;
  }
  if (list->len == 0) {
    free(list->room);
    list->room = NULL;
    list->capacity = 0;
    list->first = 0;
  } else if (list->capacity > 4 * CAPACITY_MIN && list->len < list->capacity / 4) {
    size_t capacity = list->len * 2;
    (void)change_room(list, capacity, list->first > 0 ? list->len / 2 : 0);
  }
}

static size_t bytes_of_items(const struct value *items, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    total += value_memory_bytes(items[i]);
  }
  return total;
}

/* ---------------------------------------------------------------- items */

struct value list_at(const struct list *list, size_t position) {
  assert(position < list->len);
  return *item_at(list, position);
}

struct value list_replace(struct list *list, size_t position, struct value value) {
  assert(position < list->len);
  struct value old = *item_at(list, position);
  list->values_bytes += value_memory_bytes(value) - value_memory_bytes(old);
  *item_at(list, position) = value;
  return old;
}

/* Into room that is there, in front or behind. */
static void place_items(struct list *list, size_t position, const struct value *values,
                        size_t count, bool at_front) {
  if (at_front) {
    list->first -= count;
    move_items(item_at(list, 0), item_at(list, count), position);
  } else {
    move_items(item_at(list, position + count), item_at(list, position), list->len - position);
  }
  copy_items(item_at(list, position), values, count);
  list->len += count;
  list->values_bytes += bytes_of_items(values, count);
}

hf_reason list_insert(struct list *list, size_t position, const struct value *values,
                      size_t count) {
  assert(position <= list->len);
  bool at_front = position < list->len / 2 || (position == 0 && list->len > 0);
  hf_reason reason = make_room(list, count, at_front);
  if (reason != HF_REASON_NONE || count == 0) {
    return reason;
  }
  place_items(list, position, values, count, at_front);
  return HF_REASON_NONE;
}

hf_reason list_append(struct list *list, struct value value) {
  return list_insert(list, list->len, &value, 1);
}

/* Closes the gap of `count` items at position, whose values are elsewhere by now. */
static void close_gap(struct list *list, size_t position, size_t count) {
  size_t behind = list->len - position - count;
  if (position < behind) {
    move_items(item_at(list, count), item_at(list, 0), position);
    list->first += count;
  } else {
    move_items(item_at(list, position), item_at(list, position + count), behind);
  }
  list->len -= count;
}

struct value list_remove_at(struct list *list, size_t position) {
  assert(position < list->len);
  struct value removed = *item_at(list, position);
  list->values_bytes -= value_memory_bytes(removed);
  close_gap(list, position, 1);
  shrink_room(list);
  return removed;
}

void list_hold(struct list *list) {
  list->held = true;
}

void list_restore(struct list *list, size_t position, struct value value) {
  assert(list->held && list->len < list->capacity && position <= list->len);
  bool room_behind = list->first + list->len < list->capacity;
  bool at_front = list->first > 0 && (position < list->len / 2 || !room_behind);
  place_items(list, position, &value, 1, at_front);
}

void list_release(struct list *list) {
  list->held = false;
  shrink_room(list);
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
  return range;
}

hf_reason list_remove_range(struct list *list, struct list_range range, struct list *removed) {
  hf_reason reason = make_room(removed, range.count, false);
  if (reason != HF_REASON_NONE || range.count == 0) {
    return reason;
  }
  for (size_t i = 0; i < range.count; i++) {
    *item_at(removed, removed->len++) = *item_at(list, range_at(range, i));
  }
  size_t bytes = bytes_of_items(item_at(removed, removed->len - range.count), range.count);
  removed->values_bytes += bytes;
  list->values_bytes -= bytes;

  range = ascending(range);
  size_t first = (size_t)range.start;
  if (range.step == 1) {
    close_gap(list, first, range.count);
  } else { /* slides each stretch between two removed items down, then all behind the last */
    size_t to = first;
    for (size_t i = 0; i < range.count; i++) {
      size_t from = range_at(range, i) + 1;
      size_t end = i + 1 < range.count ? range_at(range, i + 1) : list->len;
      move_items(item_at(list, to), item_at(list, from), end - from);
      to += end - from;
    }
    list->len -= range.count;
  }
  shrink_room(list);
  return HF_REASON_NONE;
}

/* Replaces the items of a range by as many values. */
static hf_reason replace_each(struct list *list, struct list_range range,
                              const struct value *values, struct list *removed) {
  hf_reason reason = make_room(removed, range.count, false);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  for (size_t i = 0; i < range.count; i++) {
    struct value old = list_replace(list, range_at(range, i), values[i]);
    removed->values_bytes += value_memory_bytes(old);
    *item_at(removed, removed->len++) = old;
  }
  return HF_REASON_NONE;
}

hf_reason list_replace_range(struct list *list, struct list_range range, const struct value *values,
                             size_t count, struct list *removed) {
  if (range.count == count) {
    return replace_each(list, range, values, removed);
  }
  if (range.step != 1) {
    return HF_REASON_BAD_SLICE;
  }
  size_t position = (size_t)range.start;
  if (count < range.count) { /* the surplus goes first: after that nothing can fail */
    hf_reason reason = make_room(removed, range.count, false);
    if (reason != HF_REASON_NONE) {
      return reason;
    }
    struct list_range kept = {.start = range.start, .step = 1, .count = count};
    struct list_range surplus = {
        .start = range.start + (int64_t)count, .step = 1, .count = range.count - count};
    reason = replace_each(list, kept, values, removed);
    assert(reason == HF_REASON_NONE);
    return list_remove_range(list, surplus, removed);
  }
  hf_reason reason = make_room(removed, range.count, false);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  reason = list_insert(list, position + range.count, values + range.count, count - range.count);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  return replace_each(list, range, values, removed);
}

/* ---------------------------------------------------------------- whole lists */

bool list_find(const struct list *list, struct value value, size_t from, size_t to,
               size_t *position) {
  for (size_t i = from; i < to && i < list->len; i++) {
    if (value_equal(*item_at(list, i), value)) {
      *position = i;
      return true;
    }
  }
  return false;
}

size_t list_count(const struct list *list, struct value value) {
  size_t count = 0;
  for (size_t i = 0; i < list->len; i++) {
    count += value_equal(*item_at(list, i), value);
  }
  return count;
}

void list_reverse(struct list *list) {
  for (size_t i = 0, j = list->len; i + 1 < j; i++) {
    j--;
    struct value item = *item_at(list, i);
    *item_at(list, i) = *item_at(list, j);
    *item_at(list, j) = item;
  }
}

/* Whether `later` must come before `earlier`; equal ones stay as they are, also in reverse. */
static hf_reason must_swap(struct value earlier, struct value later, bool reverse, bool *swap) {
  int order;
  hf_reason reason =
      reverse ? value_compare(earlier, later, &order) : value_compare(later, earlier, &order);
  if (reason == HF_REASON_NONE) {
    *swap = order < 0;
  }
  return reason;
}

/* Merges the sorted from[0 .. middle) and from[middle .. end) into `to`. */
static hf_reason merge(const struct value *from, size_t middle, size_t end, struct value *to,
                       bool reverse) {
  size_t left = 0;
  size_t right = middle;
  while (left < middle && right < end) {
    bool swap;
    hf_reason reason = must_swap(from[left], from[right], reverse, &swap);
    if (reason != HF_REASON_NONE) {
      return reason;
    }
    *to++ = swap ? from[right++] : from[left++];
  }
  copy_items(to, from + left, middle - left);
  copy_items(to + (middle - left), from + right, end - right);
  return HF_REASON_NONE;
}

hf_reason list_sort(struct list *list, bool reverse) {
  size_t len = list->len;
  if (len < 2) {
    return HF_REASON_NONE;
  }
  /* Sorted aside, so that a failure half-way leaves the list as it was. Every item is compared with
   * its neighbours in the result at least, so items that can't be ordered are always found. */
  struct value *scratch = malloc(2 * len * sizeof *scratch);
  if (!scratch) {
    return HF_REASON_NO_MEMORY;
  }
  struct value *from = scratch;
  struct value *to = scratch + len;
  copy_items(from, item_at(list, 0), len);
  hf_reason reason = HF_REASON_NONE;
  for (size_t run = 1; run < len && reason == HF_REASON_NONE; run *= 2) {
    for (size_t at = 0; at < len && reason == HF_REASON_NONE; at += 2 * run) {
      size_t end = len - at < 2 * run ? len - at : 2 * run;
      reason = merge(from + at, end < run ? end : run, end, to + at, reverse);
    }
    struct value *sorted = to;
    to = from;
    from = sorted;
  }
  if (reason == HF_REASON_NONE) {
    copy_items(item_at(list, 0), from, len);
  }
  free(scratch);
  return reason;
}

hf_reason list_repeat(struct list *list, int64_t count, struct list *removed) {
  size_t len = list->len;
  if (count <= 0) {
    struct list_range all = {.start = 0, .step = 1, .count = len};
    return list_remove_range(list, all, removed);
  }
  if (len == 0 || count == 1) {
    return HF_REASON_NONE;
  }
  if ((uint64_t)count > HF_LENGTH_MAX / len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  size_t more = len * ((size_t)count - 1);
  hf_reason reason = make_room(list, more, false);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  for (size_t i = 0; i < more; i++) {
    *item_at(list, len + i) = value_retain(*item_at(list, i));
  }
  list->len += more;
  list->values_bytes *= (size_t)count;
  return HF_REASON_NONE;
}
