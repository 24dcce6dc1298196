/* Cell: Value and RawValue. */
#include "client/python/src/cell.h"
#include "client/python/src/number.h"

static hf_cell *cell_of(const struct call *call) {
  return (hf_cell *)call->handle;
}

/* Begins a call; the typecode is known then. */
static bool begin(struct call *call, PyObject *self, const struct operation *operation) {
  bool is_prepared = ((struct object *)self)->handle == NULL || cell_prepare(self);
  return call_begin(call, self, operation) && is_prepared;
}

static bool take_number(struct call *call, PyObject *object, hf_value *value) {
  return number_value(((struct cell *)call->self)->typecode, object, value);
}

/* ---------------------------------------------------------------- getting, setting */

static hf_status run_get(struct call *call) {
  return hf_cell_get(cell_of(call), &call->out.value);
}

static PyObject *cell_get(PyObject *self, PyObject *ignored) {
  static const struct operation get = {.run = run_get, .finish = finish_value, .drop = drop_value};
  const struct cell *cell = (struct cell *)self;
  struct call call;
  (void)ignored;
  enum cell_way way = cell_way_in(cell);
  if (way != CELL_CALL) {
    PyObject *number = number_load(cell->typecode, cell->data);
    cell_leave(cell, way);
    return number;
  }
  return begin(&call, self, &get) ? call_perform(&call) : call_abandon(&call);
}

static hf_status run_set(struct call *call) {
  return hf_cell_set(cell_of(call), call->in.value);
}

static const struct operation set = {.run = run_set, .finish = finish_none};

/* The result of a quick path that the library answered. Takes the value. */
static PyObject *end_quickly(PyObject *self, hf_status status, hf_value *value) {
  struct connection *connection = ((struct object *)self)->connection;
  if (status != HF_OK) {
    struct failure failure = failure_last(status);
    return error_set(connection->state, &failure);
  }
  return convert_take(connection, value);
}

static PyObject *set_quickly(const struct cell *cell, const hf_value *value, enum cell_way way) {
  bool is_put = number_put(cell->typecode, cell->data, value);
  hf_cell_changed((hf_cell *)cell->base.handle);
  cell_leave(cell, way);
  return is_put ? Py_NewRef(Py_None) : NULL;
}

