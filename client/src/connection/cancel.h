/* Withdrawing calls: for hf_cancel, and for calls that were given up.
 *
 *   in flight --- hf_cancel ---> withdrawn: the server answers CANCELLED, or the result
 *      |                            | hf_cancel again
 *      | no answer in time          v
 *      '------------------------> given up: the call returns; the request stays in the window,
 *                                 unacknowledged, until a Cancel has revoked what it was granted
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_CANCEL_H
#define HF_CLIENT_CANCEL_H

#include "client/src/connection/conn.h"

/* Creates the descriptor that wakes the poll leader, if there is none. false: out of descriptors. A
 * forked child has none until its first wait. */
bool cancel_init(hf_conn *conn);
void cancel_deinit(hf_conn *conn);

/* Withdraws the slot's call, or gives it up, as hf_cancel does with each waiting call. */
void cancel_call(hf_conn *conn, struct slot *slot);
/* Withdraws the calls whose `pending` is `count`, as hf_cancel does; is_repeated: gives them up.
 * Whether there was one. */
bool cancel_calls(hf_conn *conn, const uint32_t *count, bool is_repeated);
/* Makes the poll leader look again at what is to be sent. */
void cancel_wake_leader(hf_conn *conn);
/* Makes the readable descriptor unreadable. The poll leader calls cancel_apply_or_keep next. */
void cancel_drain(hf_conn *conn);
/* After hf_cancel: withdraws the calls that wait on the server. true: there was none, and the
 * request applies to the call about to be made. */
bool cancel_apply(hf_conn *conn);
/* The same for a thread that already waits: if there was none, the request is kept for the next
 * call. */
void cancel_apply_or_keep(hf_conn *conn);

#endif
