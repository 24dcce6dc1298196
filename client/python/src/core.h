/* holdfast._core: what its files share.
 *
 * A method checks its arguments, describes one operation in a struct call on its stack, and returns
 * call_perform(&call):
 *
 *   static hf_status run_get(struct call *call) {
 *     return hf_dict_get((hf_dict *)call->handle, call->in.key, &call->out.value);
 *   }
 *   static const struct operation get = {run_get, finish_value, .fail = fail_key, .drop = drop_value};
 *
 *   static PyObject *dict_get(PyObject *self, PyObject *key) {
 *     struct call call;
 *     if (!call_begin(&call, self, &get) || !call_key(&call, key)) {
 *       return call_abandon(&call);
 *     }
 *     return call_perform(&call);
 *   }
 *
 * errors   As in CPython: NULL or false with an exception set.
 * threads  The GIL is held, except in operation.run. Objects and connections count the calls that
 *          run without it; closing one in use is put off until the last of them has returned.
 */
#ifndef HOLDFAST_PYTHON_CORE_H
#define HOLDFAST_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <holdfast/holdfast.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *object) {
  Py_INCREF(object);
  return object;
}
#endif

#define KINDS_MAX (HF_BARRIER + 1)
#define FAST(function) ((PyCFunction)(void (*)(void))(function))

struct call;
struct operation;
struct pending;

/* ---------------------------------------------------------------- the module */

/* One a module; connections point to it. Each member is a counted reference. */
struct state {
  PyTypeObject *connection_type, *object_type, *pending_type, *opaque_type, *iterator_type,
      *data_type;
  PyTypeObject *reservation_type, *batch_type, *async_type;
  PyTypeObject *kind_types[KINDS_MAX]; /* of this module; two kinds may share one */
  PyTypeObject
      *proxy_classes[KINDS_MAX]; /* what references become; set_proxy_class, else as above */
  PyObject *dumps, *loads;       /* set_codec */
  PyObject *dumps_key;           /* the same: equal keys to equal bytes; NULL: dumps */
  PyObject *missing;             /* MISSING */
  PyObject *error, *unavailable, *session_ended, *cancelled, *deadline_exceeded, *object_deleted;
  PyObject *memory_full, *token_stale, *condition_not_met, *deadlock, *invalid_argument;
  PyObject *closed, *unauthenticated, *permission_denied;
  PyObject *ending; /* set_ending(): True once the interpreter ends */
  PyObject *queue_empty, *queue_full, *queue_shut_down,
      *broken_barrier; /* the standard library's */
};

extern struct PyModuleDef core_module;
/* The state of the module that defines `type` or one of its bases. Never NULL for types of core_module.
 */
struct state *state_of_type(PyTypeObject *type);
/* Gives Values and Arrays their __enter__ and __exit__. false with an exception. */
bool with_methods_add(const struct state *state);
/* Types, one a file; module.c has the list. */
extern PyType_Spec connection_spec, object_spec, pending_spec, opaque_spec, iterator_spec,
    data_spec;
extern PyType_Spec async_spec, batch_spec;
extern PyType_Spec array_spec, barrier_spec, cell_spec, condition_spec, dict_spec, event_spec;
extern PyType_Spec list_spec, lock_spec, namespace_spec, pipe_spec, queue_spec, reservation_spec;
extern PyType_Spec semaphore_spec;

/* ---------------------------------------------------------------- connections, objects */

/* Calls that run without the GIL. A forked child starts with none: only the forking thread lives on.
 */
struct use {
  uint32_t calls, generation;
  uint32_t pins; /* by what a forked child has, too: exported buffers, open batches */
};
void use_begin(struct use *use);
void use_end(struct use *use);
bool use_is_none(const struct use *use);

/* What is open on a thread instead of plain calls: head of the objects of batch.c and async.c. */
struct batch {
  PyObject_HEAD struct connection *connection; /* counted */
  struct batch *next; /* of the connection; not counted: open ones are alive */
  uint64_t thread;    /* thread_number() */
  uint32_t generation;
  bool survives_fork; /* the library goes on with it in a forked child */
  bool is_async;      /* opening objects is a call, too */
  bool is_oneway;     /* calls have no results: out parameters are to be NULL */
  PyObject *pendings; /* list: of each call its Pending, in order; NULL if is_oneway */
  /* Submits one call: sets up its mode if needed and runs call->operation->run. NULL: runs it. */
  hf_status (*submit)(struct batch *batch, struct pending *pending);
};

