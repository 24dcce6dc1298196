/* Searching and sorting a List: by the server where the values are typed, since it compares as Python
 * does; else here, with Python's own comparisons, on a copy. */
#include <stdlib.h>

#include "client/python/src/list.h"

/* ---------------------------------------------------------------- searching by the server */

static hf_status run_contains(struct call *call) {
  return hf_list_contains(list_of(call), call->in.value, &call->out.flag);
}

static hf_status run_count(struct call *call) {
  return hf_list_count(list_of(call), call->in.value, &call->out.number);
}

static hf_status run_index(struct call *call) {
  return hf_list_index(list_of(call), call->in.value, call->in.slice.start, call->in.slice.stop,
                       &call->out.number);
}

static hf_status run_remove(struct call *call) {
  return hf_list_remove(list_of(call), call->in.value);
}

static PyObject *fail_index(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_NO_SUCH_VALUE) {
    return PyErr_Format(PyExc_ValueError, "%R is not in list", call->subject);
  }
  return error_set(call->connection->state, failure);
}

static PyObject *fail_remove(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_NO_SUCH_VALUE) {
    PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

/* Begins a search for `value`. is_typed false: the server can't; in a batch it compares pickles. */
static bool begin_search(struct call *call, PyObject *self, const struct operation *operation,
                         PyObject *value, bool *is_typed) {
  if (!call_begin(call, self, operation)) {
    return false;
  }
  call->subject = value;
  if (connection_batch(call->connection) != NULL) {
    *is_typed = true;
    return call_value(call, value, &call->in.value);
  }
  return call_value_typed(call, value, &call->in.value, is_typed);
}

/* ---------------------------------------------------------------- searching */

PyObject *list_contains(PyObject *self, PyObject *value) {
  static const struct operation contains = {.run = run_contains, .finish = finish_flag};
  struct call call;
  bool is_typed;
  if (!begin_search(&call, self, &contains, value, &is_typed)) {
    return call_abandon(&call);
  }
  if (is_typed) {
    return call_perform(&call);
  }
  call_free(&call);
  PyObject *copy = list_copy_now(self, "contains");
  int found = copy == NULL ? -1 : PySequence_Contains(copy, value);
  Py_XDECREF(copy);
  return found < 0 ? NULL : PyBool_FromLong(found);
}

int list_has(PyObject *self, PyObject *value) {
  return call_refuse_batch(((struct object *)self)->connection, "in")
             ? (int)call_number(list_contains(self, value))
             : -1;
}

PyObject *list_count(PyObject *self, PyObject *value) {
  static const struct operation operation = {.run = run_count, .finish = finish_number};
  struct call call;
  bool is_typed;
  if (!begin_search(&call, self, &operation, value, &is_typed)) {
    return call_abandon(&call);
  }
  if (is_typed) {
    return call_perform(&call);
  }
  call_free(&call);
  PyObject *copy = list_copy_now(self, "count");
  Py_ssize_t count = copy == NULL ? -1 : PySequence_Count(copy, value);
  Py_XDECREF(copy);
  return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

/* A bound of index(): clamped to 64 bits. */
static bool take_bound(PyObject *object, int64_t *bound) {
  if (!PyIndex_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "slice indices must be integers or have an __index__ method");
    return false;
  }
  Py_ssize_t number = PyNumber_AsSsize_t(object, NULL);
  *bound = Py_MAX(number, -PY_SSIZE_T_MAX);
  return !(number == -1 && PyErr_Occurred());
}

static PyObject *index_here(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  PyObject *copy = list_copy_now(self, "index");
  PyObject *method = copy == NULL ? NULL : PyObject_GetAttrString(copy, "index");
  PyObject *index = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)count, NULL);
  Py_XDECREF(copy);
  Py_XDECREF(method);
  return index;
}

PyObject *list_index(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation operation = {run_index, finish_number, fail_index, NULL, false};
  struct call call;
  bool is_typed;
  if (!arguments_count("index", count, 1, 3)) {
    return NULL;
  }
  if (!begin_search(&call, self, &operation, args[0], &is_typed)) {
    return call_abandon(&call);
  }
  call.in.slice.start = call.in.slice.stop = HF_OMITTED;
  if ((count > 1 && !take_bound(args[1], &call.in.slice.start)) ||
      (count > 2 && !take_bound(args[2], &call.in.slice.stop))) {
    return call_abandon(&call);
  }
  if (is_typed) {
    return call_perform(&call);
  }
  call_free(&call);
  return index_here(self, args, count);
}

