/* What most operations do with their results and failures. */
#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

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

/* Whether Python finds the value that was there equal to `fallback`, the wanted one. < 0: exception */
static int is_equal_here(struct call *call) {
  if (call->out.exchanged.found.type == HF_TYPE_NONE) {
    return 0;
  }
  PyObject *found = convert_views(call->connection, &call->out.exchanged.found, 1);
  int is_equal = found == NULL
                     ? -1
                     : PyObject_RichCompareBool(PyList_GET_ITEM(found, 0), call->fallback, Py_EQ);
  Py_XDECREF(found);
  return is_equal;
}

PyObject *finish_swapped(struct call *call) {
  if (call->out.exchanged.swapped || !call->in.flag) {
    hf_value_clear(&call->out.exchanged.found);
    return PyBool_FromLong(call->out.exchanged.swapped);
  }
  hf_value found = call->out.exchanged.found;
  int is_equal = is_equal_here(call);
  PyObject *result = NULL;
  if (is_equal == 0) {
    result = Py_NewRef(Py_False);
  } else if (is_equal > 0) {
    struct failure failure;
    call->in.value = found;
    call->in.has_value = true;
    memset(&call->out, 0, sizeof call->out);
    hf_status status = call_invoke(call, &failure);
    result = call_finish(call, status, &failure);
  }
  hf_value_clear(&found);
  return result;
}

/* What differs from the known value by its pickle, and can't be compared here, has changed. */
static bool is_known_here(PyObject *found, PyObject *known) {
  int is_equal = PyObject_RichCompareBool(found, known, Py_EQ);
  if (is_equal < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
    PyErr_Clear();
    is_equal = 0;
  }
  return is_equal > 0;
}

PyObject *finish_changed(struct call *call) {
  bool is_forever = call->in.timeout_ms == HF_FOREVER;
  hf_value known = {0};
  while (call->in.flag) {
    PyObject *values = convert_views(call->connection, &call->out.value, 1);
    if (values == NULL || !is_known_here(PyList_GET_ITEM(values, 0), call->fallback)) {
      PyObject *value =
          values == NULL || PyErr_Occurred() ? NULL : Py_NewRef(PyList_GET_ITEM(values, 0));
      Py_XDECREF(values);
      hf_value_clear(&known);
      hf_value_clear(&call->out.value);
      return value;
    }
    Py_DECREF(values);
    hf_value_clear(&known);
    known = call->in.value = call->out.value;
    memset(&call->out, 0, sizeof call->out);
    if (!is_forever) {
      call->in.timeout_ms = Py_MAX(call->in.number - interrupt_now_ms(), 0);
    }
    struct failure failure;
    hf_status status = call_invoke(call, &failure);
    if (status != HF_OK) {
      hf_value_clear(&known);
      return call_finish(call, status, &failure);
    }
  }
  return finish_value(call);
}

bool call_compared_value(struct call *call, PyObject *object) {
  bool is_typed;
  if (!call_value_typed(call, object, &call->in.value, &is_typed)) {
    return false;
  }
  call->fallback = object;
  call->in.flag = !is_typed && connection_batch(call->connection) == NULL;
  return is_typed || call_value(call, object, &call->in.value);
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
