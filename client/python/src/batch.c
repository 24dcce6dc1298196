/* Pipelines, and calls without replies; the blocks that they and transactions are. */
#include "client/python/src/batch.h"

/* ---------------------------------------------------------------- calls */

hf_status batch_submit(struct batch *batch, struct pending *pending) {
  hf_conn *conn = batch->connection->conn;
  uint64_t before = hf_calls_made(conn);
  hf_status status = pending->call.operation->run(&pending->call);
  uint64_t after = hf_calls_made(conn);
  pending->number = after > before ? after - 1 : NUMBER_NONE;
  return status;
}

void batch_complete(struct batch *batch, hf_status status, const struct failure *failure) {
  for (Py_ssize_t i = 0; batch->pendings != NULL && i < PyList_GET_SIZE(batch->pendings); i++) {
    struct pending *pending = (struct pending *)PyList_GET_ITEM(batch->pendings, i);
    bool is_at_once = pending->number == NUMBER_NONE;
    if (!pending_complete(pending, is_at_once ? HF_OK : status, is_at_once ? NULL : failure)) {
      PyErr_Clear(); /* without its message */
    }
  }
}

/* ---------------------------------------------------------------- pipelines */

/* Completes the calls that were collected. */
static void complete_collected(const struct block *block) {
  hf_conn *conn = block->batch.connection->conn;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(block->batch.pendings); i++) {
    struct pending *pending = (struct pending *)PyList_GET_ITEM(block->batch.pendings, i);
    if (pending->progress != PENDING_SUBMITTED) {
      continue;
    }
    hf_status status =
        pending->number == NUMBER_NONE ? HF_OK : hf_pipeline_status(conn, pending->number);
    struct failure failure = failure_last(status);
    if (!pending_complete(pending, status, &failure)) {
      PyErr_Clear();
    }
  }
}

/* Raises what the first call raises that has failed; a failed one may have a result, as get() has its
 * default. */
static bool raise_first(const struct block *block) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(block->batch.pendings); i++) {
    struct pending *pending = (struct pending *)PyList_GET_ITEM(block->batch.pendings, i);
    PyObject *result = pending->failure.status == HF_OK ? NULL : pending_result(pending);
    if (result == NULL && pending->failure.status != HF_OK) {
      return false;
    }
    Py_XDECREF(result);
  }
  return true;
}

static PyObject *take_exception(void) {
  PyObject *type, *exception, *traceback;
  PyErr_Fetch(&type, &exception, &traceback);
  if (type == NULL) {
    return NULL;
  }
  PyErr_NormalizeException(&type, &exception, &traceback);
  if (traceback != NULL) {
    PyException_SetTraceback(exception, traceback);
  }
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return exception;
}

/* Runs `run(conn)` without the GIL. *exception: a signal handler's; NULL: none. withdraws: no call
 * waits in it */
static hf_status run_always(struct connection *connection, hf_status (*run)(hf_conn *conn),
                            bool withdraws, PyObject **exception) {
  struct interruption interruption;
  *exception = NULL;
  (void)interrupt_begin(&interruption, true);
  if (withdraws) {
    interrupt_withdraw_soon(&interruption);
  }
  hf_status status = run(connection->conn);
  if (!interrupt_end(&interruption, status)) {
    Py_XSETREF(*exception, take_exception());
  }
  return status;
}

static hf_status end_library_pipeline(hf_conn *conn) {
  return hf_pipeline_end(conn, NULL);
}

static bool raise(PyObject *exception) {
  PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  Py_DECREF(exception);
  return false;
}

/* Collects a pipeline's calls by `run`. false with a signal handler's exception. */
static bool collect(struct block *block, hf_status (*run)(hf_conn *conn), bool withdraws) {
  PyObject *exception = NULL;
  (void)run_always(block->batch.connection, run, withdraws, &exception);
  complete_collected(block);
  return exception == NULL || raise(exception);
}

static bool check_open(const struct block *block) {
  if (block->is_open && block->batch.thread == thread_number()) {
    return true;
  }
  PyErr_SetString(PyExc_RuntimeError, "it is not open on this thread");
  return false;
}

static PyObject *block_collect(PyObject *self, PyObject *ignored) {
  struct block *block = (struct block *)self;
  (void)ignored;
  if (block->kind != BATCH_PIPELINE) {
    PyErr_SetString(PyExc_RuntimeError, "only a pipeline is collected");
    return NULL;
  }
  if (!check_open(block)) {
    return NULL;
  }
  if (!connection_enter(block->batch.connection)) {
    return NULL;
  }
  bool is_collected = collect(block, hf_pipeline_collect, false);
  connection_leave(block->batch.connection);
  return is_collected ? Py_NewRef(Py_None) : NULL;
}

/* ---------------------------------------------------------------- blocks */

static hf_status begin(struct block *block) {
  hf_conn *conn = block->batch.connection->conn;
  return block->kind == BATCH_PIPELINE ? hf_pipeline_begin(conn, block->in_flight)
                                       : hf_oneway_begin(conn);
}