struct connection {
  PyObject_HEAD struct state *state; /* borrowed: the type keeps the module */
  hf_conn *conn;                     /* NULL: closed */
  struct object *objects;            /* open ones, not counted */
  struct batch *batches;             /* open ones */
  uint32_t batch_count;              /* opened so far */
  struct use use;
  bool is_closing; /* when the last call has returned */
  PyObject *url;   /* str */
  PyObject *weak_references;
};

/* A handle. Base of all kinds; their structs begin with it. */
struct object {
  PyObject_HEAD hf_object *handle; /* NULL: closed, or not open yet */
  struct connection *connection;   /* counted; NULL before __init__ */
  struct object *next, **link;     /* of connection->objects; link NULL: in no list */
  struct use use;
  bool is_closing;
  PyObject *name;   /* str; NULL: anonymous */
  uint64_t changes; /* calls of this proxy that may have changed a container: for its iterators */
};

/* This thread's, which no other one ever has, unlike its identifier. In a forked child the thread keeps it. */
uint64_t thread_number(void);
/* The innermost batch of this thread on the connection; NULL: calls are plain. */
struct batch *connection_batch(struct connection *connection);
/* Whether this thread has an Async begun on the connection, maybe with a transaction in it. */
bool connection_is_submitting(struct connection *connection);
/* Enters and leaves the list of the connection's batches. */
void connection_batch_open(struct connection *connection, struct batch *batch);
void connection_batch_close(struct batch *batch);
/* A value in an encoding of other clients. */
struct opaque {
  PyObject_HEAD PyObject *codec, *data; /* str without NUL; bytes */
};

/* A read-only buffer of the bytes of an opaque value, which is taken. */
PyObject *data_new(struct state *state, hf_value *value);

/* The connection that `argument` is; TypeError, or Closed. Borrowed. */
struct connection *connection_of(struct state *state, PyObject *argument);
/* Whether both reach one server, so that references of one are valid on the other. */
bool connection_is_same_server(const struct connection *a, const struct connection *b);

/* Around code without the GIL that uses connection->conn. enter: false with Closed. The connection
 * and the object must be referenced meanwhile. */
bool connection_enter(struct connection *connection);
void connection_leave(struct connection *connection);
/* The same for an object and its connection. */
bool object_enter(struct object *object);
void object_leave(struct object *object);
/* What lasts beyond a call, and is there in a forked child as well, pins the connection, or the
 * object and its connection: closing them is put off until they are unpinned. Called between enter
 * and leave. */
void connection_pin(struct connection *connection);
void connection_unpin(struct connection *connection);
void object_pin(struct object *object);
void object_unpin(struct object *object);

/* For __init__ of the kinds: opens the object of `self` with operation->run, which sets
 * call->out.handle. `call` has the arguments, call_begin_open began it; `name` is None or a str, and
 * becomes in.text (NULL: none). 0, or -1 with an exception. In an Async it is submitted: the Pending's
 * result is the proxy, which is open from then on. */
bool call_begin_open(struct call *call, PyObject *self, PyObject *connection, PyObject *name,
                     const struct operation *operation);
int call_open(struct call *call);
/* Takes the handle out of the object, which is closed then. */
hf_object *object_detach(struct object *object);
/* A proxy for a handle, which is taken also on error: an instance of the class of its kind, made
 * without __init__. */
PyObject *object_wrap(struct connection *connection, hf_object *handle);
/* Slots of all kinds. A new object has all members 0. */
void object_dealloc(PyObject *self);
int object_traverse(PyObject *self, visitproc visit, void *arg);
int object_clear(PyObject *self);
PyObject *object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* Before a call that may change a container. */
static inline void object_count_change(PyObject *object) {
  ((struct object *)object)->changes++;
}

static inline struct state *state_of(PyObject *object) {
  const struct connection *connection = ((struct object *)object)->connection;
  return connection != NULL ? connection->state : state_of_type(Py_TYPE(object));
}

/* ---------------------------------------------------------------- calls */

/* How a call failed. */
struct failure {
  hf_status status;
  hf_reason reason;    /* HF_REASON_NONE: an unknown one */
  const char *message; /* borrowed; never NULL */
};

