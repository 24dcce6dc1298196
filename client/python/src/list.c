/* List: multiprocessing's list proxy, and more. Searching and sorting values that only Python can
 * compare is in list_compare.c, iterating in iterator.c. */
#include "client/python/src/list.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- opening */

static hf_status run_open(struct call *call) {
  return hf_list_open(call->conn, call->in.text, (hf_list **)&call->out.handle);
}

static int list_init(PyObject *self, PyObject *args, PyObject *kwargs) {
  static const struct signature signature = {"List", {"connection", "name"}, 1, 2};
  static const struct operation open = {.run = run_open};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments_of_init(&signature, args, kwargs, values) ||
      !call_begin_open(&call, self, values[0], values[1], &open)) {
    return -1;
  }
  return call_open(&call);
}

/* ---------------------------------------------------------------- failures */

static PyObject *fail_index(struct call *call, const struct failure *failure, const char *text) {
  if (failure->reason == HF_REASON_BAD_INDEX) {
    PyErr_SetString(PyExc_IndexError, text);
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static PyObject *fail_get(struct call *call, const struct failure *failure) {
  return fail_index(call, failure, "list index out of range");
}

static PyObject *fail_set(struct call *call, const struct failure *failure) {
  return fail_index(call, failure, "list assignment index out of range");
}

static PyObject *fail_pop(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_IS_EMPTY) {
    PyErr_SetString(PyExc_IndexError, "pop from empty list");
    return NULL;
  }
  return fail_index(call, failure, "pop index out of range");
}

/* ---------------------------------------------------------------- indexes and slices */

/* The bounds of a slice object as numbers; HF_OMITTED is not one that Python's clamping gives. */
static bool take_slice(PyObject *object, struct hf_slice *slice) {
  const PySliceObject *bounds = (PySliceObject *)object;
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(object, &start, &stop, &step) != 0) {
    return false;
  }
  slice->start = bounds->start == Py_None ? HF_OMITTED : Py_MAX(start, -PY_SSIZE_T_MAX);
  slice->stop = bounds->stop == Py_None ? HF_OMITTED : Py_MAX(stop, -PY_SSIZE_T_MAX);
  slice->step = step;
  return true;
}

static bool take_index(PyObject *key, int64_t *index) {
  if (!PyIndex_Check(key)) {
    PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
                 Py_TYPE(key)->tp_name);
    return false;
  }
  return convert_index(key, index);
}

/* An index of a method, where Python raises OverflowError beyond 64 bits. */
static bool take_position(PyObject *object, int64_t *index) {
  PyObject *number = PyNumber_Index(object);
  if (number == NULL) {
    return false;
  }
  Py_ssize_t position = PyLong_AsSsize_t(number);
  Py_DECREF(number);
  if (position == -1 && PyErr_Occurred()) {
    return false;
  }
  *index = Py_MAX(position, -PY_SSIZE_T_MAX);
  return true;
}

static hf_status run_get(struct call *call) {
  return hf_list_get(list_of(call), call->in.index, &call->out.value);
}

static hf_status run_get_slice(struct call *call) {
  return hf_list_get_slice(list_of(call), call->in.slice, &call->out.values.items,
                           &call->out.values.count);
}

static const struct operation get_operation = {run_get, finish_value, fail_get, drop_value, false};
static const struct operation get_slice_operation = {run_get_slice, finish_values, NULL,
                                                     drop_values, false};

static PyObject *list_subscript(PyObject *self, PyObject *key) {
  struct call call;
  if (PySlice_Check(key)) {
    return call_begin(&call, self, &get_slice_operation) && take_slice(key, &call.in.slice)
               ? call_perform(&call)
               : call_abandon(&call);
  }
  return call_begin(&call, self, &get_operation) && take_index(key, &call.in.index)
             ? call_perform(&call)
             : call_abandon(&call);
}

/* For bisect and other C code; a negative index has had the length added. */
static PyObject *list_item(PyObject *self, Py_ssize_t index) {
  struct call call;
  if (!call_begin(&call, self, &get_operation)) {
    return NULL;
  }
  call.in.index = index;
  return call_perform(&call);
}

static hf_status run_set(struct call *call) {
  return hf_list_set(list_of(call), call->in.index, call->in.value);
}

