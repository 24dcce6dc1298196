/* A forked child's connection: forgets the parent's link, and comes for the session that the parent
 * had made for it, or goes on without.
 *
 * layer   client, connection
 * threads Connection's mutex held; for conn_become_child since before the fork.
 */
#ifndef HF_CLIENT_CHILD_H
#define HF_CLIENT_CHILD_H

#include "client/src/connection/conn.h"

/* Forgets the parent's link and session. A session that was announced is to be resumed. */
void conn_become_child(hf_conn *conn);
/* The server does not know the announced session any more. Goes on without. */
void child_give_up(hf_conn *conn);

#endif
