/* Async: calls are submitted and collected later, for event loops. */
#include "client/python/src/batch.h"

struct async {
  struct batch batch; /* open between begin and end */
  hf_async *async;    /* NULL: closed */
  bool is_begun, is_submitting;
  PyObject *flying; /* dict: address -> Pending, of calls in flight */
};

static bool check_open(const struct async *self) {
  if (self->async != NULL) {
    return true;
  }
  error_set_closed(self->batch.connection->state, "the Async is closed");
  return false;
}

/* Between begin() and end() it is that thread's; nor may a signal handler change it in a call. */
static bool check_thread(const struct async *self) {
  if (!self->is_begun || self->batch.generation != interrupt_forks() ||
      (self->batch.thread == thread_number() && !self->is_submitting)) {
    return true;
  }
  PyErr_SetString(PyExc_RuntimeError, "calls are being submitted");
  return false;
}

/* ---------------------------------------------------------------- submitting */

/* The completion's data is the Pending. */
static hf_status submit(struct batch *batch, struct pending *pending) {
  struct async *self = (struct async *)batch;
  hf_status status = hf_async_begin(self->async, pending);
  if (status != HF_OK) {
    return status;
  }
  uint64_t before = hf_async_last_id(self->async);
  self->is_submitting = true;
  status = pending->call.operation->run(&pending->call);
  self->is_submitting = false;
  uint64_t after = hf_async_last_id(self->async);
  pending->number = after > before ? after : NUMBER_NONE;
  return status;
}

static PyObject *async_begin(PyObject *object, PyObject *ignored) {
  struct async *self = (struct async *)object;
  (void)ignored;
  if (!check_open(self) || !check_thread(self)) {
    return NULL;
  }
  if (self->is_begun) {
    PyErr_SetString(PyExc_RuntimeError, "begin() was called already");
    return NULL;
  }
  if (!connection_enter(self->batch.connection)) {
    return NULL;
  }
  hf_status status = hf_async_begin(self->async, NULL);
  struct failure failure = failure_last(status);
  connection_leave(self->batch.connection);
  if (status != HF_OK) {
    return error_set(self->batch.connection->state, &failure);
  }
  self->is_begun = true;
  connection_batch_open(self->batch.connection, &self->batch);
  Py_INCREF(self); /* until end() */
  Py_RETURN_NONE;
}

/* A call that is in flight belongs to `flying`; one that was answered at once is complete. */
static bool take_submitted(struct async *self, struct pending *pending) {
  if (pending->progress != PENDING_SUBMITTED) {
    return true;
  }
  if (pending->number == NUMBER_NONE) {
    return pending_complete(pending, HF_OK, NULL);
  }
  PyObject *address = PyLong_FromVoidPtr(pending);
  int status = address == NULL ? -1 : PyDict_SetItem(self->flying, address, (PyObject *)pending);
  Py_XDECREF(address);
  return status == 0;
}

static bool take_all_submitted(struct async *self) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->batch.pendings); i++) {
    if (!take_submitted(self, (struct pending *)PyList_GET_ITEM(self->batch.pendings, i))) {
      return false; /* the list keeps them */
    }
  }
  return PyList_SetSlice(self->batch.pendings, 0, PY_SSIZE_T_MAX, NULL) == 0;
}

static bool end(struct async *self) {
  if (!self->is_begun) {
    return true;
  }
  self->is_begun = false;
  hf_async_end(self->async);
  connection_batch_close(&self->batch);
  bool is_taken = take_all_submitted(self);
  Py_DECREF(self); /* the caller has another reference */
  return is_taken;
}

static PyObject *async_end(PyObject *object, PyObject *ignored) {
  struct async *self = (struct async *)object;
  (void)ignored;
  if (!self->is_begun) {
    PyErr_SetString(PyExc_RuntimeError, "begin() was not called");
    return NULL;
  }
  if (!check_thread(self)) {
    return NULL;
  }
  return end(self) ? Py_NewRef(Py_None) : NULL;
}

/* ---------------------------------------------------------------- collecting */

/* Completes a call. Those of a transaction complete together with it. */
static bool complete(struct pending *pending, hf_status status, const struct failure *failure) {
  bool is_complete = pending_complete(pending, status, failure);
  if (transaction_is(&pending->call)) {
    PyObject *result = pending_result(pending);
    if (result == NULL) {
      PyErr_Clear(); /* the Pending keeps it */
    }
    Py_XDECREF(result);
  }
  return is_complete;
}

