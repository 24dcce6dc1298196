/* Iterators over dicts and lists.
 *
 * A dict's has all keys, as of one moment: they came in one reply. As with a dict, RuntimeError if the
 * size changes meanwhile; changes by other proxies and processes go unnoticed.
 * A list's reads pages of items, as they are then. As with a list, an item is found by its position;
 * after a change by the same proxy the next item is read anew.
 */
#include "client/python/src/dict.h"
#include "client/python/src/list.h"

/* Pages of lists double, from the first on and after each change. */
#define PAGE_COUNT_MIN 32
#define PAGE_COUNT_MAX 4096

struct iterator {
  PyObject_HEAD struct object *container; /* NULL: at the end */
  PyObject *items;                        /* list: all keys of a dict, or a page */
  Py_ssize_t idx;                         /* in items, of the next */
  Py_ssize_t start;                       /* of the page in the list */
  Py_ssize_t page_count;                  /* items that the next page shall have; 0: a dict's */
  uint64_t changes;                       /* the container's, when items was as it is */
};

/* Takes `items`, which may be NULL. */
static PyObject *iterator_new(PyObject *container, PyObject *items, Py_ssize_t page_count) {
  struct iterator *self = items == NULL ? NULL
                                        : (struct iterator *)PyObject_GC_New(
                                              struct iterator, state_of(container)->iterator_type);
  if (self == NULL) {
    Py_XDECREF(items);
    return NULL;
  }
  self->container = (struct object *)Py_NewRef(container);
  self->items = items;
  self->idx = self->start = 0;
  self->page_count = page_count;
  self->changes = self->container->changes;
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

PyObject *dict_iter(PyObject *self) {
  return iterator_new(self, dict_keys_now(self), 0);
}

PyObject *dict_reversed(PyObject *self, PyObject *ignored) {
  (void)ignored;
  PyObject *keys = dict_keys_now(self);
  if (keys != NULL && PyList_Reverse(keys) != 0) {
    Py_CLEAR(keys);
  }
  return iterator_new(self, keys, 0);
}

/* Nothing is read before the first item is asked for. */
PyObject *list_iter(PyObject *self) {
  if (((struct object *)self)->connection == NULL) {
    PyErr_SetString(PyExc_ValueError, "the proxy is not open");
    return NULL;
  }
  return iterator_new(self, PyList_New(0), PAGE_COUNT_MIN);
}

/* ---------------------------------------------------------------- next */

/* After changes by this proxy the size must be the same. */
static bool check_size(struct iterator *self) {
  if (self->changes == self->container->changes) {
    return true;
  }
  uint64_t changes = self->container->changes;
  PyObject *dict = Py_NewRef((PyObject *)self->container); /* another thread may end the iterator */
  Py_ssize_t len = dict_len(dict);
  Py_DECREF(dict);
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

/* The page with the next item of a list: this one, or another. false with an exception. */
static bool take_page(struct iterator *self) {
  bool is_changed = self->changes != self->container->changes;
  if (!is_changed && self->idx < PyList_GET_SIZE(self->items)) {
    return true;
  }
  if (is_changed) {
    self->page_count = PAGE_COUNT_MIN;
    self->changes = self->container->changes;
  }
  Py_ssize_t start = self->start + self->idx;
  PyObject *list = Py_NewRef((PyObject *)self->container); /* another thread may end the iterator */
  PyObject *page = list_page(list, start, self->page_count);
  Py_DECREF(list);
  if (page == NULL) {
    return false;
  }
  self->page_count = Py_MIN(self->page_count * 2, PAGE_COUNT_MAX);
  self->start = start;
  self->idx = 0;
  Py_SETREF(self->items, page);
  return true;
}

static PyObject *iterator_next(PyObject *object) {
  struct iterator *self = (struct iterator *)object;
  if (self->container == NULL || !(self->page_count == 0 ? check_size(self) : take_page(self))) {
    return NULL;
  }
  if (self->idx >= PyList_GET_SIZE(self->items)) {
    Py_CLEAR(self->container);
    return NULL;
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
