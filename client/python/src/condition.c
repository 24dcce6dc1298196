/* Condition. */
#include "client/python/src/interrupt.h"
#include "client/python/src/lock.h"

struct condition {
  struct lockable lockable;
  PyObject *lock; /* the Lock it is on; NULL: its own */
};

static hf_condition *condition_of(const struct call *call) {
  return (hf_condition *)call->handle;
}

/* ---------------------------------------------------------------- waiting */

static hf_status run_wait(struct call *call) {
  return hf_condition_wait(condition_of(call), call->in.timeout_ms, &call->out.flag);
}

static PyObject *fail_unowned(struct call *call, const struct failure *failure,
                              const char *message) {
  if (failure->reason == HF_REASON_NOT_ACQUIRED) {
    PyErr_SetString(PyExc_RuntimeError, message);
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static PyObject *fail_wait(struct call *call, const struct failure *failure) {
  return fail_unowned(call, failure, "cannot wait on un-acquired lock");
}

/* Patient: a withdrawn wait returns owning its lock. */
static const struct operation wait_once = {
    .run = run_wait, .finish = finish_flag, .fail = fail_wait, .is_patient = true};

static PyObject *condition_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keywords) {
  static const struct signature signature = {"wait", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &wait_once) || !convert_timeout(values[0], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  call.in.timeout_ms = call.in.timeout_ms == TIMEOUT_NEGATIVE ? 0 : call.in.timeout_ms;
  return call_perform(&call);
}

/* Waits once. false with an exception. */
static bool wait_for_ms(PyObject *self, int64_t timeout_ms) {
  struct call call;
  PyObject *result = NULL;
  if (call_begin(&call, self, &wait_once)) {
    call.in.timeout_ms = timeout_ms;
    result = call_perform_now(&call, "wait_for");
  } else {
    call_abandon(&call);
  }
  Py_XDECREF(result);
  return result != NULL;
}

/* *holds: the predicate's last answer, a new reference; NULL with an exception. */
static bool ask(PyObject *predicate, PyObject **holds) {
  Py_XSETREF(*holds, PyObject_CallNoArgs(predicate));
  int truth = *holds == NULL ? -1 : PyObject_IsTrue(*holds);
  if (truth < 0) {
    Py_CLEAR(*holds);
  }
  return truth > 0;
}

static PyObject *condition_wait_for(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords) {
  static const struct signature signature = {"wait_for", {"predicate", "timeout", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX], *holds = NULL;
  int64_t timeout_ms, left_ms;
  if (!arguments(&signature, args, count, keywords, values) ||
      !convert_timeout(values[1], &timeout_ms)) {
    return NULL;
  }
  int64_t began_ms = interrupt_now_ms();
  bool is_forever = timeout_ms == HF_FOREVER;
  while (!ask(values[0], &holds) && holds != NULL) {
    left_ms = is_forever ? HF_FOREVER : began_ms + timeout_ms - interrupt_now_ms();
    if (!is_forever && (timeout_ms == TIMEOUT_NEGATIVE || left_ms <= 0)) {
      break;
    }
    if (!wait_for_ms(self, left_ms)) {
      Py_CLEAR(holds);
      break;
    }
  }
  return holds;
}

/* ---------------------------------------------------------------- notifying */

static hf_status run_notify(struct call *call) {
  return hf_condition_notify(condition_of(call), (uint64_t)call->in.number);
}

static hf_status run_notify_all(struct call *call) {
  return hf_condition_notify_all(condition_of(call));
}

static PyObject *fail_notify(struct call *call, const struct failure *failure) {
  return fail_unowned(call, failure, "cannot notify on un-acquired lock");
}

static PyObject *condition_notify(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords) {
  static const struct operation notify = {
      .run = run_notify, .finish = finish_none, .fail = fail_notify, .gives_back = true};
  static const struct signature signature = {"notify", {"n", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &notify)) {
    return call_abandon(&call);
  }
  call.in.number = 1;
  if (values[0] != NULL && !convert_number("n", values[0], &call.in.number)) {
    return call_abandon(&call);
  }
  if (call.in.number <= 0) { /* as in threading, nobody is notified */
    call_free(&call);
    Py_RETURN_NONE;
  }
  return call_perform(&call);
}

static PyObject *condition_notify_all(PyObject *self, PyObject *ignored) {
  static const struct operation notify_all = {
      .run = run_notify_all, .finish = finish_none, .fail = fail_notify, .gives_back = true};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &notify_all) ? call_perform(&call) : call_abandon(&call);
}

/* ---------------------------------------------------------------- life */

static hf_status run_open(struct call *call) {
  return hf_condition_open(call->conn, call->in.text, call->in.pointer,
                           (hf_condition **)&call->out.handle);
}

/* The handle of the lock, which is used until the condition is open. */
static bool take_lock(struct call *call, PyObject *lock) {
  const struct state *state = call->connection->state;
  if (!PyObject_TypeCheck(lock, state->kind_types[HF_LOCK])) {
    PyErr_Format(PyExc_TypeError, "lock must be a Lock or an RLock of the server, not %.200s",
                 Py_TYPE(lock)->tp_name);
    return false;
  }
  struct object *object = (struct object *)lock;
  if (object->connection != call->connection) {
    PyErr_SetString(PyExc_ValueError, "the lock is of another connection");
    return false;
  }
  if (!object_enter(object)) {
    return false;
  }
  call->in.pointer = object->handle;
  return true;
}

static int condition_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Condition", {"connection", "lock", "name", NULL}, 1, 3};
  static const struct operation open = {.run = run_open};
  struct condition *condition = (struct condition *)self;
  PyObject *values[PARAMETERS_MAX], *lock;
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  lock = values[1] == Py_None ? NULL : values[1];
  if (!call_begin_open(&call, self, values[0], values[2], &open) ||
      (lock != NULL && !take_lock(&call, lock))) {
    call_abandon(&call);
    return -1;
  }
  int status = call_open(&call);
  if (lock != NULL) {
    object_leave((struct object *)lock);
    Py_INCREF(lock);
  }
  Py_XSETREF(condition->lock, lock);
  return status;
}

static int condition_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(((struct condition *)self)->lock);
  return object_traverse(self, visit, arg);
}