static PyObject *block_enter(PyObject *self, PyObject *ignored) {
  struct block *block = (struct block *)self;
  struct connection *connection = block->batch.connection;
  (void)ignored;
  if (block->was_open) {
    PyErr_SetString(PyExc_RuntimeError, "a pipeline or transaction is used once");
    return NULL;
  }
  if (!connection_enter(connection)) {
    return NULL;
  }
  bool is_begun;
  if (block->kind == BATCH_TRANSACTION) {
    is_begun = transaction_begin(block);
  } else {
    hf_status status = begin(block);
    struct failure failure = failure_last(status);
    is_begun = status == HF_OK || (error_set(connection->state, &failure), false);
  }
  if (!is_begun) {
    connection_leave(connection);
    return NULL;
  }
  block->is_open = block->was_open = true;
  connection_batch_open(connection, &block->batch);
  Py_INCREF(self); /* until it is closed */
  return Py_NewRef(self);
}

static void close_block(struct block *block) {
  block->is_open = false;
  connection_batch_close(&block->batch);
  Py_DECREF(block); /* the caller has another reference */
}

/* In a forked child, the connection was closed meanwhile. */
static bool end_closed(struct block *block) {
  struct failure failure =
      failure_make(HF_FAILED_PRECONDITION, "SESSION_ENDED", "the connection was closed");
  close_block(block);
  batch_complete(&block->batch, HF_FAILED_PRECONDITION, &failure);
  return false;
}

static bool end_oneway(struct block *block) {
  struct connection *connection = block->batch.connection;
  PyObject *exception = NULL;
  close_block(block);
  hf_status status = run_always(connection, hf_oneway_end, false, &exception);
  struct failure failure = failure_last(status);
  if (exception != NULL) {
    return raise(exception);
  }
  return status == HF_OK || (error_set(connection->state, &failure), false);
}

/* The pipeline stays this thread's while it is collected: a signal handler's calls are in it. A block
 * that raises ends without waiting for what its calls wait for. */
static bool end_pipeline(struct block *block, bool has_raised) {
  bool has_worked =
      collect(block, end_library_pipeline, has_raised) && (has_raised || raise_first(block));
  close_block(block);
  return has_worked;
}

/* An open block is a use of the connection: replies arrive in its Pendings. A forked child's uses are
 * its own. */
static bool end_block(struct block *block, bool has_raised) {
  struct connection *connection = block->batch.connection;
  if (block->batch.generation != interrupt_forks() && !connection_enter(connection)) {
    return end_closed(block);
  }
  bool has_worked;
  switch (block->kind) {
    case BATCH_PIPELINE:
      has_worked = end_pipeline(block, has_raised);
      break;
    case BATCH_ONEWAY:
      has_worked = end_oneway(block);
      break;
    default:
      close_block(block);
      has_worked = transaction_end(block, has_raised);
      break;
  }
  connection_leave(connection);
  return has_worked;
}

static PyObject *block_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  struct block *block = (struct block *)self;
  bool has_raised = count > 0 && args[0] != Py_None;
  if (!check_open(block)) {
    return NULL;
  }
  Py_INCREF(self);
  bool has_worked = end_block(block, has_raised);
  Py_DECREF(self);
  return has_worked ? Py_NewRef(Py_False) : NULL;
}

/* ---------------------------------------------------------------- life */

static struct block *block_new(PyObject *self, enum batch_kind kind) {
  struct connection *connection = (struct connection *)self;
  struct block *block =
      (struct block *)connection->state->batch_type->tp_alloc(connection->state->batch_type, 0);
  if (block == NULL) {
    return NULL;
  }
  block->kind = kind;
  block->batch.connection = (struct connection *)Py_NewRef(self);
  block->batch.is_oneway = kind == BATCH_ONEWAY;
  block->batch.survives_fork = kind != BATCH_TRANSACTION;
  block->batch.submit = batch_submit;
  block->batch.pendings = kind == BATCH_ONEWAY ? NULL : PyList_New(0);
  if (kind != BATCH_ONEWAY && block->batch.pendings == NULL) {
    Py_CLEAR(block);
  }
  return block;
}

