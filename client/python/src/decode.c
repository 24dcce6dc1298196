/* Values as Python objects. */
#include <stdlib.h>

#include "client/python/src/core.h"

/* A pickle from this size on is read in place, not from a copy. */
#define COPIED_BYTES_MAX 65536

static PyObject *decode(struct connection *connection, hf_value *value);

static PyObject *decode_reference(struct connection *connection, hf_value *value) {
  hf_object *handle = NULL;
  hf_status status;
  if (!connection_enter(connection)) {
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS;
  status = hf_reference_open(connection->conn, value, &handle);
  Py_END_ALLOW_THREADS;
  if (status != HF_OK) {
    struct failure failure = failure_last(status);
    error_set(connection->state, &failure);
    connection_leave(connection);
    return NULL;
  }
  PyObject *proxy = object_wrap(connection, handle);
  connection_leave(connection);
  return proxy;
}

static PyObject *decode_tuple(struct connection *connection, const hf_value *value) {
  PyObject *tuple = PyTuple_New((Py_ssize_t)value->size);
  for (size_t i = 0; tuple != NULL && i < value->size; i++) {
    hf_value item = value->items[i]; /* a view of the tuple's memory */
    PyObject *object = decode(connection, &item);
    if (object == NULL) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, object);
    }
  }
  return tuple;
}

/* ---------------------------------------------------------------- pickles */

/* The bytes of an opaque value for loads(): a copy; or the value's own memory, which is taken. */
static PyObject *data_of(struct connection *connection, hf_value *value) {
  if (value->owned == NULL || value->size < COPIED_BYTES_MAX) {
    return PyBytes_FromStringAndSize((const char *)value->bytes, (Py_ssize_t)value->size);
  }
  return data_new(connection->state, value);
}

static PyObject *loads(struct connection *connection, hf_value *value, PyObject *proxies) {
  PyObject *function = connection->state->loads;
  if (function == NULL) {
    PyErr_SetString(PyExc_TypeError, "set_codec() was not called: a pickle can't be read");
    return NULL;
  }
  PyObject *data = data_of(connection, value);
  PyObject *object =
      data == NULL ? NULL : PyObject_CallFunctionObjArgs(function, data, proxies, NULL);
  Py_XDECREF(data);
  return object;
}

/* Whether the tuple is a pickle and the references that it uses. */
static bool has_references(const hf_value *value) {
  return value->size > 0 && value->items[0].type == HF_TYPE_OPAQUE &&
         strcmp(value->items[0].codec, CODEC_REFERENCES) == 0;
}

static PyObject *decode_with_references(struct connection *connection, const hf_value *value) {
  PyObject *proxies = PyList_New((Py_ssize_t)value->size - 1);
  for (size_t i = 1; proxies != NULL && i < value->size; i++) {
    hf_value item = value->items[i];
    PyObject *proxy = decode(connection, &item);
    if (proxy == NULL) {
      Py_CLEAR(proxies);
    } else {
      PyList_SET_ITEM(proxies, (Py_ssize_t)i - 1, proxy);
    }
  }
  hf_value pickle = value->items[0];
  PyObject *result = proxies == NULL ? NULL : loads(connection, &pickle, proxies);
  Py_XDECREF(proxies);
  return result;
}

static PyObject *decode_opaque(struct connection *connection, hf_value *value) {
  if (strcmp(value->codec, CODEC_PICKLE) == 0) {
    return loads(connection, value, NULL);
  }
  return PyObject_CallFunction((PyObject *)connection->state->opaque_type, "sy#", value->codec,
                               (const char *)value->bytes, (Py_ssize_t)value->size);
}

/* ---------------------------------------------------------------- all */

/* Of a view, or of an owned value, which may be taken and is then none. */
static PyObject *decode(struct connection *connection, hf_value *value) {
  switch (value->type) {
    case HF_TYPE_NONE:
      Py_RETURN_NONE;
    case HF_TYPE_BOOL:
      return PyBool_FromLong(value->boolean);
    case HF_TYPE_INT:
      return PyLong_FromLongLong(value->integer);
    case HF_TYPE_UINT:
      return PyLong_FromUnsignedLongLong(value->unsigned_integer);
    case HF_TYPE_FLOAT:
      return PyFloat_FromDouble(value->real);
    case HF_TYPE_TEXT:
      return PyUnicode_DecodeUTF8(value->text, (Py_ssize_t)value->size, NULL);
    case HF_TYPE_BYTES:
      return PyBytes_FromStringAndSize((const char *)value->bytes, (Py_ssize_t)value->size);
    case HF_TYPE_TUPLE:
      return has_references(value) ? decode_with_references(connection, value)
                                   : decode_tuple(connection, value);
    case HF_TYPE_REFERENCE:
      return decode_reference(connection, value);
    case HF_TYPE_OPAQUE:
      return decode_opaque(connection, value);
  }
  PyErr_Format(PyExc_TypeError, "a value of an unknown type (%d)", (int)value->type);
  return NULL;
}

PyObject *convert_take(struct connection *connection, hf_value *value) {
  PyObject *object = decode(connection, value);
  hf_value_clear(value);
  return object;
}

PyObject *convert_views(struct connection *connection, const hf_value *values, size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list != NULL && i < count; i++) {
    hf_value view = values[i];
    view.owned = NULL;
    PyObject *object = decode(connection, &view);
    if (object == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, object);
    }
  }
  return list;
}

PyObject *convert_take_values(struct connection *connection, hf_value *values, size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list != NULL && i < count; i++) {
    PyObject *object = convert_take(connection, &values[i]);
    if (object == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, object);
    }
  }
  hf_values_free(values, count);
  return list;
}

PyObject *convert_take_entry(struct connection *connection, struct hf_entry *entry) {
  PyObject *key = convert_take(connection, &entry->key);
  PyObject *value = key == NULL ? NULL : convert_take(connection, &entry->value);
  PyObject *pair = value == NULL ? NULL : PyTuple_Pack(2, key, value);
  Py_XDECREF(key);
  Py_XDECREF(value);
  hf_value_clear(&entry->value);
  return pair;
}

PyObject *convert_take_entries(struct connection *connection, struct hf_entry *entries,
                               size_t count) {
  PyObject *list = PyList_New((Py_ssize_t)count);
  for (size_t i = 0; list != NULL && i < count; i++) {
    PyObject *pair = convert_take_entry(connection, &entries[i]);
    if (pair == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
  }
  hf_entries_free(entries, count);
  return list;
}

PyObject *convert_take_dict(struct connection *connection, struct hf_entry *entries, size_t count) {
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict != NULL && i < count; i++) {
    PyObject *key = convert_take(connection, &entries[i].key);
    PyObject *value = key == NULL ? NULL : convert_take(connection, &entries[i].value);
    if (value == NULL || PyDict_SetItem(dict, key, value) != 0) {
      Py_CLEAR(dict);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
  }
  hf_entries_free(entries, count);
  return dict;
}
