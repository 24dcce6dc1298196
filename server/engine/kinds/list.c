#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/snapshot_parts.h"

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

/* Inserts the values of the messages. */
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
  reason = value_add(list_at(&call->object->list, position), amount, &sum);
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

/* ---- by value
 *
 * One step is enough for as many items as fit 256 bytes: comparing an item costs steps by its memory. */

#define PIECE_ITEMS 4096

static size_t compared_bytes(const struct list *list) {
  return list->len * sizeof(struct value) + list->values_bytes;
}

static size_t search_steps(const struct call *call) {
  return compared_bytes(&call->object->list) / 256;
}

static hf_reason find_in_pieces(struct job *job) {
  for (size_t at = job->from; at < job->to && !job->is_found; at += PIECE_ITEMS) {
    size_t end = job->to - at < PIECE_ITEMS ? job->to : at + PIECE_ITEMS;
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
    job->is_found = list_find(job->list, job->value, at, end, &job->count);
  }
  return HF_REASON_NONE;
}

static hf_reason count_in_pieces(struct job *job) {
  for (size_t at = job->from; at < job->to; at += PIECE_ITEMS) {
    size_t end = job->to - at < PIECE_ITEMS ? job->to : at + PIECE_ITEMS;
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
    job->count += list_count(job->list, job->value, at, end);
  }
  return HF_REASON_NONE;
}

/* job: its work, from and to. Its results are there when HF_REASON_NONE is answered. */
static hf_reason search(struct call *call, const Holdfast__Value *message, struct job *job) {
  hf_reason reason = call_value(call, message, &job->value);
  if (reason) {
    return reason;
  }
  reason = call_work(call, job, search_steps(call), 0);
  if (reason != REASON_PARKED) {
    value_release(job->value);
  }
  return reason;
}

hf_reason handle_list_remove(struct call *call) {
  struct list *list = &call->object->list;
  struct job job = {.work = find_in_pieces, .to = list->len};
  hf_reason reason = search(call, call->message->list_remove->value, &job);
  if (!reason && !job.is_found) {
    return HF_REASON_NO_SUCH_VALUE;
  }
  if (!reason) {
    call_discard(call, list_remove_at(list, job.count));
  }
  return reason;
}

hf_reason handle_list_index(struct call *call) {
  const Holdfast__ListIndex *message = call->message->list_index;
  size_t len = call->object->list.len;
  struct job job = {.work = find_in_pieces, .to = len};
  if (message->first_case == HOLDFAST__LIST_INDEX__FIRST_START) {
    job.from = list_clamp(len, message->start);
  }
  if (message->last_case == HOLDFAST__LIST_INDEX__LAST_STOP) {
    job.to = list_clamp(len, message->stop);
  }
  hf_reason reason = search(call, message->value, &job);
  if (!reason && !job.is_found) {
    return HF_REASON_NO_SUCH_VALUE;
  }
  if (!reason) {
    call_answer_count(call, job.count);
  }
  return reason;
}

hf_reason handle_list_contains(struct call *call) {
  struct job job = {.work = find_in_pieces, .to = call->object->list.len};
  hf_reason reason = search(call, call->message->list_contains->value, &job);
  if (!reason) {
    call_answer_flag(call, job.is_found);
  }
  return reason;
}

hf_reason handle_list_count(struct call *call) {
  struct job job = {.work = count_in_pieces, .to = call->object->list.len};
  hf_reason reason = search(call, call->message->list_count->value, &job);
  if (!reason) {
    call_answer_count(call, job.count);
  }
  return reason;
}

/* ---- slices */

static void take_copies(struct job *job, const struct value *items, size_t count) {
  for (size_t i = 0; i < count; i++) {
    job->values[job->values_count++] = value_retain(items[i]);
    job->has_references |= value_has_reference(items[i]);
  }
}

/* Those from the range's idx-th on that lie together, borrowed; at most a leaf's. */
static const struct value *run_of(const struct job *job, size_t idx, size_t *count) {
  const struct list_range *range = &job->range;
  size_t position = (size_t)(range->start + (int64_t)idx * range->step);
  const struct value *items = list_run(job->list, position, count);
  size_t left = range->step == 1 ? range->count - idx : 1;
  *count = *count < left ? *count : left;
  return items;
}

