/* Object: the base of all kinds, a handle on an object of the server. */
#include <stdlib.h>

#include "client/python/src/core.h"

/* ---------------------------------------------------------------- lifetime */

static void list_enter(struct object *self) {
  struct connection *connection = self->connection;
  self->next = connection->objects;
  self->link = &connection->objects;
  if (self->next != NULL) {
    self->next->link = &self->next;
  }
  connection->objects = self;
}

hf_object *object_detach(struct object *self) {
  hf_object *handle = self->handle;
  self->handle = NULL;
  self->is_closing = false;
  if (self->link != NULL) {
    *self->link = self->next;
    if (self->next != NULL) {
      self->next->link = self->link;
    }
    self->next = NULL;
    self->link = NULL;
  }
  return handle;
}

/* Frees a handle: closing a pipe, and any handle in a forked child, waits for the server. */
static void close_handle(struct connection *connection, hf_object *handle) {
  if (handle == NULL) {
    return;
  }
  use_begin(&connection->use); /* it may be closing */
  Py_BEGIN_ALLOW_THREADS;
  hf_object_close(handle);
  Py_END_ALLOW_THREADS;
  connection_leave(connection);
}

bool object_enter(struct object *self) {
  if (self->handle == NULL || self->is_closing) {
    error_set_closed(self->connection->state, "the proxy is closed");
    return false;
  }
  if (!connection_enter(self->connection)) {
    return false;
  }
  use_begin(&self->use);
  return true;
}

static void close_if_unused(struct object *self) {
  if (self->is_closing && use_is_none(&self->use)) {
    close_handle(self->connection, object_detach(self));
  }
}

void object_leave(struct object *self) {
  use_end(&self->use);
  close_if_unused(self);
  connection_leave(self->connection);
}

void object_pin(struct object *self) {
  self->use.pins++;
  connection_pin(self->connection);
}

void object_unpin(struct object *self) {
  self->use.pins--;
  close_if_unused(self);
  connection_unpin(self->connection);
}

static void set_handle(struct object *self, hf_object *handle) {
  self->handle = handle;
  list_enter(self);
}

PyObject *object_wrap(struct connection *connection, hf_object *handle) {
  hf_kind kind = hf_object_kind(handle); /* a newer server may have more */
  PyTypeObject *type = (size_t)kind < KINDS_MAX ? connection->state->proxy_classes[kind] : NULL;
  struct object *self = NULL;
  if (type == NULL) {
    PyErr_Format(PyExc_TypeError, "no class for objects of kind %s", hf_kind_name(kind));
  } else {
    self = (struct object *)type->tp_alloc(type, 0);
  }
  if (self == NULL) {
    close_handle(connection, handle);
    return NULL;
  }
  self->connection = (struct connection *)Py_NewRef((PyObject *)connection);
  set_handle(self, handle);
  return (PyObject *)self;
}

PyObject *object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)args;
  (void)kwargs;
  return type->tp_alloc(type, 0);
}

int object_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(((struct object *)self)->connection);
  return 0;
}

/* The connection is needed to close the handle, and has no reference to the object. */
int object_clear(PyObject *self) {
  (void)self;
  return 0;
}

void object_dealloc(PyObject *object) {
  struct object *self = (struct object *)object;
  PyTypeObject *type = Py_TYPE(object);
  PyObject *error_type, *error, *traceback;
  PyObject_GC_UnTrack(object);
  if (self->connection != NULL) {
    PyErr_Fetch(&error_type, &error, &traceback);
    close_handle(self->connection, object_detach(self));
    PyErr_Restore(error_type, error, traceback);
    Py_DECREF(self->connection);
  }
  Py_XDECREF(self->name);
  type->tp_free(object);
  Py_DECREF(type);
}

/* ---------------------------------------------------------------- opening */

bool call_begin_open(struct call *call, PyObject *self, PyObject *connection, PyObject *name,
                     const struct operation *operation) {
  struct object *object = (struct object *)self;
  struct connection *opener = connection_of(state_of_type(Py_TYPE(self)), connection);
  call_own_nothing(call);
  if (opener == NULL || !call_begin_connection(call, connection, operation)) {
    return false;
  }
  if (object->connection != NULL) {
    PyErr_SetString(PyExc_TypeError, "the proxy is open already");
    return false;
  }
  if (name != NULL && name != Py_None) {
    if (!PyUnicode_Check(name)) {
      PyErr_Format(PyExc_TypeError, "name must be str or None, not %.200s", Py_TYPE(name)->tp_name);
      return false;
    }
    if ((call->in.text = convert_text(name)) == NULL) {
      return false;
    }
    call->subject = name;
  }
  call->self = object;
  return true;
}

/* Between enter and leave of the connection. */
static bool set_open(struct object *self, const struct call *call) {
  if (self->connection != NULL) { /* opened twice at once */
    close_handle(call->connection, call->out.handle);
    PyErr_SetString(PyExc_TypeError, "the proxy is open already");
    return false;
  }
  self->connection = (struct connection *)Py_NewRef((PyObject *)call->connection);
  self->name = call->subject == NULL ? NULL : Py_NewRef(call->subject);
  set_handle(self, call->out.handle);
  return true;
}

static PyObject *finish_open(struct call *call) {
  return set_open((struct object *)call->fallback, call) ? Py_NewRef(call->fallback) : NULL;
}

static void drop_open(struct call *call) {
  close_handle(call->connection, call->out.handle);
}