/* ---------------------------------------------------------------- a copy of the values */

/* The values as they came, and as Python objects. */
struct snapshot {
  struct call call;
  PyObject *objects; /* list */
};

static bool snapshot_take(struct snapshot *snapshot, PyObject *self, const char *method) {
  static const struct operation copy = {.run = list_run_copy};
  struct call *call = &snapshot->call;
  struct failure failure;
  snapshot->objects = NULL;
  if (!call_begin(call, self, &copy) || !call_refuse_batch(call->connection, method)) {
    return false;
  }
  hf_status status = call_invoke(call, &failure);
  if (status != HF_OK) {
    call->out.values.count = 0;
    call->out.values.items = NULL;
    call_finish(call, status, &failure);
    return false;
  }
  snapshot->objects =
      convert_views(call->connection, call->out.values.items, call->out.values.count);
  return snapshot->objects != NULL;
}

static void snapshot_free(struct snapshot *snapshot) {
  hf_values_free(snapshot->call.out.values.items, snapshot->call.out.values.count);
  Py_XDECREF(snapshot->objects);
}

/* ---------------------------------------------------------------- removing */

static const struct operation remove_operation = {run_remove, finish_none, fail_remove, NULL,
                                                  false};

/* The first equal value of a copy is the first with its encoding, too: that one the server removes.
 * NULL without an exception: it is no longer there. */
static PyObject *remove_here(PyObject *self, PyObject *value) {
  struct snapshot snapshot;
  struct call call;
  struct failure failure;
  PyObject *result = NULL;
  if (!snapshot_take(&snapshot, self, "remove") || !call_begin(&call, self, &remove_operation)) {
    snapshot_free(&snapshot);
    return NULL;
  }
  Py_ssize_t index = PySequence_Index(snapshot.objects, value);
  if (index < 0) {
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
      PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
    }
  } else {
    call.in.value = snapshot.call.out.values.items[index];
    hf_status status = call_invoke(&call, &failure);
    if (status == HF_OK || PyErr_Occurred() || failure.reason != HF_REASON_NO_SUCH_VALUE) {
      result = call_finish(&call, status, &failure);
    }
  }
  snapshot_free(&snapshot);
  return result;
}

PyObject *list_remove(PyObject *self, PyObject *value) {
  struct call call;
  bool is_typed;
  object_count_change(self);
  if (!begin_search(&call, self, &remove_operation, value, &is_typed)) {
    return call_abandon(&call);
  }
  if (is_typed) {
    return call_perform(&call);
  }
  call_free(&call);
  PyObject *result;
  do {
    result = remove_here(self, value);
  } while (result == NULL && !PyErr_Occurred());
  return result;
}

/* ---------------------------------------------------------------- sorting */

static hf_status run_sort(struct call *call) {
  return hf_list_sort(list_of(call), call->in.flag);
}

/* Sorts `order`, the positions, by `keys`. */
static bool sort_positions(PyObject *order, PyObject *keys, bool is_reverse) {
  PyObject *sort = PyObject_GetAttrString(order, "sort");
  PyObject *key = PyObject_GetAttrString(keys, "__getitem__");
  PyObject *options = key == NULL ? NULL
                                  : Py_BuildValue("{s:O,s:O}", "key", key, "reverse",
                                                  is_reverse ? Py_True : Py_False);
  PyObject *no_args = PyTuple_New(0);
  PyObject *result = sort == NULL || options == NULL || no_args == NULL
                         ? NULL
                         : PyObject_Call(sort, no_args, options);
  bool is_sorted = result != NULL;
  Py_XDECREF(sort);
  Py_XDECREF(key);
  Py_XDECREF(options);
  Py_XDECREF(no_args);
  Py_XDECREF(result);
  return is_sorted;
}

/* The keys of all objects: a new list. */
static PyObject *keys_of(PyObject *objects, PyObject *key) {
  if (key == NULL) {
    return Py_NewRef(objects);
  }
  Py_ssize_t count = PyList_GET_SIZE(objects);
  PyObject *keys = PyList_New(count);
  for (Py_ssize_t i = 0; keys != NULL && i < count; i++) {
    PyObject *value = PyObject_CallFunctionObjArgs(key, PyList_GET_ITEM(objects, i), NULL);
    if (value == NULL) {
      Py_CLEAR(keys);
    } else {
      PyList_SET_ITEM(keys, i, value);
    }
  }
  return keys;
}

