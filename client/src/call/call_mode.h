/* Call modes: how the calls of a thread on a connection are sent, if not one by one: a pipeline,
 * one-way, a transaction, a wait-any, or asynchronous calls. A thread has at most one mode open per
 * connection, except that a transaction or wait-any may be open above asynchronous calls.
 *
 * layer   client, call
 * threads A mode belongs to one thread. A forked child's thread inherits the mode, unless the kind
 *         has `forget`.
 * memory  An open mode counts the connection: if another thread closes the connection, calls in the
 *         mode answer that the connection was closed, until the mode ends.
 */
#ifndef HF_CLIENT_CALL_MODE_H
#define HF_CLIENT_CALL_MODE_H

#include "client/src/call/request.h"

struct call_mode;
struct steps;

struct call_mode_kind {
  bool sends_batches; /* a batch may be opened above, whose one request this mode sends */
  /* Whether the mode sends the request; false: a plain call does. */
  bool (*takes)(const struct request *request);
  /* Sends a checked request. HF_OK | an error, also the thread's last error */
  hf_status (*send)(struct call_mode *mode, struct request *request);
  /* Submits a copy of a call of several operations. HF_OK | an error, also the thread's last error,
   * and the call has ended. NULL: the thread makes them one by one. */
  hf_status (*submit_steps)(struct call_mode *mode, struct steps *steps);
  /* A call could not be sent; the thread's last error says why. NULL: ignored. */
  void (*refused)(struct call_mode *mode, hf_status status);
  /* The calls since begin; NULL: not counted. */
  uint64_t (*made)(const struct call_mode *mode);
  /* In a forked child that can't use the parent's mode: frees the mode, without its count of the
   * connection. NULL: the mode continues in the child. */
  void (*forget)(struct call_mode *mode);
};

/* The first member of each mode's struct. */
struct call_mode {
  const struct call_mode_kind *kind;
  hf_conn *conn;          /* counted */
  struct call_mode *next; /* of the thread */
  uint32_t generation;    /* fork_generation() at call_mode_begin */
};

/* The calling thread's open mode on the connection, the uppermost; NULL: none. */
struct call_mode *call_mode_of(const hf_conn *conn);
/* The same if its kind is `kind`; else NULL. */
struct call_mode *call_mode_of_kind(const hf_conn *conn, const struct call_mode_kind *kind);
/* The mode for calls that open handles, the lowermost: a batch leaves them to the mode below. */
struct call_mode *call_mode_for_opening(const hf_conn *conn);
/* The mode that is to send the request; NULL: a plain call is. */
struct call_mode *call_mode_for(const struct request *request);

/* Opens the mode for the calling thread, which has none open on the connection. */
void call_mode_begin(struct call_mode *mode, const struct call_mode_kind *kind, hf_conn *conn);
/* Removes the mode from the calling thread. The caller calls conn_release when done with the
 * connection. */
void call_mode_end(struct call_mode *mode);

/* HF_OK no mode is open | FAILED_PRECONDITION ALREADY_OPEN */
hf_status call_mode_check_none(const hf_conn *conn);
/* The same for opening a batch: a mode that sends batches may be open. */
hf_status call_mode_check_batch(const hf_conn *conn);
/* FAILED_PRECONDITION with that sentence and no reason word. */
hf_status call_mode_error(const char *sentence);

#endif
