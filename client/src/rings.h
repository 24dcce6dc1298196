/* A pair of rings in memory shared with the server, from the door to the last byte.
 *
 * layer   client, part of transport
 * threads as transport.h says of links
 * source  ../../proto/segment_layout.h, ../../proto/door.h
 */
#ifndef HF_CLIENT_RINGS_H
#define HF_CLIENT_RINGS_H

#include "client/src/transport.h"
#include "proto/ring.h"

/* Whether something that costs time is worth trying: after each failure in a row it is left out
 * twice as often. */
struct patience {
  uint32_t misses; /* in a row */
  uint32_t skips;  /* times that it is still to be left out */
};

struct rings {
  struct segment *segment;
  size_t segment_bytes;
  struct ring_end requests, replies;
  bool is_one_way;               /* no replies: one thread alone waits, for room */
  atomic_bool is_over;           /* the server left, or the link was cut */
  atomic_bool has_knocked;       /* since the last wait: the server was asleep */
  struct patience awake, asleep; /* the waiting thread's */
  bool is_probing;               /* the last wait was long, in the hope that the next is short */
};

/* Says hello over a connected door and maps what it gets. NULL: errno, and *why for people. */
struct rings *rings_open(int door, enum sp_transport framing, enum sp_protocol own,
                         uint64_t deadline_ns, const char **why);
void rings_free(struct rings *rings);

#endif
