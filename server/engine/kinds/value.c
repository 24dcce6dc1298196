#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/elements.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/cell.h"
#include "server/engine/kinds/cell_snapshot.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/lock.h"

static const struct cell_type *type_of(const struct call *call) {
  return cell_type_of(call->object->cells.typecode);
}

hf_reason handle_value_get(struct call *call) {
  hf_reason reason = call_pass_lock(call);
  if (!reason) {
    call_answer_value(call, elements_value(&call->object->cells, 0));
  }
  return reason;
}

hf_reason handle_value_set(struct call *call) {
  struct value value;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, call->message->value_set->value, &value))) {
    return reason;
  }
  reason = cells_store(call, 0, value);
  value_release(value);
  if (!reason) {
    core_cells_changed(call->engine, call->object);
  }
  return reason;
}

hf_reason handle_value_add(struct call *call) {
  struct value amount;
  uint64_t sum;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, call->message->value_add->amount, &amount))) {
    return reason;
  }
  reason = elements_add(&call->object->cells, 0, call_has_lock(call), amount, &sum);
  value_release(amount);
  if (!reason) {
    core_cells_changed(call->engine, call->object);
    call_answer_value(call, cell_value(type_of(call), sum));
  }
  return reason;
}

hf_reason handle_value_compare_and_set(struct call *call) {
  const Holdfast__ValueCompareAndSet *message = call->message->value_compare_and_set;
  struct value expected, desired;
  uint64_t found;
  bool swapped;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, message->expected, &expected))) {
    return reason;
  }
  reason = call_value(call, message->desired, &desired);
  if (reason) {
    value_release(expected);
    return reason;
  }
  reason = elements_compare_and_set(&call->object->cells, 0, call_has_lock(call), expected, desired,
                                    &swapped, &found);
  if (!reason && swapped) {
    core_cells_changed(call->engine, call->object);
  }
  if (!reason) {
    call_answer_exchange(call, swapped, cell_value(type_of(call), found));
  }
  value_release(expected);
  value_release(desired);
  return reason;
}

hf_reason handle_value_wait(struct call *call) {
  struct value known;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, call->message->value_wait->known, &known))) {
    return reason;
  }
  struct value value = core_watch_value(call->engine, call->object);
  bool changed = !value_equal(value, known);
  value_release(known);
  if (!changed) {
    reason = core_watch_cells(call->engine, call->now_ns, call->object);
    return reason ? reason
                  : call_park(call, &call->object->waits[WAIT_CHANGE], HF_REASON_NOT_CHANGED);
  }
  call_answer_value(call, value);
  return HF_REASON_NONE;
}

/* ---- the kinds */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  return cells_read_shape(message, 1, shape);
}

const struct kind kind_value = {
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

const struct kind kind_raw_value = {
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
