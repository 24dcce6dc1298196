/* Gathered calls: several of one thread that travel as one request, WaitFirst or Transaction.
 *
 *   begin -> request_send .. -> end, commit:   one call_run, then the decoder of each part
 *
 * layer   client, beside pipeline and one-way
 * threads A gather is its thread's; the decoders run in the thread that received the reply, while
 *         the gather's thread waits for it.
 * memory  Parts are packed when they are made, so that values are borrowed no longer than in any
 *         other call. At most what fits a request is kept.
 */
#ifndef HF_CLIENT_GATHER_H
#define HF_CLIENT_GATHER_H

#include "client/src/call/call.h"

struct gather;

/* Whether the calling thread gathers calls on the connection. */
bool gather_is_open(const hf_conn *conn);
/* Where the request goes instead of to the server; NULL: to the server. */
struct gather *gather_for(const struct request *request);
/* Adds it. HF_OK | an error, which is the thread's last then */
hf_status gather_add(struct gather *gather, const struct request *request);
/* A call that could not be added: the whole fails with the thread's last error. */
void gather_refused(struct gather *gather);
/* A condition on the handle's object, which is filled in; `reason`: why it can't be sent. HF_OK |
 * an error, with which the whole fails too | FAILED_PRECONDITION no transaction is open */
hf_status gather_require(const void *handle, Holdfast__Condition *condition, hf_reason reason);
/* Forgets what this thread gathers on the connection. */
void gather_forget(const hf_conn *conn);

#endif
