/* Exceptions: what stands for a failure of the library. */
#include "client/python/src/core.h"

struct failure failure_make(hf_status status, const char *reason, const char *message) {
  return (struct failure){status, hf_reason_find(reason, strlen(reason)), message};
}

struct failure failure_last(hf_status status) {
  if (status == HF_OK) {
    return (struct failure){HF_OK, HF_REASON_NONE, ""};
  }
  const struct hf_error *error = hf_last_error();
  return failure_make(status, error->reason, error->message);
}

/* ---------------------------------------------------------------- raising */

/* A message that is too long ends anywhere, also within a character. New. */
static PyObject *text_of(const char *message) {
  return PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
}

static void set_builtin(PyObject *type, const char *message) {
  PyObject *text = text_of(message);
  if (text != NULL) {
    PyErr_SetObject(type, text);
    Py_DECREF(text);
  }
}

PyObject *error_set_as(PyObject *type, const struct failure *failure) {
  PyObject *text = text_of(failure->message);
  PyObject *exception = text == NULL ? NULL : PyObject_CallOneArg(type, text);
  Py_XDECREF(text);
  if (exception == NULL) {
    return NULL;
  }
  PyObject *status = PyUnicode_FromString(hf_status_name(failure->status));
  PyObject *reason = PyUnicode_FromString(hf_reason_name(failure->reason));
  if (status != NULL && reason != NULL &&
      PyObject_SetAttrString(exception, "status", status) == 0 &&
      PyObject_SetAttrString(exception, "reason", reason) == 0) {
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  }
  Py_XDECREF(status);
  Py_XDECREF(reason);
  Py_DECREF(exception);
  return NULL;
}

/* Reasons that Python has an exception for. NULL: none. */
static PyObject *builtin_for(const struct state *state, hf_reason reason) {
  switch (reason) {
    case HF_REASON_NO_SUCH_KEY:
      return PyExc_KeyError;
    case HF_REASON_NO_SUCH_VALUE:
    case HF_REASON_RELEASED_TOO_OFTEN:
    case HF_REASON_TOO_MANY_DONE:
    case HF_REASON_BAD_SLICE:
    case HF_REASON_NEGATIVE_TIMEOUT:
      return PyExc_ValueError;
    case HF_REASON_NO_SUCH_ATTRIBUTE:
      return PyExc_AttributeError;
    case HF_REASON_BAD_INDEX:
    case HF_REASON_IS_EMPTY:
      return PyExc_IndexError;
    case HF_REASON_OVERFLOW:
      return PyExc_OverflowError;
    case HF_REASON_WRONG_TYPE:
    case HF_REASON_NOT_ORDERED:
    case HF_REASON_NOT_HASHABLE:
      return PyExc_TypeError;
    case HF_REASON_END_OF_FILE:
      return PyExc_EOFError;
    case HF_REASON_PIPE_CLOSED:
      return PyExc_BrokenPipeError;
    case HF_REASON_NOT_LOCKED:
    case HF_REASON_NOT_OWNER:
    case HF_REASON_NOT_ACQUIRED:
    case HF_REASON_SIZE_CHANGED:
    case HF_REASON_ALREADY_OPEN:
      return PyExc_RuntimeError;
    case HF_REASON_NO_MEMORY:
      return PyExc_MemoryError;
    case HF_REASON_QUEUE_EMPTY:
      return state->queue_empty;
    case HF_REASON_QUEUE_FULL:
      return state->queue_full;
    case HF_REASON_QUEUE_SHUT_DOWN:
      return state->queue_shut_down;
    case HF_REASON_BARRIER_BROKEN:
      return state->broken_barrier;
    default:
      return NULL;
  }
}

