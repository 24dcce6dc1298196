/* The address of a peer, for limits on connections of one peer.
 *
 * layer   transport, internal
 * shapes  a number: never 0; the same for all of this machine's own addresses of loopback, for all
 *         ipc sockets, and for one IPv6 network of 64 bits, which one host has for itself
 */
#ifndef HF_TRANSPORT_ADDRESS_H
#define HF_TRANSPORT_ADDRESS_H

#include "server/transport/transport.h"

#include <nng/nng.h>

#define ADDRESS_IPC TRANSPORT_ADDRESS_LOCAL
#define ADDRESS_LOOPBACK TRANSPORT_ADDRESS_LOOPBACK
#define ADDRESS_UNKNOWN TRANSPORT_ADDRESS_UNKNOWN

uint64_t address_of(const nng_sockaddr *peer);
/* Of a stream's peer. */
uint64_t address_of_peer(nng_stream *stream);

#endif
