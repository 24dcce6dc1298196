/* Calls: performed at once, without the GIL, looking at signals; or added to a batch. */
#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

/* ---------------------------------------------------------------- use */

static void use_renew(struct use *use) {
  if (use->generation != interrupt_forks()) {
    use->calls = 0;
    use->generation = interrupt_forks();
  }
}

void use_begin(struct use *use) {
  use_renew(use);
  use->calls++;
}

void use_end(struct use *use) {
  use_renew(use); /* a signal handler may have forked meanwhile */
  if (use->calls > 0) {
    use->calls--;
  }
}

bool use_is_none(const struct use *use) {
  return use->pins == 0 && (use->calls == 0 || use->generation != interrupt_forks());
}

/* ---------------------------------------------------------------- beginning */

static void clear(struct call *call, const struct operation *operation) {
  call->operation = operation;
  call->connection = NULL;
  call->self = NULL;
  call->handle = NULL;
  call->wants_result = true;
  memset(&call->in, 0, sizeof call->in);
  memset(&call->out, 0, sizeof call->out);
  call->subject = call->fallback = NULL;
  call_own_nothing(call);
}

bool call_begin(struct call *call, PyObject *self, const struct operation *operation) {
  clear(call, operation);
  call->self = (struct object *)self;
  call->connection = call->self->connection;
  if (call->connection == NULL) {
    PyErr_SetString(PyExc_ValueError, "the proxy is not open: its __init__() was not called");
    return false;
  }
  call->handle = call->self->handle;
  if (call->handle == NULL) {
    error_set_closed(call->connection->state, "the proxy is closed");
    return false;
  }
  return true;
}

bool call_begin_connection(struct call *call, PyObject *connection,
                           const struct operation *operation) {
  clear(call, operation);
  call->connection = (struct connection *)connection;
  call->conn = call->connection->conn;
  if (call->conn == NULL || call->connection->is_closing) {
    error_set_closed(call->connection->state, "the connection is closed");
    return false;
  }
  return true;
}

PyObject *call_abandon(struct call *call) {
  call_free(call);
  return NULL;
}

bool call_refuse_batch(struct connection *connection, const char *method) {
  if (connection != NULL && connection->batches != NULL && connection_batch(connection) != NULL) {
    PyErr_Format(PyExc_RuntimeError,
                 "%s() needs an answer at once: not in a pipeline, transaction or batch", method);
    return false;
  }
  return true;
}

/* ---------------------------------------------------------------- performing */

static bool enter(struct call *call) {
  if (call->self != NULL) {
    return object_enter(call->self) && (call->handle = call->self->handle, true);
  }
  return connection_enter(call->connection) && (call->conn = call->connection->conn, true);
}

static void leave(struct call *call) {
  if (call->self != NULL) {
    object_leave(call->self);
  } else {
    connection_leave(call->connection);
  }
}

/* Runs the call, or submits its Pending, whose call has no memory. HF_CANCELLED also with an exception
 * set: a signal handler's. The failure is taken before handlers run, whose calls may fail, too; its
 * message is in the call's memory. */
static hf_status run_interruptibly(struct call *call, struct batch *batch, struct pending *pending,
                                   struct failure *failure) {
  struct interruption interruption;
  const struct failure cancelled = {HF_CANCELLED, HF_REASON_NONE, ""};
  if (!interrupt_begin(&interruption, call->operation->gives_back)) {
    *failure = cancelled;
    return HF_CANCELLED;
  }
  interruption.is_patient = call->operation->is_patient;
  hf_status status = pending == NULL
                         ? call->operation->run(call)
                         : (batch->submit != NULL ? batch->submit(batch, pending)
                                                  : pending->call.operation->run(&pending->call));
  if (status != HF_OK) {
    *failure = failure_last(status);
    snprintf(call->memory.message, sizeof call->memory.message, "%s", failure->message);
    failure->message = call->memory.message;
  }
  if (!interrupt_end(&interruption, status)) {
    *failure = cancelled;
    return HF_CANCELLED;
  }
  return status;
}

