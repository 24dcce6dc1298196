/* Python objects as values: typed where C workers can read them, else pickled on this side. */
#include "client/python/src/core.h"

#define TUPLE_DEPTH_MAX 12 /* of the wire */

struct call_block {
  struct call_block *next;
  max_align_t content[];
};

void *call_allocate(struct call *call, size_t size) {
  if (size > PY_SSIZE_T_MAX - sizeof(struct call_block)) {
    return PyErr_NoMemory();
  }
  struct call_block *block = PyMem_Malloc(sizeof *block + size);
  if (block == NULL) {
    return PyErr_NoMemory();
  }
  block->next = call->memory.blocks;
  call->memory.blocks = block;
  return block->content;
}

static hf_value *allocate_items(struct call *call, size_t count) {
  if (count <= CALL_ITEMS - call->memory.items_used) {
    hf_value *items = call->memory.items + call->memory.items_used;
    call->memory.items_used += count;
    return items;
  }
  return call_allocate(call, count * sizeof(hf_value));
}

bool call_keep(struct call *call, PyObject *object) {
  if (object == NULL) {
    return false;
  }
  if (call->memory.kept_count < CALL_KEPT) {
    call->memory.kept[call->memory.kept_count++] = object;
    return true;
  }
  if (call->memory.kept_more == NULL) {
    call->memory.kept_more = PyList_New(0);
  }
  bool kept = call->memory.kept_more != NULL && PyList_Append(call->memory.kept_more, object) == 0;
  Py_DECREF(object);
  return kept;
}

void call_free(struct call *call) {
  while (call->memory.blocks != NULL) {
    struct call_block *block = call->memory.blocks;
    call->memory.blocks = block->next;
    PyMem_Free(block);
  }
  while (call->memory.kept_count > 0) {
    Py_DECREF(call->memory.kept[--call->memory.kept_count]);
  }
  Py_CLEAR(call->memory.kept_more);
}

/* ---------------------------------------------------------------- typed */

enum outcome { TYPED, UNTYPED, FAILED };

static enum outcome encode_typed(struct call *call, PyObject *object, int depth, hf_value *value);

static enum outcome encode_int(PyObject *object, hf_value *value) {
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow == 0) {
    *value = hf_int(number);
    return TYPED;
  }
  if (overflow < 0) {
    return UNTYPED;
  }
  unsigned long long positive = PyLong_AsUnsignedLongLong(object);
  if (positive == (unsigned long long)-1 && PyErr_Occurred()) {
    PyErr_Clear();
    return UNTYPED;
  }
  *value = hf_uint(positive);
  return TYPED;
}

static enum outcome encode_text(PyObject *object, hf_value *value) {
  Py_ssize_t size;
  const char *text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text == NULL) { /* surrogates */
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
      return FAILED;
    }
    PyErr_Clear();
    return UNTYPED;
  }
  *value = hf_text_n(text, (size_t)size);
  return TYPED;
}

static enum outcome encode_tuple(struct call *call, PyObject *tuple, int depth, hf_value *value) {
  size_t count = (size_t)PyTuple_GET_SIZE(tuple);
  if (depth == TUPLE_DEPTH_MAX) {
    return UNTYPED;
  }
  hf_value *items = allocate_items(call, count);
  if (items == NULL) {
    return FAILED;
  }
  for (size_t i = 0; i < count; i++) {
    enum outcome outcome =
        encode_typed(call, PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), depth + 1, &items[i]);
    if (outcome != TYPED) {
      return outcome;
    }
  }
  *value = hf_tuple(items, count);
  return TYPED;
}

/* A proxy whose reference comes back as what it is: of the class of its kind, on the same server. */
static enum outcome encode_proxy(struct call *call, PyObject *proxy, hf_value *value) {
  const struct object *object = (struct object *)proxy;
  const struct state *state = call->connection->state;
  if (object->handle == NULL || (size_t)hf_object_kind(object->handle) >= KINDS_MAX ||
      Py_TYPE(proxy) != state->proxy_classes[hf_object_kind(object->handle)] ||
      !connection_is_same_server(object->connection, call->connection)) {
    return UNTYPED;
  }
  *value = hf_reference(object->handle);
  return TYPED;
}

