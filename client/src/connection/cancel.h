/* Withdrawing calls: what hf_cancel asks for, and what was given up.
 *
 *   under way --- hf_cancel ---> withdrawn, once the server says so: CANCELLED, or its result
 *      |                            | hf_cancel again
 *      | no answer in time          v
 *      '------------------------> given up: the caller goes on, the request stays in the window,
 *                                 unacknowledged, until a Cancel has taken back what it may get
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_CANCEL_H
#define HF_CLIENT_CANCEL_H

#include "client/src/connection/conn.h"

/* Makes what wakes the poll leader, unless it is there, and frees it. false: no descriptor could be had.
 * A forked child has none until it waits. */
bool cancel_init(hf_conn *conn);
void cancel_deinit(hf_conn *conn);

/* Withdraws the slot's call, or gives it up, as hf_cancel does with all that wait. */
void cancel_call(hf_conn *conn, struct slot *slot);
/* The descriptor is readable: makes it wake nobody again. The poll leader's, who looks whether hf_cancel
 * was called next. */
void cancel_drain(hf_conn *conn);
/* hf_cancel was called: withdraws the calls that wait on the server. Whether there was none: then
 * the call that is about to be made is the one. */
bool cancel_apply(hf_conn *conn);
/* The same for whoever waits already: with nothing to withdraw, it waits for the next call. */
void cancel_apply_or_keep(hf_conn *conn);

#endif
