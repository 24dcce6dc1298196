/* Dict, and its iterator. */
#ifndef HOLDFAST_PYTHON_DICT_H
#define HOLDFAST_PYTHON_DICT_H

#include "client/python/src/core.h"

Py_ssize_t dict_len(PyObject *self);
PyObject *dict_keys(PyObject *self, PyObject *ignored);
PyObject *dict_keys_now(PyObject *self); /* a list, also in a batch: RuntimeError */
PyObject *dict_iter(PyObject *self);
PyObject *dict_reversed(PyObject *self, PyObject *ignored);

#endif