static hf_status run_delete(struct call *call) {
  return hf_list_delete(list_of(call), call->in.index);
}

static hf_status run_set_slice(struct call *call) {
  return hf_list_set_slice(list_of(call), call->in.slice, call->in.values, call->in.count);
}

static PyObject *fail_set_slice(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_BAD_SLICE) {
    return PyErr_Format(PyExc_ValueError,
                        "attempt to assign sequence of size %zu to extended slice of another size",
                        call->in.count);
  }
  return error_set(call->connection->state, failure);
}

static hf_status run_delete_slice(struct call *call) {
  return hf_list_delete_slice(list_of(call), call->in.slice);
}

static bool begin_assign_slice(struct call *call, PyObject *self, PyObject *key, PyObject *value) {
  static const struct operation set = {run_set_slice, finish_none, fail_set_slice, NULL, false};
  static const struct operation delete = {.run = run_delete_slice, .finish = finish_none};
  if (!call_begin(call, self, value == NULL ? &delete : &set) ||
      !take_slice(key, &call->in.slice)) {
    return false;
  }
  if (value != NULL && Py_TYPE(value)->tp_iter == NULL && !PySequence_Check(value)) {
    PyErr_SetString(PyExc_TypeError, call->in.slice.step == 1
                                         ? "can only assign an iterable"
                                         : "must assign iterable to extended slice");
    return false;
  }
  return value == NULL || call_values(call, value);
}

static bool begin_assign_item(struct call *call, PyObject *self, PyObject *key, PyObject *value) {
  static const struct operation set = {run_set, finish_none, fail_set, NULL, false};
  static const struct operation delete = {run_delete, finish_none, fail_set, NULL, false};
  return call_begin(call, self, value == NULL ? &delete : &set) &&
         take_index(key, &call->in.index) &&
         (value == NULL || call_value(call, value, &call->in.value));
}

static PyObject *assign(PyObject *self, PyObject *key, PyObject *value) {
  struct call call;
  object_count_change(self);
  return (PySlice_Check(key) ? begin_assign_slice(&call, self, key, value)
                             : begin_assign_item(&call, self, key, value))
             ? call_perform(&call)
             : call_abandon(&call);
}