/* Appends the completed call to the list. */
static bool take_completion(struct async *self, const struct hf_completion *done, PyObject *list) {
  PyObject *address = PyLong_FromVoidPtr(done->data);
  PyObject *pending = address == NULL ? NULL : PyDict_GetItemWithError(self->flying, address);
  bool is_taken = pending == NULL ? !PyErr_Occurred() : PyList_Append(list, pending) == 0;
  if (pending != NULL) {
    struct failure failure = failure_make(done->status, done->reason == NULL ? "" : done->reason,
                                          done->message == NULL ? "" : done->message);
    is_taken = complete((struct pending *)pending, done->status, &failure) && is_taken;
    is_taken = PyDict_DelItem(self->flying, address) == 0 && is_taken;
  }
  Py_XDECREF(address);
  return is_taken;
}

/* Completions are looked up in `flying`. */
static bool collect(struct async *self, PyObject *list) {
  struct hf_completion done;
  if (!take_all_submitted(self)) {
    return false;
  }
  while (hf_async_collect(self->async, &done)) {
    if (!take_completion(self, &done, list)) {
      return false;
    }
  }
  return true;
}

static PyObject *async_collect(PyObject *object, PyObject *ignored) {
  struct async *self = (struct async *)object;
  (void)ignored;
  if (!check_open(self) || !check_thread(self) || !connection_enter(self->batch.connection)) {
    return NULL;
  }
  PyObject *list = PyList_New(0);
  if (list != NULL && !collect(self, list)) {
    Py_CLEAR(list);
  }
  connection_leave(self->batch.connection);
  return list;
}

