/* Asynchronous calls: a call mode whose calls are finished by whoever receives their replies, and
 * collected by the event loop's thread.
 *
 *   submitted -> in the window -> done (list, mutex) -> ready (the loop's own list) -> collected
 *
 * layer   client, call
 * threads A hf_async is its thread's, but for `done`: connection's mutex.
 */
#ifndef HF_CLIENT_ASYNC_H
#define HF_CLIENT_ASYNC_H

#include "client/src/connection/conn.h"

/* Connection's mutex held: no thread leads the connection any more, the event loop is to. */
void async_leaderless(hf_conn *conn);
/* Connection's mutex held before the fork: the parent's calls are CANCELLED in the child. */
void async_become_child(hf_conn *conn);
/* The connection is closed: what is left can only be collected and closed. */
void async_detach(hf_conn *conn);

#endif
