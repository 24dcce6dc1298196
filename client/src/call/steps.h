/* Calls of several operations, one after the other: each step sees what the reply before it has set,
 * and sends the next request. In a mode that submits such calls they have one outcome; in all other
 * modes the thread waits for each reply.
 *
 *   steps_run -> step -> request -> reply -> step -> ... -> step that sends nothing -> end
 *                                     |                       |
 *                                     '---- error ------------'--> stop, if submitted -> end
 *
 * layer   client, call
 * threads The calling thread's; once submitted, `step` and `stop` run with the connection's mutex
 *         held, in the thread that received the reply. So they neither lock nor wait.
 * memory  Begins a struct of the call, on the caller's stack. Submitted, a copy on the heap.
 */
#ifndef HF_CLIENT_STEPS_H
#define HF_CLIENT_STEPS_H

#include "client/src/call/request.h"

struct steps;

struct steps_kind {
  size_t size; /* of the call's struct, which has no pointers into itself before the first step */
  /* Sends the next request by steps_send, last; or nothing: the call is complete. HF_OK | an error,
   * also the thread's last error */
  hf_status (*step)(struct steps *steps);
  /* A submitted call ends early: does what must not be left undone. NULL: nothing */
  void (*stop)(struct steps *steps);
  /* Stores the results of a call that ended with `status`, or frees them. The call's status, which
   * is `status` unless that is HF_OK; then also the thread's last error. NULL: nothing */
  hf_status (*end)(struct steps *steps, hf_status status);
  bool opens_handles; /* which is never part of a batch */
};

/* The first member of each call's struct. The caller sets `kind` and `conn`. */
struct steps {
  const struct steps_kind *kind;
  hf_conn *conn;
  uint32_t sent_count; /* requests sent so far */
  /* Of a submitted call: sends a checked request. HF_OK | an error, also the thread's last error.
   * NULL: the thread waits for the reply. */
  hf_status (*submit)(struct steps *steps, struct request *request);
  void *submitted; /* the mode's */
  uint64_t thread;
};

/* Performs the call, or submits it. HF_OK | an error, also the thread's last error */
hf_status steps_run(struct steps *steps);
/* Whether steps_run of this thread submits. */
bool steps_are_submitted(const hf_conn *conn);
/* The same of a call that opens handles. */
bool steps_opening_are_submitted(const hf_conn *conn);

/* In a step: sends its request, which has a result or a discarded one. */
hf_status steps_send(struct steps *steps, struct request *request, const ProtobufCMessage *arm);
/* In `stop`, or with the connection's mutex: submits a request whose reply nobody waits for. It is
 * written later (conn_write_unawaited), since callers may be in a loop over the window; without room in
 * the window also submitted later. */
void steps_send_unawaited(struct steps *steps, struct request *request,
                          const ProtobufCMessage *arm);

/* For the mode. A copy on the heap; NULL: out of memory. */
struct steps *steps_copy(const struct steps *steps);
/* Takes a step. out is_sent: it has sent a request */
hf_status steps_take(struct steps *steps, bool *is_sent);
/* Ends the call; the caller frees a copy. The call's status */
hf_status steps_end(struct steps *steps, hf_status status);

#endif
