/* Event. */
#include "client/python/src/batch.h"

static hf_event *event_of(const struct call *call) {
  return (hf_event *)call->handle;
}

static hf_status run_set(struct call *call) {
  return hf_event_set(event_of(call));
}

static hf_status run_clear(struct call *call) {
  return hf_event_clear(event_of(call));
}

static hf_status run_is_set(struct call *call) {
  return hf_event_is_set(event_of(call), &call->out.flag);
}

static hf_status run_wait(struct call *call) {
  return hf_event_wait(event_of(call), call->in.timeout_ms, &call->out.flag);
}

static PyObject *perform(PyObject *self, const struct operation *operation) {
  struct call call;
  return call_begin(&call, self, operation) ? call_perform(&call) : call_abandon(&call);
}

static PyObject *event_set(PyObject *self, PyObject *ignored) {
  static const struct operation set = {.run = run_set, .finish = finish_none, .gives_back = true};
  (void)ignored;
  return perform(self, &set);
}

static PyObject *event_clear(PyObject *self, PyObject *ignored) {
  static const struct operation clear = {.run = run_clear, .finish = finish_none};
  (void)ignored;
  return perform(self, &clear);
}

static PyObject *event_is_set(PyObject *self, PyObject *ignored) {
  static const struct operation is_set = {.run = run_is_set, .finish = finish_flag};
  (void)ignored;
  return perform(self, &is_set);
}

const struct operation event_wait_operation = {.run = run_wait, .finish = finish_flag};

static PyObject *event_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords) {
  static const struct signature signature = {"wait", {"timeout", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &event_wait_operation) ||
      !convert_timeout(values[0], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  if (call.in.timeout_ms == TIMEOUT_NEGATIVE) {
    call.in.timeout_ms = 0;
  }
  return call_perform(&call);
}

static hf_status run_open(struct call *call) {
  return hf_event_open(call->conn, call->in.text, (hf_event **)&call->out.handle);
}

static int event_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {"Event", {"connection", "name", NULL}, 1, 2};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[1], &open)) {
    call_abandon(&call);
    return -1;
  }
  return call_open(&call);
}

static PyMethodDef methods[] = {
    {"is_set", event_is_set, METH_NOARGS,
     "is_set($self, /)\n--\n\nReturn true if and only if the event is set."},
    {"set", event_set, METH_NOARGS, "set($self, /)\n--\n\nSet the event. All that wait return."},
    {"clear", event_clear, METH_NOARGS, "clear($self, /)\n--\n\nReset the event."},
    {"wait", FAST(event_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Wait until the event is set. False if the time was up."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Event(connection, name=None)\n--\n\nA flag that threads of any process wait for."},
    {Py_tp_init, event_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec event_spec = {"holdfast._core.Event", sizeof(struct object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
