/* Rings in memory shared with the server: from the local handshake to the end.
 *
 * layer   client, transport
 * threads as of links (transport.h)
 * source  proto/ring_layout.h, proto/local_handshake.h
 */
#ifndef HF_CLIENT_RINGS_H
#define HF_CLIENT_RINGS_H

#include "client/src/transport/transport.h"
#include "proto/ring.h"

/* Exponential backoff of an optional step that costs time: each consecutive miss doubles how often
 * the step is skipped. */
struct step_backoff {
  uint32_t misses; /* consecutive */
  uint32_t skips;  /* how often the step is still to be skipped */
};

struct rings {
  struct segment *segment;
  size_t segment_bytes;
  int doorbell; /* an eventfd that notifies the server */
  struct ring_end requests, replies;
  bool is_one_way;       /* no replies: only one thread waits, for room */
  atomic_bool is_over;   /* the server left, or the link was cut */
  atomic_bool has_woken; /* the server slept when last notified, since the last wait */
  struct step_backoff awake, asleep, yields; /* the waiting thread's */
  uint32_t announced_cpu; /* the waiting thread's: the processor announced to the server */
};

/* Sends the hello on a connected socket of the local handshake. 0, or an errno and *why, a sentence
 */
int rings_begin(int handshake, enum sp_transport framing, enum sp_protocol own, const char **why);
/* Receives the answer and maps the segment. 0 | STEP_WAITS until the socket is readable | an errno
 * and *why */
int rings_step(int handshake, enum sp_protocol own, struct rings **made, const char **why);
void rings_free(struct rings *rings);

struct handshake_hello;
struct handshake_answer;
/* Sends the hello and waits for the answer. 0, or an errno and *why. out descriptors:
 * HANDSHAKE_DESCRIPTORS entries, received ones and -1, also on failure; the caller takes them, and
 * closes the rest with rings_close_descriptors. */
int rings_ask(int handshake, const struct handshake_hello *hello, uint64_t deadline_ns,
              struct handshake_answer *answer, int *descriptors, const char **why);
void rings_close_descriptors(const int *descriptors);
/* Maps a segment of that size, if it is sealed against resizing and its header is valid; the
 * server's life read-only. NULL: errno, and *why */
void *rings_map_memory(int memory_fd, enum shared_content content, size_t bytes, const char **why);
/* Connects to the local handshake's socket at that path. A descriptor, or -1, errno and *why */
int rings_connect(const char *handshake_path, const char **why);

#endif
