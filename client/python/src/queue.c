/* Queue, and the reservations of its items. */
#include "client/python/src/queue.h"
#include "client/python/src/batch.h"

static hf_queue *queue_of(const struct call *call) {
  return (hf_queue *)call->handle;
}

/* ---------------------------------------------------------------- arguments */

/* block=True, timeout=None. *timeout_ms TIMEOUT_NEGATIVE: a negative timeout. */
static bool take_wait(PyObject *block, PyObject *timeout, int64_t *timeout_ms) {
  int blocks = block == NULL ? 1 : PyObject_IsTrue(block);
  if (blocks <= 0) {
    *timeout_ms = 0;
    return blocks == 0;
  }
  return convert_timeout(timeout, timeout_ms);
}

static bool fail_negative(const char *name) {
  PyErr_Format(PyExc_ValueError, "'%s' must be a non-negative number", name);
  return false;
}

static bool check_wait(const struct call *call) {
  return call->in.timeout_ms != TIMEOUT_NEGATIVE || fail_negative("timeout");
}

/* Seconds; NULL: 0. */
static bool take_seconds(const char *name, PyObject *seconds, uint64_t *ms) {
  int64_t taken = 0;
  if (seconds != NULL && seconds != Py_None && !convert_timeout(seconds, &taken)) {
    return false;
  }
  *ms = (uint64_t)taken;
  return taken != TIMEOUT_NEGATIVE || fail_negative(name);
}

/* in.pointer: the options; NULL: none. */
static bool take_put_options(struct call *call, PyObject *priority, PyObject *delay) {
  struct hf_put_options options = {0};
  if ((priority != NULL && !convert_number("priority", priority, &options.priority)) ||
      !take_seconds("delay", delay, &options.delay_ms)) {
    return false;
  }
  if (options.priority == 0 && options.delay_ms == 0) {
    return true;
  }
  struct hf_put_options *kept = call_allocate(call, sizeof *kept);
  if (kept != NULL) {
    *kept = options;
  }
  call->in.pointer = kept;
  return kept != NULL;
}

/* queue.Empty, queue.Full and queue.ShutDown have no arguments. */
static PyObject *fail_queue(struct call *call, const struct failure *failure) {
  struct state *state = call->connection->state;
  switch (failure->reason) {
    case HF_REASON_QUEUE_EMPTY:
      PyErr_SetNone(state->queue_empty);
      return NULL;
    case HF_REASON_QUEUE_FULL:
      PyErr_SetNone(state->queue_full);
      return NULL;
    case HF_REASON_QUEUE_SHUT_DOWN:
      PyErr_SetNone(state->queue_shut_down);
      return NULL;
    case HF_REASON_TOO_MANY_DONE:
      PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
      return NULL;
    default:
      return error_set(state, failure);
  }
}

/* ---------------------------------------------------------------- putting */

static hf_status run_put(struct call *call) {
  return call->in.pointer == NULL
             ? hf_queue_put(queue_of(call), call->in.value, call->in.timeout_ms)
             : hf_queue_put_with(queue_of(call), call->in.value, call->in.pointer,
                                 call->in.timeout_ms);
}

static const struct operation put = {.run = run_put, .finish = finish_none, .fail = fail_queue};

/* queue.Queue ignores the timeout of a put into an unbounded queue. */
static bool check_put_wait(struct call *call, PyObject *self) {
  if (call->in.timeout_ms != TIMEOUT_NEGATIVE) {
    return true;
  }
  int64_t maxsize;
  if (!queue_maxsize(self, &maxsize)) {
    return false;
  }
  call->in.timeout_ms = 0;
  return maxsize <= 0 || fail_negative("timeout");
}

