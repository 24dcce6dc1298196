/* Lock and RLock. */
#include "client/python/src/lock.h"
#include "client/python/src/batch.h"

/* ---------------------------------------------------------------- arguments */

static bool is_true(PyObject *object, bool *answer) {
  int truth = object == NULL ? 1 : PyObject_IsTrue(object);
  *answer = truth > 0;
  return truth >= 0;
}

static bool fail_value(const char *message) {
  PyErr_SetString(PyExc_ValueError, message);
  return false;
}

bool lock_block(PyObject *block, PyObject *blocking, PyObject **chosen) {
  if (block != NULL && blocking != NULL) {
    PyErr_SetString(PyExc_TypeError, "acquire() got both 'block' and 'blocking'");
    return false;
  }
  *chosen = block != NULL ? block : blocking;
  return true;
}

/* Whether the timeout is the -1 of threading.Lock. */
static bool is_unset(PyObject *timeout) {
  if (PyFloat_Check(timeout)) {
    return PyFloat_AS_DOUBLE(timeout) == -1;
  }
  int overflow = 0;
  return PyLong_Check(timeout) && PyLong_AsLongAndOverflow(timeout, &overflow) == -1 &&
         overflow == 0;
}

bool lock_timeout(PyObject *block, PyObject *timeout, int64_t *timeout_ms) {
  bool blocks;
  if (!is_true(block, &blocks)) {
    return false;
  }
  if (timeout == NULL || timeout == Py_None || is_unset(timeout)) {
    *timeout_ms = blocks ? HF_FOREVER : 0;
    return true;
  }
  if (!blocks) {
    return fail_value("can't specify a timeout for a non-blocking call");
  }
  if (!convert_timeout(timeout, timeout_ms)) {
    return false;
  }
  if (*timeout_ms == TIMEOUT_NEGATIVE) {
    return fail_value(PY_VERSION_HEX >= 0x030D0000 ? "timeout value must be a non-negative number"
                                                   : "timeout value must be positive");
  }
  return true;
}

bool semaphore_timeout(PyObject *block, PyObject *timeout, int64_t *timeout_ms) {
  bool blocks;
  if (!is_true(block, &blocks)) {
    return false;
  }
  if (!blocks) {
    *timeout_ms = 0;
    return timeout == NULL || timeout == Py_None ||
           fail_value("can't specify timeout for non-blocking acquire");
  }
  if (!convert_timeout(timeout, timeout_ms)) {
    return false;
  }
  *timeout_ms = *timeout_ms == TIMEOUT_NEGATIVE ? 0 : *timeout_ms;
  return true;
}

/* ---------------------------------------------------------------- acquiring */

static hf_status run_acquire(struct call *call) {
  struct hf_grant *grant = call->wants_result ? &call->out.grant : NULL;
  hf_lock *lock = (hf_lock *)call->handle;
  return call->in.pointer == NULL
             ? hf_lock_acquire(lock, call->in.timeout_ms, grant)
             : hf_lock_acquire_with(lock, call->in.pointer, call->in.timeout_ms, grant);
}

static PyObject *finish_acquire(struct call *call) {
  ((struct lockable *)call->self)->grant =
      (struct grant_record){call->out.grant.token, call->out.grant.owner_died};
  Py_RETURN_TRUE;
}

const struct operation lock_acquire_operation = {
    .run = run_acquire, .finish = finish_acquire, .fail = fail_late};

static bool take_options(struct call *call, PyObject *lease, PyObject *robust,
                         PyObject *refuse_deadlock) {
  bool is_robust = false, refuses = false;
  int64_t lease_ms = 0;
  if ((robust != NULL && !is_true(robust, &is_robust)) ||
      (refuse_deadlock != NULL && !is_true(refuse_deadlock, &refuses))) {
    return false;
  }
  if (lease != NULL && lease != Py_None) {
    if (!convert_timeout(lease, &lease_ms)) {
      return false;
    }
    if (lease_ms <= 0) {
      return fail_value("'lease' must be a positive number");
    }
  }
  if (!is_robust && !refuses && lease_ms == 0) {
    return true;
  }
  struct hf_lock_options *options = call_allocate(call, sizeof *options);
  if (options == NULL) {
    return false;
  }
  *options = (struct hf_lock_options){
      .robust = is_robust, .lease_ms = (uint64_t)lease_ms, .refuse_deadlock = refuses};
  call->in.pointer = options;
  return true;
}

PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords) {
  static const struct signature signature = {
      "acquire",
      {"block", "timeout", "lease", "robust", "refuse_deadlock", "blocking", NULL},
      0,
      2};
  PyObject *values[PARAMETERS_MAX], *block;
  struct call call;
  if (!arguments(&signature, args, count, keywords, values) ||
      !lock_block(values[0], values[5], &block)) {
    return NULL;
  }
  if (!call_begin(&call, self, &lock_acquire_operation) ||
      !lock_timeout(block, values[1], &call.in.timeout_ms) ||
      !take_options(&call, values[2], values[3], values[4])) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

PyObject *lock_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return lock_acquire(self, NULL, 0, NULL);
}

/* ---------------------------------------------------------------- releasing */

/* A class may have another exception and its text, as multiprocessing's locks do. */
static bool set_error_of_class(const struct call *call) {
  PyObject *pair = PyObject_GetAttrString((PyObject *)Py_TYPE(call->self), "_release_error_");
  if (pair == NULL) {
    PyErr_Clear();
    return false;
  }
  if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2) {
    PyErr_SetObject(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
  }
  Py_DECREF(pair);
  return PyErr_Occurred() != NULL;
}

PyObject *fail_release(struct call *call, const struct failure *failure) {
  bool is_free = failure->reason == HF_REASON_NOT_LOCKED || failure->reason == HF_REASON_NOT_OWNER;
  if (is_free && set_error_of_class(call)) {
    return NULL;
  }
  switch (failure->reason) {
    case HF_REASON_NOT_LOCKED:
      PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
      return NULL;
    case HF_REASON_NOT_OWNER:
      PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
      return NULL;
    default:
      return error_set(call->connection->state, failure);
  }
}

static hf_status run_release(struct call *call) {
  hf_lock *lock = (hf_lock *)call->handle;
  return call->in.flag ? hf_lock_release_token(lock, call->in.unsigned_number)
                       : hf_lock_release(lock);
}

static const struct operation release = {
    .run = run_release, .finish = finish_none, .fail = fail_release, .gives_back = true};

PyObject *lock_release(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords) {
  static const struct signature signature = {"release", {"token", NULL}, 0, 0};
  PyObject *token;
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &release)) {
    return call_abandon(&call);
  }
  token = values[0];
  if (token != NULL && token != Py_None) {
    call.in.flag = true;
    call.in.unsigned_number = PyLong_AsUnsignedLongLong(token);
    if (PyErr_Occurred()) {
      return call_abandon(&call);
    }
  }
  return call_perform(&call);
}

PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return lock_release(self, NULL, 0, NULL);
}

/* ---------------------------------------------------------------- the type */

PyObject *lock_get_token(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromUnsignedLongLong(((struct lockable *)self)->grant.token);
}

PyObject *lock_get_owner_died(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(((struct lockable *)self)->grant.owner_died);
}

static PyObject *get_recursive(PyObject *self, void *closure) {
  const struct object *object = (struct object *)self;
  (void)closure;
  return PyBool_FromLong(object->handle != NULL && hf_object_kind(object->handle) == HF_RLOCK);
}

static hf_status run_open(struct call *call) {
  return (call->in.flag ? hf_rlock_open : hf_lock_open)(call->conn, call->in.text,
                                                        (hf_lock **)&call->out.handle);
}

static int lock_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Lock", {"connection", "name", "recursive", NULL}, 1, 3};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[1], &open) ||
      (values[2] != NULL && !is_true(values[2], &call.in.flag))) {
    call_abandon(&call);
    return -1;
  }
  return call_open(&call);
}

static PyGetSetDef getset[] = {
    {"token", lock_get_token, NULL,
     "The fencing token of the last acquire() by this process; rises with every grant.", NULL},
    {"owner_died", lock_get_owner_died, NULL,
     "Whether the owner before the last acquire() by this process died while it owned the lock.",
     NULL},
    {"recursive", get_recursive, NULL, "Whether it is an RLock.", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"acquire", FAST(lock_acquire), METH_FASTCALL | METH_KEYWORDS, LOCK_ACQUIRE_DOC},
    {"release", FAST(lock_release), METH_FASTCALL | METH_KEYWORDS, LOCK_RELEASE_DOC},
    {"__enter__", lock_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(lock_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Lock(connection, name=None, recursive=False)\n--\n\n"
     "A lock that any thread may release; recursive: owned by a thread, and counted."},
    {Py_tp_init, lock_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec lock_spec = {"holdfast._core.Lock", sizeof(struct lockable), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
