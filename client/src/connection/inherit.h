/* What a forked child inherits: a session with all references and ends of pipes of its parent's,
 * which the parent has the server make before it forks.
 *
 *   parent  inherit_announce -- fork -- inherit_locate
 *   child                         |      conn_become_child ... its first call resumes the session
 *
 * The parent awaits each answer, for a bounded time: what it wrote may be lost when it is killed
 * right after the fork. A child whose session is not there (the server was out of reach, or refused)
 * opens its own, and refers to what still exists; see references.h.
 *
 * layer   client, connection
 * threads Connection's mutex held, but for inherit_newest_child.
 */
#ifndef HF_CLIENT_INHERIT_H
#define HF_CLIENT_INHERIT_H

#include <sys/types.h>

#include "client/src/connection/conn.h"

/* Before the connections are locked for the fork, one by one: has the server make the child's
 * session, unless there is nothing to inherit. A child that was forked itself, and made no call yet,
 * comes for its own session first. */
void inherit_announce(hf_conn *conn);
/* In the parent: tells the server where the child runs, 0: it is not known. */
void inherit_locate(hf_conn *conn, pid_t child);
/* The process that this thread forked last; 0: none that lives, or that can't be found out. */
pid_t inherit_newest_child(void);

#endif
