#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/settle.h"

hf_reason handle_event_set(struct call *call) {
  call->object->event_is_set = true;
  core_release(call->engine, &call->object->waits[WAIT_EVENT]);
  return HF_REASON_NONE;
}

hf_reason handle_event_clear(struct call *call) {
  call->object->event_is_set = false;
  return HF_REASON_NONE;
}

hf_reason handle_event_is_set(struct call *call) {
  call_answer_flag(call, call->object->event_is_set);
  return HF_REASON_NONE;
}

/* Out of time is an answer here, not an error. Who waited when it was set has seen it, also if it is
 * cleared before all of them had their turn. */
hf_reason handle_event_wait(struct call *call) {
  bool is_set = call->object->event_is_set || call_is_released(call, WAIT_EVENT);
  if (!is_set && !call_may_not_wait(call)) {
    return call_park(call, &call->object->waits[WAIT_EVENT], HF_REASON_TIMED_OUT);
  }
  call_answer_flag(call, is_set);
  return HF_REASON_NONE;
}

/* ---- the kind */

static void report_event(const struct object *object, struct reply_object *reported) {
  reported->value = object->event_is_set;
}

const struct kind kind_event = {
    .report = report_event,
};
