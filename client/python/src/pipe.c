/* Pipe: an end of a pipe, as multiprocessing.Connection. */
#include "client/python/src/batch.h"

struct pipe {
  struct object base;
  int end;
  bool is_one_way;
};

static struct pipe *pipe_of(const struct call *call) {
  return (struct pipe *)call->self;
}

/* ---------------------------------------------------------------- errors */

static bool begin(struct call *call, PyObject *self, const struct operation *operation) {
  const struct object *object = (struct object *)self;
  if (object->connection != NULL && (object->handle == NULL || object->is_closing)) {
    PyErr_SetString(PyExc_OSError, "handle is closed");
    call_own_nothing(call);
    return false;
  }
  return call_begin(call, self, operation);
}

static bool check_wait(struct call *call) {
  if (call->in.timeout_ms == TIMEOUT_NEGATIVE) {
    call->in.timeout_ms = 0;
  }
  return true;
}

static PyObject *fail_pipe(struct call *call, const struct failure *failure) {
  switch (failure->reason) {
    case HF_REASON_END_OF_FILE:
      PyErr_SetNone(PyExc_EOFError);
      return NULL;
    case HF_REASON_PIPE_CLOSED:
      errno = EPIPE;
      return PyErr_SetFromErrno(PyExc_OSError);
    case HF_REASON_BAD_END:
      PyErr_SetString(PyExc_OSError, pipe_of(call)->end == 0 ? "connection is read-only"
                                                             : "connection is write-only");
      return NULL;
    case HF_REASON_PIPE_EMPTY:
    case HF_REASON_PIPE_FULL:
      return error_set_as(call->connection->state->deadline_exceeded, failure);
    default:
      return error_set(call->connection->state, failure);
  }
}

/* ---------------------------------------------------------------- sending, receiving */

static hf_status run_send(struct call *call) {
  return hf_pipe_send((hf_pipe *)call->handle, call->in.value, call->in.timeout_ms);
}

static PyObject *pipe_send(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct operation send = {.run = run_send, .finish = finish_none, .fail = fail_pipe};
  static const struct signature signature = {"send", {"obj", "timeout", NULL}, 1, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &send) || !convert_timeout(values[1], &call.in.timeout_ms) ||
      !check_wait(&call) || !call_value(&call, values[0], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_recv(struct call *call) {
  return hf_pipe_recv((hf_pipe *)call->handle, call->in.timeout_ms, &call->out.value);
}

const struct operation pipe_recv_operation = {
    .run = run_recv, .finish = finish_value, .fail = fail_pipe, .drop = drop_value};

static PyObject *pipe_recv(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {"recv", {"timeout", NULL}, 0, 0};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &pipe_recv_operation) ||
      !convert_timeout(values[0], &call.in.timeout_ms) || !check_wait(&call)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_poll(struct call *call) {
  return hf_pipe_poll((hf_pipe *)call->handle, call->in.timeout_ms, &call->out.flag);
}

static PyObject *pipe_poll(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct operation poll = {.run = run_poll, .finish = finish_flag, .fail = fail_pipe};
  static const struct signature signature = {"poll", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &poll) ||
      (values[0] != NULL && !convert_timeout(values[0], &call.in.timeout_ms)) ||
      !check_wait(&call)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- ends */

static hf_status run_attach(struct call *call) {
  return hf_pipe_attach((hf_pipe *)call->handle, (int)call->in.index);
}

static PyObject *finish_attach(struct call *call) {
  pipe_of(call)->end = (int)call->in.index;
  Py_RETURN_NONE;
}

static bool take_end(PyObject *end, int64_t *number) {
  *number = 0;
  if (end != NULL && !convert_number("end", end, number)) {
    return false;
  }
  if (*number != 0 && *number != 1) {
    PyErr_SetString(PyExc_ValueError, "end must be 0 or 1");
    return false;
  }
  return true;
}

static bool take_flag(PyObject *object, bool *flag) {
  int truth = PyObject_IsTrue(object);
  *flag = truth > 0;
  return truth >= 0;
}

static PyObject *pipe_attach(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords) {
  static const struct operation attach = {.run = run_attach, .finish = finish_attach};
  static const struct signature signature = {"attach", {"end", "duplex", NULL}, 1, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  bool is_duplex = true;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &attach) || !take_end(values[0], &call.in.index) ||
      (values[1] != NULL && !take_flag(values[1], &is_duplex))) {
    return call_abandon(&call);
  }
  ((struct pipe *)self)->is_one_way = !is_duplex;
  return call_perform_now(&call, "attach");
}

static hf_status run_open(struct call *call) {
  return (call->in.flag ? hf_pipe_open : hf_pipe_open_one_way)(
      call->conn, call->in.text, (int)call->in.index, (hf_pipe **)&call->out.handle);
}

static int pipe_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Pipe", {"connection", "name", "end", "duplex", NULL}, 1, 4};
  static const struct operation open = {.run = run_open};
  struct pipe *pipe = (struct pipe *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[1], &open) ||
      !take_end(values[2], &call.in.index) ||
      !take_flag(values[3] == NULL ? Py_True : values[3], &call.in.flag)) {
    call_abandon(&call);
    return -1;
  }
  pipe->end = (int)call.in.index;
  pipe->is_one_way = !call.in.flag;
  return call_open(&call);
}

