#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"
#include "server/objects/cell.h"

static struct value load(const struct call *call) {
  return cell_load(call->object->cells.typecode, call->object->cells.elements, 0);
}

static hf_reason store(struct call *call, struct value value) {
  return cell_store(call->object->cells.typecode, call->object->cells.elements, 0, value);
}

hf_reason handle_value_get(struct call *call) {
  hf_reason reason = call_pass_lock(call);
  if (!reason) {
    call_answer_value(call, load(call));
  }
  return reason;
}

hf_reason handle_value_set(struct call *call) {
  struct value value;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, call->message->value_set->value, &value))) {
    return reason;
  }
  reason = store(call, value);
  value_release(value);
  return reason;
}

hf_reason handle_value_add(struct call *call) {
  struct value amount, sum;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, call->message->value_add->amount, &amount))) {
    return reason;
  }
  reason = value_sum(load(call), amount, &sum);
  value_release(amount);
  if (!reason && !(reason = store(call, sum))) {
    call_answer_value(call, load(call));
  }
  return reason;
}

hf_reason handle_value_compare_and_set(struct call *call) {
  const Holdfast__ValueCompareAndSet *message = call->message->value_compare_and_set;
  struct value expected, desired;
  hf_reason reason = call_pass_lock(call);
  if (reason || (reason = call_value(call, message->expected, &expected))) {
    return reason;
  }
  reason = call_value(call, message->desired, &desired);
  if (reason) {
    value_release(expected);
    return reason;
  }
  struct value found = load(call);
  bool equal = value_equal(found, expected);
  if (equal) {
    reason = store(call, desired);
  }
  if (!reason) {
    call_answer_exchange(call, equal, found);
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
  struct value value = load(call);
  bool changed = !value_equal(value, known);
  value_release(known);
  if (!changed) {
    return call_park(call, &call->object->waits[WAIT_CHANGE], HF_REASON_NOT_CHANGED);
  }
  call_answer_value(call, value);
  return HF_REASON_NONE;
}
