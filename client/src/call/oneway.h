/* One-way requests: pushed without replies, kept until a flush has confirmed them.
 *
 *   buffer  [ sent, unconfirmed ....... | not yet sent ....... ]
 *           start                     sent                   end
 *
 * layer   client, call; beside the window and plain calls; asks over them how far the server got
 * threads A mutex of its own, taken before the connection's. Modes are per thread, the stream of
 *         numbered requests is the connection's.
 * memory  At most HF_UNFLUSHED_BYTES_MAX are kept; then a call waits for the server to catch up.
 */
#ifndef HF_CLIENT_ONEWAY_H
#define HF_CLIENT_ONEWAY_H

#include "client/src/connection/conn.h"

/* Sends what is buffered, as far as it goes soon. */
hf_status oneway_write_out(hf_conn *conn);
/* After a fork, in the child: its session has pushed nothing yet. */
void oneway_become_child(hf_conn *conn);
void oneway_free(hf_conn *conn);

#endif
