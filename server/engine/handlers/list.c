#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"

#include <stdlib.h>

/* ---- one item */

static hf_reason find_item(const struct call *call, int64_t index, size_t *position) {
  return list_position(call->object->list.len, index, position) ? HF_REASON_NONE
                                                                : HF_REASON_BAD_INDEX;
}

/* The item at position becomes the value, which is taken. */
static void replace(struct call *call, size_t position, struct value value) {
  call_keep(call, value);
  call_discard(call, list_replace(&call->object->list, position, value));
}

hf_reason handle_list_get(struct call *call) {
  size_t position;
  hf_reason reason = find_item(call, call->message->list_get->index, &position);
  if (!reason) {
    call_answer_value(call, value_retain(list_at(&call->object->list, position)));
  }
  return reason;
}

hf_reason handle_list_set(struct call *call) {
  const Holdfast__ListSet *message = call->message->list_set;
  struct value value;
  size_t position;
  hf_reason reason = find_item(call, message->index, &position);
  if (!reason && !(reason = call_value(call, message->value, &value))) {
    replace(call, position, value);
  }
  return reason;
}

hf_reason handle_list_delete(struct call *call) {
  size_t position;
  hf_reason reason = find_item(call, call->message->list_delete->index, &position);
  if (!reason) {
    call_discard(call, list_remove_at(&call->object->list, position));
  }
  return reason;
}

/* Inserts what messages hold. */
static hf_reason insert(struct call *call, size_t position, size_t count,
                        Holdfast__Value *const *messages) {
  struct value *values;
  hf_reason reason = call_values(call, count, messages, &values);
  if (reason) {
    return reason;
  }
  reason = list_insert(&call->object->list, position, values, count);
  for (size_t i = 0; !reason && i < count; i++) {
    call_keep(call, values[i]);
  }
  call_free_values(values, reason ? count : 0);
  return reason;
}

hf_reason handle_list_append(struct call *call) {
  struct value value;
  hf_reason reason = call_value(call, call->message->list_append->value, &value);
  if (reason) {
    return reason;
  }
  reason = list_append(&call->object->list, value);
  if (reason) {
    value_release(value);
  } else {
    call_keep(call, value);
  }
  return reason;
}

hf_reason handle_list_extend(struct call *call) {
  const Holdfast__ListExtend *message = call->message->list_extend;
  return insert(call, call->object->list.len, message->n_items, message->items);
}

hf_reason handle_list_insert(struct call *call) {
  const Holdfast__ListInsert *message = call->message->list_insert;
  Holdfast__Value *item = message->value;
  return insert(call, list_clamp(call->object->list.len, message->index), 1, &item);
}

hf_reason handle_list_pop(struct call *call) {
  const Holdfast__ListPop *message = call->message->list_pop;
  struct list *list = &call->object->list;
  bool given = message->position_case == HOLDFAST__LIST_POP__POSITION_INDEX;
  size_t position;
  if (list->len == 0) {
    return HF_REASON_IS_EMPTY;
  }
  hf_reason reason = find_item(call, given ? message->index : -1, &position);
  if (reason) {
    return reason;
  }
  struct value value = list_remove_at(list, position);
  call_answer_value(call, value_retain(value));
  call_discard(call, value);
  return HF_REASON_NONE;
}

hf_reason handle_list_add(struct call *call) {
  const Holdfast__ListAdd *message = call->message->list_add;
  struct value amount, sum;
  size_t position;
  hf_reason reason = find_item(call, message->index, &position);
  if (reason || (reason = call_value(call, message->amount, &amount))) {
    return reason;
  }
  reason = value_sum(list_at(&call->object->list, position), amount, &sum);
  value_release(amount);
  if (!reason) {
    replace(call, position, sum);
    call_answer_value(call, sum);
  }
  return reason;
}

