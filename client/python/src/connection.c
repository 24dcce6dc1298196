/* Connection: to a server, with a session of its own. */
#include <stdlib.h>

#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

/* ---------------------------------------------------------------- use */

struct connection *connection_of(struct state *state, PyObject *argument) {
  if (!PyObject_TypeCheck(argument, state->connection_type)) {
    PyErr_Format(PyExc_TypeError, "expected a Connection, not %.200s", Py_TYPE(argument)->tp_name);
    return NULL;
  }
  return (struct connection *)argument;
}

bool connection_is_same_server(const struct connection *a, const struct connection *b) {
  return a == b || (a->url != NULL && b->url != NULL && PyUnicode_Compare(a->url, b->url) == 0);
}

bool connection_enter(struct connection *self) {
  if (self->conn == NULL || self->is_closing) {
    error_set_closed(self->state, "the connection is closed");
    return false;
  }
  use_begin(&self->use);
  return true;
}

/* Closes the handles and the connection, which nothing uses. */
static void close_now(struct connection *self) {
  hf_conn *conn = self->conn;
  size_t count = 0;
  struct object *object;
  for (object = self->objects; object != NULL; object = object->next) {
    count++;
  }
  hf_object **handles = PyMem_Malloc((count + 1) * sizeof *handles);
  if (handles == NULL) {
    return; /* the process's end says no goodbye then */
  }
  for (size_t i = 0; i < count; i++) {
    handles[i] = object_detach(self->objects);
  }
  self->conn = NULL;
  self->is_closing = false;
  Py_BEGIN_ALLOW_THREADS;
  for (size_t i = 0; i < count; i++) {
    hf_object_close(handles[i]);
  }
  hf_close(conn);
  Py_END_ALLOW_THREADS;
  PyMem_Free(handles);
}

static void close_if_unused(struct connection *self) {
  if (self->is_closing && use_is_none(&self->use)) {
    close_now(self);
  }
}

void connection_leave(struct connection *self) {
  use_end(&self->use);
  close_if_unused(self);
}

void connection_pin(struct connection *self) {
  self->use.pins++;
}

void connection_unpin(struct connection *self) {
  self->use.pins--;
  close_if_unused(self);
}

/* ---------------------------------------------------------------- batches */

uint64_t thread_number(void) {
  static _Thread_local uint64_t number;
  static _Atomic uint64_t last;
  if (number == 0) {
    number = ++last;
  }
  return number;
}

/* The first from `batch` on that is this thread's. */
static struct batch *own_batch(struct batch *batch) {
  uint64_t thread = thread_number();
  while (batch != NULL && (batch->thread != thread ||
                           (batch->generation != interrupt_forks() && !batch->survives_fork))) {
    batch = batch->next;
  }
  return batch;
}

struct batch *connection_batch(struct connection *connection) {
  return own_batch(connection->batches);
}

bool connection_is_submitting(struct connection *connection) {
  const struct batch *batch = own_batch(connection->batches);
  while (batch != NULL && !batch->is_async) {
    batch = own_batch(batch->next);
  }
  return batch != NULL;
}

void connection_batch_open(struct connection *connection, struct batch *batch) {
  batch->thread = thread_number();
  batch->generation = interrupt_forks();
  batch->next = connection->batches;
  connection->batches = batch;
  connection->batch_count++;
}

void connection_batch_close(struct batch *batch) {
  struct batch **link = &batch->connection->batches;
  while (*link != NULL && *link != batch) {
    link = &(*link)->next;
  }
  if (*link != NULL) {
    *link = batch->next;
    batch->next = NULL;
  }
}

/* ---------------------------------------------------------------- opening and closing */

static hf_status run_connect(struct call *call) {
  const struct hf_options *options = call->in.pointer;
  return hf_connect(call->in.text, options, (hf_conn **)&call->out.block);
}

