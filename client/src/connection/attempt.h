/* An attempt to open or resume the session over a new link, in non-blocking steps.
 *
 *   local handshake, if known --(failed)--> socket ----> local handshake, if the session is new and
 *                                                        the server names one on this machine; if
 *                                                        that fails, the socket stays
 *
 * layer   client, connection
 * threads The poll leader's; without the connection's mutex.
 */
#ifndef HF_CLIENT_ATTEMPT_H
#define HF_CLIENT_ATTEMPT_H

#include "client/src/connection/conn.h"
#include "client/src/transport/opening.h"

#define FIRST_REQUEST_BYTES_MAX 1024

enum attempt_way { ATTEMPT_NONE, ATTEMPT_LOCAL, ATTEMPT_SOCKET, ATTEMPT_MOVE };

struct attempt {
  enum attempt_way way; /* ATTEMPT_NONE: no attempt is in progress */
  uint64_t deadline_ns, way_until_ns;
  struct opening opening;
  struct link link; /* once it is open */
  bool is_open;
  bool resumes;                      /* resumes an existing session */
  uint8_t session[HF_SESSION_BYTES]; /* the resumed session, or the reply's */
  uint8_t frame[FIRST_REQUEST_BYTES_MAX];
  size_t frame_len, sent;
  Holdfast__Response *reply;
  /* The socket link, for when the move to the local handshake fails. */
  struct link kept_link;
  Holdfast__Response *kept_reply;
};

/* session: to be resumed; NULL: opens a new one. */
void attempt_begin(hf_conn *conn, const uint8_t *session, uint64_t deadline_ns);
/* 0: done; the caller takes link and reply, the reply until the connection's reply arena is reset |
 * STEP_WAITS | failed: an errno, or an enum dial_error */
int attempt_step(hf_conn *conn, struct waits *waits);
/* Cancels the attempt in progress, if any. */
void attempt_end(hf_conn *conn);
/* In a forked child: drops the parent's attempt. is_whole: no thread was within a step at the fork
 */
void attempt_become_child(hf_conn *conn, bool is_whole);
/* Whether the server answered with a session. */
bool attempt_has_session(const struct attempt *attempt);

#endif
