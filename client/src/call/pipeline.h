/* Pipelines: many calls of one thread under way at once.
 *
 * layer   client
 * threads A pipeline is its thread's; the driver of the connection fills in what came back, with
 * the connection's mutex held.
 */
#ifndef HF_CLIENT_PIPELINE_H
#define HF_CLIENT_PIPELINE_H

#include "client/src/call/call.h"

/* The calling thread's open pipeline on the connection; NULL: none. */
struct pipeline *pipeline_of_thread(const hf_conn *conn);
/* Submits; waits for earlier calls when in_flight are under way. */
hf_status pipeline_send(struct pipeline *pipeline, struct request *request);
/* A call that could not even be submitted counts as a failed one. */
void pipeline_refused(struct pipeline *pipeline, hf_status status);

/* Connection's mutex held: one of its calls is done. */
void pipeline_finished(struct pipeline *pipeline, struct call *call);
/* Connection's mutex held before the fork. */
void pipeline_become_child(hf_conn *conn);
void pipeline_free_all(hf_conn *conn);

#endif
