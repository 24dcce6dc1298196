/* What locks, conditions and cells share: the arguments of acquire(), and what it learned.
 *
 * threads The GIL is held.
 */
#ifndef HOLDFAST_PYTHON_LOCK_H
#define HOLDFAST_PYTHON_LOCK_H

#include "client/python/src/core.h"

/* Of the last acquire() by this process. */
struct grant_record {
  uint64_t token;
  bool owner_died;
};

/* The structs of Lock and Condition begin with it. */
struct lockable {
  struct object base;
  struct grant_record grant;
};

/* acquire(block=True, timeout=None) as of locks: a timeout of -1 is none, other negative ones and
 * those of a call that does not block are ValueError. block or timeout may be NULL. */
bool lock_timeout(PyObject *block, PyObject *timeout, int64_t *timeout_ms);
/* The same as of semaphores: negative is 0. */
bool semaphore_timeout(PyObject *block, PyObject *timeout, int64_t *timeout_ms);
/* `block`, or its other name `blocking`, borrowed; NULL: neither. false: both were given. */
bool lock_block(PyObject *block, PyObject *blocking, PyObject **chosen);
/* RuntimeError with the words of threading for a lock that is not acquired. */
PyObject *fail_release(struct call *call, const struct failure *failure);

/* Methods of lockables. */
PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lock_release(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lock_enter(PyObject *self, PyObject *ignored);
PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lock_get_token(PyObject *self, void *closure);
PyObject *lock_get_owner_died(PyObject *self, void *closure);

#define LOCK_ACQUIRE_DOC                                                                \
  "acquire($self, /, block=True, timeout=None, *, lease=None, robust=False,\n"          \
  "        refuse_deadlock=False, blocking=True)\n--\n\n"                               \
  "Acquire the lock. True if it is acquired, False if the time was up. blocking is\n"   \
  "another name of block. lease: the server also releases the lock when this process\n" \
  "makes no call for that many seconds; robust: also when it ends cleanly;\n"           \
  "refuse_deadlock: Deadlock is raised instead of a wait that closes a cycle."
#define LOCK_RELEASE_DOC                                                             \
  "release($self, /, *, token=None)\n--\n\n"                                         \
  "Release the lock. RuntimeError if it is not acquired. token: TokenStale unless\n" \
  "it is that of the current grant."

#endif