/* In a batch the Pending of a statement is among the batch's results alone. */
static int list_assign(PyObject *self, PyObject *key, PyObject *value) {
  PyObject *result = assign(self, key, value);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

static PyObject *list_set(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return arguments_count("set", count, 2, 2) ? assign(self, args[0], args[1]) : NULL;
}

/* ---------------------------------------------------------------- adding and removing */

static hf_status run_append(struct call *call) {
  return hf_list_append(list_of(call), call->in.value);
}

static PyObject *list_append(PyObject *self, PyObject *value) {
  static const struct operation append = {.run = run_append, .finish = finish_none};
  struct call call;
  object_count_change(self);
  return call_begin(&call, self, &append) && call_value(&call, value, &call.in.value)
             ? call_perform(&call)
             : call_abandon(&call);
}

/* Items that are too many or too big for one request are sent in several. */
static hf_status extend_in_parts(hf_list *list, const hf_value *values, size_t count) {
  hf_status status = hf_list_extend(list, values, count);
  if (!call_is_too_big(status) || count < 2) {
    return status;
  }
  status = extend_in_parts(list, values, count / 2);
  return status != HF_OK ? status : extend_in_parts(list, values + count / 2, count - count / 2);
}

static hf_status run_extend(struct call *call) {
  return call->in.flag ? hf_list_extend(list_of(call), call->in.values, call->in.count)
                       : extend_in_parts(list_of(call), call->in.values, call->in.count);
}

static PyObject *extend(PyObject *self, PyObject *values, const struct operation *operation) {
  struct call call;
  object_count_change(self);
  if (!call_begin(&call, self, operation) || !call_values(&call, values)) {
    return call_abandon(&call);
  }
  call.in.flag = connection_batch(call.connection) != NULL; /* one call there is one result */
  return call_perform(&call);
}

static PyObject *list_extend(PyObject *self, PyObject *values) {
  static const struct operation operation = {.run = run_extend, .finish = finish_none};
  return extend(self, values, &operation);
}

/* The result of an in-place operator is the proxy, also in a batch. */
static PyObject *self_for(PyObject *self, PyObject *result) {
  if (result == NULL) {
    return NULL;
  }
  Py_DECREF(result);
  return Py_NewRef(self);
}

static PyObject *list_iadd(PyObject *self, PyObject *values) {
  return self_for(self, list_extend(self, values));
}

static hf_status run_repeat_in_place(struct call *call) {
  return hf_list_repeat_in_place(list_of(call), call->in.number);
}

static PyObject *list_imul(PyObject *self, Py_ssize_t count) {
  static const struct operation repeat = {.run = run_repeat_in_place, .finish = finish_none};
  struct call call;
  object_count_change(self);
  if (!call_begin(&call, self, &repeat)) {
    return NULL;
  }
  call.in.number = count;
  return self_for(self, call_perform(&call));
}

static hf_status run_insert(struct call *call) {
  return hf_list_insert(list_of(call), call->in.index, call->in.value);
}

static PyObject *list_insert(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation insert = {.run = run_insert, .finish = finish_none};
  struct call call;
  object_count_change(self);
  if (!arguments_count("insert", count, 2, 2)) {
    return NULL;
  }
  return call_begin(&call, self, &insert) && take_position(args[0], &call.in.index) &&
                 call_value(&call, args[1], &call.in.value)
             ? call_perform(&call)
             : call_abandon(&call);
}

static hf_status run_pop(struct call *call) {
  return hf_list_pop(list_of(call), call->in.index, &call->out.value);
}

static PyObject *list_pop(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation pop = {run_pop, finish_value, fail_pop, drop_value, false};
  struct call call;
  object_count_change(self);
  if (!arguments_count("pop", count, 0, 1) || !call_begin(&call, self, &pop)) {
    return NULL;
  }
  call.in.index = HF_OMITTED;
  return count == 0 || take_position(args[0], &call.in.index) ? call_perform(&call)
                                                              : call_abandon(&call);
}

static hf_status run_clear(struct call *call) {
  return hf_list_clear(list_of(call));
}

static PyObject *list_clear(PyObject *self, PyObject *ignored) {
  static const struct operation clear = {.run = run_clear, .finish = finish_none};
  struct call call;
  object_count_change(self);
  (void)ignored;
  return call_begin(&call, self, &clear) ? call_perform(&call) : NULL;
}

static hf_status run_reverse(struct call *call) {
  return hf_list_reverse(list_of(call));
}

static PyObject *list_reverse(PyObject *self, PyObject *ignored) {
  static const struct operation reverse = {.run = run_reverse, .finish = finish_none};
  struct call call;
  object_count_change(self);
  (void)ignored;
  return call_begin(&call, self, &reverse) ? call_perform(&call) : NULL;
}

/* ---------------------------------------------------------------- reading all */

static hf_status run_len(struct call *call) {
  return hf_list_len(list_of(call), &call->out.number);
}

static const struct operation len_operation = {.run = run_len, .finish = finish_number};

static Py_ssize_t list_len(PyObject *self) {
  struct call call;
  return call_begin(&call, self, &len_operation) ? call_number(call_perform_now(&call, "len")) : -1;
}

static PyObject *list_length(PyObject *self, PyObject *ignored) {
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &len_operation) ? call_perform(&call) : NULL;
}

PyObject *list_page(PyObject *self, Py_ssize_t start, Py_ssize_t count) {
  static const struct operation page = {list_run_pages, finish_values, NULL, drop_values, false};
  struct call call;
  if (!call_begin(&call, self, &page)) {
    return NULL;
  }
  call.in.index = start;
  call.in.count = (size_t)count;
  return call_perform_now(&call, "iterating");
}

/* Appends the second array to the first; takes both. */
static hf_status join(struct call *call, hf_value *values, size_t count) {
  size_t had = call->out.values.count;
  hf_value *grown = realloc(call->out.values.items, (had + count + 1) * sizeof *grown);
  if (grown == NULL) {
    hf_values_free(values, count);
    return HF_RESOURCE_EXHAUSTED;
  }
  memcpy(grown + had, values, count * sizeof *grown);
  free(values); /* their memory is the others' now */
  call->out.values.items = grown;
  call->out.values.count = had + count;
  return HF_OK;
}

