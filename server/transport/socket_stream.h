/* A row of the table of transports: nng's streams, over tcp and ipc.
 *
 * layer   transport, internal
 * threads events come on nng's task threads
 * source  nng_shim.h: the first attempt at a read or write has no callback; only what the socket
 *         could not do is left to an operation that has one
 */
#ifndef HF_TRANSPORT_SOCKET_STREAM_H
#define HF_TRANSPORT_SOCKET_STREAM_H

#include "server/transport/transport.h"

#include <nng/nng.h>

/* Takes the stream, whatever comes of it, and offers it to the acceptor. */
void socket_stream_start(nng_stream *stream, enum sp_transport framing,
                         const struct transport_acceptor *acceptor);

#endif
