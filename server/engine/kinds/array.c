#include "proto/limits.h"
#include "server/engine/call.h"
#include "server/engine/elements.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/cell.h"
#include "server/engine/kinds/cell_snapshot.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/lock.h"

#include <stdlib.h>
#include <string.h>

/* The element an index means, once the array's lock lets the call through. */
static hf_reason find_element(struct call *call, int64_t index, size_t *position) {
  hf_reason reason = call_pass_lock(call);
  if (reason) {
    return reason;
  }
  return list_position(call->object->cells.count, index, position) ? HF_REASON_NONE
                                                                   : HF_REASON_BAD_INDEX;
}

hf_reason handle_array_get(struct call *call) {
  size_t position;
  hf_reason reason = find_element(call, call->message->array_get->index, &position);
  if (!reason) {
    call_answer_value(call, elements_value(&call->object->cells, position));
  }
  return reason;
}

hf_reason handle_array_set(struct call *call) {
  const Holdfast__ArraySet *message = call->message->array_set;
  struct value value;
  size_t position;
  hf_reason reason = find_element(call, message->index, &position);
  if (reason || (reason = call_value(call, message->value, &value))) {
    return reason;
  }
  reason = cells_store(call, position, value);
  value_release(value);
  return reason;
}

hf_reason handle_array_add(struct call *call) {
  const Holdfast__ArrayAdd *message = call->message->array_add;
  struct cells *cells = &call->object->cells;
  struct value amount;
  uint64_t sum;
  size_t position;
  hf_reason reason = find_element(call, message->index, &position);
  if (reason || (reason = call_value(call, message->amount, &amount))) {
    return reason;
  }
  reason = elements_add(cells, position, call_has_lock(call), amount, &sum);
  value_release(amount);
  if (!reason) {
    call_answer_value(call, cell_value(cell_type_of(cells->typecode), sum));
  }
  return reason;
}

hf_reason handle_array_len(struct call *call) {
  call_answer_count(call, call->object->cells.count);
  return HF_REASON_NONE;
}

hf_reason handle_array_get_slice(struct call *call) {
  const struct cells *cells = &call->object->cells;
  struct list_range range;
  struct value *values;
  hf_reason reason = call_pass_lock(call);
  if (reason ||
      (reason = call_range(call->message->array_get_slice->slice, cells->count, &range)) ||
      (reason = call_answer_values(call, REPLY_VALUES, range.count, &values))) {
    return reason;
  }
  for (size_t i = 0; i < range.count; i++) {
    values[i] = elements_value(cells, (size_t)(range.start + (int64_t)i * range.step));
  }
  return HF_REASON_NONE;
}

/* All or nothing: a bad value leaves the array as it was. */
static hf_reason store_range(struct cells *cells, struct list_range range,
                             const struct value *values) {
  const struct cell_type *type = cell_type_of(cells->typecode);
  uint64_t *bits = malloc(range.count * sizeof *bits + 1);
  hf_reason reason = bits ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  for (size_t i = 0; i < range.count && !reason; i++) {
    reason = cell_bits(type, values[i], &bits[i]);
  }
  for (size_t i = 0; i < range.count && !reason; i++) {
    elements_set_bits(cells, (size_t)(range.start + (int64_t)i * range.step), bits[i]);
  }
  free(bits);
  return reason;
}

hf_reason handle_array_set_slice(struct call *call) {
  const Holdfast__ArraySetSlice *message = call->message->array_set_slice;
  struct cells *cells = &call->object->cells;
  struct list_range range;
  struct value *values;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_range(message->slice, cells->count, &range))) {
    return reason;
  }
  if (message->n_items != range.count) {
    return HF_REASON_BAD_SLICE;
  }
  reason = call_values(call, message->n_items, message->items, &values);
  if (reason) {
    return reason;
  }
  reason = store_range(cells, range, values);
  call_free_values(values, message->n_items);
  return reason;
}

/* Whether the array has so many elements from there on, and they may be copied in one go. */
static hf_reason check_range(const struct cells *cells, uint64_t start, uint64_t count) {
  if (start > cells->count || count > cells->count - start) {
    return HF_REASON_BAD_INDEX;
  }
  return count * cell_element_bytes(cells->typecode) > HF_ARRAY_PART_BYTES_MAX
             ? HF_REASON_REQUEST_TOO_BIG
             : HF_REASON_NONE;
}

hf_reason handle_array_read(struct call *call) {
  const Holdfast__ArrayRead *message = call->message->array_read;
  const struct cells *cells = &call->object->cells;
  struct value bytes;
  uint8_t *room;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = check_range(cells, message->start, message->count))) {
    return reason;
  }
  size_t len = message->count * cell_element_bytes(cells->typecode);
  if (!value_bytes_to_fill(len, &bytes, &room)) {
    return HF_REASON_NO_MEMORY;
  }
  elements_read(cells, message->start, message->count, room);
  call_answer_value(call, bytes);
  return HF_REASON_NONE;
}

hf_reason handle_array_write(struct call *call) {
  const Holdfast__ArrayWrite *message = call->message->array_write;
  struct cells *cells = &call->object->cells;
  size_t element_bytes = cell_element_bytes(cells->typecode);
  size_t count = message->elements.len / element_bytes;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = check_range(cells, message->start, count))) {
    return reason;
  }
  if (message->elements.len % element_bytes) {
    return HF_REASON_BAD_ARGUMENT;
  }
  elements_write(cells, message->start, count, message->elements.data);
  return HF_REASON_NONE;
}

/* ---- the kinds */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  return cells_read_shape(message, message->n_initial ? message->n_initial : message->length,
                          shape);
}

const struct kind kind_array = {
    .read_shape = read_shape,
    .has_shape = cells_has_shape,
    .init = cells_init,
    .begin = cells_begin,
    .fill = cells_fill,
    .fill_packed = cells_fill_packed,
    .deinit = cells_deinit,
    .bytes = cells_bytes,
    .length = cells_length,
    .lock = cells_lock,
    .revoke = revoke_grant,
    .has_cells = true,
    .report = cells_report,
    .capture = capture_cell,
    .snapshot = cells_snapshot,
    .restore = cells_restore,
    .stop = cells_stop,
};

const struct kind kind_raw_array = {
    .read_shape = read_shape,
    .has_shape = cells_has_shape,
    .init = cells_init,
    .begin = cells_begin,
    .fill = cells_fill,
    .fill_packed = cells_fill_packed,
    .deinit = cells_deinit,
    .bytes = cells_bytes,
    .length = cells_length,
    .has_cells = true,
    .report = cells_report,
    .capture = capture_cell,
    .snapshot = cells_snapshot,
    .restore = cells_restore,
    .stop = cells_stop,
};