/* in.count items from in.index on, in several replies if they don't fit one: then not as of one
 * moment. */
hf_status list_run_pages(struct call *call) {
  size_t wanted = call->in.count, page = wanted;
  while (call->out.values.count < wanted) {
    hf_value *values;
    size_t count;
    int64_t start = call->in.index + (int64_t)call->out.values.count;
    size_t part = Py_MIN(page, wanted - call->out.values.count);
    struct hf_slice slice = {
        start, part > (size_t)(INT64_MAX - start) ? HF_OMITTED : start + (int64_t)part, 1};
    hf_status status = hf_list_get_slice(list_of(call), slice, &values, &count);
    if (status != HF_OK && list_is_reply_too_big(status) && part > 1) {
      page = part > LIST_PAGE_COUNT ? LIST_PAGE_COUNT : part / 2;
      continue;
    }
    if (status == HF_OK) {
      status = join(call, values, count);
    }
    if (status != HF_OK) {
      hf_values_free(call->out.values.items, call->out.values.count);
      return status;
    }
    if (count < part) {
      break;
    }
  }
  return HF_OK;
}

hf_status list_run_copy(struct call *call) {
  hf_status status = hf_list_copy(list_of(call), &call->out.values.items, &call->out.values.count);
  if (!list_is_reply_too_big(status)) {
    return status;
  }
  call->out.values.items = NULL;
  call->out.values.count = 0;
  call->in.index = 0;
  call->in.count = SIZE_MAX;
  return list_run_pages(call);
}

bool list_is_reply_too_big(hf_status status) {
  return status == HF_RESOURCE_EXHAUSTED && failure_last(status).reason == HF_REASON_REPLY_TOO_BIG;
}

static const struct operation copy_operation = {list_run_copy, finish_values, NULL, drop_values,
                                                false};

static PyObject *list_copy(PyObject *self, PyObject *ignored) {
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &copy_operation) ? call_perform(&call) : NULL;
}

PyObject *list_copy_now(PyObject *self, const char *method) {
  struct call call;
  return call_begin(&call, self, &copy_operation) ? call_perform_now(&call, method) : NULL;
}

static PyObject *list_concat(PyObject *self, PyObject *other) {
  PyObject *right;
  if (PyObject_TypeCheck(other, state_of(self)->kind_types[HF_LIST])) {
    right = list_copy_now(other, "+");
  } else if (PyList_Check(other)) {
    right = Py_NewRef(other);
  } else {
    return PyErr_Format(PyExc_TypeError, "can only concatenate list (not \"%.200s\") to list",
                        Py_TYPE(other)->tp_name);
  }
  PyObject *left = right == NULL ? NULL : list_copy_now(self, "+");
  PyObject *result = left == NULL ? NULL : PySequence_Concat(left, right);
  Py_XDECREF(left);
  Py_XDECREF(right);
  return result;
}

static PyObject *list_repeat(PyObject *self, Py_ssize_t count) {
  PyObject *copy = list_copy_now(self, "*");
  PyObject *result = copy == NULL ? NULL : PySequence_Repeat(copy, count);
  Py_XDECREF(copy);
  return result;
}

static PyObject *list_reversed(PyObject *self, PyObject *ignored) {
  (void)ignored;
  PyObject *copy = list_copy_now(self, "reversed");
  PyObject *iterator = copy == NULL ? NULL : PyObject_CallMethod(copy, "__reversed__", NULL);
  Py_XDECREF(copy);
  return iterator;
}

/* ---------------------------------------------------------------- beyond list */

static hf_status run_add(struct call *call) {
  return hf_list_add(list_of(call), call->in.index, call->in.value,
                     call->wants_result ? &call->out.value : NULL);
}

static PyObject *list_add(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct signature signature = {"add", {"index", "n"}, 1, 2};
  static const struct operation add = {run_add, finish_value, fail_get, drop_value, false};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  object_count_change(self);
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin(&call, self, &add) || !take_index(values[0], &call.in.index)) {
    return call_abandon(&call);
  }
  call.in.value = hf_int(1);
  return values[1] == NULL || call_value(&call, values[1], &call.in.value) ? call_perform(&call)
                                                                           : call_abandon(&call);
}