/* The other reasons and statuses: Error, or what one may want to catch of it. */
static PyObject *error_for(const struct state *state, const struct failure *failure) {
  switch (failure->reason) {
    case HF_REASON_SESSION_ENDED:
      return state->session_ended;
    case HF_REASON_NO_SUCH_OBJECT:
    case HF_REASON_OBJECT_DELETED:
      return state->object_deleted;
    case HF_REASON_MEMORY_FULL:
      return state->memory_full;
    case HF_REASON_TOKEN_STALE:
      return state->token_stale;
    case HF_REASON_CONDITION_NOT_MET:
      return state->condition_not_met;
    case HF_REASON_DEADLOCK:
      return state->deadlock;
    default:
      break;
  }
  switch (failure->status) {
    case HF_UNAVAILABLE:
      return state->unavailable;
    case HF_CANCELLED:
      return state->cancelled;
    case HF_DEADLINE_EXCEEDED:
      return state->deadline_exceeded;
    case HF_INVALID_ARGUMENT:
      return state->invalid_argument;
    case HF_UNAUTHENTICATED:
      return state->unauthenticated;
    case HF_PERMISSION_DENIED:
      return state->permission_denied;
    default:
      return state->error;
  }
}

/* The attribute of a module of the standard library; NULL with an exception. */
static PyObject *imported(const char *module_name, const char *attribute) {
  PyObject *module = PyImport_ImportModule(module_name);
  PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, attribute);
  Py_XDECREF(module);
  return found;
}

/* The threads that are left when the interpreter ends are its daemons: they end without a word, as those
 * that wait for a lock do. */
static bool set_exit(const struct state *state) {
  if (state->ending == NULL) {
    return false;
  }
  PyObject *current = imported("threading", "current_thread");
  PyObject *thread = current == NULL ? NULL : PyObject_CallNoArgs(current);
  PyObject *daemon = thread == NULL ? NULL : PyObject_GetAttrString(thread, "daemon");
  bool is_daemon = daemon == Py_True;
  Py_XDECREF(current);
  Py_XDECREF(thread);
  Py_XDECREF(daemon);
  PyErr_Clear();
  if (is_daemon) {
    PyErr_SetNone(PyExc_SystemExit);
  }
  return is_daemon;
}

void error_set_closed(const struct state *state, const char *message) {
  if (!set_exit(state)) {
    PyErr_SetString(state->closed, message);
  }
}

PyObject *error_set(struct state *state, const struct failure *failure) {
  PyObject *builtin = builtin_for(state, failure->reason);
  if (builtin != NULL) {
    set_builtin(builtin, failure->message);
    return NULL;
  }
  bool is_end = failure->status == HF_CANCELLED || failure->status == HF_UNAVAILABLE ||
                failure->reason == HF_REASON_SESSION_ENDED;
  if (is_end && set_exit(state)) {
    return NULL;
  }
  return error_set_as(error_for(state, failure), failure);
}

/* ---------------------------------------------------------------- the classes */

struct error_row {
  const char *name, *doc;
  PyObject **builtin;
  size_t offset; /* in struct state */
};

#define ERROR_ROW(name, builtin, member, doc) \
  { "holdfast._core." name, doc, builtin, offsetof(struct state, member) }