hf_reason handle_list_compare_and_set(struct call *call) {
  const Holdfast__ListCompareAndSet *message = call->message->list_compare_and_set;
  struct value expected, desired;
  size_t position;
  hf_reason reason = find_item(call, message->index, &position);
  if (reason || (reason = call_value(call, message->expected, &expected))) {
    return reason;
  }
  reason = call_value(call, message->desired, &desired);
  if (reason) {
    value_release(expected);
    return reason;
  }
  struct value found = list_at(&call->object->list, position);
  bool equal = value_equal(found, expected);
  call_answer_exchange(call, equal, value_retain(found));
  if (equal) {
    replace(call, position, desired);
  } else {
    value_release(desired);
  }
  value_release(expected);
  return HF_REASON_NONE;
}

/* ---- by value */

static hf_reason find_value(struct call *call, const Holdfast__Value *message, size_t from,
                            size_t to, size_t *position) {
  struct value value;
  hf_reason reason = call_value(call, message, &value);
  if (reason) {
    return reason;
  }
  bool found = list_find(&call->object->list, value, from, to, position);
  value_release(value);
  return found ? HF_REASON_NONE : HF_REASON_NO_SUCH_VALUE;
}

hf_reason handle_list_remove(struct call *call) {
  struct list *list = &call->object->list;
  size_t position;
  hf_reason reason = find_value(call, call->message->list_remove->value, 0, list->len, &position);
  if (!reason) {
    call_discard(call, list_remove_at(list, position));
  }
  return reason;
}

hf_reason handle_list_index(struct call *call) {
  const Holdfast__ListIndex *message = call->message->list_index;
  size_t len = call->object->list.len, position;
  size_t from = message->first_case == HOLDFAST__LIST_INDEX__FIRST_START
                    ? list_clamp(len, message->start)
                    : 0;
  size_t to =
      message->last_case == HOLDFAST__LIST_INDEX__LAST_STOP ? list_clamp(len, message->stop) : len;
  hf_reason reason = find_value(call, message->value, from, to, &position);
  if (!reason) {
    call_answer_count(call, position);
  }
  return reason;
}

hf_reason handle_list_contains(struct call *call) {
  size_t position;
  hf_reason reason =
      find_value(call, call->message->list_contains->value, 0, call->object->list.len, &position);
  if (reason && reason != HF_REASON_NO_SUCH_VALUE) {
    return reason;
  }
  call_answer_flag(call, !reason);
  return HF_REASON_NONE;
}

hf_reason handle_list_count(struct call *call) {
  struct value value;
  hf_reason reason = call_value(call, call->message->list_count->value, &value);
  if (!reason) {
    call_answer_count(call, list_count(&call->object->list, value, 0, call->object->list.len));
    value_release(value);
  }
  return reason;
}

/* ---- slices */

hf_reason handle_list_get_slice(struct call *call) {
  const struct list *list = &call->object->list;
  struct list_range range;
  struct value *values;
  hf_reason reason = call_range(call->message->list_get_slice->slice, list->len, &range);
  if (reason || (reason = call_answer_values(call, REPLY_VALUES, range.count, &values))) {
    return reason;
  }
  for (size_t i = 0; i < range.count; i++) {
    values[i] = value_retain(list_at(list, (size_t)(range.start + (int64_t)i * range.step)));
  }
  return HF_REASON_NONE;
}

/* Lets go of what a change removed from the list. */
static void discard_all(struct call *call, struct list *removed) {
  while (removed->len > 0) {
    call_discard(call, list_remove_at(removed, removed->len - 1));
  }
  list_deinit(removed);
}

hf_reason handle_list_set_slice(struct call *call) {
  const Holdfast__ListSetSlice *message = call->message->list_set_slice;
  struct list *list = &call->object->list, removed;
  struct list_range range;
  struct value *values;
  hf_reason reason = call_range(message->slice, list->len, &range);
  if (reason || (reason = call_values(call, message->n_items, message->items, &values))) {
    return reason;
  }
  list_init(&removed);
  reason = list_replace_range(list, range, values, message->n_items, &removed);
  for (size_t i = 0; !reason && i < message->n_items; i++) {
    call_keep(call, values[i]);
  }
  call_free_values(values, reason ? message->n_items : 0);
  discard_all(call, &removed);
  return reason;
}