static hf_status run_compare_and_set(struct call *call) {
  return hf_list_compare_and_set(list_of(call), call->in.index, call->in.value, call->in.other,
                                 &call->out.exchanged.swapped,
                                 call->in.flag ? &call->out.exchanged.found : NULL);
}

static PyObject *list_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                      PyObject *keywords) {
  static const struct signature signature = {"compare_and_set", {"index", "old", "new"}, 3, 3};
  static const struct operation compare_and_set = {run_compare_and_set, finish_swapped, fail_set,
                                                   NULL, false};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  object_count_change(self);
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  return call_begin(&call, self, &compare_and_set) && take_index(values[0], &call.in.index) &&
                 call_compared_value(&call, values[1]) &&
                 call_value(&call, values[2], &call.in.other)
             ? call_perform(&call)
             : call_abandon(&call);
}

/* ---------------------------------------------------------------- the type */

#define WITH_KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef methods[] = {
    {"append", list_append, METH_O, "append($self, value, /)\n--\n\nAdd a value at the end."},
    {"extend", list_extend, METH_O,
     "extend($self, values, /)\n--\n\nAdd all values of an iterable at the end: at one moment, "
     "unless they are more than 16 MiB."},
    {"insert", FAST(list_insert), METH_FASTCALL,
     "insert($self, index, value, /)\n--\n\nInsert a value before position index."},
    {"pop", FAST(list_pop), METH_FASTCALL,
     "pop($self, index=-1, /)\n--\n\nRemove and return the value at index. IndexError."},
    {"remove", list_remove, METH_O,
     "remove($self, value, /)\n--\n\nRemove the first value that is equal. ValueError."},
    {"clear", list_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemove all values."},
    {"reverse", list_reverse, METH_NOARGS, "reverse($self, /)\n--\n\nReverse in place."},
    {"sort", FAST(list_sort), WITH_KEYWORDS,
     "sort($self, /, *, key=None, reverse=False)\n--\n\nSort in place, stable. Numbers, text, "
     "bytes "
     "and tuples of these are sorted by the server; with a key, and for other values, a copy is "
     "sorted here and stored: ValueError if the list was modified meanwhile."},
    {"copy", list_copy, METH_NOARGS, "copy($self, /)\n--\n\nReturn a list of all values."},
    {"count", list_count, METH_O,
     "count($self, value, /)\n--\n\nReturn how many values are equal."},
    {"index", FAST(list_index), METH_FASTCALL,
     "index($self, value, start=0, stop=sys.maxsize, /)\n--\n\nReturn the position of the first "
     "value that is equal. ValueError."},
    {"add", FAST(list_add), WITH_KEYWORDS,
     "add($self, /, index, n=1)\n--\n\nAdd n to the number at index, atomically, and return the "
     "sum."},
    {"compare_and_set", FAST(list_compare_and_set), WITH_KEYWORDS,
     "compare_and_set($self, /, index, old, new)\n--\n\nSet the value at index to new if it is "
     "old, "
     "atomically; return whether it was."},
    {"set", FAST(list_set), METH_FASTCALL,
     "set($self, index, value, /)\n--\n\nself[index] = value, as a method: in pipelines and "
     "transactions it has a result."},
    {"contains", list_contains, METH_O,
     "contains($self, value, /)\n--\n\nWhether a value is equal: `value in self` as a method, "
     "which "
     "pipelines and transactions can have."},
    {"length", list_length, METH_NOARGS,
     "length($self, /)\n--\n\nlen(self) as a method, which pipelines and transactions can have."},
    {"__reversed__", list_reversed, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "List(connection, name=None)\n--\n\nA list on the server."},
    {Py_tp_new, object_new},
    {Py_tp_init, list_init},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_iter, list_iter},
    {Py_mp_subscript, list_subscript},
    {Py_mp_ass_subscript, list_assign},
    {Py_mp_length, list_len},
    {Py_sq_length, list_len},
    {Py_sq_item, list_item},
    {Py_sq_contains, list_has},
    {Py_sq_concat, list_concat},
    {Py_sq_repeat, list_repeat},
    {Py_sq_inplace_concat, list_iadd},
    {Py_sq_inplace_repeat, list_imul},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec list_spec = {"holdfast._core.List", sizeof(struct object), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
