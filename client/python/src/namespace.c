/* Namespace: its attributes are the server's, but for names that begin with "_". */
#include "client/python/src/core.h"

static hf_namespace *namespace_of(const struct call *call) {
  return (hf_namespace *)call->handle;
}

/* ---------------------------------------------------------------- opening */

static hf_status run_open(struct call *call) {
  return hf_namespace_open(call->conn, call->in.text, (hf_namespace **)&call->out.handle);
}

static int namespace_init(PyObject *self, PyObject *args, PyObject *kwargs) {
  static const struct signature signature = {"Namespace", {"connection", "name"}, 1, 2};
  static const struct operation open = {.run = run_open};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments_of_init(&signature, args, kwargs, values) ||
      !call_begin_open(&call, self, values[0], values[1], &open)) {
    return -1;
  }
  return call_open(&call);
}

/* ---------------------------------------------------------------- attributes */

static PyObject *fail_attribute(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_NO_SUCH_ATTRIBUTE) {
    return PyErr_Format(PyExc_AttributeError, "'Namespace' object has no attribute '%U'",
                        call->subject);
  }
  return error_set(call->connection->state, failure);
}

static bool begin_with_name(struct call *call, PyObject *self, const struct operation *operation,
                            PyObject *name) {
  if (!call_begin(call, self, operation)) {
    return false;
  }
  call->subject = name;
  call->in.text = convert_text(name);
  return call->in.text != NULL;
}

static hf_status run_get(struct call *call) {
  return hf_namespace_get(namespace_of(call), call->in.text, &call->out.value);
}

static PyObject *namespace_get(PyObject *self, PyObject *name) {
  static const struct operation get = {run_get, finish_value, fail_attribute, drop_value, false};
  struct call call;
  return begin_with_name(&call, self, &get, name) ? call_perform(&call) : call_abandon(&call);
}

static hf_status run_set(struct call *call) {
  return hf_namespace_set(namespace_of(call), call->in.text, call->in.value);
}

static PyObject *set(PyObject *self, PyObject *name, PyObject *value) {
  static const struct operation set = {.run = run_set, .finish = finish_none};
  struct call call;
  return begin_with_name(&call, self, &set, name) && call_value(&call, value, &call.in.value)
             ? call_perform(&call)
             : call_abandon(&call);
}

static PyObject *namespace_set(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return arguments_count("set", count, 2, 2) ? set(self, args[0], args[1]) : NULL;
}

static hf_status run_delete(struct call *call) {
  return hf_namespace_delete(namespace_of(call), call->in.text);
}

static PyObject *namespace_delete(PyObject *self, PyObject *name) {
  static const struct operation delete = {run_delete, finish_none, fail_attribute, NULL, false};
  struct call call;
  return begin_with_name(&call, self, &delete, name) ? call_perform(&call) : call_abandon(&call);
}

static hf_status run_list(struct call *call) {
  return hf_namespace_list(namespace_of(call), &call->out.values.items, &call->out.values.count);
}

static PyObject *namespace_list(PyObject *self, PyObject *ignored) {
  static const struct operation list = {run_list, finish_values, NULL, drop_values, false};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &list) ? call_perform(&call) : NULL;
}

/* ---------------------------------------------------------------- access as attributes */

/* What is no name of an attribute is for object's own access, which refuses it. */
static bool is_local(PyObject *name) {
  return !PyUnicode_Check(name) ||
         (PyUnicode_GET_LENGTH(name) > 0 && PyUnicode_READ_CHAR(name, 0) == '_');
}

static PyObject *namespace_getattro(PyObject *self, PyObject *name) {
  return is_local(name) ? PyObject_GenericGetAttr(self, name) : namespace_get(self, name);
}

static int namespace_setattro(PyObject *self, PyObject *name, PyObject *value) {
  if (is_local(name)) {
    return PyObject_GenericSetAttr(self, name, value);
  }
  PyObject *result = value == NULL ? namespace_delete(self, name) : set(self, name, value);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

/* ---------------------------------------------------------------- the type */

static PyMethodDef methods[] = {
    {"get", namespace_get, METH_O,
     "get($self, name, /)\n--\n\nReturn the value of an attribute. AttributeError."},
    {"set", FAST(namespace_set), METH_FASTCALL,
     "set($self, name, value, /)\n--\n\nSet an attribute."},
    {"delete", namespace_delete, METH_O,
     "delete($self, name, /)\n--\n\nRemove an attribute. AttributeError."},
    {"list", namespace_list, METH_NOARGS,
     "list($self, /)\n--\n\nReturn the list of the names of all attributes."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Namespace(connection, name=None)\n--\n\n"
     "An object on the server whose attributes can be set and read: namespace.anything.\n\n"
     "Names that begin with '_' are local. All others are the server's, also those of methods:\n"
     "call them as Namespace.list(namespace), Object.close(namespace)."},
    {Py_tp_new, object_new},
    {Py_tp_init, namespace_init},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getattro, namespace_getattro},
    {Py_tp_setattro, namespace_setattro},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec namespace_spec = {"holdfast._core.Namespace", sizeof(struct object), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