/* The values along the range, `times` over, each counted once more. */
static hf_reason copy_range(struct job *job) {
  size_t all = job->range.count * (size_t)job->times;
  job->values = malloc((all + job->more + 1) * sizeof *job->values);
  if (!job->values) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t done = 0, count; done < all; done += count) {
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
    const struct value *items = run_of(job, done % job->range.count, &count);
    take_copies(job, items, count);
  }
  return HF_REASON_NONE;
}

/* Answers with the range's values `times` over, and those of `more`, which are taken. */
static hf_reason answer_range(struct call *call, struct list_range range, uint64_t times,
                              struct value *more, size_t more_count) {
  struct job job = {
      .work = copy_range, .range = range, .times = (int64_t)times, .more = more_count};
  uint64_t most = HF_REPLY_BYTES_MAX / 4; /* no value takes less than four bytes on the wire */
  if (times && range.count > (most - (more_count < most ? more_count : most)) / times) {
    return HF_REASON_REPLY_TOO_BIG;
  }
  size_t count = range.count * (size_t)times + more_count;
  hf_reason reason = call_work(call, &job, count / 8, count * sizeof *job.values);
  if (!reason) {
    call_answer_work(call, REPLY_VALUES, &job, more);
  }
  return reason;
}

static struct list_range whole(const struct list *list) {
  return (struct list_range){.step = 1, .count = list->len};
}

hf_reason handle_list_get_slice(struct call *call) {
  struct list_range range;
  hf_reason reason =
      call_range(call->message->list_get_slice->slice, call->object->list.len, &range);
  return reason ? reason : answer_range(call, range, 1, NULL, 0);
}

hf_reason handle_list_set_slice(struct call *call) {
  const Holdfast__ListSetSlice *message = call->message->list_set_slice;
  struct list *list = &call->object->list;
  struct job job = {.reason = HF_REASON_NONE};
  struct list_range range;
  struct value *values;
  hf_reason reason = call_range(message->slice, list->len, &range);
  if (reason || (reason = call_values(call, message->n_items, message->items, &values))) {
    return reason;
  }
  list_init(&job.removed);
  reason = list_replace_range(list, range, values, message->n_items, &job.removed);
  for (size_t i = 0; !reason && i < message->n_items; i++) {
    call_keep(call, values[i]);
  }
  call_free_values(values, reason ? message->n_items : 0);
  core_take_effect(call->engine, call->object, &job);
  return reason;
}

static hf_reason remove_range(struct job *job) {
  struct list_stop stop = {job_stop, job};
  return list_remove_range(job->list, job->range, &job->removed, &stop);
}

/* From the first to the last; none in order is walked along. */
static size_t stretch_of(struct list_range range) {
  size_t step = (size_t)(range.step < 0 ? -range.step : range.step);
  return step == 1 ? 0 : range.count * step;
}

hf_reason handle_list_delete_slice(struct call *call) {
  struct list *list = &call->object->list;
  struct job job = {.work = remove_range};
  hf_reason reason = call_range(call->message->list_delete_slice->slice, list->len, &job.range);
  if (reason) {
    return reason;
  }
  return call_work(call, &job, stretch_of(job.range) / 8,
                   list_range_scratch_bytes(list, job.range));
}

/* ---- the whole list */

hf_reason handle_list_len(struct call *call) {
  call_answer_count(call, call->object->list.len);
  return HF_REASON_NONE;
}

static hf_reason reverse(struct job *job) {
  list_reverse(job->list);
  return HF_REASON_NONE;
}

hf_reason handle_list_reverse(struct call *call) {
  struct job job = {.work = reverse};
  return call_work(call, &job, call->object->list.len / 16, 0);
}

static hf_reason sort(struct job *job) {
  struct list_stop stop = {job_stop, job};
  return list_sort(job->list, job->reverse, &stop);
}

/* Each item is compared with as many as the length has binary digits. */
hf_reason handle_list_sort(struct call *call) {
  const struct list *list = &call->object->list;
  struct job job = {.work = sort, .reverse = call->message->list_sort->reverse};
  return call_work(call, &job, compared_bytes(list) / 16, list_sort_scratch_bytes(list));
}