static bool seconds_to_ms(PyObject *seconds, int64_t max, int64_t *ms) {
  if (seconds == NULL || seconds == Py_None) {
    *ms = 0;
    return true;
  }
  if (!convert_timeout(seconds, ms)) {
    return false;
  }
  if (*ms <= 0 || *ms > max) {
    PyErr_SetString(PyExc_ValueError, "a time must be positive, and not too long");
    return false;
  }
  return true;
}

static bool take_options(PyObject *const *values, struct hf_options *options) {
  int64_t grace_ms;
  if (!seconds_to_ms(values[1], INT64_MAX, &options->call_timeout_ms) ||
      !seconds_to_ms(values[2], UINT32_MAX, &grace_ms)) {
    return false;
  }
  options->grace_ms = (uint32_t)grace_ms;
  const char **texts[] = {&options->client, &options->key_file, &options->ca_file,
                          &options->cert_file, &options->private_key_file};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    PyObject *value = values[3 + i];
    if (value != NULL && value != Py_None && (*texts[i] = convert_text(value)) == NULL) {
      return false;
    }
  }
  return true;
}

/* The url that hf_connect takes for NULL. */
static PyObject *default_url(void) {
  const char *url = getenv("HOLDFAST_URL");
  return PyUnicode_DecodeFSDefault(url != NULL && *url != '\0' ? url : "tcp://127.0.0.1:4653");
}

static int connection_init(PyObject *object, PyObject *args, PyObject *kwargs) {
  static const struct signature signature = {"Connection",
                                             {"url", "call_timeout", "grace", "client", "key_file",
                                              "ca_file", "cert_file", "private_key_file"},
                                             0,
                                             1};
  static const struct operation connect = {run_connect, NULL, NULL, NULL};
  struct connection *self = (struct connection *)object;
  struct hf_options options = {0};
  struct failure failure;
  struct call call = {.operation = &connect, .connection = self, .in.pointer = &options};
  PyObject *values[PARAMETERS_MAX];
  if (!arguments_of_init(&signature, args, kwargs, values) || !take_options(values, &options)) {
    return -1;
  }
  if (self->url != NULL) {
    PyErr_SetString(PyExc_TypeError, "the connection is open already");
    return -1;
  }
  PyObject *url = values[0] == NULL || values[0] == Py_None ? default_url() : Py_NewRef(values[0]);
  if (url == NULL || (call.in.text = convert_text(url)) == NULL) {
    Py_XDECREF(url);
    return -1;
  }
  hf_status status = call_invoke_unchecked(&call, &failure);
  if (status != HF_OK) {
    call_finish(&call, status, &failure);
    Py_DECREF(url);
    return -1;
  }
  self->conn = call.out.block;
  self->url = url;
  return 0;
}

static PyObject *connection_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  struct connection *self = (struct connection *)type->tp_alloc(type, 0);
  (void)args;
  (void)kwargs;
  if (self != NULL) {
    self->state = state_of_type(type);
  }
  return (PyObject *)self;
}

static PyObject *connection_close(PyObject *object, PyObject *ignored) {
  struct connection *self = (struct connection *)object;
  (void)ignored;
  if (self->conn != NULL && use_is_none(&self->use)) {
    close_now(self);
  } else if (self->conn != NULL) {
    self->is_closing = true;
    hf_cancel(self->conn);
  }
  Py_RETURN_NONE;
}

static void connection_dealloc(PyObject *object) {
  struct connection *self = (struct connection *)object;
  PyTypeObject *type = Py_TYPE(object);
  PyObject *error_type, *error, *traceback;
  PyObject_GC_UnTrack(object);
  PyErr_Fetch(&error_type, &error, &traceback);
  if (self->weak_references != NULL) {
    PyObject_ClearWeakRefs(object);
  }
  if (self->conn != NULL) {
    close_now(self);
  }
  PyErr_Restore(error_type, error, traceback);
  Py_XDECREF(self->url);
  type->tp_free(object);
  Py_DECREF(type);
}

static int connection_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  return 0;
}

