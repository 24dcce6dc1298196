/* Dict: multiprocessing's dict proxy, and more. Iterating is in iterator.c. */
#include "client/python/src/dict.h"
#include "client/python/src/interrupt.h"

#include <stdlib.h>

static hf_dict *dict_of(const struct call *call) {
  return (hf_dict *)call->handle;
}

/* Begins a call with a key as its first argument. */
static bool begin_with_key(struct call *call, PyObject *self, const struct operation *operation,
                           PyObject *key) {
  return call_begin(call, self, operation) && call_key(call, key);
}

/* ---------------------------------------------------------------- opening */

static hf_status run_open(struct call *call) {
  return hf_dict_open(call->conn, call->in.text, (hf_dict **)&call->out.handle);
}

static int dict_init(PyObject *self, PyObject *args, PyObject *kwargs) {
  static const struct signature signature = {"Dict", {"connection", "name"}, 1, 2};
  static const struct operation open = {.run = run_open};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments_of_init(&signature, args, kwargs, values) ||
      !call_begin_open(&call, self, values[0], values[1], &open)) {
    return -1;
  }
  return call_open(&call);
}

/* ---------------------------------------------------------------- one key */

static hf_status run_get(struct call *call) {
  return hf_dict_get(dict_of(call), call->in.key, &call->out.value);
}

static PyObject *dict_getitem(PyObject *self, PyObject *key) {
  static const struct operation getitem = {run_get, finish_value, fail_key, drop_value, false};
  struct call call;
  return begin_with_key(&call, self, &getitem, key) ? call_perform(&call) : call_abandon(&call);
}

static PyObject *dict_get(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation get = {run_get, finish_value, fail_fallback, drop_value, false};
  struct call call;
  if (!arguments_count("get", count, 1, 2)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &get, args[0])) {
    return call_abandon(&call);
  }
  call.fallback = count > 1 ? args[1] : Py_None;
  return call_perform(&call);
}

static hf_status run_set(struct call *call) {
  return hf_dict_set(dict_of(call), call->in.key, call->in.value);
}

static hf_status run_delete(struct call *call) {
  return hf_dict_delete(dict_of(call), call->in.key);
}

static const struct operation set_operation = {.run = run_set, .finish = finish_none};
static const struct operation delete_operation = {run_delete, finish_none, fail_key, NULL, false};

static PyObject *assign(PyObject *self, PyObject *key, PyObject *value) {
  struct call call;
  object_count_change(self);
  return begin_with_key(&call, self, value == NULL ? &delete_operation : &set_operation, key) &&
                 (value == NULL || call_value(&call, value, &call.in.value))
             ? call_perform(&call)
             : call_abandon(&call);
}

/* In a batch the Pending of a statement is among the batch's results alone. */
static int dict_assign(PyObject *self, PyObject *key, PyObject *value) {
  PyObject *result = assign(self, key, value);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

static PyObject *dict_set(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return arguments_count("set", count, 2, 2) ? assign(self, args[0], args[1]) : NULL;
}

static hf_status run_contains(struct call *call) {
  return hf_dict_contains(dict_of(call), call->in.key, &call->out.flag);
}

static const struct operation contains_operation = {.run = run_contains, .finish = finish_flag};

static PyObject *dict_contains(PyObject *self, PyObject *key) {
  struct call call;
  return begin_with_key(&call, self, &contains_operation, key) ? call_perform(&call)
                                                               : call_abandon(&call);
}

static int dict_has(PyObject *self, PyObject *key) {
  struct call call;
  return (int)call_number(begin_with_key(&call, self, &contains_operation, key)
                              ? call_perform_now(&call, "in")
                              : call_abandon(&call));
}

static hf_status run_pop(struct call *call) {
  return hf_dict_pop(dict_of(call), call->in.key, NULL, &call->out.value);
}

static PyObject *dict_pop(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation pop = {run_pop, finish_value, fail_key, drop_value, false};
  static const struct operation pop_or = {run_pop, finish_value, fail_fallback, drop_value, false};
  struct call call;
  object_count_change(self);
  if (!arguments_count("pop", count, 1, 2)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, count > 1 ? &pop_or : &pop, args[0])) {
    return call_abandon(&call);
  }
  call.fallback = count > 1 ? args[1] : NULL;
  return call_perform(&call);
}

static hf_status run_popitem(struct call *call) {
  return hf_dict_popitem(dict_of(call), &call->out.entry);
}

