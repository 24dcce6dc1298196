/* Barrier. */
#include <stdlib.h>

#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

struct barrier {
  struct object base;
  PyObject *action;  /* NULL: none */
  PyObject *timeout; /* of waits without one of their own; NULL: none */
};

static hf_barrier *barrier_of(const struct call *call) {
  return (hf_barrier *)call->handle;
}

/* ---------------------------------------------------------------- the action */

struct acting {
  PyObject *action;
  PyObject *type, *exception, *traceback; /* raised by the action */
};

/* Called by the library in the thread of the last party, without the GIL. */
static bool act(void *context) {
  struct acting *acting = context;
  interrupt_take_gil();
  PyObject *result = PyObject_CallNoArgs(acting->action);
  if (result == NULL) {
    PyErr_Fetch(&acting->type, &acting->exception, &acting->traceback);
  }
  bool has_worked = result != NULL;
  Py_XDECREF(result);
  interrupt_give_gil();
  return has_worked;
}

static hf_status run_wait(struct call *call) {
  struct acting *acting = call->in.pointer;
  return hf_barrier_wait(barrier_of(call), call->in.timeout_ms, acting == NULL ? NULL : act, acting,
                         &call->out.number);
}

static PyObject *fail_wait(struct call *call, const struct failure *failure) {
  struct acting *acting = call->in.pointer;
  if (acting != NULL && acting->type != NULL) {
    PyErr_Restore(acting->type, acting->exception, acting->traceback);
    acting->type = acting->exception = acting->traceback = NULL;
    return NULL;
  }
  if (failure->reason == HF_REASON_BARRIER_BROKEN) {
    PyErr_SetNone(call->connection->state->broken_barrier);
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static const struct operation wait_all = {
    .run = run_wait, .finish = finish_number, .fail = fail_wait};

/* Another exception, of a signal handler, goes before the action's. */
static PyObject *perform_acting(struct call *call, PyObject *action) {
  struct acting acting = {.action = Py_NewRef(action)};
  call->in.pointer = &acting;
  PyObject *result = call_perform_now(call, "wait");
  Py_DECREF(acting.action);
  Py_XDECREF(acting.type);
  Py_XDECREF(acting.exception);
  Py_XDECREF(acting.traceback);
  return result;
}

static PyObject *barrier_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords) {
  static const struct signature signature = {"wait", {"timeout", NULL}, 0, 1};
  const struct barrier *barrier = (struct barrier *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  PyObject *timeout = values[0] == NULL || values[0] == Py_None ? barrier->timeout : values[0];
  if (!call_begin(&call, self, &wait_all) || !convert_timeout(timeout, &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  call.in.timeout_ms = call.in.timeout_ms == TIMEOUT_NEGATIVE ? 0 : call.in.timeout_ms;
  return barrier->action == NULL ? call_perform(&call) : perform_acting(&call, barrier->action);
}

/* ---------------------------------------------------------------- breaking */

static hf_status run_abort(struct call *call) {
  return hf_barrier_abort(barrier_of(call));
}

static hf_status run_reset(struct call *call) {
  return hf_barrier_reset(barrier_of(call));
}

static PyObject *perform(PyObject *self, const struct operation *operation) {
  struct call call;
  return call_begin(&call, self, operation) ? call_perform(&call) : call_abandon(&call);
}

static PyObject *barrier_abort(PyObject *self, PyObject *ignored) {
  static const struct operation abort_all = {
      .run = run_abort, .finish = finish_none, .gives_back = true};
  (void)ignored;
  return perform(self, &abort_all);
}

static PyObject *barrier_reset(PyObject *self, PyObject *ignored) {
  static const struct operation reset = {.run = run_reset, .finish = finish_none};
  (void)ignored;
  return perform(self, &reset);
}

/* ---------------------------------------------------------------- attributes */

enum attribute { PARTIES, N_WAITING, BROKEN };

static hf_status run_info(struct call *call) {
  struct hf_object_info info;
  hf_status status = hf_object_info(call->handle, &info);
  if (status != HF_OK) {
    return status;
  }
  switch ((enum attribute)call->in.index) {
    case PARTIES:
      call->out.number = info.parties;
      break;
    case N_WAITING:
      call->out.number = info.broken ? 0 : info.arrived;
      break;
    default:
      call->out.number = info.broken;
      break;
  }
  return HF_OK;
}

static PyObject *finish_info(struct call *call) {
  return call->in.index == BROKEN ? PyBool_FromLong(call->out.number != 0) : finish_number(call);
}

static PyObject *get_attribute(PyObject *self, void *closure) {
  static const struct operation info = {.run = run_info, .finish = finish_info};
  struct call call;
  if (!call_begin(&call, self, &info)) {
    return call_abandon(&call);
  }
  call.in.index = (int64_t)(intptr_t)closure;
  return call_perform_now(&call, "an attribute");
}

static PyObject *get_action(PyObject *self, void *closure) {
  PyObject *action = ((struct barrier *)self)->action;
  (void)closure;
  return Py_NewRef(action != NULL ? action : Py_None);
}

static void set_member(PyObject **member, PyObject *value) {
  value = value == Py_None ? NULL : value;
  Py_XINCREF(value);
  Py_XSETREF(*member, value);
}

static int set_action(PyObject *self, PyObject *action, void *closure) {
  (void)closure;
  set_member(&((struct barrier *)self)->action, action);
  return 0;
}

static PyObject *get_timeout(PyObject *self, void *closure) {
  PyObject *timeout = ((struct barrier *)self)->timeout;
  (void)closure;
  return Py_NewRef(timeout != NULL ? timeout : Py_None);
}

static int set_timeout(PyObject *self, PyObject *timeout, void *closure) {
  (void)closure;
  set_member(&((struct barrier *)self)->timeout, timeout);
  return 0;
}

/* ---------------------------------------------------------------- life */

static hf_status run_open(struct call *call) {
  return hf_barrier_open(call->conn, call->in.text, (uint64_t)call->in.number,
                         (hf_barrier **)&call->out.handle);
}

static bool take_parties(struct call *call, PyObject *parties) {
  if (!convert_number("parties", parties, &call->in.number)) {
    return false;
  }
  if (call->in.number < 1) {
    PyErr_SetString(PyExc_ValueError, "parties must be greater than 0");
    return false;
  }
  return true;
}

static int barrier_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Barrier", {"connection", "parties", "action", "timeout", "name", NULL}, 2, 5};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[4], &open) ||
      !take_parties(&call, values[1])) {
    call_abandon(&call);
    return -1;
  }
  set_member(&((struct barrier *)self)->action, values[2]);
  set_member(&((struct barrier *)self)->timeout, values[3]);
  return call_open(&call);
}

static int barrier_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(((struct barrier *)self)->action);
  Py_VISIT(((struct barrier *)self)->timeout);
  return object_traverse(self, visit, arg);
}

static int barrier_clear(PyObject *self) {
  Py_CLEAR(((struct barrier *)self)->action);
  Py_CLEAR(((struct barrier *)self)->timeout);
  return object_clear(self);
}

static void barrier_dealloc(PyObject *self) {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(((struct barrier *)self)->action);
  Py_CLEAR(((struct barrier *)self)->timeout);
  PyObject_GC_Track(self); /* as object_dealloc expects it */
  object_dealloc(self);
}

/* ---------------------------------------------------------------- the type */

static PyGetSetDef getset[] = {
    {"parties", get_attribute, NULL, "The number of parties.", (void *)PARTIES},
    {"n_waiting", get_attribute, NULL, "How many parties wait now.", (void *)N_WAITING},
    {"broken", get_attribute, NULL, "Whether the barrier is broken.", (void *)BROKEN},
    {"action", get_action, set_action, "Called by the last party before the others proceed.", NULL},
    {"timeout", get_timeout, set_timeout, "Of waits without one of their own.", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"wait", FAST(barrier_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Wait for all parties. Returns a number from 0 for the first to parties - 1.\n"
     "BrokenBarrierError if the time is up, a party leaves or dies, the action raises, or\n"
     "at abort() and reset()."},
    {"abort", barrier_abort, METH_NOARGS,
     "abort($self, /)\n--\n\nBreak the barrier for waiting and later parties, until reset()."},
    {"reset", barrier_reset, METH_NOARGS,
     "reset($self, /)\n--\n\nMake the barrier as new; breaks it for waiting parties."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Barrier(connection, parties, action=None, timeout=None, name=None)\n--\n\n"
     "A number of threads, of any processes, wait until all are there."},
    {Py_tp_init, barrier_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_traverse, barrier_traverse},
    {Py_tp_clear, barrier_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec barrier_spec = {"holdfast._core.Barrier", sizeof(struct barrier), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
