/* The life of a connection: making and freeing it.
 *
 * layer   client, connection
 */
#ifndef HF_CLIENT_CONNECT_H
#define HF_CLIENT_CONNECT_H

#include "client/src/connection/conn.h"

/* Connects and waits for the session. url, options: checked by the caller. HF_OK | an error, which is
 * the thread's last then */
hf_status conn_open(const char *url, const struct hf_options *options, bool wants_local,
                    const struct conn_above *above, hf_conn **conn);
/* Ends and frees it; no other thread is in a call on it. The struct stays while it is counted. */
void conn_close(hf_conn *conn);

#endif
