/* What Values and Arrays share: their type, their memory, their lock.
 *
 * Quick paths: on mapped elements, outside batches, methods keep the GIL, since they neither wait nor
 * make a request: raw elements are loaded and stored, others under a lock that this thread owns or
 * hf_cell_try_lock takes. All else is a call.
 *
 * threads The GIL is held.
 */
#ifndef HOLDFAST_PYTHON_CELL_H
#define HOLDFAST_PYTHON_CELL_H

#include <pthread.h>

#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

struct cell {
  struct object base;
  char typecode; /* '\0': not known yet */
  bool is_array, is_raw;
  void *data;           /* the elements; NULL: not mapped */
  unsigned forks;       /* interrupt_forks() when `data` was found */
  uint32_t depth;       /* levels of the lock taken by quick paths */
  pthread_t owner;      /* the thread that has them */
  uint32_t batch_count; /* the connection's then: a batch takes the lock to the server */
  bool owner_died;      /* of the last acquire() */
  char format[2];       /* of buffers: the typecode */
  Py_ssize_t length;    /* of an Array */
};

/* Finds out what is not known yet, by a request if need be. false with an exception. */
bool cell_prepare(PyObject *self);
/* After opening: what __init__ knows. */
void cell_opened(PyObject *self, char typecode, bool is_array, Py_ssize_t length);

/* Whether quick paths are possible. */
static inline bool cell_is_quick(const struct cell *cell) {
  return cell->data != NULL && cell->base.handle != NULL && !cell->base.is_closing &&
         cell->base.connection->batches == NULL && cell->forks == interrupt_forks();
}

/* Whether a quick path of this thread has taken the lock. */
static inline bool cell_is_owned(const struct cell *cell) {
  return cell->depth > 0 && cell->batch_count == cell->base.connection->batch_count &&
         pthread_equal(cell->owner, pthread_self());
}

/* The way to the elements: a call, or a quick path, which CELL_LOCKED leaves by unlocking. */
enum cell_way { CELL_CALL, CELL_QUICK, CELL_LOCKED };

enum cell_way cell_way_in(const struct cell *cell);
void cell_leave(const struct cell *cell, enum cell_way way);

/* For finish: the typecode's element, where a value that came over the wire is wider. */
bool cell_take_flag(PyObject *object, bool *flag);

/* acquire, release, get_lock: PyMethodDef entries. */
PyObject *cell_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *cell_release(PyObject *self, PyObject *ignored);
PyObject *cell_enter(PyObject *self, PyObject *ignored);
PyObject *cell_get_lock(PyObject *self, PyObject *ignored);
#define CELL_LOCK_METHODS                                                                     \
  {"acquire", FAST(cell_acquire), METH_FASTCALL | METH_KEYWORDS,                              \
   "acquire($self, /, block=True, timeout=None, *, blocking=True)\n--\n\n"                    \
   "Acquire the lock of the object, which is recursive. False if the time was up."},          \
      {"release", cell_release, METH_NOARGS, "release($self, /)\n--\n\nRelease the lock."}, { \
    "get_lock", cell_get_lock, METH_NOARGS,                                                   \
        "get_lock($self, /)\n--\n\nThe object itself, which is its lock."                     \
  }

/* typecode, raw, mapped, owner_died */
PyObject *cell_get_typecode(PyObject *self, void *closure);
PyObject *cell_get_raw(PyObject *self, void *closure);
PyObject *cell_get_mapped(PyObject *self, void *closure);
PyObject *cell_get_owner_died(PyObject *self, void *closure);
#define CELL_ATTRIBUTES                                                                       \
  {"typecode", cell_get_typecode, NULL, "The letter of the C type.", NULL},                   \
      {"raw", cell_get_raw, NULL, "Whether it has no lock.", NULL},                           \
      {"mapped", cell_get_mapped, NULL, "Whether the elements are in this process's memory.", \
       NULL},                                                                                 \
  {                                                                                           \
    "owner_died", cell_get_owner_died, NULL,                                                  \
        "Whether the owner before the last acquire() died while it owned the lock.", NULL     \
  }

int cell_getbuffer(PyObject *self, Py_buffer *view, int flags);
void cell_releasebuffer(PyObject *self, Py_buffer *view);

#endif
