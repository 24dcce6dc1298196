/* Pipelines: many calls of one thread under way at once.
 *
 * layer   client, call
 * threads A pipeline is its thread's; the poll leader of the connection fills in what came back, with
 *         the connection's mutex held.
 */
#ifndef HF_CLIENT_PIPELINE_H
#define HF_CLIENT_PIPELINE_H

#include "client/src/connection/conn.h"

/* Connection's mutex held before the fork. */
void pipeline_become_child(hf_conn *conn);
void pipeline_free_all(hf_conn *conn);

#endif
