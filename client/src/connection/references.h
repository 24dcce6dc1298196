/* What the session holds: references to give back, and the handles that are open.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_REFERENCES_H
#define HF_CLIENT_REFERENCES_H

#include "client/src/connection/conn.h"
#include "client/src/connection/handle.h"

/* Queues one hold of the object to be given back. Out of memory: it stays held until the session
 * ends. */
void references_release(hf_conn *conn, uint64_t object);
/* Submits what is queued, in a forked child first what it inherited, as far as the window has room.
 * Nobody waits for the replies. Whether all that a call must follow is submitted, and there is room
 * for the call. */
bool references_submit(hf_conn *conn);
/* In a forked child: its session holds what the parent's did if it has inherited one, else nothing
 * yet. */
void references_become_child(hf_conn *conn);

/* A handle that holds one reference already. NULL: out of memory, the hold is given back. */
struct hf_object *handle_new(hf_conn *conn, uint64_t id, hf_kind kind);
/* Frees the handle and gives its hold back, unless it is left behind. */
void handle_free(struct hf_object *handle);

#endif
