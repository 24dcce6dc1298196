/* Connecting to a host of several addresses.
 *
 * source  RFC 8305, happy eyeballs: an attempt that is silent for a quarter of a second gets company
 *         by one at the next address, and the first to succeed is it
 * layer   client, transport
 */
#ifndef HF_CLIENT_RACE_H
#define HF_CLIENT_RACE_H

#include "client/src/transport/resolve.h"

#define RACE_NEXT_AFTER_MS 250

/* in   cancel_fd  readable: ends it; -1: none
 * out  winner     which of them
 * A connected non-blocking descriptor, or -1 and errno: ECANCELED, ETIMEDOUT, or the last failure */
int race(const struct addresses *addresses, int cancel_fd, uint64_t deadline_ns, size_t *winner);

#endif