static PyObject *fail_popitem(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_NO_SUCH_KEY) {
    PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static PyObject *dict_popitem(PyObject *self, PyObject *ignored) {
  static const struct operation popitem = {run_popitem, finish_entry, fail_popitem, drop_entry,
                                           false};
  struct call call;
  (void)ignored;
  object_count_change(self);
  return call_begin(&call, self, &popitem) ? call_perform(&call) : NULL;
}

static hf_status run_setdefault(struct call *call) {
  return hf_dict_setdefault(dict_of(call), call->in.key, call->in.value, &call->out.value);
}

static PyObject *dict_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const struct operation setdefault = {run_setdefault, finish_value, NULL, drop_value,
                                              false};
  struct call call;
  object_count_change(self);
  if (!arguments_count("setdefault", count, 1, 2)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &setdefault, args[0]) ||
      !call_value(&call, count > 1 ? args[1] : Py_None, &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- all keys */

static hf_status run_len(struct call *call) {
  return hf_dict_len(dict_of(call), &call->out.number);
}

static const struct operation len_operation = {.run = run_len, .finish = finish_number};

Py_ssize_t dict_len(PyObject *self) {
  struct call call;
  return call_begin(&call, self, &len_operation) ? call_number(call_perform_now(&call, "len")) : -1;
}

static PyObject *dict_length(PyObject *self, PyObject *ignored) {
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &len_operation) ? call_perform(&call) : NULL;
}

static hf_status run_clear(struct call *call) {
  return hf_dict_clear(dict_of(call));
}

static PyObject *dict_clear(PyObject *self, PyObject *ignored) {
  static const struct operation clear = {.run = run_clear, .finish = finish_none};
  struct call call;
  (void)ignored;
  object_count_change(self);
  return call_begin(&call, self, &clear) ? call_perform(&call) : NULL;
}

#define SCAN_PAGE_COUNT 10000

/* Reads a dict that is too big for one reply: not at one moment, but SIZE_CHANGED if its size
 * changes meanwhile. */
static hf_status scan_all(hf_dict *dict, struct hf_entry **entries, size_t *count) {
  struct hf_dict_scan scan = {.strict = true, .page_count = SCAN_PAGE_COUNT};
  const struct hf_entry *entry;
  size_t capacity = 0;
  *entries = NULL;
  *count = 0;
  for (;;) {
    hf_status status = hf_dict_next(dict, &scan, &entry);
    if (status == HF_OK && entry == NULL) {
      return HF_OK;
    }
    if (status == HF_OK && *count == capacity) {
      capacity = capacity == 0 ? SCAN_PAGE_COUNT : capacity * 2;
      struct hf_entry *grown = realloc(*entries, capacity * sizeof *grown);
      status = grown == NULL ? HF_RESOURCE_EXHAUSTED : HF_OK;
      *entries = grown == NULL ? *entries : grown;
    }
    if (status != HF_OK) {
      hf_dict_scan_stop(&scan);
      hf_entries_free(*entries, *count);
      return status;
    }
    struct hf_entry *taken = &scan.page[entry - scan.page];
    (*entries)[(*count)++] = *taken;
    *taken = (struct hf_entry){hf_none(), hf_none()};
  }
}

static bool is_too_big(hf_status status) {
  return status == HF_RESOURCE_EXHAUSTED && strcmp(hf_last_error()->reason, "REPLY_TOO_BIG") == 0;
}

static hf_status run_items(struct call *call) {
  hf_status status =
      hf_dict_items(dict_of(call), &call->out.entries.items, &call->out.entries.count);
  return is_too_big(status)
             ? scan_all(dict_of(call), &call->out.entries.items, &call->out.entries.count)
             : status;
}

/* Keys or values of a dict that is too big for one reply. */
static hf_status scan_half(struct call *call, bool wants_keys) {
  struct hf_entry *entries;
  size_t count;
  hf_status status = scan_all(dict_of(call), &entries, &count);
  if (status != HF_OK) {
    return status;
  }
  hf_value *values = malloc((count + 1) * sizeof *values);
  for (size_t i = 0; values != NULL && i < count; i++) {
    hf_value *half = wants_keys ? &entries[i].key : &entries[i].value;
    values[i] = *half;
    *half = hf_none();
  }
  hf_entries_free(entries, count);
  call->out.values.items = values;
  call->out.values.count = count;
  return values == NULL ? HF_RESOURCE_EXHAUSTED : HF_OK;
}

static hf_status run_keys(struct call *call) {
  hf_status status = hf_dict_keys(dict_of(call), &call->out.values.items, &call->out.values.count);
  return is_too_big(status) ? scan_half(call, true) : status;
}

static hf_status run_values(struct call *call) {
  hf_status status =
      hf_dict_values(dict_of(call), &call->out.values.items, &call->out.values.count);
  return is_too_big(status) ? scan_half(call, false) : status;
}

static const struct operation keys_operation = {run_keys, finish_values, NULL, drop_values, false};

PyObject *dict_keys(PyObject *self, PyObject *ignored) {
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &keys_operation) ? call_perform(&call) : NULL;
}

