/* What batch.c, transaction.c, wait.c and async.c share.
 *
 *   with pipeline() ---- calls are submitted: Pending ---- end: each has its result or exception
 *   with transaction() - calls are added: Pending -------- commit: one request, all or none
 *   async.begin() ------ calls are submitted: Pending ---- collect(), when the descriptor is readable
 *
 * threads The GIL is held, except in batch_submit and operation.run. A batch is a thread's own.
 */
#ifndef HOLDFAST_PYTHON_BATCH_H
#define HOLDFAST_PYTHON_BATCH_H

#include "client/python/src/core.h"
#include "client/python/src/interrupt.h"

/* pending->number of a call that was answered without a request. */
#define NUMBER_NONE UINT64_MAX

enum batch_kind { BATCH_PIPELINE, BATCH_TRANSACTION, BATCH_ONEWAY };

struct block {
  struct batch batch;
  enum batch_kind kind;
  bool is_open, was_open;
  uint32_t in_flight; /* of a pipeline */
  int64_t timeout_ms; /* of a transaction: how long it waits for its conditions */
  size_t conditions;  /* of a transaction */
  size_t part;        /* of a transaction: the part that failed */
  PyObject *whole;    /* of a transaction in an Async: its Pending */
};

/* Runs the call's operation, and records its number in the pipeline, batch or Async. */
hf_status batch_submit(struct batch *batch, struct pending *pending);
/* Completes all calls that are not complete with that outcome. */
void batch_complete(struct batch *batch, hf_status status, const struct failure *failure);

/* The transaction's half of a block. */
bool transaction_begin(struct block *block);
/* Commits, or drops the calls if the block has raised. false with an exception. */
bool transaction_end(struct block *block, bool has_raised);
/* Whether the call commits a transaction: its Pending completes those of the transaction. */
bool transaction_is(const struct call *call);

/* Methods: conditions. */
#define CONDITION(name) \
  PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
CONDITION(require_equal);
CONDITION(require_missing);
CONDITION(require_length);
CONDITION(require_room);
CONDITION(require_owned);
CONDITION(require_at_least);
PyObject *require_set(PyObject *self, PyObject *event);
PyObject *require_free(PyObject *self, PyObject *lock);

/* Operations that wait-any takes: those of the kinds that need a timeout alone. */
extern const struct operation lock_acquire_operation, semaphore_acquire_operation,
    event_wait_operation, queue_get_operation, pipe_recv_operation;

#endif
