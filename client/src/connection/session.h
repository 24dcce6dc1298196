/* The session: opening and resuming it over a new link, and its end.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_SESSION_H
#define HF_CLIENT_SESSION_H

#include "client/src/connection/conn.h"

/* One attempt to open or resume the session over a new link; waits out the backoff first. The
 * poll leader's; releases the mutex meanwhile. */
void session_establish(hf_conn *conn, uint64_t deadline_ns);
/* Ends the session here: every call under way, and later ones, fail with `failure` (taken). */
void session_end(hf_conn *conn, struct failure *failure);

#endif
