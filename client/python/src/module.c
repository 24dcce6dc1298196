/* holdfast._core: the module. */
#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

static struct state *module_state(PyObject *module) {
  return PyModule_GetState(module);
}

struct state *state_of_type(PyTypeObject *type) {
  PyObject *bases = type->tp_mro;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
    PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(bases, i);
    PyObject *module =
        base->tp_flags & Py_TPFLAGS_HEAPTYPE ? ((PyHeapTypeObject *)base)->ht_module : NULL;
    if (module != NULL && PyModule_GetDef(module) == &core_module) {
      return module_state(module);
    }
  }
  Py_FatalError("holdfast._core: a type without the module");
}

/* ---------------------------------------------------------------- functions */

static PyObject *set_codec(PyObject *module, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords) {
  static const struct signature signature = {"set_codec", {"dumps", "loads", "dumps_key"}, 2, 3};
  struct state *state = module_state(module);
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  PyObject *dumps_key = values[2] == Py_None ? NULL : values[2];
  Py_INCREF(values[0]);
  Py_INCREF(values[1]);
  Py_XINCREF(dumps_key);
  Py_XSETREF(state->dumps, values[0]);
  Py_XSETREF(state->loads, values[1]);
  Py_XSETREF(state->dumps_key, dumps_key);
  Py_RETURN_NONE;
}

static PyObject *set_proxy_class(PyObject *module, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
  static const struct signature signature = {"set_proxy_class", {"kind", "cls"}, 2, 2};
  struct state *state = module_state(module);
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  const char *name = convert_text(values[0]);
  if (name == NULL) {
    return NULL;
  }
  hf_kind kind = hf_kind_find(name);
  if (kind == HF_ANY) {
    return PyErr_Format(PyExc_ValueError, "no kind of object is called %R", values[0]);
  }
  PyTypeObject *base =
      state->kind_types[kind] != NULL ? state->kind_types[kind] : state->object_type;
  if (!PyType_Check(values[1]) || !PyType_IsSubtype((PyTypeObject *)values[1], base)) {
    return PyErr_Format(PyExc_TypeError, "the class of %s must be a subclass of %s", name,
                        base->tp_name);
  }
  Py_INCREF(values[1]);
  Py_XSETREF(state->proxy_classes[kind], (PyTypeObject *)values[1]);
  Py_RETURN_NONE;
}

static PyObject *set_ending(PyObject *module, PyObject *ignored) {
  (void)ignored;
  Py_XSETREF(module_state(module)->ending, Py_NewRef(Py_True));
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"set_codec", FAST(set_codec), METH_FASTCALL | METH_KEYWORDS,
     "set_codec($module, /, dumps, loads, dumps_key=None)\n--\n\n"
     "Set the functions that make bytes of other objects, and objects of these bytes.\n\n"
     "dumps(object, connection) returns bytes, or bytes and the list of the proxies in them;\n"
     "data is bytes or another buffer, and loads(data) and loads(data, proxies) return the object. "
     "dumps_key\n"
     "is used in the place of dumps for the keys of dicts, which are equal if their bytes are."},
    {"set_proxy_class", FAST(set_proxy_class), METH_FASTCALL | METH_KEYWORDS,
     "set_proxy_class($module, /, kind, cls)\n--\n\n"
     "Set the class of the proxies that references to objects of this kind become. Proxies of\n"
     "exactly this class are stored as references."},
    {"set_ending", set_ending, METH_NOARGS,
     "set_ending($module, /)\n--\n\n"
     "The interpreter ends: in daemon threads calls that are withdrawn raise SystemExit."},
    {"pipe_new", FAST(pipe_new), METH_FASTCALL | METH_KEYWORDS,
     "pipe_new($module, /, connection, duplex=True)\n--\n\n"
     "Both ends of a new pipe; without duplex the second sends to the first."},
    {NULL},
};

/* ---------------------------------------------------------------- types */

struct type_row {
  PyType_Spec *spec;
  size_t offset;     /* in struct state; 0: in the kinds' members alone */
  bool is_made_here; /* users can't make any */
  hf_kind kinds[2];  /* of objects: the types are Object's children */
};

/* clang-format off */
#define TYPE(name) {&name##_spec, offsetof(struct state, name##_type), false, {HF_ANY}}
#define MADE(name) {&name##_spec, offsetof(struct state, name##_type), true, {HF_ANY}}
/* A new last kind raises KINDS_MAX (core.h). */
#define KIND(name, ...) {&name##_spec, 0, false, {__VA_ARGS__}}

