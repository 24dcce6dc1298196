/* Pending: a call in a pipeline, transaction or asynchronous batch, and later its result. */
#include "client/python/src/core.h"

/* What the arguments point to stays the method's, which outlives run. */
#define KEPT_BYTES offsetof(struct call, memory)

struct pending *pending_new(const struct call *call) {
  struct pending *pending = PyObject_GC_New(struct pending, call->connection->state->pending_type);
  if (pending == NULL) {
    return NULL;
  }
  memset(&pending->progress, 0,
         offsetof(struct pending, call) - offsetof(struct pending, progress));
  memcpy(&pending->call, call, KEPT_BYTES);
  Py_INCREF(call->connection);
  Py_XINCREF(call->self);
  Py_XINCREF(call->subject);
  Py_XINCREF(call->fallback);
  PyObject_GC_Track(pending);
  return pending;
}

static void release(struct pending *pending) {
  if (pending->is_pinning) {
    pending->is_pinning = false;
    connection_unpin(pending->call.connection);
  }
}

bool pending_complete(struct pending *pending, hf_status status, const struct failure *failure) {
  if (pending->progress != PENDING_SUBMITTED) {
    return true;
  }
  pending->progress = PENDING_COMPLETE;
  pending->failure = (struct failure){status, HF_REASON_NONE, ""};
  if (status == HF_OK) {
    return true;
  }
  release(pending);
  if (failure == NULL) {
    pending->failure.message = hf_status_name(status);
    return true;
  }
  pending->failure.reason = failure->reason;
  pending->message = PyBytes_FromString(failure->message);
  if (pending->message != NULL) {
    pending->failure.message = PyBytes_AS_STRING(pending->message);
  }
  return pending->message != NULL;
}

static void deliver(struct pending *pending) {
  PyObject *type, *exception, *traceback;
  pending->progress = PENDING_DELIVERED;
  pending->result = call_finish(&pending->call, pending->failure.status, &pending->failure);
  if (pending->result != NULL) {
    release(pending);
    return;
  }
  PyErr_Fetch(&type, &exception, &traceback);
  PyErr_NormalizeException(&type, &exception, &traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  pending->exception = exception;
  release(pending);
}

/* Objects in a container are opened by calls, whose answers this thread gets at once in most modes. */
static bool can_deliver(const struct pending *pending) {
  const struct batch *batch = connection_batch(pending->call.connection);
  bool has_values = pending->failure.status == HF_OK && pending->call.operation->drop != NULL;
  return !has_values || batch == NULL ||
         !(batch->is_oneway || connection_is_submitting(pending->call.connection));
}

PyObject *pending_result(struct pending *pending) {
  if (pending->progress == PENDING_SUBMITTED) {
    PyErr_SetString(PyExc_RuntimeError, "the result is there after the end of the batch");
    return NULL;
  }
  if (pending->progress == PENDING_COMPLETE && !can_deliver(pending)) {
    PyErr_SetString(PyExc_RuntimeError,
                    "calls are being submitted, and the result may have objects to open: take it "
                    "after the end of the Async or of oneway()");
    return NULL;
  }
  if (pending->progress == PENDING_COMPLETE) {
    deliver(pending);
  }
  if (pending->result == NULL && pending->exception == NULL) {
    PyErr_SetString(PyExc_RuntimeError, "the result was collected as garbage");
    return NULL;
  }
  if (pending->result == NULL) {
    PyErr_SetObject((PyObject *)Py_TYPE(pending->exception), pending->exception);
    return NULL;
  }
  return Py_NewRef(pending->result);
}

/* ---------------------------------------------------------------- the type */

static PyObject *method_result(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return pending_result((struct pending *)self);
}

static PyObject *method_exception(PyObject *self, PyObject *ignored) {
  const struct pending *pending = (struct pending *)self;
  (void)ignored;
  PyObject *result = pending_result((struct pending *)self);
  if (result == NULL && pending->exception == NULL) {
    return NULL; /* the Pending has neither, now or any more */
  }
  if (result == NULL) {
    PyErr_Clear();
    return Py_NewRef(pending->exception);
  }
  Py_DECREF(result);
  Py_RETURN_NONE;
}

static PyObject *method_done(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return PyBool_FromLong(((struct pending *)self)->progress != PENDING_SUBMITTED);
}

static PyObject *repr(PyObject *self) {
  const struct pending *pending = (struct pending *)self;
  return PyUnicode_FromFormat("<Pending %s>", pending->progress == PENDING_SUBMITTED ? "submitted"
                                              : pending->failure.status == HF_OK     ? "done"
                                                                                     : "failed");
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
  const struct pending *pending = (struct pending *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(pending->call.connection);
  Py_VISIT(pending->call.self);
  Py_VISIT(pending->call.subject);
  Py_VISIT(pending->call.fallback);
  Py_VISIT(pending->result);
  Py_VISIT(pending->exception);
  return 0;
}

/* Breaks cycles through the result alone: freeing a result needs the connection. */
static int clear(PyObject *self) {
  Py_CLEAR(((struct pending *)self)->result);
  return 0;
}

static void dealloc(PyObject *self) {
  struct pending *pending = (struct pending *)self;
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (pending->progress == PENDING_COMPLETE && pending->failure.status == HF_OK &&
      pending->call.operation->drop != NULL) {
    pending->call.operation->drop(&pending->call);
  }
  release(pending);
  Py_XDECREF(pending->call.subject);
  Py_XDECREF(pending->call.fallback);
  Py_XDECREF(pending->call.self);
  Py_XDECREF(pending->call.connection);
  Py_XDECREF(pending->message);
  Py_XDECREF(pending->result);
  Py_XDECREF(pending->exception);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"result", method_result, METH_NOARGS,
     "result($self, /)\n--\n\nWhat the call returned; raises what it raised. RuntimeError before "
     "the end of the batch."},
    {"exception", method_exception, METH_NOARGS,
     "exception($self, /)\n--\n\nWhat the call raised, or None."},
    {"done", method_done, METH_NOARGS,
     "done($self, /)\n--\n\nWhether the batch has ended and there is a result or an exception."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A call in a batch, and later its result."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_repr, repr},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec pending_spec = {"holdfast._core.Pending",
                            (int)(offsetof(struct pending, call) + KEPT_BYTES), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