static const struct error_row error_rows[] = {
    ERROR_ROW(
        "Unavailable", &PyExc_ConnectionError, unavailable,
        "No server answered within the call timeout (call_timeout, 10 s), or it still loads its "
        "state. A call without a time limit ends so, too."),
    ERROR_ROW(
        "SessionEnded", &PyExc_ConnectionError, session_ended,
        "The connection was lost for longer than the grace time, or a server without --data was "
        "restarted: connect again. Locks that were owned are free."),
    ERROR_ROW("Closed", &PyExc_ConnectionError, closed, "The proxy or its connection is closed."),
    ERROR_ROW("Cancelled", NULL, cancelled, "The call was withdrawn by Connection.cancel()."),
    ERROR_ROW("DeadlineExceeded", &PyExc_TimeoutError, deadline_exceeded, "The time was up."),
    ERROR_ROW("ObjectDeleted", NULL, object_deleted, "The object does not exist, or no longer."),
    ERROR_ROW("MemoryFull", &PyExc_MemoryError, memory_full,
              "The server's memory limit is reached."),
    ERROR_ROW("TokenStale", NULL, token_stale,
              "The fencing token is not that of the current grant: the lock was lost."),
    ERROR_ROW("ConditionNotMet", NULL, condition_not_met,
              "A condition of a transaction is not met; nothing was done."),
    ERROR_ROW("Deadlock", NULL, deadlock, "The wait would close a cycle of waits."),
    ERROR_ROW("InvalidArgument", &PyExc_ValueError, invalid_argument, "An argument is not valid."),
    ERROR_ROW("PermissionDenied", &PyExc_PermissionError, permission_denied,
              "The user has no right to do that."),
};

static PyObject *error_new(PyObject *module, const char *name, const char *doc, PyObject *bases,
                           PyObject *members) {
  PyObject *type = PyErr_NewExceptionWithDoc(name, doc, bases, members);
  const char *attribute = strrchr(name, '.') + 1;
  if (type != NULL && PyObject_SetAttrString(module, attribute, type) != 0) {
    Py_CLEAR(type);
  }
  return type;
}

static bool error_rows_init(PyObject *module, struct state *state) {
  for (size_t i = 0; i < sizeof error_rows / sizeof *error_rows; i++) {
    const struct error_row *row = &error_rows[i];
    PyObject *bases = row->builtin != NULL ? PyTuple_Pack(2, state->error, *row->builtin)
                                           : PyTuple_Pack(1, state->error);
    if (bases == NULL) {
      return false;
    }
    PyObject *type = error_new(module, row->name, row->doc, bases, NULL);
    Py_DECREF(bases);
    if (type == NULL) {
      return false;
    }
    *(PyObject **)((char *)state + row->offset) = type;
  }
  return true;
}

static bool unauthenticated_init(PyObject *module, struct state *state) {
  PyObject *standard = imported("multiprocessing", "AuthenticationError");
  PyObject *bases = standard == NULL ? NULL : PyTuple_Pack(2, state->error, standard);
  if (bases != NULL) {
    state->unauthenticated = error_new(
        module, "holdfast._core.Unauthenticated",
        "The server does not know who this is: the key is missing or another one.", bases, NULL);
  }
  Py_XDECREF(standard);
  Py_XDECREF(bases);
  return state->unauthenticated != NULL;
}

/* queue.ShutDown is new in Python 3.13; before, a class of that name here. */
static PyObject *shut_down_class(PyObject *module) {
  PyObject *found = imported("queue", "ShutDown");
  if (found != NULL) {
    if (PyObject_SetAttrString(module, "ShutDown", found) != 0) {
      Py_CLEAR(found);
    }
    return found;
  }
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
    return NULL;
  }
  PyErr_Clear();
  return error_new(module, "holdfast._core.ShutDown", "The queue is shut down.", NULL, NULL);
}

bool errors_init(PyObject *module, struct state *state) {
  PyObject *members = Py_BuildValue("{s:s,s:s}", "status", "", "reason", "");
  if (members == NULL) {
    return false;
  }
  state->error = error_new(module, "holdfast._core.Error",
                           "A call failed. status is gRPC's canonical code, such as "
                           "'RESOURCE_EXHAUSTED'; reason a stable word, or ''.",
                           NULL, members);
  Py_DECREF(members);
  return state->error != NULL && error_rows_init(module, state) &&
         unauthenticated_init(module, state) &&
         (state->queue_empty = imported("queue", "Empty")) != NULL &&
         (state->queue_full = imported("queue", "Full")) != NULL &&
         (state->broken_barrier = imported("threading", "BrokenBarrierError")) != NULL &&
         (state->queue_shut_down = shut_down_class(module)) != NULL;
}
