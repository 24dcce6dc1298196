/* Values and Arrays: their type and memory, their lock, buffers. */
#include "client/python/src/cell.h"
#include "client/python/src/lock.h"
#include "client/python/src/number.h"

bool cell_take_flag(PyObject *object, bool *flag) {
  int truth = object == NULL ? 0 : PyObject_IsTrue(object);
  *flag = truth > 0;
  return truth >= 0;
}

/* ---------------------------------------------------------------- what is known */

static void set_kind(struct cell *cell) {
  hf_kind kind = hf_object_kind(cell->base.handle);
  cell->is_array = kind == HF_ARRAY || kind == HF_RAW_ARRAY;
  cell->is_raw = kind == HF_RAW_VALUE || kind == HF_RAW_ARRAY;
}

static void *find_data(const struct cell *cell) {
  return cell->is_array ? hf_array_data((hf_array *)cell->base.handle)
                        : hf_cell_data((hf_cell *)cell->base.handle);
}

void cell_opened(PyObject *self, char typecode, bool is_array, Py_ssize_t length) {
  struct cell *cell = (struct cell *)self;
  cell->typecode = cell->format[0] = typecode;
  cell->length = length;
  if (cell->base.handle == NULL) { /* in an Async: open later, and then to be prepared */
    cell->is_array = is_array;
    cell->forks = interrupt_forks() + 1;
    return;
  }
  set_kind(cell);
  cell->data = find_data(cell); /* makes no request: the reply had the location */
  cell->forks = interrupt_forks();
}

/* Without the GIL: the typecode and the length, and the mapping, with a request of its own. */
static hf_status run_ask(struct call *call) {
  struct hf_object_info info = {0};
  struct cell *cell = (struct cell *)call->self;
  hf_status status = cell->typecode == '\0' ? hf_object_info(call->handle, &info) : HF_OK;
  if (status == HF_OK) {
    call->out.block = find_data(cell);
    call->in.index = (unsigned char)info.typecode;
    call->in.number = (int64_t)info.length;
  }
  return status;
}

static PyObject *finish_ask(struct call *call) {
  struct cell *cell = (struct cell *)call->self;
  if (cell->typecode == '\0') {
    cell->typecode = cell->format[0] = (char)call->in.index;
    cell->length = (Py_ssize_t)call->in.number;
  }
  cell->data = call->out.block;
  cell->forks = interrupt_forks();
  cell->depth = 0;
  Py_RETURN_NONE;
}

bool cell_prepare(PyObject *self) {
  static const struct operation ask = {.run = run_ask, .finish = finish_ask};
  struct cell *cell = (struct cell *)self;
  struct call call;
  if (cell->typecode != '\0' && cell->forks == interrupt_forks()) {
    return true;
  }
  if (!call_begin(&call, self, &ask)) {
    call_free(&call);
    return false;
  }
  set_kind(cell);
  if (cell->typecode != '\0' && cell->base.connection->batches != NULL) {
    call_free(&call);
    return true; /* mapped later: in a batch all calls are requests */
  }
  PyObject *result = call_perform_now(&call, "the first use of a Value or Array");
  Py_XDECREF(result);
  return result != NULL;
}

/* ---------------------------------------------------------------- the lock */

static hf_status unlock(const struct cell *cell, hf_object *handle) {
  return cell->is_array ? hf_array_unlock((hf_array *)handle) : hf_cell_unlock((hf_cell *)handle);
}

static bool try_lock(const struct cell *cell) {
  return cell->is_array ? hf_array_try_lock((hf_array *)cell->base.handle)
                        : hf_cell_try_lock((hf_cell *)cell->base.handle);
}

/* Another proxy of the object may have given back what this one has taken. */
static bool is_owned(const struct cell *cell) {
  return cell->depth > 0 && (cell->is_array ? hf_array_is_owned((hf_array *)cell->base.handle)
                                            : hf_cell_is_owned((hf_cell *)cell->base.handle));
}

enum cell_way cell_way_in(const struct cell *cell) {
  if (!cell_is_quick(cell)) {
    return CELL_CALL;
  }
  if (cell->is_raw) {
    return find_data(cell) == cell->data ? CELL_QUICK : CELL_CALL; /* the server may have stopped */
  }
  if (is_owned(cell)) {
    return CELL_QUICK;
  }
  return try_lock(cell) ? CELL_LOCKED : CELL_CALL;
}

void cell_leave(const struct cell *cell, enum cell_way way) {
  if (way == CELL_LOCKED) {
    (void)unlock(cell, cell->base.handle); /* owned by this thread */
  }
}

static hf_status run_acquire(struct call *call) {
  const struct cell *cell = (struct cell *)call->self;
  return cell->is_array
             ? hf_array_lock_with((hf_array *)call->handle, call->in.timeout_ms, &call->out.grant)
             : hf_cell_lock_with((hf_cell *)call->handle, call->in.timeout_ms, &call->out.grant);
}

static PyObject *finish_acquire(struct call *call) {
  ((struct cell *)call->self)->owner_died = call->out.grant.owner_died;
  Py_RETURN_TRUE;
}

static const struct operation acquire = {
    .run = run_acquire, .finish = finish_acquire, .fail = fail_late};

