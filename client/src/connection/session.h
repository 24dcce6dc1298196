/* The session: opening it, resuming it over a new link, and its end.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_SESSION_H
#define HF_CLIENT_SESSION_H

#include "client/src/connection/conn.h"

/* A step of opening or resuming the session, with backoff between attempts; an attempt begun here
 * ends by deadline_ns. For the poll leader; releases the mutex meanwhile. out waits: what the next
 * step has to wait for. conn->state has the outcome. */
void session_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits);
/* Ends the session: calls in flight and later calls fail with `failure` (taken). */
void session_end(hf_conn *conn, struct failure *failure);

#endif
