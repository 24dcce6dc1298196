/* Many elements of an Array at once: slices, and C types in buffers. */
#include <stdlib.h>

#include "client/python/src/array.h"

/* ---------------------------------------------------------------- buffers of the call */

/* call->subject is bytes, or a memoryview of the buffer, which a Pending keeps. */
static char *buffer_of(const struct call *call) {
  return PyBytes_Check(call->subject) ? PyBytes_AS_STRING(call->subject)
                                      : PyMemoryView_GET_BUFFER(call->subject)->buf;
}

static hf_status run_read(struct call *call) {
  return hf_array_read(array_of(call), (size_t)call->in.index, call->in.count, buffer_of(call));
}

static hf_status run_write(struct call *call) {
  return hf_array_write(array_of(call), (size_t)call->in.index, call->in.count, call->in.pointer);
}

static PyObject *finish_subject(struct call *call) {
  return Py_NewRef(call->subject);
}

static PyObject *finish_read_into(struct call *call) {
  return PyLong_FromLongLong(call->in.number);
}

static const struct operation read_bytes = {.run = run_read, .finish = finish_subject};
static const struct operation read_into = {.run = run_read, .finish = finish_read_into};
static const struct operation write_bytes = {.run = run_write, .finish = finish_none};

/* Performs a call with a subject of its own. */
static PyObject *perform_with(struct call *call, PyObject *subject) {
  if (subject == NULL) {
    return call_abandon(call);
  }
  call->subject = subject;
  PyObject *result = call_perform(call);
  Py_DECREF(subject);
  return result;
}

static bool check_range(const struct cell *array, int64_t start, int64_t count) {
  if (start < 0 || count < 0 || start > array->length || count > array->length - start) {
    PyErr_SetString(PyExc_IndexError, "the range is beyond the array");
    return false;
  }
  return true;
}

/* start=0 */
static bool take_start(PyObject *object, int64_t *start) {
  *start = 0;
  return object == NULL || convert_index(object, start);
}

PyObject *array_read(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  static const struct signature signature = {"read", {"start", "count", NULL}, 0, 2};
  const struct cell *array = (struct cell *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  int64_t number;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!array_begin(&call, self, &read_bytes) || !take_start(values[0], &call.in.index)) {
    return call_abandon(&call);
  }
  number = array->length - call.in.index;
  if ((values[1] != NULL && values[1] != Py_None && !convert_index(values[1], &number)) ||
      !check_range(array, call.in.index, number)) {
    return call_abandon(&call);
  }
  call.in.count = (size_t)number;
  return perform_with(
      &call,
      PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(call.in.count * number_bytes(array->typecode))));
}

/* The number of elements in the buffer. -1 with an exception. */
static int64_t count_elements(const struct cell *array, const Py_buffer *view, bool is_to_fill) {
  Py_ssize_t bytes = (Py_ssize_t)number_bytes(array->typecode);
  if (is_to_fill && view->readonly) {
    PyErr_SetString(PyExc_TypeError, "the buffer is read-only");
  } else if (!PyBuffer_IsContiguous(view, 'C')) {
    PyErr_SetString(PyExc_BufferError, "the buffer is not contiguous");
  } else if (view->len % bytes != 0) {
    PyErr_Format(PyExc_ValueError, "the buffer's size is no multiple of %zd, the bytes of '%c'",
                 bytes, array->typecode);
  } else {
    return view->len / bytes;
  }
  return -1;
}

PyObject *array_read_into(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct signature signature = {"read_into", {"buffer", "start", NULL}, 1, 2};
  const struct cell *array = (struct cell *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  PyObject *view = PyMemoryView_FromObject(values[0]);
  if (!array_begin(&call, self, &read_into) || view == NULL ||
      !take_start(values[1], &call.in.index) ||
      (call.in.number = count_elements(array, PyMemoryView_GET_BUFFER(view), true)) < 0 ||
      !check_range(array, call.in.index, call.in.number)) {
    Py_XDECREF(view);
    return call_abandon(&call);
  }
  call.in.count = (size_t)call.in.number;
  return perform_with(&call, view);
}

PyObject *array_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  static const struct signature signature = {"write", {"buffer", "start", NULL}, 1, 2};
  const struct cell *array = (struct cell *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  int64_t number;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  PyObject *view = PyMemoryView_FromObject(values[0]);
  if (!array_begin(&call, self, &write_bytes) || view == NULL ||
      !take_start(values[1], &call.in.index) ||
      (number = count_elements(array, PyMemoryView_GET_BUFFER(view), false)) < 0 ||
      !check_range(array, call.in.index, number)) {
    Py_XDECREF(view);
    return call_abandon(&call);
  }
  call.in.count = (size_t)number;
  call.in.pointer = PyMemoryView_GET_BUFFER(view)->buf;
  return perform_with(&call, view);
}

/* ---------------------------------------------------------------- slices */

struct range {
  Py_ssize_t start, stop, step, count;
};

static bool take_range(PyObject *self, PyObject *slice, struct range *range) {
  if (PySlice_Unpack(slice, &range->start, &range->stop, &range->step) < 0 || !cell_prepare(self)) {
    return false;
  }
  range->count = PySlice_AdjustIndices(((struct cell *)self)->length, &range->start, &range->stop,
                                       range->step);
  return true;
}

/* A list, or bytes of typecode c; then as the class wants it. Takes the list, which may be NULL. */
static PyObject *as_class_wants(PyObject *self, PyObject *list) {
  if (list != NULL && ((struct cell *)self)->typecode == 'c') {
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *joined = empty == NULL ? NULL : PyObject_CallMethod(empty, "join", "O", list);
    Py_XDECREF(empty);
    Py_DECREF(list);
    list = joined;
  }
  PyObject *wanted =
      list == NULL ? NULL : PyObject_GetAttrString((PyObject *)Py_TYPE(self), "_slice_");
  if (wanted == NULL) {
    if (list != NULL) {
      PyErr_Clear();
    }
    return list;
  }
  PyObject *result = PyObject_CallFunctionObjArgs(wanted, self, list, NULL);
  Py_DECREF(wanted);
  Py_DECREF(list);
  return result;
}

static PyObject *list_of_elements(char typecode, const char *elements, Py_ssize_t count) {
  size_t bytes = number_bytes(typecode);
  PyObject *list = PyList_New(count);
  for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
    PyObject *number = number_load(typecode, elements + (size_t)i * bytes);
    if (number == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, i, number);
    }
  }
  return list;
}

