/* Waiting for any of several objects. */
#include <stdlib.h>

#include "client/python/src/batch.h"

#define OBJECTS_MAX 64 /* the library's */
#define INDEX_NONE SIZE_MAX

/* What a wait needs until it is over: the calls, one an object. In a capsule, which a Pending
 * counts. */
struct wait {
  PyObject *objects; /* tuple */
  size_t count, index;
  struct call *calls;
};

static const char capsule_name[] = "holdfast._core.wait";

/* NULL: objects of the kind can't be waited for. */
static const struct operation *operation_of(hf_kind kind) {
  switch (kind) {
    case HF_QUEUE:
      return &queue_get_operation;
    case HF_PIPE:
      return &pipe_recv_operation;
    case HF_EVENT:
      return &event_wait_operation;
    case HF_LOCK:
    case HF_RLOCK:
      return &lock_acquire_operation;
    case HF_SEMAPHORE:
    case HF_BOUNDED_SEMAPHORE:
      return &semaphore_acquire_operation;
    default:
      return NULL;
  }
}

/* ---------------------------------------------------------------- life */

static void wait_free(struct wait *wait) {
  for (size_t i = 0; i < wait->count; i++) {
    call_free(&wait->calls[i]);
  }
  Py_XDECREF(wait->objects);
  free(wait->calls);
  free(wait);
}

static void free_capsule(PyObject *capsule) {
  wait_free(PyCapsule_GetPointer(capsule, capsule_name));
}

/* Adds the call of one object. */
static bool add(struct wait *wait, struct connection *connection, PyObject *item) {
  const struct object *object = (struct object *)item;
  if (!PyObject_TypeCheck(item, connection->state->object_type)) {
    PyErr_Format(PyExc_TypeError, "not an object of the server: %.200s", Py_TYPE(item)->tp_name);
    return false;
  }
  if (object->connection != connection) {
    PyErr_SetString(PyExc_ValueError, "the object is of another connection");
    return false;
  }
  struct call *call = &wait->calls[wait->count++]; /* freed also if it fails */
  if (!call_begin(call, item, NULL)) {
    return false;
  }
  call->operation = operation_of(hf_object_kind(call->handle));
  if (call->operation == NULL) {
    PyErr_Format(PyExc_TypeError, "a %s can't be waited for",
                 hf_kind_name(hf_object_kind(call->handle)));
    return false;
  }
  call->in.timeout_ms = HF_FOREVER;
  return true;
}

static bool add_all(struct wait *wait, struct connection *connection) {
  Py_ssize_t count = PyTuple_GET_SIZE(wait->objects);
  if (count == 0 || count > OBJECTS_MAX) {
    PyErr_Format(PyExc_ValueError, "wait() takes 1 to %d objects, not %zd", OBJECTS_MAX, count);
    return false;
  }
  wait->calls = calloc((size_t)count, sizeof *wait->calls);
  if (wait->calls == NULL) {
    PyErr_NoMemory();
    return false;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    if (!add(wait, connection, PyTuple_GET_ITEM(wait->objects, i))) {
      return false;
    }
  }
  return true;
}

/* A capsule with the calls of the objects. */
static PyObject *wait_new(struct connection *connection, PyObject *objects) {
  struct wait *wait = calloc(1, sizeof *wait);
  PyObject *capsule = NULL;
  if (wait == NULL) {
    return PyErr_NoMemory();
  }
  wait->index = INDEX_NONE;
  wait->objects = PySequence_Tuple(objects);
  if (wait->objects != NULL && add_all(wait, connection)) {
    capsule = PyCapsule_New(wait, capsule_name, free_capsule);
  }
  if (capsule == NULL) {
    wait_free(wait);
  }
  return capsule;
}

/* ---------------------------------------------------------------- waiting */

static hf_status run_wait(struct call *call) {
  struct wait *wait = call->in.pointer;
  hf_status status = hf_wait_any_begin(call->conn);
  if (status != HF_OK) {
    return status;
  }
  for (size_t i = 0; i < wait->count; i++) {
    hf_kept(wait->calls[i].operation->run(&wait->calls[i]));
  }
  return hf_wait_any_end(call->conn, call->in.timeout_ms, &wait->index);
}

static PyObject *pair(const struct wait *wait, PyObject *result) {
  PyObject *pair =
      result == NULL
          ? NULL
          : PyTuple_Pack(2, PyTuple_GET_ITEM(wait->objects, (Py_ssize_t)wait->index), result);
  Py_XDECREF(result);
  return pair;
}

static PyObject *finish_wait(struct call *call) {
  struct wait *wait = call->in.pointer;
  return pair(wait, call_finish(&wait->calls[wait->index], HF_OK, NULL));
}

/* The error is that of one object's call, or the time is up. */
static PyObject *fail_wait(struct call *call, const struct failure *failure) {
  struct wait *wait = call->in.pointer;
  if (wait->index != INDEX_NONE) {
    return pair(wait, call_finish(&wait->calls[wait->index], failure->status, failure));
  }
  if (failure->status == HF_DEADLINE_EXCEEDED) {
    return PyTuple_Pack(2, Py_None, Py_None);
  }
  return error_set(call->connection->state, failure);
}

static void drop_wait(struct call *call) {
  struct wait *wait = call->in.pointer;
  struct call *chosen = wait->index == INDEX_NONE ? NULL : &wait->calls[wait->index];
  if (chosen != NULL && chosen->operation->drop != NULL) {
    chosen->operation->drop(chosen);
  }
}

static void leave_objects(const struct wait *wait, size_t count) {
  for (size_t i = 0; i < count; i++) {
    object_leave(wait->calls[i].self);
  }
}

/* The handles are in use until the call is over, or submitted. */
static bool enter_objects(struct wait *wait) {
  for (size_t i = 0; i < wait->count; i++) {
    struct call *call = &wait->calls[i];
    if (!object_enter(call->self)) {
      leave_objects(wait, i);
      return false;
    }
    call->handle = call->self->handle;
  }
  return true;
}

PyObject *connection_wait(PyObject *self, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords) {
  static const struct operation wait_any = {
      .run = run_wait, .finish = finish_wait, .fail = fail_wait, .drop = drop_wait};
  static const struct signature signature = {"wait", {"objects", "timeout", NULL}, 1, 2};
  struct connection *connection = (struct connection *)self;
  PyObject *values[PARAMETERS_MAX];
  struct call call;
  if (!arguments(&signature, args, count, keywords, values)) {
    return NULL;
  }
  if (!call_begin_connection(&call, self, &wait_any) ||
      !convert_timeout(values[1], &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  call.in.timeout_ms = call.in.timeout_ms == TIMEOUT_NEGATIVE ? 0 : call.in.timeout_ms;
  call.subject = wait_new(connection, values[0]);
  if (call.subject == NULL) {
    return call_abandon(&call);
  }
  struct wait *wait = PyCapsule_GetPointer(call.subject, capsule_name);
  call.in.pointer = wait;
  PyObject *capsule = call.subject, *result = NULL;
  if (enter_objects(wait)) {
    result = call_perform(&call);
    leave_objects(wait, wait->count);
  } else {
    call_abandon(&call);
  }
  Py_DECREF(capsule);
  return result;
}