hf_reason handle_list_delete_slice(struct call *call) {
  struct list *list = &call->object->list, removed;
  struct list_range range;
  hf_reason reason = call_range(call->message->list_delete_slice->slice, list->len, &range);
  if (reason) {
    return reason;
  }
  list_init(&removed);
  reason = list_remove_range(list, range, &removed, NULL);
  discard_all(call, &removed);
  return reason;
}

/* ---- the whole list */

hf_reason handle_list_len(struct call *call) {
  call_answer_count(call, call->object->list.len);
  return HF_REASON_NONE;
}

hf_reason handle_list_reverse(struct call *call) {
  list_reverse(&call->object->list);
  return HF_REASON_NONE;
}

hf_reason handle_list_sort(struct call *call) {
  return list_sort(&call->object->list, call->message->list_sort->reverse, NULL);
}

hf_reason handle_list_clear(struct call *call) {
  return call_bury_content(call);
}

/* All items, each counted once more. */
static void copy_items(const struct list *list, struct value *to) {
  for (size_t at = 0, count; at < list->len; at += count) {
    const struct value *items = list_run(list, at, &count);
    for (size_t i = 0; i < count; i++) {
      *to++ = value_retain(items[i]);
    }
  }
}

hf_reason handle_list_copy(struct call *call) {
  const struct list *list = &call->object->list;
  struct value *values;
  hf_reason reason = call_answer_values(call, REPLY_VALUES, list->len, &values);
  if (!reason) {
    copy_items(list, values);
  }
  return reason;
}

hf_reason handle_list_concat(struct call *call) {
  const Holdfast__ListConcat *message = call->message->list_concat;
  const struct list *list = &call->object->list;
  struct value *more, *values;
  hf_reason reason = call_values(call, message->n_items, message->items, &more);
  if (reason) {
    return reason;
  }
  reason = call_answer_values(call, REPLY_VALUES, list->len + message->n_items, &values);
  if (!reason) {
    copy_items(list, values);
    memcpy(values + list->len, more, message->n_items * sizeof *more);
  }
  call_free_values(more, reason ? message->n_items : 0);
  return reason;
}

hf_reason handle_list_repeat(struct call *call) {
  const struct list *list = &call->object->list;
  int64_t count = call->message->list_repeat->count;
  uint64_t times = count > 0 ? (uint64_t)count : 0;
  struct value *values;
  if (list->len && times > HF_REPLY_BYTES_MAX / 4 / list->len) {
    return HF_REASON_REPLY_TOO_BIG;
  }
  hf_reason reason = call_answer_values(call, REPLY_VALUES, list->len * times, &values);
  for (size_t i = 0; !reason && list->len && i < times; i++) {
    copy_items(list, values + i * list->len);
  }
  return reason;
}

static void keep_again(struct call *call, uint64_t times) {
  const struct list *list = &call->object->list;
  size_t len = list->len / times;
  for (size_t i = len; i < list->len; i++) {
    call_keep(call, list_at(list, i));
  }
}

/* Whether so many copies of the list fit: as they are counted, each with its items' bytes. */
static bool has_room_for(const struct call *call, size_t copies) {
  const struct list *list = &call->object->list;
  size_t all;
  return !__builtin_mul_overflow(list_memory_bytes(list), copies, &all) &&
         core_has_room(call->engine, all);
}

hf_reason handle_list_repeat_in_place(struct call *call) {
  struct list *list = &call->object->list, removed;
  int64_t count = call->message->list_repeat_in_place->count;
  size_t len = list->len;
  list_init(&removed);
  if (count > 1 && len && (uint64_t)count > HF_LENGTH_MAX / len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  if (count > 1 && !has_room_for(call, (size_t)count - 1)) {
    return HF_REASON_MEMORY_FULL;
  }
  hf_reason reason = list_repeat(list, count, &removed, NULL);
  if (!reason && count > 1 && call->object->references) {
    keep_again(call, (uint64_t)count);
  }
  discard_all(call, &removed);
  return reason;
}