PyObject *connection_pipeline(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords) {
  static const struct signature signature = {"pipeline", {"in_flight", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  int64_t in_flight = 0;
  if (!arguments(&signature, args, count, keywords, values) ||
      (values[0] != NULL && !convert_number("in_flight", values[0], &in_flight))) {
    return NULL;
  }
  if (in_flight < 0 || in_flight > UINT32_MAX) {
    PyErr_SetString(PyExc_ValueError, "in_flight must be a number of calls, or 0");
    return NULL;
  }
  struct block *block = block_new(self, BATCH_PIPELINE);
  if (block != NULL) {
    block->in_flight = (uint32_t)in_flight;
  }
  return (PyObject *)block;
}

PyObject *connection_transaction(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
  static const struct signature signature = {"transaction", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  int64_t timeout_ms = 0;
  if (!arguments(&signature, args, count, keywords, values) ||
      (values[0] != NULL && !convert_timeout_at_least_0(values[0], &timeout_ms))) {
    return NULL;
  }
  struct block *block = block_new(self, BATCH_TRANSACTION);
  if (block != NULL) {
    block->timeout_ms = timeout_ms;
  }
  return (PyObject *)block;
}

PyObject *connection_oneway(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords) {
  static const struct signature signature = {"oneway", {NULL}, 0, 0};
  PyObject *values[PARAMETERS_MAX];
  return arguments(&signature, args, count, keywords, values)
             ? (PyObject *)block_new(self, BATCH_ONEWAY)
             : NULL;
}

static int block_traverse(PyObject *self, visitproc visit, void *arg) {
  const struct block *block = (struct block *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(block->batch.connection);
  Py_VISIT(block->batch.pendings);
  Py_VISIT(block->whole);
  return 0;
}

/* An open one has a reference of its own, so it is not cleared. */
static int block_clear(PyObject *self) {
  Py_CLEAR(((struct block *)self)->batch.pendings);
  Py_CLEAR(((struct block *)self)->whole);
  return 0;
}

static void block_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  (void)block_clear(self);
  Py_XDECREF(((struct block *)self)->batch.connection);
  type->tp_free(self);
  Py_DECREF(type);
}

/* ---------------------------------------------------------------- flushing */

static hf_status run_flush(struct call *call) {
  return hf_flush(call->conn, call->in.timeout_ms, call->in.pointer);
}

static PyObject *finish_flush(struct call *call) {
  const struct hf_flush_result *result = call->in.pointer;
  return Py_BuildValue("{s:K,s:K,s:s,s:s}", "sent", (unsigned long long)result->sent, "failed",
                       (unsigned long long)result->failed, "first_status",
                       hf_status_name(result->first_status), "first_reason", result->first_reason);
}

PyObject *connection_flush(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct operation flush = {.run = run_flush, .finish = finish_flush};
  static const struct signature signature = {"flush", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct hf_flush_result result = {0};
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin_connection(&call, self, &flush) ||
      !convert_timeout_at_least_0(values[0], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  call.in.pointer = &result;
  return call_perform_now(&call, "flush");
}

/* ---------------------------------------------------------------- the type */

static PyObject *get_results(PyObject *self, void *closure) {
  PyObject *pendings = ((struct block *)self)->batch.pendings;
  (void)closure;
  return pendings == NULL ? PyList_New(0) : PyList_GetSlice(pendings, 0, PY_SSIZE_T_MAX);
}

static PyObject *get_pending(PyObject *self, void *closure) {
  PyObject *whole = ((struct block *)self)->whole;
  (void)closure;
  return Py_NewRef(whole != NULL ? whole : Py_None);
}

static PyGetSetDef getset[] = {
    {"results", get_results, NULL, "The Pending of each call, in the order they were made.", NULL},
    {"pending", get_pending, NULL,
     "Of a transaction that was submitted asynchronously: the Pending of the whole; else None.",
     NULL},
    {NULL},
};

#define CONDITION_ROW(name, text) \
  { #name, FAST(name), METH_FASTCALL | METH_KEYWORDS, text }

static PyMethodDef methods[] = {
    CONDITION_ROW(require_equal,
                  "require_equal($self, /, dict, key, value)\n--\n\n"
                  "Condition of a transaction: the key's value is that."),
    CONDITION_ROW(require_missing,
                  "require_missing($self, /, dict, key)\n--\n\n"
                  "Condition of a transaction: the dict does not have the key."),
    CONDITION_ROW(require_length,
                  "require_length($self, /, object, n)\n--\n\n"
                  "Condition of a transaction: a dict, list or queue has at least\n"
                  "n entries."),
    CONDITION_ROW(require_room,
                  "require_room($self, /, queue, n=1)\n--\n\n"
                  "Condition of a transaction: n items fit below maxsize."),
    CONDITION_ROW(require_owned,
                  "require_owned($self, /, lock, token)\n--\n\n"
                  "Condition of a transaction: the token is that of the lock's\n"
                  "current grant."),
    CONDITION_ROW(require_at_least,
                  "require_at_least($self, /, cell, bound)\n--\n\n"
                  "Condition of a transaction: the Value is at least that."),
    {"require_set", require_set, METH_O,
     "require_set($self, event, /)\n--\n\nCondition of a transaction: the event is set."},
    {"require_free", require_free, METH_O,
     "require_free($self, lock, /)\n--\n\nCondition of a transaction: nobody owns the lock."},
    {"collect", block_collect, METH_NOARGS,
     "collect($self, /)\n--\n\nWait for the results of all calls so far. The pipeline stays open."},
    {"__enter__", block_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(block_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "A block of calls of this thread: a pipeline, a transaction, or calls without replies.\n\n"
     "In a pipeline and a transaction each call returns a Pending, whose result() is there\n"
     "after the block. The end of the block raises what the first call that failed raised."},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_traverse, block_traverse},
    {Py_tp_clear, block_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec batch_spec = {"holdfast._core.Batch", sizeof(struct block), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
