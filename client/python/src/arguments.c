/* Arguments of methods: positions and names, times, indexes. */
#include <math.h>

#include "client/python/src/core.h"

static int parameter_count(const struct signature *signature) {
  int count = 0;
  while (signature->names[count] != NULL) {
    count++;
  }
  return count;
}

static bool take_keyword(const struct signature *signature, PyObject *name, PyObject *value,
                         PyObject **values) {
  for (int i = 0; signature->names[i] != NULL; i++) {
    if (*signature->names[i] == '\0' ||
        PyUnicode_CompareWithASCIIString(name, signature->names[i]) != 0) {
      continue;
    }
    if (values[i] != NULL) {
      PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", signature->method,
                   name);
      return false;
    }
    values[i] = value;
    return true;
  }
  PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", signature->method,
               name);
  return false;
}

static bool take_positions(const struct signature *signature, PyObject *const *args,
                           Py_ssize_t count, PyObject **values) {
  for (int i = 0; i < PARAMETERS_MAX; i++) {
    values[i] = NULL;
  }
  if (count > signature->positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)",
                 signature->method, signature->positional, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    values[i] = args[i];
  }
  return true;
}

static bool check_required(const struct signature *signature, PyObject *const *values) {
  for (int i = 0; i < signature->required; i++) {
    if (values[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument %d of %d ('%s')",
                   signature->method, i + 1, parameter_count(signature), signature->names[i]);
      return false;
    }
  }
  return true;
}

bool arguments(const struct signature *signature, PyObject *const *args, Py_ssize_t count,
               PyObject *keywords, PyObject **values) {
  if (!take_positions(signature, args, count, values)) {
    return false;
  }
  for (Py_ssize_t i = 0; keywords != NULL && i < PyTuple_GET_SIZE(keywords); i++) {
    if (!take_keyword(signature, PyTuple_GET_ITEM(keywords, i), args[count + i], values)) {
      return false;
    }
  }
  return check_required(signature, values);
}

bool arguments_of_init(const struct signature *signature, PyObject *args, PyObject *keywords,
                       PyObject **values) {
  Py_ssize_t position = 0;
  PyObject *name, *value;
  if (!take_positions(signature, PySequence_Fast_ITEMS(args), PyTuple_GET_SIZE(args), values)) {
    return false;
  }
  while (keywords != NULL && PyDict_Next(keywords, &position, &name, &value)) {
    if (!take_keyword(signature, name, value, values)) {
      return false;
    }
  }
  return check_required(signature, values);
}

bool arguments_count(const char *method, Py_ssize_t count, Py_ssize_t required, Py_ssize_t most) {
  if (count >= required && count <= most) {
    return true;
  }
  const char *bound = count < required ? "at least" : "at most";
  PyErr_Format(PyExc_TypeError, "%s expected %s %zd argument%s, got %zd", method, bound,
               count < required ? required : most,
               (count < required ? required : most) == 1 ? "" : "s", count);
  return false;
}

#define MS_PER_S 1000.0

bool convert_timeout(PyObject *seconds, int64_t *timeout_ms) {
  if (seconds == NULL || seconds == Py_None) {
    *timeout_ms = HF_FOREVER;
    return true;
  }
  double time = PyFloat_AsDouble(seconds);
  if (time == -1.0 && PyErr_Occurred()) {
    return false;
  }
  if (isnan(time)) {
    PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
    return false;
  }
  if (time < 0) {
    *timeout_ms = TIMEOUT_NEGATIVE;
    return true;
  }
  double wanted = ceil(time * MS_PER_S);
  if (wanted >= (double)INT64_MAX / 1000000) { /* the library counts nanoseconds */
    PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
    return false;
  }
  *timeout_ms = (int64_t)wanted;
  return true;
}

bool convert_timeout_at_least_0(PyObject *seconds, int64_t *timeout_ms) {
  if (!convert_timeout(seconds, timeout_ms)) {
    return false;
  }
  if (*timeout_ms == TIMEOUT_NEGATIVE) {
    PyErr_SetString(PyExc_ValueError, "'timeout' must be a non-negative number");
    return false;
  }
  return true;
}

/* *overflow: whether it has more than 64 bits, without an exception. */
static bool convert_int64(PyObject *object, int64_t *number, int *overflow) {
  PyObject *index = PyNumber_Index(object);
  if (index == NULL) {
    return false;
  }
  *number = PyLong_AsLongLongAndOverflow(index, overflow);
  Py_DECREF(index);
  return *number != -1 || !PyErr_Occurred();
}

bool convert_index(PyObject *object, int64_t *index) {
  int overflow;
  if (!convert_int64(object, index, &overflow)) {
    return false;
  }
  if (overflow != 0) {
    PyErr_Format(PyExc_IndexError, "cannot fit '%.200s' into an index-sized integer",
                 Py_TYPE(object)->tp_name);
  }
  return overflow == 0;
}

bool convert_number(const char *name, PyObject *object, int64_t *number) {
  int overflow;
  if (!convert_int64(object, number, &overflow)) {
    return false;
  }
  if (overflow != 0) {
    PyErr_Format(PyExc_OverflowError, "'%s' must be an integer of 64 bits", name);
  }
  return overflow == 0;
}

const char *convert_text(PyObject *object) {
  Py_ssize_t size;
  if (!PyUnicode_Check(object)) {
    PyErr_Format(PyExc_TypeError, "expected str, not %.200s", Py_TYPE(object)->tp_name);
    return NULL;
  }
  const char *text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text != NULL && strlen(text) != (size_t)size) {
    PyErr_SetString(PyExc_ValueError, "embedded null character");
    return NULL;
  }
  return text;
}
