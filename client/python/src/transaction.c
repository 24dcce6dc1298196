/* Transactions: their conditions, and committing. */
#include "client/python/src/batch.h"

/* ---------------------------------------------------------------- committing */

static hf_status run_commit(struct call *call) {
  struct block *block = call->in.pointer;
  return hf_transaction_commit(call->conn, block->timeout_ms, &block->part);
}

static PyObject *finish_commit(struct call *call) {
  batch_complete(call->in.pointer, HF_OK, NULL);
  Py_RETURN_NONE;
}

/* The call that the failed part is; NULL: a condition, or no single part. Borrowed. */
static struct pending *find_failed(const struct block *block) {
  Py_ssize_t count = PyList_GET_SIZE(block->batch.pendings);
  for (Py_ssize_t i = 0; i < count && block->part > block->conditions; i++) {
    struct pending *pending = (struct pending *)PyList_GET_ITEM(block->batch.pendings, i);
    if (pending->number == block->part - 1 - block->conditions) {
      return pending;
    }
  }
  return NULL;
}

/* Raises what the failed call would have raised by itself. */
static PyObject *fail_commit(struct call *call, const struct failure *failure) {
  struct block *block = call->in.pointer;
  batch_complete(&block->batch, failure->status, failure);
  struct pending *failed = find_failed(block);
  PyObject *result = failed == NULL ? NULL : pending_result(failed);
  if (failed != NULL && result == NULL) {
    return NULL;
  }
  Py_XDECREF(result); /* e.g. False of an acquire() */
  return error_set(call->connection->state, failure);
}

static const struct operation commit = {
    .run = run_commit, .finish = finish_commit, .fail = fail_commit};

bool transaction_is(const struct call *call) {
  return call->operation == &commit;
}

bool transaction_begin(struct block *block) {
  struct connection *connection = block->batch.connection;
  hf_status status = hf_transaction_begin(connection->conn);
  if (status == HF_OK) {
    return true;
  }
  struct failure failure = failure_last(status);
  error_set(connection->state, &failure);
  return false;
}

static void drop(struct block *block) {
  struct failure failure = failure_make(HF_CANCELLED, "CANCELLED", "not performed");
  hf_transaction_drop(block->batch.connection->conn);
  batch_complete(&block->batch, HF_CANCELLED, &failure);
}

/* In an Async the commit is submitted, as one call. */
bool transaction_end(struct block *block, bool has_raised) {
  struct connection *connection = block->batch.connection;
  struct call call;
  /* Calls that were answered at once may be there. */
  bool is_empty = block->conditions == 0 && hf_calls_made(connection->conn) == 0;
  if (has_raised || is_empty) {
    drop(block);
    return true;
  }
  if (!call_begin_connection(&call, (PyObject *)connection, &commit)) {
    call_free(&call);
    drop(block);
    return false;
  }
  call.in.pointer = block;
  call.subject = (PyObject *)block;
  PyObject *result = call_perform(&call);
  if (result != NULL && Py_IS_TYPE(result, connection->state->pending_type)) {
    Py_XSETREF(block->whole, result);
    return true;
  }
  if (result == NULL) { /* it was not sent, or an exception came first */
    drop(block);
  }
  Py_XDECREF(result);
  return result != NULL;
}

/* ---------------------------------------------------------------- conditions */

/* Begins a condition on an object of that kind, or of any of two. The call keeps its values. */
static bool begin(struct call *call, PyObject *self, PyObject *object, hf_kind kind,
                  hf_kind other) {
  struct block *block = (struct block *)self;
  struct state *state = block->batch.connection->state;
  call_own_nothing(call);
  if (block->kind != BATCH_TRANSACTION || !block->is_open ||
      block->batch.thread != thread_number()) {
    PyErr_SetString(PyExc_RuntimeError, "no transaction is open here");
    return false;
  }
  if (!PyObject_TypeCheck(object, state->object_type)) {
    PyErr_Format(PyExc_TypeError, "not an object of the server: %.200s", Py_TYPE(object)->tp_name);
    return false;
  }
  if (((struct object *)object)->connection != block->batch.connection) {
    PyErr_SetString(PyExc_ValueError, "the object is of another connection");
    return false;
  }
  if (!call_begin(call, object, &commit)) {
    return false;
  }
  hf_kind found = hf_object_kind(call->handle);
  if (kind != HF_ANY && found != kind && found != other) {
    PyErr_Format(PyExc_TypeError, "a %s is needed, not a %s", hf_kind_name(kind),
                 hf_kind_name(found));
    return false;
  }
  return true;
}