/* What an operation does at its three moments. Only run is without the GIL. */
struct operation {
  /* Calls the library: arguments from call->in, results to call->out. */
  hf_status (*run)(struct call *call);
  /* After HF_OK: the method's result, a new reference. Takes call->out over, also on error. */
  PyObject *(*finish)(struct call *call);
  /* After another status: sets the exception and returns NULL, or returns a result, as acquire
   * returns False. NULL: error_set. */
  PyObject *(*fail)(struct call *call, const struct failure *failure);
  /* After HF_OK, if nobody wants the result: frees call->out. NULL: nothing to free. */
  void (*drop)(struct call *call);
  bool is_patient; /* struct interruption's */
  bool gives_back; /* performed also when a signal's exception is due, which is raised after it */
};

/* Codecs of opaque values: what dumps() returned alone, or as the first item of a tuple whose others
 * are the references that it returned with it. */
#define CODEC_PICKLE "pickle"
#define CODEC_REFERENCES "pickle.references"

#define CALL_ITEMS 8
#define CALL_KEPT 4

struct call_block; /* of memory, freed with the call */

/* What a call's arguments and its failure point to. */
struct call_memory {
  size_t items_used;
  hf_value items[CALL_ITEMS];
  struct call_block *blocks;
  int kept_count;
  PyObject *kept[CALL_KEPT]; /* counted */
  PyObject *kept_more;       /* list */
  char message[256];
};

struct call {
  const struct operation *operation;
  struct connection *connection; /* borrowed from the method's caller; a Pending's is counted */
  struct object *self;           /* the same; NULL: an operation of the connection */
  union {
    hf_object *handle; /* of self */
    hf_conn *conn;     /* if self is NULL */
  };
  bool wants_result; /* false: one-way; run passes NULL for out parameters that may be NULL */
  struct {           /* whatever run needs; valid until it has returned */
    hf_value key, value, other;
    bool has_value, has_other; /* else the library gets NULL, where it tells these apart */
    bool flag, is_volatile;
    hf_value *values;         /* call_values */
    struct hf_entry *entries; /* call_entries */
    size_t count;
    struct hf_slice slice;
    int64_t index, number, timeout_ms;
    uint64_t unsigned_number;
    double real;
    const char *text;
    void *pointer;
  } in;
  union { /* zeroed by call_begin */
    hf_value value;
    struct {
      hf_value *items;
      size_t count;
    } values;
    struct {
      struct hf_entry *items;
      size_t count;
    } entries;
    struct hf_entry entry;
    struct {
      hf_value found;
      bool swapped;
    } exchanged;
    struct hf_reservation reservation;
    struct hf_grant grant;
    hf_object *handle;
    void *block; /* malloc */
    uint64_t number;
    int64_t integer;
    double real;
    size_t count;
    bool flag;
  } out;
  /* Python objects for finish and fail: borrowed from the method's caller, counted in a Pending. */
  PyObject *subject;         /* the key of KeyError, the value of ValueError, the buffer to fill */
  PyObject *fallback;        /* the result instead of an error */
  struct call_memory memory; /* last; a Pending's call has none */
};

/* Before the arguments: there is nothing that call_free would free. */
static inline void call_own_nothing(struct call *call) {
  call->memory.items_used = 0;
  call->memory.blocks = NULL;
  call->memory.kept_count = 0;
  call->memory.kept_more = NULL;
}
/* Begins a call on an object, which may be NULL, or on its connection alone. call_abandon may follow
 * also if it fails: false with Closed. */
bool call_begin(struct call *call, PyObject *self, const struct operation *operation);
bool call_begin_connection(struct call *call, PyObject *connection,
                           const struct operation *operation);
/* Performs it: the method's result. In a batch: a new Pending. Frees what the call has. */
PyObject *call_perform(struct call *call);
/* The same where the caller needs the answer at once: in a batch RuntimeError, which names the
 * `method`. */
PyObject *call_perform_now(struct call *call, const char *method);
/* For slots that return a C number: that of an int or bool, which is taken; -1 for NULL. */
Py_ssize_t call_number(PyObject *result);
/* Whether the last call of this thread failed because its request was too big. */
bool call_is_too_big(hf_status status);
/* The parts of call_perform_now. run: without the GIL, looks at signals; *failure is set unless HF_OK,
 * and valid until the call is made again. If an exception was raised by a signal handler: HF_CANCELLED
 * with that exception set. finish: the method's result for this status. */
