/* Batches: calls of one thread that are sent as one request, WaitAny or Transaction.
 *
 *   begin -> request_send .. -> end or commit:   one call, then the decoder of each part
 *
 * layer   client, call; beside pipeline and one-way
 * threads A thread has its own batch. The decoders run in the thread that received the reply, while
 *         the batch's thread waits for it. Above asynchronous calls the one call is submitted, and
 *         owns the batch until its completion is collected.
 * memory  Each part is packed when it is added, so values are borrowed no longer than in any other
 *         call. A batch keeps at most what fits one request.
 */
#ifndef HF_CLIENT_BATCH_H
#define HF_CLIENT_BATCH_H

#include "client/src/call/request.h"

/* Adds a condition on the handle's object, whose other fields are filled in. reason: why the
 * condition can't be sent. HF_OK | an error, with which the batch will fail too |
 * FAILED_PRECONDITION no transaction is open */
hf_status batch_require(const void *handle, Holdfast__Condition *condition, hf_reason reason);
/* Discards the calling thread's batch on the connection. */
void batch_forget(const hf_conn *conn);

#endif
