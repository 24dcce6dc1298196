/* Iterators over dicts and lists.
 *
 * A dict's has all keys, as of one moment: they came in one reply. As with a dict, RuntimeError if the
 * size changes meanwhile; changes by other proxies and processes go unnoticed.
 * A list's reads pages of items. As with a list, an item is found by its position.
 */
#include "client/python/src/dict.h"
#include "client/python/src/list.h"

struct iterator {
  PyObject_HEAD PyObject *container; /* NULL: at the end */
  PyObject *items;                   /* list: keys, or a page */
  Py_ssize_t idx;                    /* in items, of the next */
  Py_ssize_t start;                  /* of the page in the list */
  bool is_dict;
  uint64_t changes; /* of the dict, when its size was last known to be that of items */
};

static PyObject *iterator_new(PyObject *container, PyObject *items, bool is_dict) {
  struct state *state = state_of(container);
  struct iterator *self =
      items == NULL ? NULL : PyObject_GC_New(struct iterator, state->iterator_type);
  if (self == NULL) {
    Py_XDECREF(items);
    return NULL;
  }
  self->container = Py_NewRef(container);
  self->items = items;
  self->idx = self->start = 0;
  self->is_dict = is_dict;
  self->changes = is_dict ? ((struct dict *)container)->changes : 0;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

PyObject *dict_iter(PyObject *self) {
  return iterator_new(self, dict_keys_now(self), true);
}

PyObject *dict_reversed(PyObject *self, PyObject *ignored) {
  (void)ignored;
  PyObject *keys = dict_keys_now(self);
  if (keys != NULL && PyList_Reverse(keys) != 0) {
    Py_CLEAR(keys);
  }
  return iterator_new(self, keys, true);
}

PyObject *list_iter(PyObject *self) {
  return iterator_new(self, list_page(self, 0, LIST_PAGE_COUNT), false);
}

/* ---------------------------------------------------------------- next */

/* After changes by this proxy the size must be the same. */
static bool check_size(struct iterator *self) {
  struct dict *dict = (struct dict *)self->container;
  if (self->changes == dict->changes) {
    return true;
  }
  uint64_t changes = dict->changes;
  Py_ssize_t len = dict_len(self->container);
  if (len < 0) {
    return false;
  }
  if (len != PyList_GET_SIZE(self->items)) {
    PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
    return false;
  }
  self->changes = changes;
  return true;
}

/* The next page of a list; false also at its end. */
static bool next_page(struct iterator *self) {
  self->start += PyList_GET_SIZE(self->items);
  PyObject *page = list_page(self->container, self->start, LIST_PAGE_COUNT);
  if (page == NULL) {
    return false;
  }
  Py_SETREF(self->items, page);
  self->idx = 0;
  return PyList_GET_SIZE(page) > 0;
}

static PyObject *iterator_next(PyObject *object) {
  struct iterator *self = (struct iterator *)object;
  if (self->container == NULL) {
    return NULL;
  }
  if (self->is_dict && !check_size(self)) {
    return NULL;
  }
  if (self->idx == PyList_GET_SIZE(self->items)) {
    if (self->is_dict || !next_page(self)) {
      if (!PyErr_Occurred()) {
        Py_CLEAR(self->container);
      }
      return NULL;
    }
  }
  return Py_NewRef(PyList_GET_ITEM(self->items, self->idx++));
}

static PyObject *length_hint(PyObject *object, PyObject *ignored) {
  const struct iterator *self = (struct iterator *)object;
  (void)ignored;
  return PyLong_FromSsize_t(self->container == NULL ? 0 : PyList_GET_SIZE(self->items) - self->idx);
}

/* ---------------------------------------------------------------- the type */

static int traverse(PyObject *object, visitproc visit, void *arg) {
  const struct iterator *self = (struct iterator *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->container);
  Py_VISIT(self->items);
  return 0;
}

static void dealloc(PyObject *object) {
  struct iterator *self = (struct iterator *)object;
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  Py_XDECREF(self->container);
  Py_XDECREF(self->items);
  type->tp_free(object);
  Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"__length_hint__", length_hint, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An iterator over the keys of a Dict or the items of a List."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec iterator_spec = {"holdfast._core.Iterator", sizeof(struct iterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