hf_reason handle_list_clear(struct call *call) {
  return call_clear_content(call);
}

hf_reason handle_list_copy(struct call *call) {
  return answer_range(call, whole(&call->object->list), 1, NULL, 0);
}

hf_reason handle_list_concat(struct call *call) {
  const Holdfast__ListConcat *message = call->message->list_concat;
  struct value *more;
  hf_reason reason = call_values(call, message->n_items, message->items, &more);
  if (reason) {
    return reason;
  }
  reason = answer_range(call, whole(&call->object->list), 1, more, message->n_items);
  call_free_values(more, reason ? message->n_items : 0);
  return reason;
}

hf_reason handle_list_repeat(struct call *call) {
  int64_t count = call->message->list_repeat->count;
  return answer_range(call, whole(&call->object->list), count > 0 ? (uint64_t)count : 0, NULL, 0);
}

static hf_reason repeat(struct job *job) {
  struct list_stop stop = {job_stop, job};
  return list_repeat(job->list, job->times, &job->removed, &stop);
}

hf_reason handle_list_repeat_in_place(struct call *call) {
  const struct list *list = &call->object->list;
  int64_t count = call->message->list_repeat_in_place->count;
  uint64_t copies = count > 1 ? (uint64_t)count - 1 : 0;
  struct job job = {.work = repeat, .times = count, .repeats = true};
  size_t bytes = 0;
  if (!call->job && copies && list->len && (uint64_t)count > HF_LENGTH_MAX / list->len) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  if (!call->job && !list_bytes_of_copies(list, copies, &bytes)) {
    return HF_REASON_MEMORY_FULL;
  }
  hf_reason reason = call->job ? HF_REASON_NONE : admission_check_memory(call, call->object, bytes);
  if (reason) {
    return reason;
  }
  size_t steps = list->len * copies / 8;
  size_t references = copies > 0 ? call->object->stored_references : 0;
  return call_work(call, &job, steps > references ? steps : references, bytes);
}

/* ---- the kind */

static bool init_list(struct object *object, const struct object_shape *shape,
                      const struct value_hash_key *hash_key) {
  (void)shape;
  (void)hash_key;
  list_init(&object->list);
  return true;
}

static hf_reason fill_list(struct call *call, struct value *values, size_t count) {
  hf_reason reason = list_insert(&call->object->list, 0, values, count);
  for (size_t i = 0; !reason && i < count; i++) {
    call_keep(call, values[i]);
  }
  call_free_values(values, reason ? count : 0);
  return reason;
}

static void deinit_list(struct object *object) {
  list_deinit(&object->list);
}

static struct content_bytes bytes_of_list(const struct object *object) {
  size_t bytes = list_memory_bytes(&object->list);
  return (struct content_bytes){bytes, bytes};
}

static uint64_t length_of_list(const struct object *object) {
  return object->list.len;
}

static bool next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  return content_next_in_list(&object->list, cursor, value);
}

static bool take_content(struct object *object, struct object *taken,
                         const struct value_hash_key *hash_key) {
  (void)hash_key;
  taken->list = object->list;
  list_init(&object->list);
  return true;
}

static void lend_list(struct object *object, struct job *job) {
  job->lent_list = object->list;
  job->list = &job->lent_list;
}

static void bring_list_back(struct object *object, struct job *job) {
  object->list = job->lent_list;
}

static void snapshot_list(const struct object *object, struct snapshot_out *out) {
  snapshot_put_list(out, RECORD_CONTENT, &object->list);
}

static bool restore_items(struct restoring *restoring, struct object *object,
                          const struct snapshot_record *record) {
  return record->number != RECORD_CONTENT ||
         restore_list(restoring, object, &object->list, record->body);
}

const struct kind kind_list = {
    .init = init_list,
    .fill = fill_list,
    .deinit = deinit_list,
    .bytes = bytes_of_list,
    .length = length_of_list,
    .is_counted = true,
    .next_value = next_value,
    .take_content = take_content,
    .lend = lend_list,
    .bring_back = bring_list_back,
    .capture = capture_item,
    .snapshot = snapshot_list,
    .restore = restore_items,
};