static PyObject *put_item(PyObject *self, PyObject *const *values) {
  struct call call;
  if (!call_begin(&call, self, &put) || !take_wait(values[1], values[2], &call.in.timeout_ms) ||
      !check_put_wait(&call, self) || !take_put_options(&call, values[3], values[4]) ||
      !call_value(&call, values[0], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *queue_put(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {
      "put", {"item", "block", "timeout", "priority", "delay", NULL}, 1, 3};
  PyObject *values[PARAMETERS_MAX];
  return arguments(&signature, args, count, keywords, values) ? put_item(self, values) : NULL;
}

static PyObject *queue_put_nowait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords) {
  static const struct signature signature = {
      "put_nowait", {"item", "priority", "delay", NULL}, 1, 1};
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  PyObject *const all[] = {values[0], Py_False, NULL, values[1], values[2]};
  return put_item(self, all);
}

static hf_status run_put_many(struct call *call) {
  size_t *put_count = call->wants_result ? &call->out.count : NULL;
  return hf_queue_put_many(queue_of(call), call->in.values, call->in.count, call->in.pointer,
                           call->in.timeout_ms, put_count);
}

static PyObject *finish_count(struct call *call) {
  return PyLong_FromSize_t(call->out.count);
}

static PyObject *queue_put_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords) {
  static const struct operation put_many = {
      .run = run_put_many, .finish = finish_count, .fail = fail_queue};
  static const struct signature signature = {
      "put_many", {"items", "timeout", "priority", "delay", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &put_many) || !call_values(&call, values[0]) ||
      !convert_timeout(values[1], &call.in.timeout_ms) || !check_wait(&call) ||
      !take_put_options(&call, values[2], values[3])) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- getting */

static hf_status run_get(struct call *call) {
  return hf_queue_get(queue_of(call), call->in.timeout_ms, &call->out.value);
}

const struct operation queue_get_operation = {
    .run = run_get, .finish = finish_value, .fail = fail_queue, .drop = drop_value};

static PyObject *get_item(PyObject *self, PyObject *block, PyObject *timeout) {
  struct call call;
  if (!call_begin(&call, self, &queue_get_operation) ||
      !take_wait(block, timeout, &call.in.timeout_ms) || !check_wait(&call)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *queue_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {"get", {"block", "timeout", NULL}, 0, 2};
  PyObject *values[PARAMETERS_MAX];
  return arguments(&signature, args, count, keywords, values) ? get_item(self, values[0], values[1])
                                                              : NULL;
}

static PyObject *queue_get_nowait(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return get_item(self, Py_False, NULL);
}

static hf_status run_get_many(struct call *call) {
  return hf_queue_get_many(queue_of(call), call->in.count, call->in.timeout_ms,
                           &call->out.values.items, &call->out.values.count);
}

static bool take_max(struct call *call, PyObject *max) {
  int64_t number;
  if (!convert_number("max", max, &number)) {
    return false;
  }
  if (number < 1) {
    PyErr_SetString(PyExc_ValueError, "'max' must be a positive number");
    return false;
  }
  call->in.count = (size_t)number;
  return true;
}

static PyObject *queue_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords) {
  static const struct operation get_many = {
      .run = run_get_many, .finish = finish_values, .fail = fail_queue, .drop = drop_values};
  static const struct signature signature = {"get_many", {"max", "timeout", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &get_many) || !take_max(&call, values[0]) ||
      !convert_timeout(values[1], &call.in.timeout_ms) || !check_wait(&call)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- reserving */

static hf_status run_reserve(struct call *call) {
  return hf_queue_reserve(queue_of(call), call->in.unsigned_number, call->in.timeout_ms,
                          &call->out.reservation);
}

static PyObject *finish_reserve(struct call *call) {
  return reservation_take((PyObject *)call->self, &call->out.reservation);
}

static void drop_reservation(struct call *call) {
  hf_value_clear(&call->out.reservation.value);
}

static const struct operation reserve = {
    .run = run_reserve, .finish = finish_reserve, .fail = fail_queue, .drop = drop_reservation};

static PyObject *queue_reserve(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keywords) {
  static const struct signature signature = {"reserve", {"timeout", "lease", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &reserve) || !convert_timeout(values[0], &call.in.timeout_ms) ||
      !check_wait(&call) || !take_seconds("lease", values[1], &call.in.unsigned_number)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_kick(struct call *call) {
  return hf_queue_kick(queue_of(call), (uint64_t)call->in.number,
                       call->wants_result ? &call->out.number : NULL);
}

static PyObject *queue_kick(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords) {
  static const struct operation kick = {.run = run_kick, .finish = finish_number};
  static const struct signature signature = {"kick", {"count", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &kick) ||
      (values[0] != NULL && !convert_number("count", values[0], &call.in.number))) {
    return call_abandon(&call);
  }
  if (call.in.number < 0) {
    fail_negative("count");
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- the rest */

static hf_status run_size(struct call *call) {
  return hf_queue_size(queue_of(call), &call->out.number);
}

static hf_status run_empty(struct call *call) {
  return hf_queue_empty(queue_of(call), &call->out.flag);
}

static hf_status run_full(struct call *call) {
  return hf_queue_full(queue_of(call), &call->out.flag);
}

static hf_status run_task_done(struct call *call) {
  return hf_queue_task_done(queue_of(call));
}

static PyObject *perform(PyObject *self, const struct operation *operation) {
  struct call call;
  return call_begin(&call, self, operation) ? call_perform(&call) : call_abandon(&call);
}

static PyObject *queue_qsize(PyObject *self, PyObject *ignored) {
  static const struct operation size = {.run = run_size, .finish = finish_number};
  (void)ignored;
  return perform(self, &size);
}

static PyObject *queue_empty(PyObject *self, PyObject *ignored) {
  static const struct operation empty = {.run = run_empty, .finish = finish_flag};
  (void)ignored;
  return perform(self, &empty);
}

static PyObject *queue_full(PyObject *self, PyObject *ignored) {
  static const struct operation full = {.run = run_full, .finish = finish_flag};
  (void)ignored;
  return perform(self, &full);
}

static PyObject *queue_task_done(PyObject *self, PyObject *ignored) {
  static const struct operation task_done = {
      .run = run_task_done, .finish = finish_none, .fail = fail_queue, .gives_back = true};
  (void)ignored;
  return perform(self, &task_done);
}

static hf_status run_join(struct call *call) {
  return hf_queue_join(queue_of(call), call->in.timeout_ms);
}

static PyObject *queue_join(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords) {
  static const struct operation join = {.run = run_join, .finish = finish_none};
  static const struct signature signature = {"join", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &join) || !convert_timeout(values[0], &call.in.timeout_ms) ||
      !check_wait(&call)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_shutdown(struct call *call) {
  return hf_queue_shutdown(queue_of(call), call->in.flag);
}

static PyObject *queue_shutdown(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords) {
  static const struct operation shutdown = {.run = run_shutdown, .finish = finish_none};
  static const struct signature signature = {"shutdown", {"immediate", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  int is_immediate = values[0] == NULL ? 0 : PyObject_IsTrue(values[0]);
  if (!call_begin(&call, self, &shutdown) || is_immediate < 0) {
    return call_abandon(&call);
  }
  call.in.flag = is_immediate > 0;
  return call_perform(&call);
}

/* ---------------------------------------------------------------- the type */

static PyGetSetDef getset[] = {
    {"maxsize", queue_get_maxsize, NULL, "The most items that it has; 0 or less: no limit.", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"put", FAST(queue_put), METH_FASTCALL | METH_KEYWORDS,
     "put($self, /, item, block=True, timeout=None, *, priority=0, delay=0)\n--\n\n"
     "Put an item into the queue. queue.Full if there is no room, or none in time.\n"
     "Lower priorities go first; a delayed item becomes available after so many seconds."},
    {"put_nowait", FAST(queue_put_nowait), METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item, *, priority=0, delay=0)\n--\n\nput(item, False)"},
    {"put_many", FAST(queue_put_many), METH_FASTCALL | METH_KEYWORDS,
     "put_many($self, /, items, timeout=None, *, priority=0, delay=0)\n--\n\n"
     "Put one item after the other, waiting for room. Returns how many were put: fewer\n"
     "if the time was up or the queue was shut down meanwhile."},
    {"get", FAST(queue_get), METH_FASTCALL | METH_KEYWORDS,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "Remove and return an item. queue.Empty if there is none, or none in time."},
    {"get_nowait", queue_get_nowait, METH_NOARGS, "get_nowait($self, /)\n--\n\nget(False)"},
    {"get_many", FAST(queue_get_many), METH_FASTCALL | METH_KEYWORDS,
     "get_many($self, /, max, timeout=None)\n--\n\n"
     "Wait for one item; a list of it and up to max - 1 more that are available."},
    {"reserve", FAST(queue_reserve), METH_FASTCALL | METH_KEYWORDS,
     "reserve($self, /, timeout=None, *, lease=None)\n--\n\n"
     "A Reservation of an item, which is final with ack(). The item returns to its\n"
     "position if this process dies, or after so many seconds of lease."},
    {"kick", FAST(queue_kick), METH_FASTCALL | METH_KEYWORDS,
     "kick($self, /, count=0)\n--\n\n"
     "Make up to count (0: all) buried items available again. Returns how many."},
    {"qsize", queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\nReturn the approximate size of the queue (not reliable!)."},
    {"empty", queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\nReturn True if the queue is empty, False otherwise (not reliable!)."},
    {"full", queue_full, METH_NOARGS,
     "full($self, /)\n--\n\nReturn True if the queue is full, False otherwise (not reliable!)."},
    {"task_done", queue_task_done, METH_NOARGS,
     "task_done($self, /)\n--\n\nIndicate that a formerly enqueued task is complete."},
    {"join", FAST(queue_join), METH_FASTCALL | METH_KEYWORDS,
     "join($self, /, timeout=None)\n--\n\n"
     "Block until all items have been gotten and processed. DeadlineExceeded if that\n"
     "takes longer than the timeout."},
    {"shutdown", FAST(queue_shutdown), METH_FASTCALL | METH_KEYWORDS,
     "shutdown($self, /, immediate=False)\n--\n\n"
     "Make put() raise ShutDown, and get() once the queue is empty; immediate: drop the\n"
     "items now."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Queue(connection, name=None, maxsize=0)\n--\n\n"
     "A queue, first come, first served, with priorities, delays and reservations."},
    {Py_tp_init, queue_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec queue_spec = {"holdfast._core.Queue", sizeof(struct queue), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