static PyObject *positions(Py_ssize_t count) {
  PyObject *list = PyList_New(count);
  for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
    PyObject *position = PyLong_FromSsize_t(i);
    if (position == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, i, position);
    }
  }
  return list;
}

static PyObject *modified(void) {
  PyErr_SetString(PyExc_ValueError, "list modified during sort");
  return NULL;
}

/* Reads the list once more, and stores the sorted values if it has not changed since the snapshot. As
 * an extended slice, they are stored only if the length is still the same. */
static hf_status run_store(struct call *call) {
  const struct snapshot *snapshot = call->in.pointer;
  struct call again = *call;
  hf_status status = list_run_copy(&again);
  if (status != HF_OK) {
    return status;
  }
  bool is_same = again.out.values.count == call->in.count;
  for (size_t i = 0; is_same && i < call->in.count; i++) {
    is_same = hf_value_equal(again.out.values.items[i], snapshot->call.out.values.items[i]);
  }
  hf_values_free(again.out.values.items, again.out.values.count);
  call->out.flag = is_same;
  return is_same ? hf_list_set_slice(list_of(call), (struct hf_slice){HF_OMITTED, HF_OMITTED, -1},
                                     call->in.values, call->in.count)
                 : HF_OK;
}

static PyObject *finish_store(struct call *call) {
  return call->out.flag ? Py_NewRef(Py_None) : modified();
}

static PyObject *fail_store(struct call *call, const struct failure *failure) {
  return failure->reason == HF_REASON_BAD_SLICE ? modified()
                                                : error_set(call->connection->state, failure);
}

static PyObject *store_sorted(PyObject *self, struct snapshot *snapshot, PyObject *order) {
  static const struct operation store = {run_store, finish_store, fail_store, NULL, false};
  struct call call;
  size_t count = snapshot->call.out.values.count;
  if (!call_begin(&call, self, &store)) {
    return NULL;
  }
  hf_value *sorted = call_allocate(&call, count * sizeof *sorted);
  if (sorted == NULL) {
    return call_abandon(&call);
  }
  for (size_t i = 0; i < count; i++) {
    Py_ssize_t position = PyLong_AsSsize_t(PyList_GET_ITEM(order, (Py_ssize_t)i));
    sorted[count - 1 - i] = snapshot->call.out.values.items[position];
  }
  call.in.values = sorted;
  call.in.count = count;
  call.in.pointer = snapshot;
  return call_perform_now(&call, "sort");
}

static PyObject *sort_here(PyObject *self, PyObject *key, bool is_reverse) {
  struct snapshot snapshot;
  PyObject *result = NULL;
  if (snapshot_take(&snapshot, self, "sort")) {
    PyObject *keys = keys_of(snapshot.objects, key);
    PyObject *order = keys == NULL ? NULL : positions(PyList_GET_SIZE(snapshot.objects));
    if (order != NULL && sort_positions(order, keys, is_reverse)) {
      result = store_sorted(self, &snapshot, order);
    }
    Py_XDECREF(keys);
    Py_XDECREF(order);
  }
  snapshot_free(&snapshot);
  return result;
}

PyObject *list_sort(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  static const struct signature signature = {"sort", {"key", "reverse"}, 0, 0};
  static const struct operation sort = {.run = run_sort, .finish = finish_none};
  struct call call;
  struct failure failure;
  PyObject *values[PARAMETERS_MAX];
  object_count_change(self);
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  int is_reverse = values[1] == NULL ? 0 : PyObject_IsTrue(values[1]);
  if (is_reverse < 0) {
    return NULL;
  }
  if (values[0] != NULL && values[0] != Py_None) {
    return sort_here(self, values[0], is_reverse);
  }
  if (!call_begin(&call, self, &sort)) {
    return NULL;
  }
  call.in.flag = is_reverse;
  if (connection_batch(call.connection) != NULL) {
    return call_perform(&call);
  }
  hf_status status = call_invoke(&call, &failure);
  if (status != HF_OK && !PyErr_Occurred() && failure.reason == HF_REASON_NOT_ORDERED) {
    return sort_here(self, NULL, is_reverse); /* or raises Python's TypeError */
  }
  return call_finish(&call, status, &failure);
}
