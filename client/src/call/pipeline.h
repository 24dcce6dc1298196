/* Pipelines: many calls of one thread under way at once.
 *
 * layer   client, call
 * threads A pipeline is its thread's; the poll leader of the connection fills in what came back, with
 *         the connection's mutex held.
 */
#ifndef HF_CLIENT_PIPELINE_H
#define HF_CLIENT_PIPELINE_H

#include "client/src/connection/conn.h"

/* Calls `make`; the calls that it makes on the connection go as a pipeline of their own, each written
 * at once. The thread has no call mode open. HF_OK all were | the status of the first that failed, or
 * of make, whose error is the thread's last then */
hf_status pipeline_run(hf_conn *conn, uint32_t in_flight, hf_status (*make)(void *context),
                       void *context);
/* Connection's mutex held before the fork. */
void pipeline_become_child(hf_conn *conn);
/* Those that other threads have open are theirs to end. */
void pipeline_free_all(hf_conn *conn);

#endif
