/* Forks: a child finds its parent's connections closed, and opens its own at the first use.
 *
 * layer   client, connection
 * threads The fork handlers lock every connection, and keep threads out of TLS, around fork(2), so
 *         the child finds them consistent.
 */
#ifndef HF_CLIENT_FORK_H
#define HF_CLIENT_FORK_H

#include <stdbool.h>

struct hf_conn;

/* Installs the fork handlers, once. false: out of memory. */
bool fork_prepare(void);
/* Registers a connection with the fork handlers. false: out of memory. */
bool fork_watch(struct hf_conn *conn);
void fork_unwatch(struct hf_conn *conn);

#endif