/* Submits the call, whose Pending opens the proxy when its result is asked for. */
static int open_in_async(struct call *call, struct object *self) {
  static const struct operation opened = {.finish = finish_open, .drop = drop_open};
  struct connection *connection = call->connection;
  call->fallback = (PyObject *)self;
  PyObject *pending = call_perform(call);
  if (pending == NULL) {
    return -1;
  }
  ((struct pending *)pending)->call.operation = &opened;
  ((struct pending *)pending)->is_pinning = true;
  connection_pin(connection);
  Py_DECREF(pending); /* the batch has another reference */
  return 0;
}

int call_open(struct call *call) {
  struct object *self = call->self;
  struct failure failure;
  const struct batch *batch = connection_batch(call->connection);
  call->self = NULL;                      /* not open: the call is the connection's */
  if (batch != NULL && batch->is_async) { /* in the other modes the library opens at once */
    return open_in_async(call, self);
  }
  if (connection_is_submitting(
          call->connection)) { /* and in a transaction in an Async it submits */
    call_free(call);
    PyErr_SetString(PyExc_RuntimeError,
                    "open objects before the transaction: its calls are submitted");
    return -1;
  }
  int result = -1;
  if (connection_enter(call->connection)) {
    hf_status status = call_invoke_unchecked(call, &failure);
    if (status != HF_OK) {
      call_finish(call, status, &failure);
    } else {
      result = set_open(self, call) ? 0 : -1;
    }
    connection_leave(call->connection);
  }
  call_free(call);
  return result;
}

/* ---------------------------------------------------------------- attributes */

static PyObject *get_connection(PyObject *self, void *closure) {
  PyObject *connection = (PyObject *)((struct object *)self)->connection;
  (void)closure;
  return Py_NewRef(connection != NULL ? connection : Py_None);
}

static bool check_open(const struct object *self) {
  if (self->handle != NULL) {
    return true;
  }
  if (self->connection == NULL) {
    PyErr_SetString(PyExc_ValueError, "the proxy is closed");
  } else {
    error_set_closed(self->connection->state, "the proxy is closed");
  }
  return false;
}

static PyObject *get_id(PyObject *object, void *closure) {
  const struct object *self = (struct object *)object;
  (void)closure;
  return check_open(self) ? PyLong_FromUnsignedLongLong(hf_object_id(self->handle)) : NULL;
}

static PyObject *get_kind(PyObject *object, void *closure) {
  const struct object *self = (struct object *)object;
  (void)closure;
  return check_open(self) ? PyUnicode_FromString(hf_kind_name(hf_object_kind(self->handle))) : NULL;
}

static PyObject *get_name(PyObject *object, void *closure) {
  PyObject *name = ((struct object *)object)->name;
  (void)closure;
  return Py_NewRef(name != NULL ? name : Py_None);
}

static PyObject *get_closed(PyObject *object, void *closure) {
  const struct object *self = (struct object *)object;
  (void)closure;
  return PyBool_FromLong(self->handle == NULL || self->is_closing || self->connection->is_closing);
}

/* ---------------------------------------------------------------- methods */

static PyObject *method_close(PyObject *object, PyObject *ignored) {
  struct object *self = (struct object *)object;
  (void)ignored;
  if (self->handle != NULL) {
    if (use_is_none(&self->use)) {
      close_handle(self->connection, object_detach(self));
    } else {
      self->is_closing = true;
    }
  }
  Py_RETURN_NONE;
}

static hf_status run_info(struct call *call) {
  struct hf_object_info *info = calloc(1, sizeof *info);
  hf_status status = info == NULL ? HF_RESOURCE_EXHAUSTED : hf_object_info(call->handle, info);
  if (status == HF_OK) {
    call->out.block = info;
  } else {
    free(info);
  }
  return status;
}

static PyObject *finish_info(struct call *call) {
  PyObject *dict = info_dict(call->out.block);
  free(call->out.block);
  return dict;
}

static PyObject *method_info(PyObject *self, PyObject *ignored) {
  static const struct operation info = {run_info, finish_info, NULL, NULL};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &info) ? call_perform_now(&call, "info") : NULL;
}

static hf_status run_delete(struct call *call) {
  return hf_object_delete(call->handle);
}

static PyObject *method_delete(PyObject *self, PyObject *ignored) {
  static const struct operation delete = {run_delete, finish_none, NULL, NULL};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &delete) ? call_perform(&call) : NULL;
}

static PyGetSetDef getset[] = {
    {"connection", get_connection, NULL, "the Connection", NULL},
    {"id", get_id, NULL, "the object's number on the server; never used again", NULL},
    {"kind", get_kind, NULL, "'dict', 'list', 'queue', ...", NULL},
    {"name", get_name, NULL, "the name by which it was opened; None: it has none", NULL},
    {"closed", get_closed, NULL, "whether close() was called, or the connection is closed", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"close", method_close, METH_NOARGS,
     "close($self, /)\n--\n\nDrop this process's reference. Named objects stay; others live as "
     "long as somebody refers to them."},
    {"info", method_info, METH_NOARGS,
     "info($self, /)\n--\n\nWhat the server knows about the object, a dict."},
    {"delete", method_delete, METH_NOARGS,
     "delete($self, /)\n--\n\nDelete the object for everybody. Calls that wait on it raise "
     "ObjectDeleted."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An object of the server. Base of all kinds."},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec object_spec = {"holdfast._core.Object", sizeof(struct object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
