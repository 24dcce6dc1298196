/* What a forked child inherits: a session with all references and ends of pipes of its parent,
 * which the parent has the server make before the fork.
 *
 *   parent  inherit_announce -- fork -- inherit_locate
 *   child                         |      conn_become_child ... its first call resumes the session
 *
 * The parent waits for each answer, for a bounded time: a parent killed right after the fork might
 * lose what it wrote. If the child's session does not exist (the server was unreachable, or
 * refused), the child opens a session of its own and takes references to the objects that still
 * exist (references.h).
 *
 * layer   client, connection
 * threads Connection's mutex held, except for inherit_newest_child.
 */
#ifndef HF_CLIENT_INHERIT_H
#define HF_CLIENT_INHERIT_H

#include <sys/types.h>

#include "client/src/connection/conn.h"

/* Before the connections are locked for the fork, one by one: has the server make the child's
 * session, unless there is nothing to inherit. A forked child that has made no call yet first
 * resumes its own session. */
void inherit_announce(hf_conn *conn);
/* In the parent: sends the server the child's process id; 0: unknown. */
void inherit_locate(hf_conn *conn, pid_t child);
/* The process that this thread forked last; 0: it has ended, or is unknown. */
pid_t inherit_newest_child(void);

#endif
