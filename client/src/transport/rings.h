/* A pair of rings in memory shared with the server, from the local handshake to the last byte.
 *
 * layer   client, transport
 * threads as transport.h says of links
 * source  proto/segment_layout.h, proto/local_handshake.h
 */
#ifndef HF_CLIENT_RINGS_H
#define HF_CLIENT_RINGS_H

#include "client/src/transport/transport.h"
#include "proto/ring.h"

/* Whether something that costs time is worth trying: after each failure in a row it is left out
 * twice as often. */
struct backoff {
  uint32_t misses; /* in a row */
  uint32_t skips;  /* times that it is still to be left out */
};

struct rings {
  struct segment *segment;
  size_t segment_bytes;
  int doorbell; /* an eventfd: wakes the server */
  struct ring_end requests, replies;
  bool is_one_way;                      /* no replies: one thread alone waits, for room */
  atomic_bool is_over;                  /* the server left, or the link was cut */
  atomic_bool has_woken;                /* since the last wait: the server was asleep */
  struct backoff awake, asleep, yields; /* the waiting thread's */
  uint32_t announced_cpu;               /* the same; the server thinks that it runs there */
};

/* Says hello over a connected local handshake. 0, or an errno and *why for people. */
int rings_begin(int handshake, enum sp_transport framing, enum sp_protocol own, const char **why);
/* Hears the answer, and maps what came with it. 0 | STEP_WAITS until the local handshake is readable | an errno,
 * and *why for people */
int rings_step(int handshake, enum sp_protocol own, struct rings **made, const char **why);
void rings_free(struct rings *rings);

struct handshake_hello;
struct handshake_answer;
/* Says hello over a connected local handshake and hears the answer. 0, or an errno and *why for people.
 * out descriptors  HANDSHAKE_DESCRIPTORS of them, what came along and -1, also on failure; the caller's,
 *                  who calls rings_close_descriptors for what is left of them */
int rings_ask(int handshake, const struct handshake_hello *hello, uint64_t deadline_ns,
              struct handshake_answer *answer, int *descriptors, const char **why);
void rings_close_descriptors(const int *descriptors);
/* Maps a segment of so many bytes, if nobody can change its size and its header is right; the
 * server's life to be read only. NULL: errno, and *why for people. */
void *rings_map_memory(int memory_fd, enum shared_content content, size_t bytes, const char **why);
/* Connects to the server's local handshake of that path. A descriptor, or -1, errno and *why. */
int rings_connect(const char *handshake_path, const char **why);

#endif
