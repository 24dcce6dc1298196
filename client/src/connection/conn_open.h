/* Making and freeing connections.
 *
 * layer   client, connection
 */
#ifndef HF_CLIENT_CONN_OPEN_H
#define HF_CLIENT_CONN_OPEN_H

#include "client/src/connection/conn.h"

/* Connects and waits for the session. The caller has checked url and options.
 * credentials: NULL for other transports than TLS; the connection takes them, also on failure. HF_OK | an error,
 * also the thread's last error */
hf_status conn_open(const char *url, const struct hf_options *options, bool wants_local,
                    struct credentials *credentials, const struct conn_above *above,
                    hf_conn **conn);
/* Closes the connection; no other thread is in a call on it. The struct is freed with its last
 * reference. */
void conn_close(hf_conn *conn);

#endif