hf_status call_invoke(struct call *call, struct failure *failure);
/* The same without a look whether self and the connection are open. */
hf_status call_invoke_unchecked(struct call *call, struct failure *failure);
PyObject *call_finish(struct call *call, hf_status status, const struct failure *failure);
/* Frees what the call has. Returns NULL, with the exception that is set. */
PyObject *call_abandon(struct call *call);
void call_free(struct call *call);
/* RuntimeError if this thread has a batch open on the connection, which may be NULL: for methods of
 * several calls. */
bool call_refuse_batch(struct connection *connection, const char *method);

/* Arguments. Each is valid until run has returned. */
bool call_key(struct call *call, PyObject *key); /* in.key, subject; TypeError if not hashable */
bool call_value(struct call *call, PyObject *object, hf_value *value); /* e.g. &call->in.value */
/* The same to in.value, for finish_swapped. */
bool call_compared_value(struct call *call, PyObject *object);
/* The same, but nothing is pickled: is_typed false if it would have to be. */
bool call_value_typed(struct call *call, PyObject *object, hf_value *value, bool *is_typed);
/* in.values and in.count from any iterable; the second: of keys. */
bool call_values(struct call *call, PyObject *iterable);
bool call_keys(struct call *call, PyObject *iterable);
/* in.entries and in.count as dict.update takes them: a mapping or pairs (may be NULL), and keywords
 * (a dict, may be NULL). */
bool call_entries(struct call *call, PyObject *source, PyObject *keywords);
/* Memory for the call; NULL with MemoryError. */
void *call_allocate(struct call *call, size_t size);
/* Keeps an object until run has returned. Steals the reference, also on error; false also for
 * NULL. */
bool call_keep(struct call *call, PyObject *object);

/* The usual finishes, fails and drops. */
PyObject *finish_none(struct call *call);
PyObject *finish_self(struct call *call);    /* in-place operators */
PyObject *finish_value(struct call *call);   /* out.value */
PyObject *finish_values(struct call *call);  /* out.values: list */
PyObject *finish_entries(struct call *call); /* out.entries: list of pairs */
PyObject *finish_dict(struct call *call);    /* out.entries: dict */
PyObject *finish_entry(struct call *call);   /* out.entry: pair */
/* out.exchanged: bool. The server compares pickles by their bytes; if it found another that Python finds
 * equal (after call_compared_value), the call is made again with that one. */
PyObject *finish_swapped(struct call *call);
/* out.value, after a wait for another one than the known (call_compared_value): the same while Python
 * finds it equal, until in.number, of interrupt_now_ms. */
PyObject *finish_changed(struct call *call);
PyObject *finish_flag(struct call *call);                                  /* out.flag: bool */
PyObject *finish_number(struct call *call);                                /* out.number: int */
PyObject *finish_true(struct call *call);                                  /* acquire */
PyObject *fail_key(struct call *call, const struct failure *failure);      /* KeyError(subject) */
PyObject *fail_fallback(struct call *call, const struct failure *failure); /* NOT_FOUND: fallback */
PyObject *fail_late(struct call *call,
                    const struct failure *failure); /* DEADLINE_EXCEEDED: False */
void drop_value(struct call *call);
void drop_values(struct call *call);
void drop_entries(struct call *call);
void drop_entry(struct call *call);

/* A call in a batch, and later its result. Made by call_perform; batch.c and async.c complete it. */
struct pending {
  PyObject_HEAD enum { PENDING_SUBMITTED, PENDING_COMPLETE, PENDING_DELIVERED } progress;
  bool is_pinning;        /* the connection, for a handle that may arrive */
  uint64_t number;        /* of the call in its batch; batch.h */
  struct failure failure; /* message: pending_complete's copy */
  PyObject *message;      /* bytes */
  PyObject *result;       /* delivered: a result, or else: */
  PyObject *exception;
  struct call call; /* last, without its memory; connection, self, subject and fallback counted;
                     * results arrive in out */
};

/* Copies the call, but not what its arguments point to. */
struct pending *pending_new(const struct call *call);
/* Copies `failure`, which may be NULL for HF_OK. Calls of a batch that was not performed complete
 * with its error. Ignored the second time. false with MemoryError, and complete all the same. */
