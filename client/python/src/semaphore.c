/* Semaphore and BoundedSemaphore. */
#include "client/python/src/batch.h"
#include "client/python/src/lock.h"

/* ---------------------------------------------------------------- acquiring */

static hf_status run_acquire(struct call *call) {
  return hf_semaphore_acquire((hf_semaphore *)call->handle, call->in.timeout_ms);
}

const struct operation semaphore_acquire_operation = {
    .run = run_acquire, .finish = finish_true, .fail = fail_late};

static PyObject *semaphore_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords) {
  static const struct signature signature = {
      "acquire", {"block", "timeout", "blocking", NULL}, 0, 2};
  PyObject *values[PARAMETERS_MAX], *block;
  struct call call;
  if (!arguments(&signature, args, count, keywords, values) ||
      !lock_block(values[0], values[2], &block)) {
    return NULL;
  }
  if (!call_begin(&call, self, &semaphore_acquire_operation) ||
      !semaphore_timeout(block, values[1], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *semaphore_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return semaphore_acquire(self, NULL, 0, NULL);
}

/* ---------------------------------------------------------------- releasing */

static hf_status run_release(struct call *call) {
  return hf_semaphore_release((hf_semaphore *)call->handle, (uint64_t)call->in.number);
}

static PyObject *fail_release_semaphore(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_RELEASED_TOO_OFTEN) {
    PyErr_SetString(PyExc_ValueError, "Semaphore released too many times");
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static const struct operation release = {
    .run = run_release, .finish = finish_none, .fail = fail_release_semaphore, .gives_back = true};

static PyObject *semaphore_release(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords) {
  static const struct signature signature = {"release", {"n", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &release)) {
    return call_abandon(&call);
  }
  call.in.number = 1;
  if (values[0] != NULL && !convert_number("n", values[0], &call.in.number)) {
    return call_abandon(&call);
  }
  if (call.in.number < 1) {
    PyErr_SetString(PyExc_ValueError, "n must be one or more");
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *semaphore_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return semaphore_release(self, NULL, 0, NULL);
}

/* ---------------------------------------------------------------- the type */

static hf_status run_open(struct call *call) {
  return (call->in.flag ? hf_bounded_semaphore_open : hf_semaphore_open)(
      call->conn, call->in.text, (uint64_t)call->in.number, (hf_semaphore **)&call->out.handle);
}

static bool take_start(struct call *call, PyObject *value, PyObject *bounded) {
  int is_bounded = bounded == NULL ? 0 : PyObject_IsTrue(bounded);
  call->in.number = 1;
  if (is_bounded < 0 || (value != NULL && !convert_number("value", value, &call->in.number))) {
    return false;
  }
  call->in.flag = is_bounded > 0;
  if (call->in.number < 0) {
    PyErr_SetString(PyExc_ValueError, "semaphore initial value must be >= 0");
    return false;
  }
  return true;
}

static int semaphore_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Semaphore", {"connection", "value", "name", "bounded", NULL}, 1, 4};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[2], &open) ||
      !take_start(&call, values[1], values[3])) {
    call_abandon(&call);
    return -1;
  }
  return call_open(&call);
}

static PyObject *get_bounded(PyObject *self, void *closure) {
  const struct object *object = (struct object *)self;
  (void)closure;
  return PyBool_FromLong(object->handle != NULL &&
                         hf_object_kind(object->handle) == HF_BOUNDED_SEMAPHORE);
}

static PyGetSetDef getset[] = {
    {"bounded", get_bounded, NULL, "Whether it is a BoundedSemaphore.", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"acquire", FAST(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, block=True, timeout=None, *, blocking=True)\n--\n\n"
     "Take a permit. True if it is taken, False if the time was up. blocking is another\n"
     "name of block."},
    {"release", FAST(semaphore_release), METH_FASTCALL | METH_KEYWORDS,
     "release($self, /, n=1)\n--\n\n"
     "Give back n permits. ValueError if a bounded semaphore would exceed its start."},
    {"__enter__", semaphore_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(semaphore_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Semaphore(connection, value=1, name=None, bounded=False)\n--\n\n"
     "Permits. Those of a killed process are released."},
    {Py_tp_init, semaphore_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec semaphore_spec = {"holdfast._core.Semaphore", sizeof(struct object), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
