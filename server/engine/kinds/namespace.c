#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/dict.h"
#include "server/engine/kinds/dict_snapshot.h"
#include "server/engine/kinds/kind.h"

static hf_reason attribute_key(ProtobufCBinaryData attribute, struct value *key) {
  struct bytes name = bytes_of(attribute.data, attribute.len);
  hf_reason reason = call_check_name(name);
  if (reason) {
    return reason;
  }
  return value_text(name, key) ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

hf_reason handle_namespace_get(struct call *call) {
  struct value key, value;
  hf_reason reason = attribute_key(call->message->namespace_get->attribute, &key);
  if (reason) {
    return reason;
  }
  bool found = dict_get(call->object->dict, key, &value);
  value_release(key);
  if (!found) {
    return HF_REASON_NO_SUCH_ATTRIBUTE;
  }
  call_answer_value(call, value_retain(value));
  return HF_REASON_NONE;
}

hf_reason handle_namespace_set(struct call *call) {
  const Holdfast__NamespaceSet *message = call->message->namespace_set;
  struct value key, value, old;
  hf_reason reason = attribute_key(message->attribute, &key);
  if (reason) {
    return reason;
  }
  reason = call_value(call, message->value, &value);
  if (reason) {
    value_release(key);
    return reason;
  }
  reason = dict_set(call->object->dict, key, value, &old);
  if (reason) {
    value_release(key);
    value_release(value);
    return reason;
  }
  call_keep(call, value);
  call_discard(call, old);
  return HF_REASON_NONE;
}

hf_reason handle_namespace_delete(struct call *call) {
  struct value key, removed_key, removed;
  hf_reason reason = attribute_key(call->message->namespace_delete->attribute, &key);
  if (reason) {
    return reason;
  }
  bool found = dict_remove(call->object->dict, key, &removed_key, &removed);
  value_release(key);
  if (!found) {
    return HF_REASON_NO_SUCH_ATTRIBUTE;
  }
  value_release(removed_key);
  call_discard(call, removed);
  return HF_REASON_NONE;
}

hf_reason handle_namespace_list(struct call *call) {
  return handle_dict_keys(call);
}

/* ---- the kind */

const struct kind kind_namespace = {
    .init = dict_content_init,
    .deinit = dict_content_deinit,
    .bytes = dict_content_bytes,
    .length = dict_content_length,
    .next_value = dict_content_next_value,
    .snapshot = dict_content_snapshot,
    .restore = dict_content_restore,
};
