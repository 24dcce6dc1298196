#include "server/transport/address_text.h"

#include "server/transport/transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static void write_v6(uint64_t network, char text[ADDRESS_TEXT_BYTES]) {
  struct in6_addr address = {0};
  char written[INET6_ADDRSTRLEN];
  for (size_t i = 0; i < sizeof network; i++) {
    address.s6_addr[i] = (uint8_t)(network >> (8 * (sizeof network - 1 - i)));
  }
  (void)inet_ntop(AF_INET6, &address, written, sizeof written);
  snprintf(text, ADDRESS_TEXT_BYTES, "%s/64", written);
}

void address_text(uint64_t address, char text[ADDRESS_TEXT_BYTES]) {
  if (address == TRANSPORT_ADDRESS_LOCAL) {
    snprintf(text, ADDRESS_TEXT_BYTES, "local");
  } else if (address == TRANSPORT_ADDRESS_LOOPBACK) {
    snprintf(text, ADDRESS_TEXT_BYTES, "loopback");
  } else if (address == TRANSPORT_ADDRESS_UNKNOWN) {
    snprintf(text, ADDRESS_TEXT_BYTES, "unknown");
  } else if (address >> 32 == 1) {
    unsigned v4 = (unsigned)address;
    snprintf(text, ADDRESS_TEXT_BYTES, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
             v4 & 255);
  } else {
    write_v6(address, text);
  }
}