static const struct type_row types[] = {
    TYPE(connection), TYPE(object), TYPE(opaque),
    MADE(async), MADE(batch), MADE(data), MADE(iterator), MADE(pending), MADE(reservation),
    KIND(array, HF_ARRAY, HF_RAW_ARRAY),
    KIND(barrier, HF_BARRIER),
    KIND(cell, HF_VALUE, HF_RAW_VALUE),
    KIND(condition, HF_CONDITION),
    KIND(dict, HF_DICT),
    KIND(event, HF_EVENT),
    KIND(list, HF_LIST),
    KIND(lock, HF_LOCK, HF_RLOCK),
    KIND(namespace, HF_NAMESPACE),
    KIND(pipe, HF_PIPE),
    KIND(queue, HF_QUEUE),
    KIND(semaphore, HF_SEMAPHORE, HF_BOUNDED_SEMAPHORE),
};
/* clang-format on */

static bool add_type(PyObject *module, struct state *state, const struct type_row *row) {
  PyObject *bases = NULL;
  if (row->kinds[0] != HF_ANY && (bases = PyTuple_Pack(1, state->object_type)) == NULL) {
    return false;
  }
  PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, row->spec, bases);
  Py_XDECREF(bases);
  if (type == NULL) {
    return false;
  }
  for (int i = 0; i < 2 && row->kinds[i] != HF_ANY; i++) {
    state->kind_types[row->kinds[i]] = (PyTypeObject *)Py_NewRef((PyObject *)type);
    state->proxy_classes[row->kinds[i]] = (PyTypeObject *)Py_NewRef((PyObject *)type);
  }
  if (row->is_made_here) {
    type->tp_new = NULL; /* also in CPython 3.9, which has no flag for that */
  }
  if (PyModule_AddType(module, type) != 0) {
    Py_DECREF(type);
    return false;
  }
  if (row->kinds[0] == HF_ANY) {
    memcpy((char *)state + row->offset, &type, sizeof type);
  } else {
    Py_DECREF(type);
  }
  return true;
}

static PyObject *missing_new(PyObject *module) {
  PyObject *type =
      PyObject_CallFunction((PyObject *)&PyType_Type, "s(){s:s,s:s,s:()}", "Missing", "__module__",
                            "holdfast._core", "__doc__", "The type of MISSING.", "__slots__");
  PyObject *missing = type == NULL ? NULL : PyObject_CallNoArgs(type);
  Py_XDECREF(type);
  if (missing != NULL && PyObject_SetAttrString(module, "MISSING", missing) != 0) {
    Py_CLEAR(missing);
  }
  return missing;
}

/* ---------------------------------------------------------------- the module */

/* What handles signals and forks is one for the process. */
static bool check_main_interpreter(void) {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
    return true;
  }
  PyErr_SetString(PyExc_ImportError, "holdfast works in the main interpreter only");
  return false;
}

static int module_exec(PyObject *module) {
  struct state *state = module_state(module);
  if (!check_main_interpreter()) {
    return -1;
  }
  if (!interrupt_install() || !errors_init(module, state) ||
      PyModule_AddStringConstant(module, "__version__", HOLDFAST_VERSION) != 0) {
    return -1;
  }
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!add_type(module, state, &types[i])) {
      return -1;
    }
  }
  state->missing = missing_new(module);
  return state->missing == NULL || !with_methods_add(state) ? -1 : 0;
}

/* All members of struct state are counted references. */
static int module_traverse(PyObject *module, visitproc visit, void *arg) {
  PyObject **members = (PyObject **)(void *)module_state(module);
  for (size_t i = 0; members != NULL && i < sizeof(struct state) / sizeof *members; i++) {
    Py_VISIT(members[i]);
  }
  return 0;
}

static int module_clear(PyObject *module) {
  PyObject **members = (PyObject **)(void *)module_state(module);
  for (size_t i = 0; members != NULL && i < sizeof(struct state) / sizeof *members; i++) {
    Py_CLEAR(members[i]);
  }
  return 0;
}

static void module_free(void *module) {
  module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "holdfast._core",
    .m_doc =
        "Objects shared by processes on many hosts: proxies with the methods of the types of "
        "multiprocessing.Manager, on libholdfast.",
    .m_size = sizeof(struct state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
  return PyModuleDef_Init(&core_module);
}
