#include "server/transport/address.h"

#include <arpa/inet.h>
#include <string.h>

#define LOOPBACK_NETWORK 127u

/* Beside all networks of IPv6 that are in use. */
static uint64_t address_of_v4(uint32_t address) {
  return address >> 24 == LOOPBACK_NETWORK ? ADDRESS_LOOPBACK : UINT64_C(1) << 32 | address;
}

static uint64_t address_of_v6(const uint8_t bytes[16]) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  static const uint8_t loopback[16] = {[15] = 1};
  uint64_t network = 0;
  if (memcmp(bytes, loopback, sizeof loopback) == 0) {
    return ADDRESS_LOOPBACK;
  }
  if (memcmp(bytes, mapped, sizeof mapped) == 0) {
    uint32_t address;
    memcpy(&address, bytes + sizeof mapped, sizeof address);
    return address_of_v4(ntohl(address));
  }
  for (size_t i = 0; i < sizeof network; i++) {
    network = network << 8 | bytes[i];
  }
  return network != 0 ? network : ADDRESS_UNKNOWN;
}

uint64_t address_of(const nng_sockaddr *peer) {
  switch (peer->s_family) {
    case NNG_AF_IPC:
    case NNG_AF_ABSTRACT:
      return ADDRESS_IPC;
    case NNG_AF_INET:
      return address_of_v4(ntohl(peer->s_in.sa_addr));
    case NNG_AF_INET6:
      return address_of_v6((const uint8_t *)peer->s_in6.sa_addr);
    default:
      return ADDRESS_UNKNOWN;
  }
}

uint64_t address_of_peer(nng_stream *stream) {
  nng_sockaddr peer;
  return nng_stream_get_addr(stream, NNG_OPT_REMADDR, &peer) == 0 ? address_of(&peer)
                                                                  : ADDRESS_UNKNOWN;
}
