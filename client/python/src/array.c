/* Array and RawArray: elements one by one, and the type. */
#include "client/python/src/array.h"

/* Values beyond these are written after opening, not sent with the request that opens. */
#define INITIAL_COUNT_MAX 65536

bool array_begin(struct call *call, PyObject *self, const struct operation *operation) {
  bool is_prepared = ((struct object *)self)->handle == NULL || cell_prepare(self);
  return call_begin(call, self, operation) && is_prepared;
}

/* ---------------------------------------------------------------- elements */

/* Counts from the end if negative. false with IndexError. */
static bool find_element(const struct cell *array, Py_ssize_t *index, const char *message) {
  if (*index < 0) {
    *index += array->length;
  }
  if (*index < 0 || *index >= array->length) {
    PyErr_SetString(PyExc_IndexError, message);
    return false;
  }
  return true;
}

static void *element(const struct cell *array, Py_ssize_t index) {
  return (char *)array->data + (size_t)index * number_bytes(array->typecode);
}

static hf_status run_get(struct call *call) {
  return hf_array_get(array_of(call), call->in.index, &call->out.value);
}

static PyObject *get_element(PyObject *self, Py_ssize_t index) {
  static const struct operation get = {.run = run_get, .finish = finish_value, .drop = drop_value};
  const struct cell *array = (struct cell *)self;
  struct call call;
  if (!array_begin(&call, self, &get) || !find_element(array, &index, "array index out of range")) {
    return call_abandon(&call);
  }
  enum cell_way way = cell_way_in(array);
  if (way != CELL_CALL) {
    PyObject *number = number_load(array->typecode, element(array, index));
    cell_leave(array, way);
    call_free(&call);
    return number;
  }
  call.in.index = index;
  return call_perform(&call);
}

static hf_status run_set(struct call *call) {
  return hf_array_set(array_of(call), call->in.index, call->in.value);
}

