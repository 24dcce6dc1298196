/* One-way requests: pushed without replies, and kept until a flush confirms them.
 *
 *   buffer  [ sent, unconfirmed ....... | not yet sent ....... ]
 *           start                     sent                   end
 *
 * layer   client, call; uses plain calls to ask the server for its progress
 * threads A mutex of its own, locked before the connection's. Modes are per thread; the sequence of
 *         requests is per connection.
 * memory  At most HF_UNFLUSHED_BYTES_MAX are kept; beyond, a call waits for the server.
 */
#ifndef HF_CLIENT_ONEWAY_H
#define HF_CLIENT_ONEWAY_H

#include "client/src/connection/conn.h"

/* Sends buffered requests, as many as the link takes soon. */
hf_status oneway_write_out(hf_conn *conn);
/* In a forked child: its session has pushed no requests yet. */
void oneway_become_child(hf_conn *conn);
void oneway_free(hf_conn *conn);

#endif