/* ---------------------------------------------------------------- both ends at once */

struct both {
  hf_pipe *ends[2];
};

static hf_status run_new(struct call *call) {
  struct both *both = call->in.pointer;
  return hf_pipe_new(call->conn, call->in.flag, both->ends);
}

static PyObject *wrap(struct connection *connection, hf_pipe *handle, int end, bool is_duplex) {
  PyObject *pipe = object_wrap(connection, (hf_object *)handle);
  if (pipe != NULL) {
    ((struct pipe *)pipe)->end = end;
    ((struct pipe *)pipe)->is_one_way = !is_duplex;
  }
  return pipe;
}

static PyObject *finish_new(struct call *call) {
  struct both *both = call->in.pointer;
  PyObject *first = wrap(call->connection, both->ends[0], 0, call->in.flag);
  PyObject *second = wrap(call->connection, both->ends[1], 1, call->in.flag);
  PyObject *pair = first == NULL || second == NULL ? NULL : PyTuple_Pack(2, first, second);
  Py_XDECREF(first);
  Py_XDECREF(second);
  return pair;
}

PyObject *pipe_new(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  static const struct operation new = {.run = run_new, .finish = finish_new};
  static const struct signature signature = {"pipe_new", {"connection", "duplex", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  struct both both;
  if (!arguments(&signature, args, count, keywords, values) ||
      connection_of(PyModule_GetState(module), values[0]) == NULL) {
    return NULL;
  }
  if (!call_begin_connection(&call, values[0], &new) ||
      !take_flag(values[1] == NULL ? Py_True : values[1], &call.in.flag)) {
    return call_abandon(&call);
  }
  call.in.pointer = &both;
  return call_perform_now(&call, "pipe_new");
}

/* ---------------------------------------------------------------- the type */

static PyObject *get_end(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromLong(((struct pipe *)self)->end);
}

static PyObject *get_duplex(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(!((struct pipe *)self)->is_one_way);
}

static PyObject *get_readable(PyObject *self, void *closure) {
  const struct pipe *pipe = (struct pipe *)self;
  (void)closure;
  return PyBool_FromLong(!pipe->is_one_way || pipe->end == 0);
}

static PyObject *get_writable(PyObject *self, void *closure) {
  const struct pipe *pipe = (struct pipe *)self;
  (void)closure;
  return PyBool_FromLong(!pipe->is_one_way || pipe->end == 1);
}

static PyObject *pipe_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

static PyObject *pipe_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return PyObject_CallMethod(self, "close", NULL);
}

static PyGetSetDef getset[] = {
    {"end", get_end, NULL, "0 or 1", NULL},
    {"duplex", get_duplex, NULL, "whether both ends send", NULL},
    {"readable", get_readable, NULL, "True if the connection is readable", NULL},
    {"writable", get_writable, NULL, "True if the connection is writable", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"send", FAST(pipe_send), METH_FASTCALL | METH_KEYWORDS,
     "send($self, /, obj, *, timeout=None)\n--\n\n"
     "Send an object. BrokenPipeError if the other end is closed; DeadlineExceeded if\n"
     "there is no room in time."},
    {"recv", FAST(pipe_recv), METH_FASTCALL | METH_KEYWORDS,
     "recv($self, /, *, timeout=None)\n--\n\n"
     "Receive an object. EOFError if nothing is left and the other end is closed;\n"
     "DeadlineExceeded if nothing comes in time."},
    {"poll", FAST(pipe_poll), METH_FASTCALL | METH_KEYWORDS,
     "poll($self, /, timeout=0.0)\n--\n\nWhether there is something to receive."},
    {"attach", FAST(pipe_attach), METH_FASTCALL | METH_KEYWORDS,
     "attach($self, /, end, *, duplex=True)\n--\n\n"
     "Make a pipe that was opened by its number an end, 0 or 1."},
    {"__enter__", pipe_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(pipe_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Pipe(connection, name=None, end=0, duplex=True)\n--\n\n"
     "An end of a pipe. It closes when the last process that has it closes it or ends."},
    {Py_tp_init, pipe_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec pipe_spec = {"holdfast._core.Pipe", sizeof(struct pipe), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
