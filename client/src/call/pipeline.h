/* Pipelines: many calls of one thread in flight at once.
 *
 * layer   client, call
 * threads A pipeline belongs to one thread; the connection's poll leader stores results, with the
 *         connection's mutex held.
 */
#ifndef HF_CLIENT_PIPELINE_H
#define HF_CLIENT_PIPELINE_H

#include "client/src/connection/conn.h"

/* Calls make(context) in a pipeline of its own, whose calls are each written at once. The thread
 * has no call mode open. HF_OK all calls succeeded | the status of the first that failed, or of
 * make; the thread's last error */
hf_status pipeline_run(hf_conn *conn, uint32_t in_flight, hf_status (*make)(void *context),
                       void *context);
/* Connection's mutex held before the fork. */
void pipeline_become_child(hf_conn *conn);
/* Frees the pipelines of the connection, except those that other threads have open and will end. */
void pipeline_free_all(hf_conn *conn);

#endif