/* call->subject: bytes */
static PyObject *finish_elements(struct call *call) {
  PyObject *self = (PyObject *)call->self;
  return as_class_wants(
      self, list_of_elements(((struct cell *)self)->typecode, PyBytes_AS_STRING(call->subject),
                             (Py_ssize_t)call->in.number));
}

static hf_status run_get_slice(struct call *call) {
  return hf_array_get_slice(array_of(call), call->in.slice, &call->out.values.items,
                            &call->out.values.count);
}

static PyObject *finish_slice(struct call *call) {
  return as_class_wants((PyObject *)call->self, finish_values(call));
}

/* The library takes indexes as Python writes them: a stop before the first element is omitted. */
static struct hf_slice slice_of(const struct range *range) {
  return (struct hf_slice){range->start, range->stop < 0 ? HF_OMITTED : range->stop, range->step};
}

PyObject *array_get_slice(PyObject *self, PyObject *slice) {
  static const struct operation get_elements = {.run = run_read, .finish = finish_elements};
  static const struct operation get_values = {
      .run = run_get_slice, .finish = finish_slice, .drop = drop_values};
  const struct cell *array = (struct cell *)self;
  struct range range;
  struct call call;
  if (!take_range(self, slice, &range)) {
    return NULL;
  }
  bool is_range = range.step == 1 || range.count <= 1;
  if (range.count == 0) {
    return as_class_wants(self, PyList_New(0));
  }
  if (!array_begin(&call, self, is_range ? &get_elements : &get_values)) {
    return call_abandon(&call);
  }
  if (!is_range) {
    call.in.slice = slice_of(&range);
    return call_perform(&call);
  }
  call.in.index = range.start;
  call.in.number = range.count;
  call.in.count = (size_t)range.count;
  return perform_with(&call, PyBytes_FromStringAndSize(
                                 NULL, range.count * (Py_ssize_t)number_bytes(array->typecode)));
}

static hf_status run_set_slice(struct call *call) {
  return hf_array_set_slice(array_of(call), call->in.slice, call->in.values, call->in.count);
}

/* The numbers of a tuple as the call's values. */
static bool take_numbers(struct call *call, char typecode, PyObject *tuple, Py_ssize_t count) {
  hf_value *values = call_allocate(call, (size_t)count * sizeof *values);
  for (Py_ssize_t i = 0; values != NULL && i < count; i++) {
    if (!number_value(typecode, PyTuple_GET_ITEM(tuple, i), &values[i])) {
      return false;
    }
  }
  call->in.values = values;
  call->in.count = (size_t)count;
  return values != NULL;
}

static bool write_values(PyObject *self, const struct range *range, PyObject *tuple) {
  static const struct operation set_values = {.run = run_set_slice, .finish = finish_none};
  struct call call;
  PyObject *result = NULL;
  if (array_begin(&call, self, &set_values) &&
      take_numbers(&call, ((struct cell *)self)->typecode, tuple, range->count)) {
    call.in.slice = slice_of(range);
    result = call_perform(&call);
  } else {
    call_abandon(&call);
  }
  Py_XDECREF(result);
  return result != NULL;
}

bool array_write_numbers(PyObject *self, Py_ssize_t start, PyObject *tuple, Py_ssize_t count) {
  char typecode = ((struct cell *)self)->typecode;
  size_t bytes = number_bytes(typecode);
  struct call call;
  PyObject *result = NULL;
  bool is_begun = array_begin(&call, self, &write_bytes);
  char *elements = is_begun ? call_allocate(&call, (size_t)count * bytes) : NULL;
  for (Py_ssize_t i = 0; elements != NULL && i < count; i++) {
    if (!number_store(typecode, elements + (size_t)i * bytes, PyTuple_GET_ITEM(tuple, i))) {
      elements = NULL;
    }
  }
  if (elements != NULL) {
    call.in.index = start;
    call.in.count = (size_t)count;
    call.in.pointer = elements;
    result = call_perform(&call);
  } else {
    call_abandon(&call);
  }
  Py_XDECREF(result);
  return result != NULL;
}

int array_set_slice(PyObject *self, PyObject *slice, PyObject *values) {
  struct range range;
  if (!take_range(self, slice, &range)) {
    return -1;
  }
  PyObject *tuple = PySequence_Tuple(values);
  if (tuple == NULL) {
    return -1;
  }
  bool is_set = range.count == 0;
  if (PyTuple_GET_SIZE(tuple) != range.count) {
    PyErr_SetString(PyExc_ValueError, "Can only assign sequence of same size");
    is_set = false;
  } else if (range.count > 0) {
    is_set = range.step == 1 || range.count == 1
                 ? array_write_numbers(self, range.start, tuple, range.count)
                 : write_values(self, &range, tuple);
  }
  Py_DECREF(tuple);
  return is_set ? 0 : -1;
}
