/* Reservations of items of a queue; opening queues. */
#include "client/python/src/queue.h"

/* ---------------------------------------------------------------- the queue */

static hf_status run_open(struct call *call) {
  return hf_queue_open(call->conn, call->in.text, call->in.number, (hf_queue **)&call->out.handle);
}

int queue_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static const struct signature signature = {
      "Queue", {"connection", "name", "maxsize", NULL}, 1, 3};
  static const struct operation open = {.run = run_open};
  struct queue *queue = (struct queue *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments_of_init(&signature, args, keywords, values)) {
    return -1;
  }
  if (!call_begin_open(&call, self, values[0], values[1], &open) ||
      (values[2] != NULL && !convert_number("maxsize", values[2], &call.in.number))) {
    call_abandon(&call);
    return -1;
  }
  queue->maxsize = call.in.number;
  queue->knows_maxsize = true;
  return call_open(&call);
}

static hf_status run_info(struct call *call) {
  struct hf_object_info info;
  hf_status status = hf_object_info(call->handle, &info);
  if (status == HF_OK) {
    call->out.integer = info.maxsize;
  }
  return status;
}

static PyObject *finish_info(struct call *call) {
  struct queue *queue = (struct queue *)call->self;
  queue->maxsize = call->out.integer;
  queue->knows_maxsize = true;
  Py_RETURN_NONE;
}

bool queue_maxsize(PyObject *self, int64_t *maxsize) {
  static const struct operation ask = {.run = run_info, .finish = finish_info};
  const struct queue *queue = (struct queue *)self;
  struct call call;
  if (!queue->knows_maxsize) {
    PyObject *result =
        call_begin(&call, self, &ask) ? call_perform_now(&call, "maxsize") : call_abandon(&call);
    if (result == NULL) {
      return false;
    }
    Py_DECREF(result);
  }
  *maxsize = queue->maxsize;
  return true;
}

PyObject *queue_get_maxsize(PyObject *self, void *closure) {
  int64_t maxsize;
  (void)closure;
  return queue_maxsize(self, &maxsize) ? PyLong_FromLongLong(maxsize) : NULL;
}

/* ---------------------------------------------------------------- operations */

static hf_status run_ack(struct call *call) {
  return hf_queue_ack((hf_queue *)call->handle, call->in.unsigned_number);
}

static hf_status run_return(struct call *call) {
  return hf_queue_return((hf_queue *)call->handle, call->in.unsigned_number,
                         (uint64_t)call->in.number);
}

static hf_status run_extend(struct call *call) {
  return hf_queue_extend((hf_queue *)call->handle, call->in.unsigned_number,
                         (uint64_t)call->in.number);
}

static hf_status run_bury(struct call *call) {
  return hf_queue_bury((hf_queue *)call->handle, call->in.unsigned_number);
}

static const struct operation ack = {.run = run_ack, .finish = finish_none, .gives_back = true};
static const struct operation give_back = {
    .run = run_return, .finish = finish_none, .gives_back = true};
static const struct operation extend = {.run = run_extend, .finish = finish_none};
static const struct operation bury = {.run = run_bury, .finish = finish_none, .gives_back = true};

/* ---------------------------------------------------------------- life */

struct reservation {
  PyObject_HEAD PyObject *queue;
  PyObject *value; /* NULL: it can't be read */
  PyObject *error; /* then: the exception that says why */
  unsigned long long id, tries;
  long long priority;
};

/* Nobody would know the id. The exception stays set. */
static void return_unread(PyObject *queue, unsigned long long id) {
  PyObject *type, *exception, *traceback, *result = NULL;
  struct call call;
  PyErr_Fetch(&type, &exception, &traceback);
  if (call_begin(&call, queue, &give_back)) {
    call.in.unsigned_number = id;
    result = call_perform(&call);
  }
  Py_XDECREF(result);
  PyErr_Restore(type, exception, traceback); /* without one of the call */
}

/* The exception that is set, which is none then. */
static PyObject *take_exception(void) {
  PyObject *type, *exception, *traceback;
  PyErr_Fetch(&type, &exception, &traceback);
  PyErr_NormalizeException(&type, &exception, &traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return exception;
}

/* An item that can't be read is reserved all the same: it can be buried, which only its id makes possible. */
PyObject *reservation_take(PyObject *queue, struct hf_reservation *taken) {
  const struct object *object = (struct object *)queue;
  PyTypeObject *type = object->connection->state->reservation_type;
  PyObject *value = convert_take(object->connection, &taken->value);
  PyObject *error = value == NULL ? take_exception() : NULL;
  struct reservation *reservation = (struct reservation *)type->tp_alloc(type, 0);
  if (reservation == NULL) {
    Py_XDECREF(value);
    Py_XDECREF(error);
    return_unread(queue, taken->id);
    return NULL;
  }
  reservation->queue = Py_NewRef(queue);
  reservation->value = value;
  reservation->error = error;
  reservation->id = taken->id;
  reservation->tries = taken->tries;
  reservation->priority = taken->priority;
  return (PyObject *)reservation;
}

static int reservation_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(((struct reservation *)self)->queue);
  Py_VISIT(((struct reservation *)self)->value);
  Py_VISIT(((struct reservation *)self)->error);
  return 0;
}