bool pending_complete(struct pending *pending, hf_status status, const struct failure *failure);
/* Its result(): a new reference, or NULL with the call's exception; RuntimeError before the end. */
PyObject *pending_result(struct pending *pending);

/* Methods of connections, and a function of the module, of batch.c, wait.c, async.c, encode.c and
 * pipe.c. */
PyObject *connection_pipeline(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords);
PyObject *connection_transaction(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords);
PyObject *connection_oneway(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords);
PyObject *connection_flush(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords);
PyObject *connection_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords);
PyObject *connection_async_open(PyObject *self, PyObject *ignored);
PyObject *connection_is_pickled(PyObject *self, PyObject *value);
PyObject *pipe_new(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

/* ---------------------------------------------------------------- errors */

/* The failure of this thread's last call of the library. */
struct failure failure_last(hf_status status);
struct failure failure_make(hf_status status, const char *reason, const char *message);
/* Sets the exception that stands for the failure where no method says otherwise: KeyError,
 * IndexError, ... for the reasons that Python has a builtin exception for, else Error or a subclass of
 * it with .status and .reason. Returns NULL. */
PyObject *error_set(struct state *state, const struct failure *failure);
/* Sets `type` with the failure's message, and .status and .reason. Returns NULL. */
PyObject *error_set_as(PyObject *type, const struct failure *failure);
/* Closed. */
void error_set_closed(const struct state *state, const char *message);
/* Creates the exceptions, and adds them to the module. */
bool errors_init(PyObject *module, struct state *state);

/* ---------------------------------------------------------------- values */

/* A value that a call returned, as a Python object. Takes the value, also on error. */
PyObject *convert_take(struct connection *connection, hf_value *value);
/* A list of the values, which stay as they are. */
PyObject *convert_views(struct connection *connection, const hf_value *values, size_t count);
/* A pair. */
PyObject *convert_take_entry(struct connection *connection, struct hf_entry *entry);
/* The same for arrays, which are freed: a list, a list of pairs, a dict. */
PyObject *convert_take_values(struct connection *connection, hf_value *values, size_t count);
PyObject *convert_take_entries(struct connection *connection, struct hf_entry *entries,
                               size_t count);
PyObject *convert_take_dict(struct connection *connection, struct hf_entry *entries, size_t count);
/* Seconds to milliseconds, rounded up. None and NULL: HF_FOREVER. Negative: TIMEOUT_NEGATIVE. */
#define TIMEOUT_NEGATIVE INT64_MIN
bool convert_timeout(PyObject *seconds, int64_t *timeout_ms);
bool convert_timeout_at_least_0(PyObject *seconds, int64_t *timeout_ms); /* negative: ValueError */
/* The UTF-8 of a str without NUL, borrowed from it; NULL with an exception. */
const char *convert_text(PyObject *text);
/* Dicts of the members. */
PyObject *info_dict(const struct hf_object_info *info);
PyObject *server_info_dict(const struct hf_server_info *info);
PyObject *lock_info_list(const struct hf_lock_info *locks, size_t count);
/* An index: int or __index__; IndexError beyond 64 bits. */
bool convert_index(PyObject *object, int64_t *index);
/* The argument of that name: the same; OverflowError beyond 64 bits. */
bool convert_number(const char *name, PyObject *object, int64_t *number);

/* ---------------------------------------------------------------- arguments of methods */

#define PARAMETERS_MAX 8

struct signature {
  const char *method;                    /* "put" */
  const char *names[PARAMETERS_MAX + 1]; /* NULL ends; a leading "" is positional only */
  int required, positional;              /* how many, of all; the others are keyword only */
};
/* Sorts the arguments of METH_FASTCALL | METH_KEYWORDS into values[], borrowed, NULL where missing. */
bool arguments(const struct signature *signature, PyObject *const *args, Py_ssize_t count,
               PyObject *keywords, PyObject **values);
/* TypeError unless `count` positional arguments are from required to most. */
bool arguments_count(const char *method, Py_ssize_t count, Py_ssize_t required, Py_ssize_t most);
/* The same for a tuple and a dict (may be NULL), as __init__ gets them. */
bool arguments_of_init(const struct signature *signature, PyObject *args, PyObject *keywords,
                       PyObject **values);

#endif
