/* Call modes: the ways a thread can send its calls on a connection other than one by one, which are a
 * pipeline, one-way, a transaction, a wait-any and asynchronous calls. At most one is open at a time.
 *
 * layer   client, call
 * threads A mode is its thread's; a forked child's thread has it too, unless the kind forgets it.
 * memory  An open mode counts the connection: when another thread closes it, what is left of the
 *         connection answers that it was closed, until the mode is ended.
 */
#ifndef HF_CLIENT_CALL_MODE_H
#define HF_CLIENT_CALL_MODE_H

#include "client/src/call/request.h"

struct call_mode;

struct call_mode_kind {
  /* Whether the request goes that way; false: it is a plain call. */
  bool (*takes)(const struct request *request);
  /* A request that was checked. HF_OK | an error, which is the thread's last then */
  hf_status (*send)(struct call_mode *mode, struct request *request);
  /* A call could not be sent; the thread's last error says why. NULL: nothing is to be done. */
  void (*refused)(struct call_mode *mode, hf_status status);
  /* In a forked child, where the parent's mode is of no use: it counts the connection no more. NULL: it
   * goes on in the child. */
  void (*forget)(struct call_mode *mode);
};

/* The first member of what a kind keeps for an open mode. */
struct call_mode {
  const struct call_mode_kind *kind;
  hf_conn *conn;          /* counted */
  struct call_mode *next; /* of the thread */
  uint32_t generation;    /* of the process that began it */
};

/* The calling thread's open mode on the connection; NULL: none. */
struct call_mode *call_mode_of(const hf_conn *conn);
/* The same, of that kind. */
struct call_mode *call_mode_of_kind(const hf_conn *conn, const struct call_mode_kind *kind);
/* The mode that the request goes by; NULL: it is a plain call. */
struct call_mode *call_mode_for(const struct request *request);

/* Opens it for the calling thread, which has none there. */
void call_mode_begin(struct call_mode *mode, const struct call_mode_kind *kind, hf_conn *conn);
/* Takes it out of the calling thread's. The caller calls conn_release once it is done with the
 * connection. */
void call_mode_end(struct call_mode *mode);

/* HF_OK: none is open | FAILED_PRECONDITION ALREADY_OPEN */
hf_status call_mode_check_none(const hf_conn *conn);
/* FAILED_PRECONDITION with that sentence and no reason word. */
hf_status call_mode_error(const char *sentence);

#endif