static int reservation_clear(PyObject *self) {
  Py_CLEAR(((struct reservation *)self)->queue);
  Py_CLEAR(((struct reservation *)self)->value);
  Py_CLEAR(((struct reservation *)self)->error);
  return 0;
}

static void reservation_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  (void)reservation_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

/* ---------------------------------------------------------------- calls on the queue */

/* seconds: of a delay or lease; NULL: 0 */
static PyObject *perform(PyObject *self, const struct operation *operation, PyObject *seconds) {
  struct reservation *reservation = (struct reservation *)self;
  struct call call;
  if (!call_begin(&call, reservation->queue, operation)) {
    return call_abandon(&call);
  }
  call.in.unsigned_number = reservation->id;
  if (seconds != NULL && seconds != Py_None && !convert_timeout(seconds, &call.in.number)) {
    return call_abandon(&call);
  }
  if (call.in.number == TIMEOUT_NEGATIVE) {
    PyErr_SetString(PyExc_ValueError, "the time must be a non-negative number");
    return call_abandon(&call);
  }
  return call_perform(&call);
}

static PyObject *reservation_ack(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return perform(self, &ack, NULL);
}

static PyObject *reservation_bury(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return perform(self, &bury, NULL);
}

static PyObject *reservation_return(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords) {
  static const struct signature signature = {"return_", {"delay", NULL}, 0, 1};
  PyObject *values[PARAMETERS_MAX];
  return arguments(&signature, args, count, keywords, values) ? perform(self, &give_back, values[0])
                                                              : NULL;
}

static PyObject *reservation_extend(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords) {
  static const struct signature signature = {"extend", {"lease", NULL}, 1, 1};
  PyObject *values[PARAMETERS_MAX];
  return arguments(&signature, args, count, keywords, values) ? perform(self, &extend, values[0])
                                                              : NULL;
}

static PyObject *reservation_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

/* Acknowledges, or returns the item if the block raised. */
static PyObject *reservation_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  bool has_raised = count > 0 && args[0] != Py_None;
  return perform(self, has_raised ? &give_back : &ack, NULL);
}

/* ---------------------------------------------------------------- the type */

static PyObject *reservation_value(PyObject *self, void *closure) {
  const struct reservation *reservation = (struct reservation *)self;
  (void)closure;
  if (reservation->value == NULL) {
    PyErr_SetObject((PyObject *)Py_TYPE(reservation->error), reservation->error);
    return NULL;
  }
  return Py_NewRef(reservation->value);
}

#define OFFSET(member) offsetof(struct reservation, member)

static PyMemberDef members[] = {
    {"queue", T_OBJECT_EX, OFFSET(queue), READONLY, "the queue"},
    {"id", T_ULONGLONG, OFFSET(id), READONLY, "only rises"},
    {"tries", T_ULONGLONG, OFFSET(tries), READONLY,
     "how often the item was reserved before and returned"},
    {"priority", T_LONGLONG, OFFSET(priority), READONLY, "the item's"},
    {NULL},
};

static PyGetSetDef accessors[] = {
    {"value", reservation_value, NULL,
     "the item; raises if it can't be read, as when its class can't be imported here", NULL},
    {NULL},
};

static PyMethodDef methods[] = {
    {"ack", reservation_ack, METH_NOARGS,
     "ack($self, /)\n--\n\nRemove the item for good; counts as task_done()."},
    {"return_", FAST(reservation_return), METH_FASTCALL | METH_KEYWORDS,
     "return_($self, /, delay=0)\n--\n\n"
     "Return the item to its position, available after so many seconds."},
    {"extend", FAST(reservation_extend), METH_FASTCALL | METH_KEYWORDS,
     "extend($self, /, lease)\n--\n\nRenew the lease, in seconds."},
    {"bury", reservation_bury, METH_NOARGS,
     "bury($self, /)\n--\n\nSet the item aside until Queue.kick()."},
    {"__enter__", reservation_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(reservation_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "An item of a queue that is reserved until ack(). As a context manager: ack() at\n"
     "the end of the block, return_() if it raises."},
    {Py_tp_dealloc, reservation_dealloc},
    {Py_tp_traverse, reservation_traverse},
    {Py_tp_clear, reservation_clear},
    {Py_tp_members, members},
    {Py_tp_getset, accessors},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec reservation_spec = {"holdfast._core.Reservation", sizeof(struct reservation), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