static PyObject *connection_cancel(PyObject *object, PyObject *ignored) {
  struct connection *self = (struct connection *)object;
  (void)ignored;
  if (!connection_enter(self)) {
    return NULL;
  }
  hf_cancel(self->conn);
  connection_leave(self);
  Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- the server */

#define NS_PER_S 1e9

static hf_status run_ping(struct call *call) {
  return hf_ping(call->conn, &call->out.number);
}

static PyObject *finish_ping(struct call *call) {
  return PyFloat_FromDouble((double)call->out.number / NS_PER_S);
}

static PyObject *connection_ping(PyObject *self, PyObject *ignored) {
  static const struct operation ping = {run_ping, finish_ping, NULL, NULL};
  struct call call;
  (void)ignored;
  return call_begin_connection(&call, self, &ping) ? call_perform_now(&call, "ping") : NULL;
}

static hf_status run_server_info(struct call *call) {
  return hf_server_info(call->conn, call->in.pointer);
}

static PyObject *finish_server_info(struct call *call) {
  return server_info_dict(call->in.pointer);
}

static PyObject *connection_server_info(PyObject *self, PyObject *ignored) {
  static const struct operation server_info = {run_server_info, finish_server_info, NULL, NULL};
  struct hf_server_info info;
  struct call call;
  (void)ignored;
  if (!call_begin_connection(&call, self, &server_info)) {
    return NULL;
  }
  call.in.pointer = &info;
  return call_perform_now(&call, "server_info");
}

/* ---------------------------------------------------------------- objects */

static bool take_kind(PyObject *object, int64_t *kind) {
  *kind = HF_ANY;
  if (object == NULL || object == Py_None) {
    return true;
  }
  const char *name = convert_text(object);
  if (name == NULL) {
    return false;
  }
  *kind = hf_kind_find(name);
  if (*kind == HF_ANY) {
    PyErr_Format(PyExc_ValueError, "no kind of object is called %R", object);
    return false;
  }
  return true;
}

static PyObject *finish_handle(struct call *call) {
  return object_wrap(call->connection, call->out.handle);
}

static hf_status run_open(struct call *call) {
  return hf_object_open(call->conn, call->in.unsigned_number, (hf_kind)call->in.number,
                        &call->out.handle);
}

static PyObject *connection_open(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
  static const struct signature signature = {"open", {"kind", "id"}, 2, 2};
  static const struct operation open = {run_open, finish_handle, NULL, NULL};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values) ||
      !call_begin_connection(&call, self, &open) || !take_kind(values[0], &call.in.number)) {
    return NULL;
  }
  call.in.unsigned_number = PyLong_AsUnsignedLongLong(values[1]);
  if (call.in.unsigned_number == (uint64_t)-1 && PyErr_Occurred()) {
    return NULL;
  }
  return call_perform_now(&call, "open");
}

static hf_status run_find(struct call *call) {
  return hf_open(call->conn, call->in.text, (hf_kind)call->in.number, &call->out.handle);
}

static PyObject *connection_find(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
  static const struct signature signature = {"find", {"name", "kind"}, 1, 2};
  static const struct operation find = {run_find, finish_handle, NULL, NULL};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values) ||
      !call_begin_connection(&call, self, &find) || !take_kind(values[1], &call.in.number) ||
      (call.in.text = convert_text(values[0])) == NULL) {
    return NULL;
  }
  PyObject *proxy = call_perform_now(&call, "find");
  if (proxy != NULL) {
    ((struct object *)proxy)->name = Py_NewRef(values[0]);
  }
  return proxy;
}

static hf_status run_delete(struct call *call) {
  return hf_delete(call->conn, call->in.text);
}

static PyObject *connection_delete(PyObject *self, PyObject *name) {
  static const struct operation delete = {run_delete, finish_none, NULL, NULL};
  struct call call;
  if (!call_begin_connection(&call, self, &delete) || (call.in.text = convert_text(name)) == NULL) {
    return NULL;
  }
  return call_perform_now(&call, "delete");
}

struct listing {
  struct hf_object_info *infos;
  size_t count;
};

