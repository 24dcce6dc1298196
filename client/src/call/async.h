/* Asynchronous calls: a call mode. The thread that receives a reply completes its call; the event
 * loop's thread collects the completion.
 *
 *   submitted -> in the window -> done (list, mutex) -> ready (the loop's own list) -> collected
 *                 ^         |
 *                 '---------'  the next step of a call of several operations (steps.h)
 *
 * The thread that receives a reply takes the call's next step at once, whose request has the place
 * in the window that the reply has just freed: a call is never between two operations, so that it
 * can be cancelled, and given up in time, and goes on while the event loop's thread waits in another
 * call.
 *
 * layer   client, call
 * threads Only the event loop's thread uses a hf_async, except `done`: connection's mutex.
 */
#ifndef HF_CLIENT_ASYNC_H
#define HF_CLIENT_ASYNC_H

#include "client/src/connection/conn.h"

/* Connection's mutex held: the event loop looks. No thread is the poll leader any more, and the event loop
 * takes over; or the link has come or gone, which changes when calls are given up. */
void async_notify(hf_conn *conn);
/* Connection's mutex held before the fork: in the child the parent's calls are CANCELLED. */
void async_become_child(hf_conn *conn);
/* The connection is closed: the hf_async can only be collected and closed. */
void async_detach(hf_conn *conn);

#endif