static int set_element(PyObject *self, Py_ssize_t index, PyObject *object) {
  static const struct operation set = {.run = run_set, .finish = finish_none};
  const struct cell *array = (struct cell *)self;
  struct call call;
  if (!array_begin(&call, self, &set) ||
      !find_element(array, &index, "array assignment index out of range")) {
    call_abandon(&call);
    return -1;
  }
  call.in.index = index;
  if (!number_value(array->typecode, object, &call.in.value)) {
    call_abandon(&call);
    return -1;
  }
  enum cell_way way = cell_way_in(array);
  if (way != CELL_CALL) {
    bool is_stored = number_put(array->typecode, element(array, index), &call.in.value);
    cell_leave(array, way);
    call_free(&call);
    return is_stored ? 0 : -1;
  }
  PyObject *result = call_perform(&call);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

/* ---------------------------------------------------------------- the protocols */

static Py_ssize_t array_length(PyObject *self) {
  const struct cell *array = (struct cell *)self;
  if (array->typecode == '\0' && !cell_prepare(self)) {
    return -1;
  }
  return array->length;
}

static bool take_index(PyObject *object, Py_ssize_t *index) {
  *index = PyNumber_AsSsize_t(object, PyExc_IndexError);
  return *index != -1 || !PyErr_Occurred();
}

static PyObject *array_subscript(PyObject *self, PyObject *key) {
  Py_ssize_t index;
  if (PySlice_Check(key)) {
    return array_get_slice(self, key);
  }
  if (!PyIndex_Check(key)) {
    PyErr_SetString(PyExc_TypeError, "array indices must be integers"); /* array.array's */
    return NULL;
  }
  return take_index(key, &index) ? get_element(self, index) : NULL;
}

static int array_assign(PyObject *self, PyObject *key, PyObject *value) {
  Py_ssize_t index;
  if (value == NULL) {
    PyErr_SetString(PyExc_TypeError, "elements of an array can't be deleted");
    return -1;
  }
  if (PySlice_Check(key)) {
    return array_set_slice(self, key, value);
  }
  return take_index(key, &index) ? set_element(self, index, value) : -1;
}

/* ---------------------------------------------------------------- adding */

static hf_status run_add(struct call *call) {
  return hf_array_add(array_of(call), call->in.index, call->in.value,
                      call->wants_result ? &call->out.value : NULL);
}

static PyObject *array_add(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct operation add = {.run = run_add, .finish = finish_value, .drop = drop_value};
  static const struct signature signature = {"add", {"i", "n", NULL}, 1, 2};
  const struct cell *array = (struct cell *)self;
  PyObject *values[PARAMETERS_MAX];
  Py_ssize_t index;
  struct call call;
  if (!arguments(&signature, args, count, keywords, values) || !take_index(values[0], &index)) {
    return NULL;
  }
  if (!array_begin(&call, self, &add) || !find_element(array, &index, "array index out of range")) {
    return call_abandon(&call);
  }
  call.in.index = index;
  call.in.value = hf_int(1);
  if (values[1] != NULL && !number_value(array->typecode, values[1], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- opening */

static hf_status run_open(struct call *call) {
  hf_status (*open)(hf_conn *, const char *, char, size_t, const hf_value *, hf_array **) =
      call->in.is_volatile ? (call->in.flag ? hf_raw_array_open_volatile : hf_array_open_volatile)
                           : (call->in.flag ? hf_raw_array_open : hf_array_open);
  return open(call->conn, call->in.text, (char)call->in.index, call->in.count, call->in.values,
              (hf_array **)&call->out.handle);
}

/* The initial values as call->in.values. A tuple: number_value may run Python. */
static bool take_values(struct call *call, PyObject *tuple, Py_ssize_t count) {
  hf_value *values = call_allocate(call, (size_t)(count > 0 ? count : 1) * sizeof *values);
  for (Py_ssize_t i = 0; values != NULL && i < count; i++) {
    if (!number_value((char)call->in.index, PyTuple_GET_ITEM(tuple, i), &values[i])) {
      return false;
    }
  }
  call->in.values = count > 0 ? values : NULL;
  return values != NULL;
}

/* A length, or the initial values. *rest: values to be written after opening, a new reference; NULL:
 * none. */
static bool take_content(struct call *call, PyObject *content, PyObject **rest) {
  if (PyLong_Check(content)) {
    Py_ssize_t length = PyLong_AsSsize_t(content);
    if (length < 0 && !PyErr_Occurred()) {
      PyErr_SetString(PyExc_ValueError, "Array length must be >= 0");
    }
    call->in.count = (size_t)length;
    return length >= 0;
  }
  PyObject *taken = PySequence_Tuple(content);
  if (taken == NULL) {
    return false;
  }
  Py_ssize_t count = PyTuple_GET_SIZE(taken);
  call->in.count = (size_t)count;
  if (count > INITIAL_COUNT_MAX && call->in.text == NULL) {
    *rest = taken;
    return true;
  }
  return call_keep(call, taken) && take_values(call, taken, count);
}

static int open_array(PyObject *self, struct call *call, PyObject *rest) {
  char typecode = (char)call->in.index;
  Py_ssize_t count = (Py_ssize_t)call->in.count;
  if (call_open(call) != 0) {
    return -1;
  }
  cell_opened(self, typecode, true, count);
  return rest == NULL || array_write_numbers(self, 0, rest, count) ? 0 : -1;
}

static int array_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Array", {"connection", "typecode", "size_or_values", "name", "raw", "volatile", NULL}, 3, 6};
  static const struct operation open = {.run = run_open};
  PyObject *values[PARAMETERS_MAX], *rest = NULL;
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[3], &open) ||
      !cell_take_flag(values[4], &call.in.flag) ||
      !cell_take_flag(values[5], &call.in.is_volatile) ||
      (call.in.index = (unsigned char)number_typecode(values[1])) == 0 ||
      !take_content(&call, values[2], &rest)) {
    call_abandon(&call);
    Py_XDECREF(rest);
    return -1;
  }
  int status = open_array(self, &call, rest);
  Py_XDECREF(rest);
  return status;
}

/* ---------------------------------------------------------------- the type */

static PyGetSetDef getset[] = {
    CELL_ATTRIBUTES,
    {NULL},
};

static PyMethodDef methods[] = {
    {"add", FAST(array_add), METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, i, n=1)\n--\n\nAdd to an element atomically. Returns the sum."},
    {"read", FAST(array_read), METH_FASTCALL | METH_KEYWORDS,
     "read($self, /, start=0, count=None)\n--\n\n"
     "Elements as bytes, as C has them; count None: up to the end."},
    {"read_into", FAST(array_read_into), METH_FASTCALL | METH_KEYWORDS,
     "read_into($self, /, buffer, start=0)\n--\n\n"
     "Fill a buffer with elements, as C has them. Returns how many."},
    {"write", FAST(array_write), METH_FASTCALL | METH_KEYWORDS,
     "write($self, /, buffer, start=0)\n--\n\n"
     "Set elements to those of a buffer, as C has them."},
    CELL_LOCK_METHODS,
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Array(connection, typecode, size_or_values, name=None, raw=False, volatile=False)\n--\n\n"
     "Numbers of a C type, in shared memory on the server's machine, where\n"
     "memoryview() and numpy.frombuffer() give the memory itself."},
    {Py_tp_init, array_init},
    {Py_tp_new, object_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {Py_mp_length, array_length},
    {Py_mp_subscript, array_subscript},
    {Py_mp_ass_subscript, array_assign},
    {Py_sq_length, array_length},
    {Py_sq_item, get_element},
    {Py_bf_getbuffer, cell_getbuffer},
    {Py_bf_releasebuffer, cell_releasebuffer},
    {0, NULL},
};

PyType_Spec array_spec = {"holdfast._core.Array", sizeof(struct cell), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
