/* What queue.c and reservation.c share.
 *
 * threads The GIL is held.
 */
#ifndef HOLDFAST_PYTHON_QUEUE_H
#define HOLDFAST_PYTHON_QUEUE_H

#include "client/python/src/core.h"

struct queue {
  struct object base;
  int64_t maxsize;
  bool knows_maxsize; /* else the server is asked, once */
};

/* The maxsize. false with an exception. */
bool queue_maxsize(PyObject *self, int64_t *maxsize);
PyObject *queue_get_maxsize(PyObject *self, void *closure);
int queue_init(PyObject *self, PyObject *args, PyObject *keywords);

/* A Reservation of an item of the queue. Takes the value, also on error. */
PyObject *reservation_take(PyObject *queue, struct hf_reservation *reservation);

#endif
