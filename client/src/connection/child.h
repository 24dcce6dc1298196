/* A forked child's connection: drops the parent's link, and resumes the session that the parent had
 * the server make for the child, or opens a new one.
 *
 * layer   client, connection
 * threads Connection's mutex held; for conn_become_child since before the fork.
 */
#ifndef HF_CLIENT_CHILD_H
#define HF_CLIENT_CHILD_H

#include "client/src/connection/conn.h"

/* Drops the parent's link and session. An announced session is to be resumed. */
void conn_become_child(hf_conn *conn);
/* The server does not know the announced session: a new session is to be opened. */
void child_give_up(hf_conn *conn);

#endif
