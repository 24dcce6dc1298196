/* Taking requests back: the Cancels that are due, see cancel.h.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_WITHDRAW_H
#define HF_CLIENT_WITHDRAW_H

#include "client/src/connection/conn.h"

/* A Cancel of the slot's request is due. */
void withdraw_later(hf_conn *conn, struct slot *slot);
/* The slot's call is finished by the caller; its reply is of no use any more. */
void withdraw_abandoned(hf_conn *conn, struct slot *slot);
/* Submits what is due, as far as the window has room, and sends it. */
void withdraw_submit(hf_conn *conn);

#endif
