/* Batches: calls of one thread that travel as one request, WaitAny or Transaction.
 *
 *   begin -> request_send .. -> end, commit:   one plain call, then the decoder of each part
 *
 * layer   client, call; beside pipeline and one-way
 * threads A batch is its thread's; the decoders run in the thread that received the reply, while
 *         the batch's thread waits for it.
 * memory  Parts are packed when they are made, so that values are borrowed no longer than in any
 *         other call. At most what fits a request is kept.
 */
#ifndef HF_CLIENT_BATCH_H
#define HF_CLIENT_BATCH_H

#include "client/src/call/request.h"

/* A condition on the handle's object, which is filled in; `reason`: why it can't be sent. HF_OK |
 * an error, with which the whole fails too | FAILED_PRECONDITION no transaction is open */
hf_status batch_require(const void *handle, Holdfast__Condition *condition, hf_reason reason);
/* Forgets the calling thread's batch on the connection. */
void batch_forget(const hf_conn *conn);

#endif
