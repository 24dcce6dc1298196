/* The session's references: releasing them, and the open handles that own them.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_REFERENCES_H
#define HF_CLIENT_REFERENCES_H

#include "client/src/connection/conn.h"
#include "client/src/connection/handle.h"

/* Queues one reference of the session to be released. Out of memory: the reference stays until the
 * session ends. */
void references_release(hf_conn *conn, uint64_t object);
/* Submits queued releases, and in a forked child first what it inherited, as far as the window has
 * room. Nothing waits for the replies. true: everything a call has to follow is submitted, and the
 * window has room for the call. */
bool references_submit(hf_conn *conn);
/* In a forked child: an inherited session has the parent's references; without one the child's
 * session has none yet. */
void references_become_child(hf_conn *conn);

/* A handle that takes one reference of the session. NULL: out of memory, the reference is released.
 */
struct hf_object *handle_new(hf_conn *conn, uint64_t id, hf_kind kind);
/* Frees the handle and releases its reference, unless the handle is left behind. */
void handle_free(struct hf_object *handle);

#endif
