#include "server/engine/nested.h"

#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/lending.h"
#include "server/engine/outcome.h"

hf_reason nested_check(const struct call *outer, const Holdfast__Request *message,
                       enum operation_flag kind) {
  const struct operation *operation = outer->engine->config.find_operation(message);
  if (!operation) {
    return HF_REASON_UNKNOWN_OPERATION;
  }
  if (!(operation->flags & kind)) {
    return HF_REASON_NOT_NESTABLE;
  }
  return admission_check_origin(operation, outer->session, outer->one_way);
}

void nested_init(struct nested *nested, const struct call *outer, const Holdfast__Request *message,
                 struct reply *reply, bool waits) {
  nested->message = *message;
  nested->waits = waits;
  nested->message.wait_case =
      waits ? HOLDFAST__REQUEST__WAIT__NOT_SET : HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  nested->message.timeout_ms = 0;
  nested->call = (struct call){
      .engine = outer->engine,
      .now_ns = outer->now_ns,
      .operation = outer->engine->config.find_operation(message),
      .message = &nested->message,
      .body = outer->body,
      .connection = outer->connection,
      .route = outer->route,
      .session = outer->session,
      .user = outer->user,
      .reply = reply,
      .one_way = outer->one_way,
      .is_part = true,
  };
  reply->operation = nested->call.operation->arm;
}

hf_reason nested_find_target(struct nested *nested) {
  struct call *call = &nested->call;
  return call->object ? admission_check_content(call->operation, call->object)
                      : admission_find_target(call);
}

hf_reason nested_run(struct nested *nested) {
  hf_reason reason = nested_find_target(nested);
  struct call *call = &nested->call;
  if (!reason && nested->waits && call->object &&
      (reason = core_pass_line(call, call->object)) == REASON_PARKED) {
    return reason;
  }
  if (!reason) {
    reason = call->operation->handle(call);
  }
  if (reason != REASON_PARKED) {
    core_record_end(call, reason);
  }
  return reason;
}
