#include "server/engine/admission.h"

hf_reason admission_check_origin(const struct operation *operation, const struct session *session,
                                 bool one_way) {
  if (one_way && !(operation->flags & OPERATION_ONE_WAY)) {
    return HF_REASON_NOT_ONE_WAY;
  }
  bool lacks_session = (operation->flags & OPERATION_NEEDS_SESSION) && !session;
  return lacks_session ? HF_REASON_NEEDS_SESSION : HF_REASON_NONE;
}

static hf_reason check_memory(const struct call *call) {
  bool stores = call->operation->flags & OPERATION_STORES;
  return stores ? core_check_memory(call->engine, call->body.len) : HF_REASON_NONE;
}

static hf_reason check_timeout(const struct call *call) {
  const Holdfast__Request *message = call->message;
  bool negative =
      message->wait_case == HOLDFAST__REQUEST__WAIT_TIMEOUT_MS && message->timeout_ms < 0;
  uint32_t flags = call->operation->flags & (OPERATION_WAITS | OPERATION_ANY_TIMEOUT);
  return negative && flags == OPERATION_WAITS ? HF_REASON_NEGATIVE_TIMEOUT : HF_REASON_NONE;
}

struct object *admission_find_name(const struct engine *engine, struct bytes name) {
  return registry_find_name(&engine->registry, name);
}

struct object *admission_find_id(const struct engine *engine, uint64_t id) {
  return registry_find(&engine->registry, id);
}

hf_reason admission_find_target(struct call *call) {
  const Holdfast__Request *message = call->message;
  if (call->operation->kinds == 0) {
    return HF_REASON_NONE;
  }
  if (message->target_case == HOLDFAST__REQUEST__TARGET_NAME) {
    call->object =
        admission_find_name(call->engine, bytes_of(message->name.data, message->name.len));
  } else if (message->target_case == HOLDFAST__REQUEST__TARGET_OBJECT) {
    call->object = admission_find_id(call->engine, message->object);
  }
  if (!call->object) {
    return HF_REASON_NO_SUCH_OBJECT;
  }
  if (!(call->operation->kinds & (1u << call->object->kind))) {
    call->object = NULL;
    return HF_REASON_WRONG_KIND;
  }
  return HF_REASON_NONE;
}

hf_reason admission_pass(struct call *call) {
  hf_reason reason = admission_check_origin(call->operation, call->session, call->one_way);
  if (!reason) {
    reason = check_memory(call);
  }
  if (!reason) {
    reason = check_timeout(call);
  }
  return reason ? reason : admission_find_target(call);
}