/* Takes the lock with the GIL held. */
static bool acquire_quickly(struct cell *cell) {
  if (!cell_is_quick(cell) || cell->is_raw || !try_lock(cell)) {
    return false;
  }
  cell->depth = cell_is_owned(cell) ? cell->depth + 1 : 1;
  cell->owner = pthread_self();
  cell->batch_count = cell->base.connection->batch_count;
  cell->owner_died = false;
  return true;
}

/* As multiprocessing.RLock: a negative timeout is 0, and ignored without block. */
static bool take_wait(PyObject *block, PyObject *timeout, int64_t *timeout_ms) {
  bool blocks = true;
  if (block != NULL && !cell_take_flag(block, &blocks)) {
    return false;
  }
  if (!blocks) {
    *timeout_ms = 0;
    return true;
  }
  if (!convert_timeout(timeout, timeout_ms)) {
    return false;
  }
  *timeout_ms = *timeout_ms == TIMEOUT_NEGATIVE ? 0 : *timeout_ms;
  return true;
}

static PyObject *acquire_slowly(PyObject *self, PyObject *block, PyObject *timeout) {
  struct call call;
  if (!cell_prepare(self)) {
    return NULL;
  }
  if (!call_begin(&call, self, &acquire) || !take_wait(block, timeout, &call.in.timeout_ms)) {
    return call_abandon(&call);
  }
  return call_perform(&call);
}

PyObject *cell_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords) {
  static const struct signature signature = {
      "acquire", {"block", "timeout", "blocking", NULL}, 0, 2};
  PyObject *values[PARAMETERS_MAX], *block;
  if (!arguments(&signature, args, count, keywords, values) ||
      !lock_block(values[0], values[2], &block)) {
    return NULL;
  }
  if (acquire_quickly((struct cell *)self)) {
    Py_RETURN_TRUE;
  }
  return acquire_slowly(self, block, values[1]);
}

PyObject *cell_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  if (acquire_quickly((struct cell *)self)) {
    Py_RETURN_TRUE;
  }
  return acquire_slowly(self, NULL, NULL);
}

static hf_status run_release(struct call *call) {
  return unlock((struct cell *)call->self, call->handle);
}

static PyObject *fail_unlock(struct call *call, const struct failure *failure) {
  if (failure->reason == HF_REASON_NOT_OWNER) {
    PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
    return NULL;
  }
  return error_set(call->connection->state, failure);
}

static const struct operation release = {
    .run = run_release, .finish = finish_none, .fail = fail_unlock, .gives_back = true};

PyObject *cell_release(PyObject *self, PyObject *ignored) {
  struct cell *cell = (struct cell *)self;
  struct call call;
  (void)ignored;
  if (cell_is_quick(cell) && cell_is_owned(cell)) {
    cell->depth--;
    (void)unlock(cell, cell->base.handle);
    Py_RETURN_NONE;
  }
  if (!cell_prepare(self)) {
    return NULL;
  }
  return call_begin(&call, self, &release) ? call_perform(&call) : call_abandon(&call);
}

PyObject *cell_get_lock(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

/* ---------------------------------------------------------------- attributes */

PyObject *cell_get_typecode(PyObject *self, void *closure) {
  (void)closure;
  return cell_prepare(self) ? PyUnicode_FromString(((struct cell *)self)->format) : NULL;
}

PyObject *cell_get_raw(PyObject *self, void *closure) {
  (void)closure;
  return cell_prepare(self) ? PyBool_FromLong(((struct cell *)self)->is_raw) : NULL;
}

PyObject *cell_get_mapped(PyObject *self, void *closure) {
  (void)closure;
  return cell_prepare(self) ? PyBool_FromLong(((struct cell *)self)->data != NULL) : NULL;
}

PyObject *cell_get_owner_died(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(((struct cell *)self)->owner_died);
}

/* ---------------------------------------------------------------- buffers */

/* An exported buffer counts as a call in use: the handle is closed after the last one is released. */
int cell_getbuffer(PyObject *self, Py_buffer *view, int flags) {
  struct cell *cell = (struct cell *)self;
  view->obj = NULL;
  if (!cell_prepare(self)) {
    return -1;
  }
  if (cell->data == NULL || cell->forks != interrupt_forks()) {
    PyErr_SetString(PyExc_BufferError,
                    "the elements are not in this process's memory: use read() and write()");
    return -1;
  }
  if (!object_enter(&cell->base)) {
    return -1;
  }
  object_pin(&cell->base); /* a forked child has the view, too */
  object_leave(&cell->base);
  size_t bytes = number_bytes(cell->typecode);
  *view = (Py_buffer){
      .buf = cell->data,
      .obj = Py_NewRef(self),
      .len = cell->length * (Py_ssize_t)bytes,
      .itemsize = (Py_ssize_t)bytes,
      .format = (flags & PyBUF_FORMAT) != 0 ? cell->format : NULL,
      .ndim = 1,
      .shape = (flags & PyBUF_ND) != 0 ? &cell->length : NULL,
  };
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &view->itemsize : NULL;
  return 0;
}

void cell_releasebuffer(PyObject *self, Py_buffer *view) {
  (void)view;
  object_unpin((struct object *)self);
}
