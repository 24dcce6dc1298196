/* An attempt to open or resume the session over a new link, in steps that don't block.
 *
 *   the local handshake, if there is one ---> a socket ---> the local handshake, if the session is new and the server of
 *                       (failed)                 this machine names one; a failure leaves the socket
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
  enum attempt_way way; /* ATTEMPT_NONE: none is under way */
  uint64_t deadline_ns, way_until_ns;
  struct opening opening;
  struct link link; /* once it is open */
  bool is_open;
  bool resumes;                      /* a session that there is already */
  uint8_t session[HF_SESSION_BYTES]; /* that one, or the reply's */
  uint8_t frame[FIRST_REQUEST_BYTES_MAX];
  size_t frame_len, sent;
  Holdfast__Response *reply;
  /* What a failed move leaves. */
  struct link kept_link;
  Holdfast__Response *kept_reply;
};

/* session: to be resumed; NULL: a new one is opened. */
void attempt_begin(hf_conn *conn, const uint8_t *session, uint64_t deadline_ns);
/* 0: it has ended, link and reply are the caller's, the reply until the connection's reply arena is
 * reset | STEP_WAITS | it has ended: an errno, or an enum dial_error */
int attempt_step(hf_conn *conn, struct waits *waits);
/* Gives it up, if one is under way. */
void attempt_end(hf_conn *conn);
/* In a forked child: forgets the parent's. is_whole: no thread was in the middle of a step */
void attempt_become_child(hf_conn *conn, bool is_whole);
/* Whether the server answered with a session. */
bool attempt_has_session(const struct attempt *attempt);

#endif