static PyObject *async_cancel(PyObject *object, PyObject *argument) {
  struct async *self = (struct async *)object;
  const struct pending *pending = (struct pending *)argument;
  if (!Py_IS_TYPE(argument, self->batch.connection->state->pending_type)) {
    PyErr_SetString(PyExc_TypeError, "cancel() takes a Pending");
    return NULL;
  }
  if (!check_thread(self)) {
    return NULL;
  }
  if (self->async != NULL && pending->progress == PENDING_SUBMITTED &&
      pending->number != NUMBER_NONE && connection_enter(self->batch.connection)) {
    hf_async_cancel(self->async, pending->number);
    connection_leave(self->batch.connection);
  }
  PyErr_Clear(); /* the connection is closed, and the call over */
  Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- life */

/* Calls in flight are withdrawn. */
static void cancel_all(struct async *self) {
  struct failure failure = failure_make(HF_CANCELLED, "CANCELLED", "the Async was closed");
  PyObject *address, *pending;
  Py_ssize_t position = 0;
  batch_complete(&self->batch, HF_CANCELLED, &failure);
  while (PyDict_Next(self->flying, &position, &address, &pending)) {
    if (!complete((struct pending *)pending, HF_CANCELLED, &failure)) {
      PyErr_Clear();
    }
  }
  PyDict_Clear(self->flying);
}

/* Calls that have completed keep their results. */
static void collect_last(struct async *self) {
  PyObject *type, *exception, *traceback, *list;
  PyErr_Fetch(&type, &exception, &traceback);
  list = PyList_New(0);
  if (list != NULL && self->batch.connection->conn != NULL) {
    (void)collect(self, list);
  }
  Py_XDECREF(list);
  PyErr_Restore(type, exception, traceback); /* without collecting's own */
}

/* If the connection was closed before, the library has freed nothing of ours. */
static void close_async(struct async *self) {
  hf_async *async = self->async;
  if (async == NULL) {
    return;
  }
  if (self->is_begun) {
    (void)end(self);
    PyErr_Clear();
  }
  collect_last(self);
  if (self->async == NULL) { /* what it ran has closed it */
    return;
  }
  self->async = NULL;
  Py_BEGIN_ALLOW_THREADS;
  hf_async_close(async);
  Py_END_ALLOW_THREADS;
  cancel_all(self);
  connection_unpin(self->batch.connection); /* as of connection_async_open */
}

static PyObject *async_close(PyObject *object, PyObject *ignored) {
  (void)ignored;
  if (!check_thread((struct async *)object)) {
    return NULL;
  }
  Py_INCREF(object);
  close_async((struct async *)object);
  Py_DECREF(object);
  Py_RETURN_NONE;
}

static hf_status run_open(struct call *call) {
  return hf_async_open(call->conn, call->in.pointer);
}

/* An open Async holds the connection, which is closed after it. */
PyObject *connection_async_open(PyObject *self, PyObject *ignored) {
  static const struct operation open = {.run = run_open, .finish = finish_none};
  struct connection *connection = (struct connection *)self;
  PyTypeObject *type = connection->state->async_type;
  struct call call;
  (void)ignored;
  struct async *async = (struct async *)type->tp_alloc(type, 0);
  if (async == NULL) {
    return NULL;
  }
  async->batch.connection = (struct connection *)Py_NewRef(self);
  async->batch.submit = submit;
  async->batch.is_async = true;
  async->batch.pendings = PyList_New(0);
  async->flying = PyDict_New();
  if (async->batch.pendings == NULL || async->flying == NULL ||
      !call_begin_connection(&call, self, &open)) {
    Py_DECREF(async);
    return NULL;
  }
  call.in.pointer = &async->async;
  PyObject *result = call_perform_now(&call, "async_open");
  if (result == NULL || !connection_enter(connection)) {
    hf_async_close(async->async);
    async->async = NULL;
    Py_CLEAR(async);
  } else {
    connection_pin(connection);
    connection_leave(connection);
  }
  Py_XDECREF(result);
  return (PyObject *)async;
}

static int async_traverse(PyObject *object, visitproc visit, void *arg) {
  const struct async *self = (struct async *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->batch.connection);
  Py_VISIT(self->batch.pendings);
  Py_VISIT(self->flying);
  return 0;
}

/* Calls in flight have their results stored in their Pendings: nothing is cleared before closing. */
static int async_clear(PyObject *object) {
  close_async((struct async *)object);
  return 0;
}

static void async_dealloc(PyObject *object) {
  struct async *self = (struct async *)object;
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  close_async(self);
  Py_XDECREF(self->batch.pendings);
  Py_XDECREF(self->flying);
  Py_XDECREF(self->batch.connection);
  type->tp_free(object);
  Py_DECREF(type);
}

/* ---------------------------------------------------------------- the type */

static PyObject *async_descriptor(PyObject *object, PyObject *ignored) {
  const struct async *self = (struct async *)object;
  (void)ignored;
  return check_open(self) ? PyLong_FromLong(hf_async_descriptor(self->async)) : NULL;
}

static PyObject *get_in_flight(PyObject *object, void *closure) {
  const struct async *self = (struct async *)object;
  (void)closure;
  return PyLong_FromSsize_t(PyDict_GET_SIZE(self->flying) + PyList_GET_SIZE(self->batch.pendings));
}

static PyObject *get_last(PyObject *object, void *closure) {
  const PyObject *pendings = ((struct async *)object)->batch.pendings;
  Py_ssize_t count = PyList_GET_SIZE(pendings);
  (void)closure;
  return Py_NewRef(count > 0 ? PyList_GET_ITEM(pendings, count - 1) : Py_None);
}

static PyGetSetDef getset[] = {
    {"in_flight", get_in_flight, NULL, "How many calls are in flight.", NULL},
    {"last", get_last, NULL,
     "The Pending that was submitted last since begin() or collect(); else None.", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"descriptor", async_descriptor, METH_NOARGS,
     "descriptor($self, /)\n--\n\nReadable when collect() has work. -1 in a forked child."},
    {"begin", async_begin, METH_NOARGS,
     "begin($self, /)\n--\n\n"
     "From now on calls of this thread on the connection are submitted: each returns a\n"
     "Pending. One that was answered without a request is done() after end()."},
    {"end", async_end, METH_NOARGS, "end($self, /)\n--\n\nSend what was submitted."},
    {"collect", async_collect, METH_NOARGS,
     "collect($self, /)\n--\n\nA list of the Pendings that have completed. Never waits."},
    {"cancel", async_cancel, METH_O,
     "cancel($self, pending, /)\n--\n\nWithdraw a call, which completes in any case."},
    {"close", async_close, METH_NOARGS,
     "close($self, /)\n--\n\nWithdraw calls in flight; their result() raises Cancelled."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Asynchronous calls on a connection, which has at most one Async."},
    {Py_tp_dealloc, async_dealloc},
    {Py_tp_traverse, async_traverse},
    {Py_tp_clear, async_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec async_spec = {"holdfast._core.Async", sizeof(struct async), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