static enum outcome encode_opaque(PyObject *object, hf_value *value) {
  const struct opaque *opaque = (struct opaque *)object;
  *value = hf_opaque(PyUnicode_AsUTF8(opaque->codec), PyBytes_AS_STRING(opaque->data),
                     (size_t)PyBytes_GET_SIZE(opaque->data));
  return TYPED;
}

static enum outcome encode_typed(struct call *call, PyObject *object, int depth, hf_value *value) {
  PyTypeObject *type = Py_TYPE(object);
  if (type == &PyUnicode_Type) {
    return encode_text(object, value);
  }
  if (type == &PyLong_Type) {
    return encode_int(object, value);
  }
  if (object == Py_None) {
    *value = hf_none();
  } else if (type == &PyFloat_Type) {
    *value = hf_float(PyFloat_AS_DOUBLE(object));
  } else if (type == &PyBool_Type) {
    *value = hf_bool(object == Py_True);
  } else if (type == &PyBytes_Type) {
    *value = hf_bytes(PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object));
  } else if (type == &PyTuple_Type) {
    return encode_tuple(call, object, depth, value);
  } else if (type == call->connection->state->opaque_type) {
    return encode_opaque(object, value);
  } else if (PyObject_TypeCheck(object, call->connection->state->object_type)) {
    return encode_proxy(call, object, value);
  } else {
    return UNTYPED;
  }
  return TYPED;
}

/* ---------------------------------------------------------------- pickled */

