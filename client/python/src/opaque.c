/* Opaque: a value in an encoding of other clients. Data: the memory of a big pickle, while it is read. */
#include "client/python/src/core.h"

/* ---------------------------------------------------------------- Opaque */

static PyObject *opaque_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"codec", "data", NULL};
  PyObject *codec, *data;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UO!:Opaque", names, &codec, &PyBytes_Type,
                                   &data)) {
    return NULL;
  }
  Py_ssize_t size;
  const char *text = PyUnicode_AsUTF8AndSize(codec, &size);
  if (text == NULL || strlen(text) != (size_t)size) {
    PyErr_Clear();
    PyErr_SetString(PyExc_ValueError, "codec must be text without NUL");
    return NULL;
  }
  struct opaque *self = (struct opaque *)type->tp_alloc(type, 0);
  if (self != NULL) {
    Py_INCREF(codec);
    Py_INCREF(data);
    self->codec = codec;
    self->data = data;
  }
  return (PyObject *)self;
}

static void opaque_dealloc(PyObject *object) {
  struct opaque *self = (struct opaque *)object;
  PyTypeObject *type = Py_TYPE(object);
  Py_XDECREF(self->codec);
  Py_XDECREF(self->data);
  type->tp_free(object);
  Py_DECREF(type);
}

static PyObject *opaque_repr(PyObject *object) {
  const struct opaque *self = (struct opaque *)object;
  return PyUnicode_FromFormat("Opaque(%R, %R)", self->codec, self->data);
}

static PyObject *opaque_reduce(PyObject *object, PyObject *ignored) {
  const struct opaque *self = (struct opaque *)object;
  (void)ignored;
  return Py_BuildValue("O(OO)", (PyObject *)Py_TYPE(object), self->codec, self->data);
}

static Py_hash_t opaque_hash(PyObject *object) {
  return PyObject_Hash(((struct opaque *)object)->data);
}

static PyObject *opaque_compare(PyObject *a, PyObject *b, int comparison) {
  const struct opaque *left = (struct opaque *)a, *right = (struct opaque *)b;
  if (Py_TYPE(a) != Py_TYPE(b) || (comparison != Py_EQ && comparison != Py_NE)) {
    Py_RETURN_NOTIMPLEMENTED;
  }
  int is_equal = PyObject_RichCompareBool(left->codec, right->codec, Py_EQ);
  if (is_equal > 0) {
    is_equal = PyObject_RichCompareBool(left->data, right->data, Py_EQ);
  }
  return is_equal < 0 ? NULL : PyBool_FromLong(is_equal == (comparison == Py_EQ));
}

static PyMemberDef opaque_members[] = {
    {"codec", T_OBJECT_EX, offsetof(struct opaque, codec), READONLY, "name of the encoding"},
    {"data", T_OBJECT_EX, offsetof(struct opaque, data), READONLY, "the bytes"},
    {NULL},
};

static PyMethodDef opaque_methods[] = {
    {"__reduce__", opaque_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot opaque_slots[] = {
    {Py_tp_doc,
     "Opaque(codec, data)\n--\n\nA value in an encoding of other clients. Stored as it "
     "is, and compared by its bytes."},
    {Py_tp_new, opaque_new},
    {Py_tp_dealloc, opaque_dealloc},
    {Py_tp_repr, opaque_repr},
    {Py_tp_hash, opaque_hash},
    {Py_tp_richcompare, opaque_compare},
    {Py_tp_members, opaque_members},
    {Py_tp_methods, opaque_methods},
    {0, NULL},
};

PyType_Spec opaque_spec = {"holdfast._core.Opaque", sizeof(struct opaque), 0, Py_TPFLAGS_DEFAULT,
                           opaque_slots};

/* ---------------------------------------------------------------- Data */

struct data {
  PyObject_HEAD hf_value value; /* opaque, owned */
};

PyObject *data_new(struct state *state, hf_value *value) {
  struct data *self = (struct data *)state->data_type->tp_alloc(state->data_type, 0);
  if (self != NULL) {
    self->value = *value;
    *value = hf_none();
  }
  return (PyObject *)self;
}

static int data_getbuffer(PyObject *object, Py_buffer *view, int flags) {
  const struct data *self = (struct data *)object;
  return PyBuffer_FillInfo(view, object, (void *)(uintptr_t)self->value.bytes,
                           (Py_ssize_t)self->value.size, 1, flags);
}

static void data_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  hf_value_clear(&((struct data *)object)->value);
  type->tp_free(object);
  Py_DECREF(type);
}

static PyType_Slot data_slots[] = {
    {Py_tp_doc, "The bytes of a pickle that was received: a read-only buffer."},
    {Py_tp_dealloc, data_dealloc},
    {Py_bf_getbuffer, data_getbuffer},
    {0, NULL},
};

PyType_Spec data_spec = {"holdfast._core.Data", sizeof(struct data), 0, Py_TPFLAGS_DEFAULT,
                         data_slots};
