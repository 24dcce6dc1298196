/* Connecting to a host of several addresses.
 *
 * source  RFC 8305, happy eyeballs: an attempt that is silent for a quarter of a second gets company
 *         by one at the next address, and the first to succeed is it
 * layer   client, transport
 */
#ifndef HF_CLIENT_RACE_H
#define HF_CLIENT_RACE_H

#include "client/src/transport/descriptor.h"
#include "client/src/transport/resolve.h"

#define RACE_NEXT_AFTER_MS 250

struct racer {
  int fd; /* -1: it has lost */
  size_t idx;
};

struct race {
  struct racer racers[RESOLVE_ADDRESSES_MAX];
  size_t started, running;
  uint64_t next_ns; /* when the next one starts */
  int error;        /* the last failure */
};

void race_begin(struct race *race);
/* 0 | STEP_WAITS | ETIMEDOUT, or the errno of the last failure
 * out  fd      connected, non-blocking
 *      winner  which of them it is */
int race_step(struct race *race, const struct addresses *addresses, int *fd, size_t *winner,
              struct waits *waits);
/* Closes those that still run. */
void race_end(struct race *race);

#endif
