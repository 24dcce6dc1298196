/* References to objects as values. */
#include "client/src/connection/references.h"
#include "client/src/objects/object.h"

hf_value hf_reference(const hf_object *object) {
  return (hf_value){.type = HF_TYPE_REFERENCE, .kind = object->kind, .object = object->id};
}

hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object) {
  uint64_t id = value->object;
  hf_kind kind = value->kind;
  if (value->type != HF_TYPE_REFERENCE || value_is_of_other(conn, value)) {
    return error_format(HF_REASON_WRONG_TYPE,
                        "the value is not a reference from a call on this connection");
  }
  if (!value_take_reference(conn, value)) {
    /* An item of a tuple, or a value delivered before a fork, needs a reference of its own. */
    if (steps_opening_are_submitted(conn)) { /* whether it is one can't be seen from outside */
      return error_format(HF_REASON_ALREADY_OPEN,
                          "an item of a tuple is opened after hf_async_end, or by hf_object_open");
    }
    hf_status status = hf_object_open(conn, id, kind, object);
    if (status == HF_OK) {
      hf_value_clear(value);
    }
    if (status != HF_NOT_FOUND) {
      return status;
    }
    hf_value_clear(value); /* the object is gone: calls on the handle say so, as on any other's */
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
