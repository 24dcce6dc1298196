/* References to objects as values. */
#include "client/src/connection/references.h"
#include "client/src/objects/object.h"

hf_value hf_reference(const hf_object *object) {
  return (hf_value){.type = HF_TYPE_REFERENCE, .kind = object->kind, .object = object->id};
}

hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object) {
  bool is_inherited;
  uint64_t id = value->object;
  hf_kind kind = value->kind;
  if (value->type != HF_TYPE_REFERENCE || value_is_of_other(conn, value)) {
    return error_format(HF_REASON_WRONG_TYPE,
                        "the value is not a reference from a call on this connection");
  }
  if (!value_take_reference(conn, value, &is_inherited) || is_inherited) {
    /* An item of a tuple, or a value delivered before a fork, needs a reference of its own. */
    hf_status status = object_retain(conn, id, kind, object);
    if (status == HF_OK) {
      *value = hf_none();
    }
    return status;
  }
  conn_lock(conn);
  hf_object *handle = handle_new(conn, id, kind);
  conn_unlock(conn);
  if (handle == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  *object = handle;
  return HF_OK;
}