hf_status call_invoke_unchecked(struct call *call, struct failure *failure) {
  return run_interruptibly(call, NULL, NULL, failure);
}

hf_status call_invoke(struct call *call, struct failure *failure) {
  if (!enter(call)) {
    *failure = (struct failure){HF_CANCELLED, HF_REASON_NONE, "closed"};
    return HF_CANCELLED;
  }
  hf_status status = call_invoke_unchecked(call, failure);
  leave(call);
  return status;
}

PyObject *call_finish(struct call *call, hf_status status, const struct failure *failure) {
  if (status == HF_OK) {
    return call->operation->finish(call);
  }
  if (PyErr_Occurred()) {
    return NULL;
  }
  return call->operation->fail != NULL ? call->operation->fail(call, failure)
                                       : error_set(call->connection->state, failure);
}

/* What finish makes of a handle is in the connection's list before the connection may close. */
static PyObject *perform_plain(struct call *call) {
  struct failure failure;
  PyObject *result = NULL;
  if (enter(call)) {
    hf_status status = call_invoke_unchecked(call, &failure);
    result = call_finish(call, status, &failure);
    leave(call);
  }
  call_free(call);
  return result;
}

/* One-way calls have no results. */
static PyObject *perform_oneway(struct call *call) {
  struct failure failure;
  call->wants_result = false;
  hf_status status = call_invoke(call, &failure);
  PyObject *result;
  if (status != HF_OK) {
    result = call_finish(call, status, &failure);
  } else {
    result = call->operation->finish == finish_self ? finish_self(call) : Py_NewRef(Py_None);
  }
  call_free(call);
  return result;
}

/* One that is not submitted is complete, and raises at once. */
static PyObject *refuse_pending(struct pending *pending, hf_status status,
                                const struct failure *failure) {
  if (PyErr_Occurred()) {
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    (void)pending_complete(pending, HF_CANCELLED, NULL);
    PyErr_Restore(type, exception, traceback);
  } else {
    (void)pending_complete(pending, status, failure);
    error_set(pending->call.connection->state, failure);
  }
  Py_DECREF(pending);
  return NULL;
}

static PyObject *perform_in_batch(struct call *call, struct batch *batch) {
  if (!enter(call)) {
    return call_abandon(call);
  }
  struct pending *pending = pending_new(call);
  if (pending == NULL || PyList_Append(batch->pendings, (PyObject *)pending) != 0) {
    Py_XDECREF(pending);
    leave(call);
    return call_abandon(call);
  }
  struct failure failure;
  hf_status status = run_interruptibly(call, batch, pending, &failure);
  leave(call);
  PyObject *result =
      status == HF_OK ? (PyObject *)pending : refuse_pending(pending, status, &failure);
  call_free(call); /* its arguments were sent or copied */
  return result;
}

PyObject *call_perform(struct call *call) {
  struct batch *batch =
      call->connection->batches == NULL ? NULL : connection_batch(call->connection);
  if (batch == NULL) {
    return perform_plain(call);
  }
  return batch->is_oneway ? perform_oneway(call) : perform_in_batch(call, batch);
}

PyObject *call_perform_now(struct call *call, const char *method) {
  if (!call_refuse_batch(call->connection, method)) {
    return call_abandon(call);
  }
  return perform_plain(call);
}

Py_ssize_t call_number(PyObject *result) {
  if (result == NULL) {
    return -1;
  }
  Py_ssize_t number = PyLong_AsSsize_t(result);
  Py_DECREF(result);
  return number;
}

bool call_is_too_big(hf_status status) {
  const struct failure failure = failure_last(status);
  return status == HF_RESOURCE_EXHAUSTED && (failure.reason == HF_REASON_REQUEST_TOO_BIG ||
                                             failure.reason == HF_REASON_TOO_MANY_FIELDS);
}