PyObject *dict_keys_now(PyObject *self) {
  struct call call;
  return call_begin(&call, self, &keys_operation) ? call_perform_now(&call, "iterating") : NULL;
}

static PyObject *dict_values(PyObject *self, PyObject *ignored) {
  static const struct operation values = {run_values, finish_values, NULL, drop_values, false};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &values) ? call_perform(&call) : NULL;
}

static PyObject *dict_items(PyObject *self, PyObject *ignored) {
  static const struct operation items = {run_items, finish_entries, NULL, drop_entries, false};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &items) ? call_perform(&call) : NULL;
}

static PyObject *dict_copy(PyObject *self, PyObject *ignored) {
  static const struct operation copy = {run_items, finish_dict, NULL, drop_entries, false};
  struct call call;
  (void)ignored;
  return call_begin(&call, self, &copy) ? call_perform(&call) : NULL;
}

/* ---------------------------------------------------------------- update, get_many */

/* Entries that are too many or too big for one request are sent in several. */
static hf_status update_in_parts(hf_dict *dict, const struct hf_entry *entries, size_t count) {
  hf_status status = hf_dict_update(dict, entries, count);
  if (!call_is_too_big(status) || count < 2) {
    return status;
  }
  status = update_in_parts(dict, entries, count / 2);
  return status != HF_OK ? status : update_in_parts(dict, entries + count / 2, count - count / 2);
}

static hf_status run_update(struct call *call) {
  return call->in.flag ? hf_dict_update(dict_of(call), call->in.entries, call->in.count)
                       : update_in_parts(dict_of(call), call->in.entries, call->in.count);
}

static PyObject *dict_update(PyObject *self, PyObject *args, PyObject *kwargs) {
  static const struct operation update = {.run = run_update, .finish = finish_none};
  struct call call;
  object_count_change(self);
  if (!arguments_count("update", PyTuple_GET_SIZE(args), 0, 1)) {
    return NULL;
  }
  PyObject *source = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : NULL;
  if (!call_begin(&call, self, &update) || !call_entries(&call, source, kwargs)) {
    return call_abandon(&call);
  }
  call.in.flag = connection_batch(call.connection) != NULL; /* one call there is one result */
  return call_perform(&call);
}

static hf_status run_get_many(struct call *call) {
  return hf_dict_get_many(dict_of(call), call->in.values, call->in.count, &call->out.entries.items,
                          &call->out.entries.count);
}

