/* What nng's streams do without having a call for it. Everything here relies on how nng 1.5 works.
 *
 * layer   transport, internal
 * shapes  an operation is an nng_aio without callback, the caller's, with nothing under way
 * threads one at a time for each operation; never blocks
 *
 * Why     nng completes an operation with a callback on one of its task threads. Waking that thread
 *         costs more than the read or write itself, and with 50 clients more than serving them:
 *         half of the processor time. An operation without callback completes within the call, when
 *         the socket has bytes or room, or else on nng's poll thread alone.
 */
#ifndef HF_TRANSPORT_NNG_SHIM_H
#define HF_TRANSPORT_NNG_SHIM_H

#include "proto/base/bytes.h"

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>

/* What the operation sends; the runs are copied, their bytes borrowed. */
void nng_shim_set_runs(nng_aio *operation, const struct bytes *runs, size_t count);
/* Sends what the socket takes of it at once, which may be nothing. 0, or an error of nng's.
 * out  sent  bytes; set on 0 */
int nng_shim_try_send(nng_stream *stream, nng_aio *operation, size_t *sent);

/* Posts a read: the memory is borrowed until nng_shim_take or nng_shim_withdraw. */
void nng_shim_post_read(nng_stream *stream, nng_aio *operation, void *data, size_t capacity);
/* Whether a posted read is done. A hint, a load or two; only nng_shim_take makes its bytes visible. */
bool nng_shim_is_done(nng_aio *operation);
/* The result of a read that seems done: 0 or an error of nng's.
 * out  count  bytes; set on 0 */
int nng_shim_take(nng_aio *operation, size_t *count);
/* As nng_shim_take, for a read that may not be done: it is taken back, then *count is 0. */
int nng_shim_withdraw(nng_aio *operation, size_t *count);

/* The descriptor of the process's listening socket of that tcp address, which nng keeps to itself;
 * borrowed. -1: not found. While nothing else opens or closes descriptors. */
int nng_shim_listening_socket(const nng_sockaddr *address);

#endif
