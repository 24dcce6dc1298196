#include "server/engine/admission.h"

#include "server/engine/cells.h"
#include "server/engine/quota.h"
#include "server/engine/rights.h"

hf_reason admission_check_origin(const struct operation *operation, const struct session *session,
                                 bool one_way) {
  if (one_way && !(operation->flags & OPERATION_ONE_WAY)) {
    return HF_REASON_NOT_ONE_WAY;
  }
  bool lacks_session = (operation->flags & OPERATION_NEEDS_SESSION) && !session;
  return lacks_session ? HF_REASON_NEEDS_SESSION : HF_REASON_NONE;
}

hf_reason admission_check_disk(const struct engine *engine, const struct operation *operation) {
  bool is_refused = engine->is_disk_full && operation->effect == EFFECT_OBJECT &&
                    !(operation->flags & OPERATION_FREES);
  return is_refused ? HF_REASON_JOURNAL_FULL : HF_REASON_NONE;
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

hf_reason admission_find_name(const struct call *call, struct bytes name, unsigned access,
                              struct object **object) {
  *object = NULL;
  if (call->user) {
    unsigned rights = user_rights(call->user, name);
    if (!rights_allow(rights, access)) {
      return rights_refuse(call, name, rights, access);
    }
  }
  *object = registry_find_name(&call->engine->registry, name);
  return *object ? HF_REASON_NONE : HF_REASON_NO_SUCH_OBJECT;
}

hf_reason admission_check_access(const struct call *call, const struct object *object,
                                 unsigned access) {
  unsigned rights = rights_of(call->user, call->session, object);
  if (rights_allow(rights, access)) {
    return HF_REASON_NONE;
  }
  if (rights_allow(rights, ACCESS_EITHER)) {
    return rights_refuse(call, value_content(&object->name), rights, access);
  }
  bool is_known = call->session && map64_get(&call->session->references, object->id);
  return is_known ? rights_refuse(call, bytes_of(NULL, 0), ACCESS_NOTHING, access)
                  : HF_REASON_NO_SUCH_OBJECT;
}

hf_reason admission_find_id(const struct call *call, uint64_t id, unsigned access,
                            struct object **object) {
  *object = registry_find(&call->engine->registry, id);
  hf_reason reason = *object ? HF_REASON_NONE : HF_REASON_NO_SUCH_OBJECT;
  if (call->user && *object) {
    reason = admission_check_access(call, *object, access);
    *object = reason ? NULL : *object;
  }
  return reason;
}

hf_reason admission_check_memory(const struct call *call, const struct object *object,
                                 size_t more_bytes) {
  hf_reason reason = core_check_memory(call->engine, more_bytes);
  return reason || !object->user ? reason
                                 : quota_check_memory(call->engine, object->user, more_bytes);
}

/* The object's user is charged for what is stored. */
static hf_reason check_quota(const struct call *call) {
  bool is_charged = (call->operation->flags & OPERATION_STORES) && call->object->user;
  return is_charged ? quota_check_memory(call->engine, call->object->user, call->body.len)
                    : HF_REASON_NONE;
}

hf_reason admission_check_again(const struct call *call, size_t more_bytes) {
  if (!call->waiter || !call->object || !call->object->user) {
    return HF_REASON_NONE;
  }
  registry_account(&call->engine->registry, call->object);
  return quota_check_memory(call->engine, call->object->user, more_bytes);
}

hf_reason admission_check_content(const struct operation *operation, const struct object *object) {
  bool looks_inside = operation->kinds && operation->kinds != OPERATION_ANY_KIND;
  return looks_inside && core_is_lost_cell(object) ? HF_REASON_CELL_LOST : HF_REASON_NONE;
}

hf_reason admission_find_target(struct call *call) {
  const Holdfast__Request *message = call->message;
  unsigned access = call->operation->access;
  hf_reason reason = HF_REASON_NO_SUCH_OBJECT;
  if (call->operation->kinds == 0) {
    return HF_REASON_NONE;
  }
  if (message->target_case == HOLDFAST__REQUEST__TARGET_NAME) {
    struct bytes name = bytes_of(message->name.data, message->name.len);
    reason = admission_find_name(call, name, access, &call->object);
  } else if (message->target_case == HOLDFAST__REQUEST__TARGET_OBJECT) {
    reason = admission_find_id(call, message->object, access, &call->object);
  }
  if (!call->object) {
    return reason;
  }
  if (!(call->operation->kinds & (1u << call->object->kind))) {
    call->object = NULL;
    return HF_REASON_WRONG_KIND;
  }
  reason = admission_check_content(call->operation, call->object);
  return reason ? reason : check_quota(call);
}

hf_reason admission_pass(struct call *call) {
  hf_reason reason = admission_check_origin(call->operation, call->session, call->one_way);
  if (!reason) {
    reason = admission_check_disk(call->engine, call->operation);
  }
  if (!reason) {
    reason = check_memory(call);
  }
  if (!reason) {
    reason = check_timeout(call);
  }
  return reason ? reason : admission_find_target(call);
}
