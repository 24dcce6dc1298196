/* The address of a peer for people.
 *
 * layer   transport, internal
 */
#ifndef HF_TRANSPORT_ADDRESS_TEXT_H
#define HF_TRANSPORT_ADDRESS_TEXT_H

#include <stdint.h>

#define ADDRESS_TEXT_BYTES 64

/* Of a number of address.h: "10.0.0.9", "2001:db8:0:1::/64", "loopback", "local". */
void address_text(uint64_t address, char text[ADDRESS_TEXT_BYTES]);

#endif