static int condition_clear(PyObject *self) {
  Py_CLEAR(((struct condition *)self)->lock);
  return object_clear(self);
}

static void condition_dealloc(PyObject *self) {
  PyObject *lock = ((struct condition *)self)->lock;
  ((struct condition *)self)->lock = NULL;
  object_dealloc(self);
  Py_XDECREF(lock);
}

static PyObject *get_lock(PyObject *self, void *closure) {
  PyObject *lock = ((struct condition *)self)->lock;
  (void)closure;
  return Py_NewRef(lock != NULL ? lock : Py_None);
}

static int set_lock(PyObject *self, PyObject *lock, void *closure) {
  (void)closure;
  lock = lock == Py_None ? NULL : lock;
  Py_XINCREF(lock);
  Py_XSETREF(((struct condition *)self)->lock, lock);
  return 0;
}

/* ---------------------------------------------------------------- the type */

static PyGetSetDef getset[] = {
    {"lock", get_lock, set_lock, "The lock that it was made on; None: its own.", NULL},
    {"token", lock_get_token, NULL, "The fencing token of the last acquire() by this process.",
     NULL},
    {"owner_died", lock_get_owner_died, NULL,
     "Whether the owner before the last acquire() by this process died while it owned the lock.",
     NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"acquire", FAST(lock_acquire), METH_FASTCALL | METH_KEYWORDS, LOCK_ACQUIRE_DOC},
    {"release", FAST(lock_release), METH_FASTCALL | METH_KEYWORDS, LOCK_RELEASE_DOC},
    {"__enter__", lock_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(lock_exit), METH_FASTCALL, NULL},
    {"wait", FAST(condition_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Release the lock, wait for a notification, and own the lock again. False if the\n"
     "time was up. RuntimeError if this thread does not own the lock."},
    {"wait_for", FAST(condition_wait_for), METH_FASTCALL | METH_KEYWORDS,
     "wait_for($self, /, predicate, timeout=None)\n--\n\n"
     "Wait until predicate() is true. Returns its last result."},
    {"notify", FAST(condition_notify), METH_FASTCALL | METH_KEYWORDS,
     "notify($self, /, n=1)\n--\n\nNotify n waiters, those that wait longest first."},
    {"notify_all", condition_notify_all, METH_NOARGS,
     "notify_all($self, /)\n--\n\nNotify all waiters."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Condition(connection, lock=None, name=None)\n--\n\n"
     "A condition on a Lock or RLock; None: on an RLock of its own."},
    {Py_tp_init, condition_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, condition_dealloc},
    {Py_tp_traverse, condition_traverse},
    {Py_tp_clear, condition_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec condition_spec = {"holdfast._core.Condition", sizeof(struct condition), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