static PyObject *dict_get_many(PyObject *self, PyObject *keys) {
  static const struct operation get_many = {run_get_many, finish_dict, NULL, drop_entries, false};
  struct call call;
  if (!call_begin(&call, self, &get_many) || !call_keys(&call, keys)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- beyond dict */

static hf_status run_add(struct call *call) {
  return hf_dict_add(dict_of(call), call->in.key, call->in.value,
                     call->wants_result ? &call->out.value : NULL);
}

static PyObject *dict_add(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct signature signature = {"add", {"key", "n"}, 1, 2};
  static const struct operation add = {run_add, finish_value, NULL, drop_value, false};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  object_count_change(self);
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &add, values[0])) {
    return call_abandon(&call);
  }
  call.in.value = hf_int(1);
  if (values[1] != NULL && !call_value(&call, values[1], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_compare_and_set(struct call *call) {
  return hf_dict_compare_and_set(
      dict_of(call), call->in.key, call->in.has_value ? &call->in.value : NULL,
      call->in.has_other ? &call->in.other : NULL, &call->out.exchanged.swapped,
      call->in.flag ? &call->out.exchanged.found : NULL);
}

/* A value, or none for MISSING. */
static bool take_optional(struct call *call, PyObject *object, hf_value *value, bool *has_value) {
  *has_value = object != call->connection->state->missing;
  return !*has_value || call_value(call, object, value);
}

static bool take_expected(struct call *call, PyObject *old) {
  call->in.has_value = old != call->connection->state->missing;
  return !call->in.has_value || call_compared_value(call, old);
}

static PyObject *dict_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                      PyObject *keywords) {
  static const struct signature signature = {"compare_and_set", {"key", "old", "new"}, 3, 3};
  static const struct operation compare_and_set = {.run = run_compare_and_set,
                                                   .finish = finish_swapped};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  object_count_change(self);
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &compare_and_set, values[0]) ||
      !take_expected(&call, values[1]) ||
      !take_optional(&call, values[2], &call.in.other, &call.in.has_other)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_replace(struct call *call) {
  return hf_dict_replace(dict_of(call), call->in.key, call->in.value);
}

static PyObject *dict_replace(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords) {
  static const struct signature signature = {"replace", {"key", "value"}, 2, 2};
  static const struct operation replace = {run_replace, finish_none, fail_key, NULL, false};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &replace, values[0]) ||
      !call_value(&call, values[1], &call.in.value)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static hf_status run_wait(struct call *call) {
  return hf_dict_wait(dict_of(call), call->in.key, call->in.has_value ? &call->in.value : NULL,
                      call->in.timeout_ms, &call->out.value);
}

const struct operation dict_wait_operation = {run_wait, finish_changed, fail_key, drop_value,
                                              false};

static PyObject *dict_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {"wait", {"key", "known", "timeout"}, 1, 3};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!begin_with_key(&call, self, &dict_wait_operation, values[0]) ||
      (values[1] != NULL && !take_expected(&call, values[1])) ||
      !convert_timeout_at_least_0(values[2], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  if (call.in.timeout_ms != HF_FOREVER) {
    call.in.number = interrupt_now_ms() + call.in.timeout_ms;
  }
  return call_perform(&call);
}

/* ---------------------------------------------------------------- the type */

#define WITH_KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef methods[] = {
    {"get", FAST(dict_get), METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\nReturn the value of key; default if it is missing."},
    {"pop", FAST(dict_pop), METH_FASTCALL,
     "pop(key[, default])\n\nRemove key and return its value; a missing key: default, or "
     "KeyError."},
    {"popitem", dict_popitem, METH_NOARGS,
     "popitem($self, /)\n--\n\nRemove and return the last (key, value)."},
    {"setdefault", FAST(dict_setdefault), METH_FASTCALL,
     "setdefault($self, key, default=None, /)\n--\n\nReturn the value of key, which is set to "
     "default if it is missing."},
    {"clear", dict_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemove all keys."},
    {"keys", dict_keys, METH_NOARGS, "keys($self, /)\n--\n\nReturn a list of all keys."},
    {"values", dict_values, METH_NOARGS, "values($self, /)\n--\n\nReturn a list of all values."},
    {"items", dict_items, METH_NOARGS,
     "items($self, /)\n--\n\nReturn a list of all (key, value), as of one moment."},
    {"copy", dict_copy, METH_NOARGS, "copy($self, /)\n--\n\nReturn a dict of all items."},
    {"update", FAST(dict_update), METH_VARARGS | METH_KEYWORDS,
     "update([other], **keywords)\n\nSet all keys of a mapping, of pairs, and keywords: at one "
     "moment, unless they are more than 16 MiB."},
    {"get_many", dict_get_many, METH_O,
     "get_many($self, keys, /)\n--\n\nReturn a dict of those of the keys that exist."},
    {"add", FAST(dict_add), WITH_KEYWORDS,
     "add($self, /, key, n=1)\n--\n\nAdd n to the number of key, atomically, and return the sum. A "
     "missing key counts as 0."},
    {"compare_and_set", FAST(dict_compare_and_set), WITH_KEYWORDS,
     "compare_and_set($self, /, key, old, new)\n--\n\nSet key to new if its value is old, "
     "atomically; return whether it was. MISSING as old: the key is missing; as new: remove it."},
    {"replace", FAST(dict_replace), WITH_KEYWORDS,
     "replace($self, /, key, value)\n--\n\nSet a key that exists; else KeyError."},
    {"wait", FAST(dict_wait), WITH_KEYWORDS,
     "wait($self, /, key, known=MISSING, timeout=None)\n--\n\nWait until the value of key differs "
     "from known, or the key exists, and return it. DeadlineExceeded; KeyError if it is removed."},
    {"set", FAST(dict_set), METH_FASTCALL,
     "set($self, key, value, /)\n--\n\nself[key] = value, as a method: in pipelines and "
     "transactions "
     "it has a result."},
    {"contains", dict_contains, METH_O,
     "contains($self, key, /)\n--\n\nWhether the key is there: `key in self` as a method, which "
     "pipelines and transactions can have."},
    {"length", dict_length, METH_NOARGS,
     "length($self, /)\n--\n\nlen(self) as a method, which pipelines and transactions can have."},
    {"__reversed__", dict_reversed, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Dict(connection, name=None)\n--\n\nA dict on the server, in insertion order."},
    {Py_tp_new, object_new},
    {Py_tp_init, dict_init},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, object_traverse},
    {Py_tp_clear, object_clear},
    {Py_tp_iter, dict_iter},
    {Py_mp_subscript, dict_getitem},
    {Py_mp_ass_subscript, dict_assign},
    {Py_mp_length, dict_len},
    {Py_sq_contains, dict_has},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec dict_spec = {"holdfast._core.Dict", sizeof(struct object), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