static hf_status run_list_objects(struct call *call) {
  struct listing *listing = call->in.pointer;
  return hf_list_objects(call->conn, call->in.text, (hf_kind)call->in.number, &listing->infos,
                         &listing->count);
}

static PyObject *finish_list_objects(struct call *call) {
  const struct listing *listing = call->in.pointer;
  PyObject *list = PyList_New((Py_ssize_t)listing->count);
  for (size_t i = 0; list != NULL && i < listing->count; i++) {
    PyObject *dict = info_dict(&listing->infos[i]);
    if (dict == NULL) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, (Py_ssize_t)i, dict);
    }
  }
  free(listing->infos);
  return list;
}

static PyObject *connection_list_objects(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                         PyObject *keywords) {
  static const struct signature signature = {"list_objects", {"prefix", "kind"}, 0, 2};
  static const struct operation list_objects = {run_list_objects, finish_list_objects, NULL, NULL};
  struct listing listing = {NULL, 0};
  struct call call;
  PyObject *values[PARAMETERS_MAX];
  if (!arguments(&signature, args, count, keywords, values) ||
      !call_begin_connection(&call, self, &list_objects) ||
      !take_kind(values[1], &call.in.number)) {
    return NULL;
  }
  call.in.text = values[0] == NULL ? "" : convert_text(values[0]);
  call.in.pointer = &listing;
  return call.in.text == NULL ? NULL : call_perform_now(&call, "list_objects");
}

struct lock_listing {
  struct hf_lock_info *locks;
  size_t count;
};

static hf_status run_list_locks(struct call *call) {
  struct lock_listing *listing = call->in.pointer;
  return hf_list_locks(call->conn, &listing->locks, &listing->count);
}

static PyObject *finish_list_locks(struct call *call) {
  const struct lock_listing *listing = call->in.pointer;
  PyObject *list = lock_info_list(listing->locks, listing->count);
  hf_locks_free(listing->locks, listing->count);
  return list;
}

static PyObject *connection_list_locks(PyObject *self, PyObject *ignored) {
  static const struct operation list_locks = {run_list_locks, finish_list_locks, NULL, NULL};
  struct lock_listing listing = {NULL, 0};
  struct call call;
  (void)ignored;
  if (!call_begin_connection(&call, self, &list_locks)) {
    return NULL;
  }
  call.in.pointer = &listing;
  return call_perform_now(&call, "list_locks");
}

/* ---------------------------------------------------------------- the type */

static PyObject *get_url(PyObject *self, void *closure) {
  PyObject *url = ((struct connection *)self)->url;
  (void)closure;
  return Py_NewRef(url != NULL ? url : Py_None);
}

static PyObject *get_path(PyObject *object, void *closure) {
  struct connection *self = (struct connection *)object;
  if (!connection_enter(self)) {
    return NULL;
  }
  PyObject *path = PyUnicode_FromString(closure == NULL ? hf_conn_path(self->conn)
                                                        : hf_conn_path_reason(self->conn));
  connection_leave(self);
  return path;
}

static PyObject *get_closed(PyObject *object, void *closure) {
  const struct connection *self = (struct connection *)object;
  (void)closure;
  return PyBool_FromLong(self->conn == NULL || self->is_closing);
}

static PyObject *connection_repr(PyObject *object) {
  const struct connection *self = (struct connection *)object;
  return PyUnicode_FromFormat("<%s %V%s>", Py_TYPE(object)->tp_name, self->url, "not open",
                              self->conn == NULL ? " closed" : "");
}

static PyObject *connection_enter_with(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

static PyObject *connection_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return connection_close(self, NULL);
}

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct connection, weak_references), READONLY,
     NULL},
    {NULL},
};

static PyGetSetDef getset[] = {
    {"url", get_url, NULL, "the server's address", NULL},
    {"path", get_path, NULL, "how calls go now: 'shared memory', 'tls', 'tcp' or 'ipc'", NULL},
    {"path_reason", get_path, NULL, "why not through shared memory; '' if they do", ""},
    {"closed", get_closed, NULL, "whether close() was called", NULL},
    {NULL},
};

