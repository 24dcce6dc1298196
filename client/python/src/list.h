/* List: what its files share. */
#ifndef HOLDFAST_PYTHON_LIST_H
#define HOLDFAST_PYTHON_LIST_H

#include "client/python/src/core.h"

/* Items of one reply, when a list is too big for one. */
#define LIST_PAGE_COUNT 1000

static inline hf_list *list_of(const struct call *call) {
  return (hf_list *)call->handle;
}

/* A Python list of up to `count` items from position `start` on. In a batch RuntimeError. */
PyObject *list_page(PyObject *self, Py_ssize_t start, Py_ssize_t count);
/* The same of all items; `method` is who asks. */
PyObject *list_copy_now(PyObject *self, const char *method);
/* To out.values: in.count items from in.index on; all items. In several calls if need be. */
hf_status list_run_pages(struct call *call);
hf_status list_run_copy(struct call *call);
bool list_is_reply_too_big(hf_status status);

PyObject *list_iter(PyObject *self);
PyObject *list_contains(PyObject *self, PyObject *value);
int list_has(PyObject *self, PyObject *value); /* in */
PyObject *list_count(PyObject *self, PyObject *value);
PyObject *list_index(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *list_remove(PyObject *self, PyObject *value);
PyObject *list_sort(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

#endif
