/* What most operations do with their results and failures. */
#include "client/python/src/core.h"

PyObject *finish_none(struct call *call) {
  (void)call;
  Py_RETURN_NONE;
}

PyObject *finish_self(struct call *call) {
  return Py_NewRef((PyObject *)call->self);
}

PyObject *finish_value(struct call *call) {
  return convert_take(call->connection, &call->out.value);
}

PyObject *finish_values(struct call *call) {
  return convert_take_values(call->connection, call->out.values.items, call->out.values.count);
}

PyObject *finish_entries(struct call *call) {
  return convert_take_entries(call->connection, call->out.entries.items, call->out.entries.count);
}

PyObject *finish_dict(struct call *call) {
  return convert_take_dict(call->connection, call->out.entries.items, call->out.entries.count);
}

PyObject *finish_entry(struct call *call) {
  return convert_take_entry(call->connection, &call->out.entry);
}

PyObject *finish_flag(struct call *call) {
  return PyBool_FromLong(call->out.flag);
}

PyObject *finish_number(struct call *call) {
  return PyLong_FromUnsignedLongLong(call->out.number);
}

PyObject *finish_true(struct call *call) {
  (void)call;
  Py_RETURN_TRUE;
}

PyObject *finish_swapped(struct call *call) {
  return PyBool_FromLong(call->out.exchanged.swapped);
}

PyObject *fail_key(struct call *call, const struct failure *failure) {
  if (failure->reason != HF_REASON_NO_SUCH_KEY) {
    return error_set(call->connection->state, failure);
  }
  PyObject *args = PyTuple_Pack(1, call->subject); /* the key may be a tuple */
  if (args != NULL) {
    PyErr_SetObject(PyExc_KeyError, args);
    Py_DECREF(args);
  }
  return NULL;
}

PyObject *fail_fallback(struct call *call, const struct failure *failure) {
  switch (failure->reason) {
    case HF_REASON_NO_SUCH_KEY:
    case HF_REASON_NO_SUCH_ATTRIBUTE:
      return Py_NewRef(call->fallback);
    default:
      return error_set(call->connection->state, failure);
  }
}

PyObject *fail_late(struct call *call, const struct failure *failure) {
  if (failure->status == HF_DEADLINE_EXCEEDED) {
    Py_RETURN_FALSE;
  }
  return error_set(call->connection->state, failure);
}

void drop_value(struct call *call) {
  hf_value_clear(&call->out.value);
}

void drop_values(struct call *call) {
  hf_values_free(call->out.values.items, call->out.values.count);
}

void drop_entries(struct call *call) {
  hf_entries_free(call->out.entries.items, call->out.entries.count);
}

void drop_entry(struct call *call) {
  hf_value_clear(&call->out.entry.key);
  hf_value_clear(&call->out.entry.value);
}