#define WITH_KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef methods[] = {
    {"close", connection_close, METH_NOARGS,
     "close($self, /)\n--\n\nSay goodbye to the server. Proxies of the connection are closed. "
     "Calls of other threads are withdrawn, and the last of them closes."},
    {"cancel", connection_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nWithdraw the calls that wait, of all threads: they raise Cancelled."},
    {"ping", connection_ping, METH_NOARGS,
     "ping($self, /)\n--\n\nMake one round trip; return its time in seconds."},
    {"server_info", connection_server_info, METH_NOARGS,
     "server_info($self, /)\n--\n\nVersion, load and memory of the server, a dict."},
    {"open", FAST(connection_open), WITH_KEYWORDS,
     "open($self, /, kind, id)\n--\n\nOpen an existing object by its id."},
    {"find", FAST(connection_find), WITH_KEYWORDS,
     "find($self, /, name, kind=None)\n--\n\nOpen an existing object by its name."},
    {"delete", connection_delete, METH_O,
     "delete($self, name, /)\n--\n\nDelete the object of that name for everybody."},
    {"list_objects", FAST(connection_list_objects), WITH_KEYWORDS,
     "list_objects($self, /, prefix='', kind=None)\n--\n\nList named objects, a dict of each."},
    {"list_locks", connection_list_locks, METH_NOARGS,
     "list_locks($self, /)\n--\n\nList the locks that are owned or waited for, a dict of each."},
    {"pipeline", FAST(connection_pipeline), WITH_KEYWORDS,
     "pipeline($self, /, in_flight=0)\n--\n\n"
     "A block of calls that are sent without waiting for the results, which its end collects.\n"
     "If the block raises, calls that still wait after 25 ms are withdrawn: their result()\n"
     "raises Cancelled.\n"
     "in_flight: the most that are under way; 0: as many as the server allows."},
    {"transaction", FAST(connection_transaction), WITH_KEYWORDS,
     "transaction($self, /, timeout=0)\n--\n\n"
     "A block of calls that the server performs as a whole at its end, or not at all. With a\n"
     "timeout it waits until the conditions of require_...() are true."},
    {"oneway", FAST(connection_oneway), WITH_KEYWORDS,
     "oneway($self, /)\n--\n\nA block of calls that are sent without replies; see flush()."},
    {"flush", FAST(connection_flush), WITH_KEYWORDS,
     "flush($self, /, timeout=None)\n--\n\n"
     "Wait until the server has performed all calls without replies. A dict: sent, failed,\n"
     "first_status and first_reason of those that failed."},
    {"wait", FAST(connection_wait), WITH_KEYWORDS,
     "wait($self, /, objects, timeout=None)\n--\n\n"
     "Wait for any of several queues (get), pipes (recv), events (wait), locks and semaphores\n"
     "(acquire). Returns the object and the result; None and None if the time was up."},
    {"_is_pickled", connection_is_pickled, METH_O,
     "_is_pickled($self, value, /)\n--\n\nWhether the value is sent as a pickle, which the server "
     "compares by its bytes. MISSING is not."},
    {"async_open", connection_async_open, METH_NOARGS,
     "async_open($self, /)\n--\n\nAn Async, for event loops; a connection has at most one."},
    {"__enter__", connection_enter_with, METH_NOARGS, NULL},
    {"__exit__", FAST(connection_exit), METH_FASTCALL, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Connection(url=None, *, call_timeout=None, grace=None, client=None)\n--\n\n"
     "A connection to a server.\n\n"
     "url is tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH; None: $HOLDFAST_URL, else\n"
     "tcp://127.0.0.1:4653.\n"
     "call_timeout is how long a call tries to reach the server (10 s), grace how long the\n"
     "session outlives a lost connection (5 s), client a name for people."},
    {Py_tp_new, connection_new},
    {Py_tp_init, connection_init},
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_traverse, connection_traverse},
    {Py_tp_repr, connection_repr},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec connection_spec = {"holdfast._core.Connection", sizeof(struct connection), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                               slots};
