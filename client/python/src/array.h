/* What array.c and array_range.c share.
 *
 * threads The GIL is held.
 */
#ifndef HOLDFAST_PYTHON_ARRAY_H
#define HOLDFAST_PYTHON_ARRAY_H

#include "client/python/src/cell.h"
#include "client/python/src/number.h"

static inline hf_array *array_of(const struct call *call) {
  return (hf_array *)call->handle;
}

/* Begins a call; typecode and length are known then. */
bool array_begin(struct call *call, PyObject *self, const struct operation *operation);

PyObject *array_get_slice(PyObject *self, PyObject *slice);
/* 0, or -1 with an exception. */
int array_set_slice(PyObject *self, PyObject *slice, PyObject *values);
/* Methods. */
PyObject *array_read(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *array_read_into(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords);
PyObject *array_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
/* Writes a sequence of `count` numbers from `start` on. false with an exception. */
bool array_write_numbers(PyObject *self, Py_ssize_t start, PyObject *tuple, Py_ssize_t count);

#endif
