/* Withdrawing requests: the Cancels that are due (cancel.h).
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_WITHDRAW_H
#define HF_CLIENT_WITHDRAW_H

#include "client/src/connection/conn.h"

/* Makes a Cancel of the slot's request due. */
void withdraw_later(hf_conn *conn, struct slot *slot);
/* The same after the call was completed without its reply, which is then ignored. */
void withdraw_abandoned(hf_conn *conn, struct slot *slot);
/* Submits the Cancels that are due and what the window keeps, as far as it has room, and writes them. */
void withdraw_submit(hf_conn *conn);

#endif