static PyObject *cell_set(PyObject *self, PyObject *object) {
  const struct cell *cell = (struct cell *)self;
  struct call call;
  hf_value value;
  if (cell->typecode != '\0' && !number_value(cell->typecode, object, &value)) {
    return NULL;
  }
  enum cell_way way = cell_way_in(cell);
  if (way != CELL_CALL) {
    return set_quickly(cell, &value, way);
  }
  if (!begin(&call, self, &set) || !take_number(&call, object, &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *get_value(PyObject *self, void *closure) {
  (void)closure;
  return cell_get(self, NULL);
}

static int set_value(PyObject *self, PyObject *value, void *closure) {
  (void)closure;
  if (value == NULL) {
    PyErr_SetString(PyExc_AttributeError, "can't delete attribute 'value'");
    return -1;
  }
  PyObject *result = cell_set(self, value);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

/* ---------------------------------------------------------------- atomic operations */

static hf_status run_add(struct call *call) {
  hf_value *sum = call->wants_result ? &call->out.value : NULL;
  return hf_cell_add(cell_of(call), call->in.value, sum);
}

/* Within the Value's lock. */
static PyObject *add_quickly(PyObject *self, hf_value amount, enum cell_way way) {
  const struct cell *cell = (struct cell *)self;
  hf_value sum;
  hf_status status = hf_cell_add((hf_cell *)cell->base.handle, amount, &sum);
  cell_leave(cell, way);
  return end_quickly(self, status, &sum);
}

static PyObject *cell_add(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct operation add = {.run = run_add, .finish = finish_value, .drop = drop_value};
  static const struct signature signature = {"add", {"n", NULL}, 0, 1};
  const struct cell *cell = (struct cell *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!cell_prepare(self)) {
    return NULL;
  }
  hf_value amount = hf_int(1);
  if (values[0] != NULL && !number_value(cell->typecode, values[0], &amount)) {
    return NULL;
  }
  enum cell_way way = cell->is_raw ? CELL_CALL : cell_way_in(cell);
  if (way != CELL_CALL) {
    return add_quickly(self, amount, way);
  }
  bool is_begun = begin(&call, self, &add);
  call.in.value = amount;
  return is_begun ? call_perform(&call) : call_abandon(&call);
}

static hf_status run_compare_and_set(struct call *call) {
  return hf_cell_compare_and_set(cell_of(call), call->in.other, call->in.value,
                                 &call->out.exchanged.swapped, NULL);
}

static PyObject *cell_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                      PyObject *keywords) {
  static const struct operation compare_and_set = {.run = run_compare_and_set,
                                                   .finish = finish_swapped};
  static const struct signature signature = {"compare_and_set", {"old", "new", NULL}, 2, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &compare_and_set) || !take_number(&call, values[0], &call.in.other) ||
      !take_number(&call, values[1], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_exchange(struct call *call) {
  return hf_cell_exchange(cell_of(call), call->in.value, &call->out.value);
}

static PyObject *cell_exchange(PyObject *self, PyObject *object) {
  static const struct operation exchange = {
      .run = run_exchange, .finish = finish_value, .drop = drop_value};
  struct call call;
  if (!begin(&call, self, &exchange) || !take_number(&call, object, &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform_now(&call, "exchange");
}

/* ---------------------------------------------------------------- waiting */

static hf_status run_wait(struct call *call) {
  return hf_cell_wait(cell_of(call), call->in.value, call->in.timeout_ms, &call->out.value);
}

static PyObject *cell_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct operation wait = {
      .run = run_wait, .finish = finish_value, .drop = drop_value};
  static const struct signature signature = {"wait", {"known", "timeout", NULL}, 1, 2};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin(&call, self, &wait) || !take_number(&call, values[0], &call.in.value) ||
      !convert_timeout(values[1], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  call.in.timeout_ms = call.in.timeout_ms == TIMEOUT_NEGATIVE ? 0 : call.in.timeout_ms;
  return call_perform(&call);
}

/* ---------------------------------------------------------------- the type */

static hf_status run_open(struct call *call) {
  hf_status (*open)(hf_conn *, const char *, char, hf_value, hf_cell **) =
      call->in.is_volatile ? (call->in.flag ? hf_raw_cell_open_volatile : hf_cell_open_volatile)
                           : (call->in.flag ? hf_raw_cell_open : hf_cell_open);
  return open(call->conn, call->in.text, (char)call->in.index, call->in.value,
              (hf_cell **)&call->out.handle);
}

static bool take_initial(struct call *call, PyObject *typecode, PyObject *value) {
  char code = number_typecode(typecode);
  call->in.index = (unsigned char)code;
  call->in.value = hf_none();
  return code != '\0' &&
         (value == NULL || value == Py_None || number_value(code, value, &call->in.value));
}

static int cell_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Cell", {"connection", "typecode", "value", "name", "raw", "volatile", NULL}, 2, 6};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[3], &open) ||
      !cell_take_flag(values[4], &call.in.flag) ||
      !cell_take_flag(values[5], &call.in.is_volatile) ||
      !take_initial(&call, values[1], values[2])) {
    call_abandon(&call);
    return -1;
  }
  char typecode = (char)call.in.index;
  int status = call_open(&call);
  if (status == 0) {
    cell_opened(self, typecode, false, 1);
  }
  return status;
}

static PyGetSetDef getset[] = {
    {"value", get_value, set_value, "The number.", NULL},
    CELL_ATTRIBUTES,
    {NULL},
};

static PyMethodDef methods[] = {
    {"get", cell_get, METH_NOARGS, "get($self, /)\n--\n\nThe value."},
    {"set", cell_set, METH_O, "set($self, value, /)\n--\n\nSet the value."},
    {"add", FAST(cell_add), METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, n=1)\n--\n\nAdd atomically. Returns the sum."},
    {"compare_and_set", FAST(cell_compare_and_set), METH_FASTCALL | METH_KEYWORDS,
     "compare_and_set($self, /, old, new)\n--\n\n"
     "Set the value to new if it is old, atomically. Whether it was."},
    {"exchange", cell_exchange, METH_O,
     "exchange($self, value, /)\n--\n\nSet the value atomically. Returns the one before."},
    {"wait", FAST(cell_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, known, timeout=None)\n--\n\n"
     "Wait until the value differs from known, and return it. DeadlineExceeded if the time\n"
     "was up."},
    CELL_LOCK_METHODS,
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Cell(connection, typecode, value=None, name=None, raw=False, volatile=False)\n--\n\n"
     "A number of a C type, in shared memory on the server's machine."},
    {Py_tp_init, cell_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
#if PY_VERSION_HEX >= 0x03090000
    {Py_bf_getbuffer, cell_getbuffer},
    {Py_bf_releasebuffer, cell_releasebuffer},
#endif
    {0, NULL},
};

PyType_Spec cell_spec = {"holdfast._core.Cell", sizeof(struct cell), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
