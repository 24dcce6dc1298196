/* Connecting to a host with several addresses.
 *
 * source  RFC 8305, happy eyeballs: after a quarter of a second without an answer the next address
 *         is tried as well, and the first connection wins
 * layer   client, transport
 */
#ifndef HF_CLIENT_RACE_H
#define HF_CLIENT_RACE_H

#include "client/src/transport/descriptor.h"
#include "client/src/transport/resolve.h"

#define RACE_NEXT_AFTER_MS 250

struct racer {
  int fd; /* -1: failed */
  size_t idx;
};

struct race {
  struct racer racers[RESOLVE_ADDRESSES_MAX];
  size_t started, running;
  uint64_t next_ns; /* when the next address is tried */
  int error;        /* the last failure */
};

void race_begin(struct race *race);
/* 0 | STEP_WAITS | ETIMEDOUT, or the errno of the last failure. out fd: connected, non-blocking.
 * out winner: the index of its address */
int race_step(struct race *race, const struct addresses *addresses, int *fd, size_t *winner,
              struct waits *waits);
/* Closes all unfinished connections. */
void race_end(struct race *race);

#endif