static hf_value opaque_of(const char *codec, PyObject *bytes) {
  return hf_opaque(codec, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* The proxies in a pickle, of any class, so that what refers to them keeps them alive. */
static bool encode_references(struct call *call, PyObject *bytes, PyObject *proxies,
                              hf_value *value) {
  size_t count = (size_t)PyList_GET_SIZE(proxies);
  hf_value *items = allocate_items(call, count + 1);
  if (items == NULL) {
    return false;
  }
  items[0] = opaque_of(CODEC_REFERENCES, bytes);
  for (size_t i = 0; i < count; i++) {
    PyObject *proxy = PyList_GET_ITEM(proxies, (Py_ssize_t)i);
    if (!PyObject_TypeCheck(proxy, call->connection->state->object_type) ||
        ((struct object *)proxy)->handle == NULL ||
        !connection_is_same_server(((struct object *)proxy)->connection, call->connection)) {
      PyErr_Format(PyExc_TypeError, "dumps() listed %R, which is no open proxy of this server",
                   proxy);
      return false;
    }
    items[i + 1] = hf_reference(((struct object *)proxy)->handle);
  }
  *value = hf_tuple(items, count + 1);
  return true;
}

static bool encode_pickled(struct call *call, PyObject *object, PyObject *dumps, hf_value *value) {
  if (dumps == NULL) {
    PyErr_Format(PyExc_TypeError, "set_codec() was not called: a %.200s can't be sent",
                 Py_TYPE(object)->tp_name);
    return false;
  }
  PyObject *pickle = PyObject_CallFunctionObjArgs(dumps, object, call->connection, NULL);
  if (!call_keep(call, pickle)) {
    return false;
  }
  if (PyBytes_CheckExact(pickle)) {
    *value = opaque_of(CODEC_PICKLE, pickle);
    return true;
  }
  if (!PyTuple_CheckExact(pickle) || PyTuple_GET_SIZE(pickle) != 2 ||
      !PyBytes_CheckExact(PyTuple_GET_ITEM(pickle, 0)) ||
      !PyList_CheckExact(PyTuple_GET_ITEM(pickle, 1))) {
    PyErr_SetString(PyExc_TypeError, "dumps() must return bytes, or bytes and a list of proxies");
    return false;
  }
  return encode_references(call, PyTuple_GET_ITEM(pickle, 0), PyTuple_GET_ITEM(pickle, 1), value);
}

/* ---------------------------------------------------------------- arguments */

bool call_value(struct call *call, PyObject *object, hf_value *value) {
  enum outcome outcome = encode_typed(call, object, 0, value);
  if (outcome == UNTYPED) {
    return encode_pickled(call, object, call->connection->state->dumps, value);
  }
  return outcome == TYPED;
}

bool call_value_typed(struct call *call, PyObject *object, hf_value *value, bool *is_typed) {
  enum outcome outcome = encode_typed(call, object, 0, value);
  *is_typed = outcome == TYPED;
  return outcome != FAILED;
}

PyObject *connection_is_pickled(PyObject *self, PyObject *value) {
  static const struct operation none = {NULL};
  struct call call;
  hf_value encoded;
  bool is_typed;
  if (!call_begin_connection(&call, self, &none) ||
      !call_value_typed(&call, value, &encoded, &is_typed)) {
    return call_abandon(&call);
  }
  bool is_missing = value == call.connection->state->missing;
  call_free(&call);
  return PyBool_FromLong(!is_typed && !is_missing);
}

static bool encode_key(struct call *call, PyObject *key, hf_value *value) {
  enum outcome outcome = encode_typed(call, key, 0, value);
  if (outcome == UNTYPED) {
    const struct state *state = call->connection->state;
    return PyObject_Hash(key) != -1 &&
           encode_pickled(call, key, state->dumps_key != NULL ? state->dumps_key : state->dumps,
                          value);
  }
  return outcome == TYPED;
}

bool call_key(struct call *call, PyObject *key) {
  call->subject = key;
  return encode_key(call, key, &call->in.key);
}

static bool encode_all(struct call *call, PyObject *iterable,
                       bool (*encode)(struct call *, PyObject *, hf_value *)) {
  PyObject *objects = PySequence_Tuple(iterable);
  if (!call_keep(call, objects)) {
    return false;
  }
  size_t count = (size_t)PyTuple_GET_SIZE(objects);
  hf_value *values = allocate_items(call, count);
  if (values == NULL) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (!encode(call, PyTuple_GET_ITEM(objects, (Py_ssize_t)i), &values[i])) {
      return false;
    }
  }
  call->in.values = values;
  call->in.count = count;
  return true;
}

bool call_values(struct call *call, PyObject *iterable) {
  return encode_all(call, iterable, call_value);
}

bool call_keys(struct call *call, PyObject *iterable) {
  return encode_all(call, iterable, encode_key);
}

/* A dict of what dict(source, **keywords) takes, so with its errors and its order. New. */
static PyObject *dict_of(struct state *state, PyObject *source, PyObject *keywords) {
  PyObject *copied = NULL;
  if (source != NULL && PyObject_TypeCheck(source, state->kind_types[HF_DICT])) {
    source = copied = PyObject_CallMethod(source, "copy", NULL);
    if (copied == NULL) {
      return NULL;
    }
  }
  PyObject *args = source == NULL ? PyTuple_New(0) : PyTuple_Pack(1, source);
  PyObject *dict = args == NULL ? NULL : PyObject_Call((PyObject *)&PyDict_Type, args, keywords);
  Py_XDECREF(args);
  Py_XDECREF(copied);
  return dict;
}

bool call_entries(struct call *call, PyObject *source, PyObject *keywords) {
  Py_ssize_t position = 0;
  PyObject *key, *value;
  PyObject *dict = dict_of(call->connection->state, source, keywords);
  if (!call_keep(call, dict)) {
    return false;
  }
  size_t count = (size_t)PyDict_GET_SIZE(dict), idx = 0;
  struct hf_entry *entries = call_allocate(call, count * sizeof *entries);
  if (entries == NULL) {
    return false;
  }
  /* Nobody else has the dict, so pickling its values can't change it. */
  while (PyDict_Next(dict, &position, &key, &value)) {
    if (!encode_key(call, key, &entries[idx].key) ||
        !call_value(call, value, &entries[idx].value)) {
      return false;
    }
    idx++;
  }
  call->in.entries = entries;
  call->in.count = idx;
  return true;
}
