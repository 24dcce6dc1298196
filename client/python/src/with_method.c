/* __enter__ and __exit__ of Values and Arrays. A with statement binds both to the object, for which CPython
 * makes two methods and frees them again: that takes longer than the lock. These keep the last bound one
 * for the next statement, and the garbage collector does not look for it: an object that has its own as an
 * attribute lives as long as the process.
 */
#include "client/python/src/cell.h"

struct with_method {
  PyObject_HEAD vectorcallfunc call;
  const char *name;
  PyCFunction function;           /* ignores its second argument */
  Py_ssize_t arguments_max;       /* beside the object; they are ignored */
  PyTypeObject *owner;            /* of a descriptor: of the object; counted */
  struct with_method *kept;       /* of a descriptor: a bound one that nobody has; NULL: none */
  PyObject *self;                 /* of a bound one: the object */
  struct with_method *descriptor; /* of a bound one */
};

/* As PyObject_TypeCheck. The bases that it looks at are those that a struct begins with: few. */
static inline bool is_of(const PyObject *self, const PyTypeObject *owner) {
  const PyTypeObject *type = Py_TYPE(self);
  while (type != NULL && type != owner) {
    type = type->tp_base;
  }
  return type != NULL;
}

/* The object that it is called with; NULL with an exception. */
static PyObject *find_self(const struct with_method *method, PyObject *const *args,
                           Py_ssize_t count) {
  if (method->self != NULL) {
    return method->self;
  }
  if (count > 0 && is_of(args[0], method->owner)) {
    return args[0];
  }
  PyErr_Format(PyExc_TypeError, "%s() needs a '%s'", method->name, method->owner->tp_name);
  return NULL;
}

static PyObject *call(PyObject *callable, PyObject *const *args, size_t flags, PyObject *names) {
  const struct with_method *method = (struct with_method *)callable;
  Py_ssize_t count = PyVectorcall_NARGS(flags);
  if (method->self != NULL && names == NULL && count <= method->arguments_max) {
    return method->function(method->self, NULL);
  }
  PyObject *self = find_self(method, args, count);
  if (self == NULL) {
    return NULL;
  }
  if ((names != NULL && PyTuple_GET_SIZE(names) > 0) ||
      count - (method->self == NULL) > method->arguments_max) {
    PyErr_Format(PyExc_TypeError, "%s() got arguments that it does not take", method->name);
    return NULL;
  }
  return method->function(self, NULL);
}

static PyObject *bind(PyObject *object, PyObject *self, PyObject *type) {
  struct with_method *descriptor = (struct with_method *)object;
  (void)type;
  if (self == NULL) {
    return Py_NewRef(object);
  }
  if (!is_of(self, descriptor->owner)) {
    return PyErr_Format(PyExc_TypeError, "%s() is not of a '%.200s'", descriptor->name,
                        Py_TYPE(self)->tp_name);
  }
  struct with_method *method = descriptor->kept;
  descriptor->kept = NULL;
  if (method == NULL && (method = PyObject_GC_New(struct with_method, Py_TYPE(object))) != NULL) {
    method->call = call;
    method->name = descriptor->name;
    method->function = descriptor->function;
    method->arguments_max = descriptor->arguments_max;
    method->owner = NULL;
    method->kept = NULL;
  }
  if (method == NULL) {
    return NULL;
  }
  method->self = Py_NewRef(self);
  method->descriptor = (struct with_method *)Py_NewRef(object);
  return (PyObject *)method;
}

static void dealloc_descriptor(struct with_method *descriptor) {
  PyTypeObject *type = Py_TYPE(descriptor);
  PyObject_GC_UnTrack(descriptor);
  Py_XDECREF(descriptor->kept);
  Py_DECREF(descriptor->owner);
  PyObject_GC_Del(descriptor);
  Py_DECREF(type);
}

/* A bound one lives on as its descriptor's, if that has none. */
static void dealloc(PyObject *object) {
  struct with_method *method = (struct with_method *)object, *descriptor = method->descriptor;
  PyObject *self = method->self;
  if (method->owner != NULL) {
    dealloc_descriptor(method);
    return;
  }
  method->self = NULL;
  method->descriptor = NULL;
  if (descriptor != NULL && descriptor->kept == NULL) {
    Py_SET_REFCNT(object, 1);
    descriptor->kept = method;
  } else {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
  }
  Py_XDECREF(self);
  Py_XDECREF(descriptor);
}

/* Of descriptors: a type breaks its cycles. */
static int traverse(PyObject *object, visitproc visit, void *arg) {
  const struct with_method *method = (struct with_method *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(method->owner);
  return 0;
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct with_method, call), READONLY, NULL},
    {"__name__", T_STRING, offsetof(struct with_method, name), READONLY, NULL},
    {"__self__", T_OBJECT, offsetof(struct with_method, self), READONLY, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},        {Py_tp_traverse, traverse}, {Py_tp_descr_get, bind},
    {Py_tp_call, PyVectorcall_Call}, {Py_tp_members, members},   {0, NULL},
};

static PyType_Spec spec = {"holdfast._core.WithMethod", sizeof(struct with_method), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                               Py_TPFLAGS_METHOD_DESCRIPTOR,
                           slots};

static bool add(PyTypeObject *type, PyTypeObject *owner, const char *name, PyCFunction function,
                Py_ssize_t arguments_max) {
  struct with_method *method = PyObject_GC_New(struct with_method, type);
  if (method == NULL) {
    return false;
  }
  method->call = call;
  method->name = name;
  method->function = function;
  method->arguments_max = arguments_max;
  method->owner = (PyTypeObject *)Py_NewRef((PyObject *)owner);
  method->kept = method->descriptor = NULL;
  method->self = NULL;
  PyObject_GC_Track(method);
  int status = PyObject_SetAttrString((PyObject *)owner, name, (PyObject *)method);
  Py_DECREF(method);
  return status == 0;
}

bool with_methods_add(const struct state *state) {
  PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&spec);
  if (type == NULL) {
    return false;
  }
  type->tp_new = NULL;
  bool is_added = true;
  const hf_kind kinds[] = {HF_VALUE, HF_ARRAY};
  for (int i = 0; i < 2; i++) {
    PyTypeObject *owner = state->kind_types[kinds[i]];
    is_added = is_added && add(type, owner, "__enter__", cell_enter, 0) &&
               add(type, owner, "__exit__", cell_release, PY_SSIZE_T_MAX);
  }
  Py_DECREF(type);
  return is_added;
}
