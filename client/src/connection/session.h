/* The session: opening and resuming it over a new link, and its end.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_SESSION_H
#define HF_CLIENT_SESSION_H

#include "client/src/connection/conn.h"

/* A step of an attempt to open or resume the session over a new link, behind the backoff; an attempt
 * that is begun ends by deadline_ns. The poll leader's; releases the mutex meanwhile.
 * out waits  until when, or for what, the next step is to wait; the state tells the outcome */
void session_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits);
/* Ends the session here: every call under way, and later ones, fail with `failure` (taken). */
void session_end(hf_conn *conn, struct failure *failure);

#endif