/* Once the arguments are converted, which may have run Python, and so have closed the object. */
static bool is_still_open(struct call *call) {
  call->handle = call->self->handle;
  if (call->handle == NULL || call->self->is_closing) {
    error_set_closed(call->connection->state, "the proxy is closed");
    return false;
  }
  return true;
}

/* After the library has added the condition. Packing it needs no request. */
static PyObject *end(struct call *call, PyObject *self, hf_status status) {
  struct block *block = (struct block *)self;
  struct failure failure = failure_last(status);
  block->conditions++;
  PyObject *result =
      status == HF_OK ? Py_NewRef(Py_None) : error_set(call->connection->state, &failure);
  call_free(call);
  return result;
}

PyObject *require_equal(PyObject *self, PyObject *const *args, Py_ssize_t count,
                        PyObject *keywords) {
  static const struct signature signature = {"require_equal", {"dict", "key", "value", NULL}, 3, 3};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, values[0], HF_DICT, HF_DICT) || !call_key(&call, values[1]) ||
      !call_value(&call, values[2], &call.in.value) || !is_still_open(&call)) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_equal((hf_dict *)call.handle, call.in.key, &call.in.value));
}

PyObject *require_missing(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct signature signature = {"require_missing", {"dict", "key", NULL}, 2, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, values[0], HF_DICT, HF_DICT) || !call_key(&call, values[1]) ||
      !is_still_open(&call)) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_equal((hf_dict *)call.handle, call.in.key, NULL));
}

static bool take_count(PyObject *object, int64_t *number) {
  if (!convert_number("n", object, number)) {
    return false;
  }
  if (*number < 0) {
    PyErr_SetString(PyExc_ValueError, "the number must not be negative");
    return false;
  }
  return true;
}

PyObject *require_length(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *keywords) {
  static const struct signature signature = {"require_length", {"object", "n", NULL}, 2, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, values[0], HF_ANY, HF_ANY) || !take_count(values[1], &call.in.number) ||
      !is_still_open(&call)) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_length(call.handle, (uint64_t)call.in.number));
}

PyObject *require_room(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords) {
  static const struct signature signature = {"require_room", {"queue", "n", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  bool is_begun = begin(&call, self, values[0], HF_QUEUE, HF_QUEUE);
  call.in.number = 1;
  if (!is_begun || (values[1] != NULL && !take_count(values[1], &call.in.number)) ||
      !is_still_open(&call)) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_room((hf_queue *)call.handle, (uint64_t)call.in.number));
}

PyObject *require_set(PyObject *self, PyObject *event) {
  struct call call;
  return begin(&call, self, event, HF_EVENT, HF_EVENT)
             ? end(&call, self, hf_require_set((hf_event *)call.handle))
             : call_abandon(&call);
}

PyObject *require_free(PyObject *self, PyObject *lock) {
  struct call call;
  return begin(&call, self, lock, HF_LOCK, HF_RLOCK)
             ? end(&call, self, hf_require_free((hf_lock *)call.handle))
             : call_abandon(&call);
}

PyObject *require_owned(PyObject *self, PyObject *const *args, Py_ssize_t count,
                        PyObject *keywords) {
  static const struct signature signature = {"require_owned", {"lock", "token", NULL}, 2, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, values[0], HF_LOCK, HF_RLOCK)) {
    return call_abandon(&call);
  }
  uint64_t token = PyLong_AsUnsignedLongLong(values[1]);
  if (PyErr_Occurred()) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_owned((hf_lock *)call.handle, token));
}

PyObject *require_at_least(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {"require_at_least", {"cell", "bound", NULL}, 2, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, values[0], HF_VALUE, HF_RAW_VALUE) ||
      !call_value(&call, values[1], &call.in.value) || !is_still_open(&call)) {
    return call_abandon(&call);
  }
  return end(&call, self, hf_require_at_least((hf_cell *)call.handle, call.in.value));
}
