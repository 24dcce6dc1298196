/* The local handshake: how a client on the server's machine gets its segment.
 *
 * layer   proto; used by server and client
 * shapes  packets of 16, 24 and 1 bytes, and an eventfd; integers have the machine's byte order,
 *         since both sides run on it
 *
 * Beside each ipc socket PATH the server listens on a SOCK_SEQPACKET socket PATH.shm. One packet
 * each way:
 *
 *   client                                     server
 *   handshake_hello   ------------------------>
 *                     <------------------------  handshake_answer; with HANDSHAKE_WELCOME also the
 *                                                segment's memfd and an eventfd, the doorbell
 *                                                (SCM_RIGHTS, in this order)
 *   then, while the connection lives, notifications for a side that sleeps (ring_layout.h):
 *   1 written to the doorbell  --------------->
 *                     <------------------------  a packet of one byte, which is ignored
 *
 * The rings carry the bytes that follow the hello on a socket of that framing (sp.h). Closing the
 * socket ends the connection; bytes that are already in a ring are still read.
 *
 * A client that knows the segment of a value or array (Object.segment) fetches this segment over a
 * socket of its own: handshake_hello with HANDSHAKE_SEGMENT, handshake_answer with the segment's
 * size, and the memfd; then both sides close the socket. The limit of HANDSHAKE_FULL does not
 * apply.
 *
 * Both packets begin with a magic number whose last byte is the version; each side checks the
 * peer's. The server answers a bad hello with a handshake_status that says why, and closes the
 * socket. It closes a socket without an answer if no hello came within HF_HELLO_TIMEOUT_MS.
 *
 * The server notifies by packets, because an eventfd shared by two processes has one set of flags:
 * a hostile client could make the server's write block. The server only polls the client's eventfd
 * (EPOLLET); it never reads or writes it.
 */
#ifndef HF_PROTO_LOCAL_HANDSHAKE_H
#define HF_PROTO_LOCAL_HANDSHAKE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDSHAKE_SUFFIX ".shm"
#define HANDSHAKE_VERSION 3 /* of these packets; shared memory has its own (shared_header.h) */
#define HANDSHAKE_MAGIC HANDSHAKE_VERSIONED(0x30726f6f444648)
#define HANDSHAKE_SEGMENT \
  HANDSHAKE_VERSIONED(0x746e6d67655348) /* "HSegmnt": asks for one segment */
#define HANDSHAKE_VERSIONED(name) ((uint64_t)HANDSHAKE_VERSION << 56 | UINT64_C(name))

/* Whether two magic numbers are equal apart from their versions. */
static inline bool handshake_is_same_magic(uint64_t one, uint64_t other) {
  return ((one ^ other) & UINT64_C(0x00ffffffffffffff)) == 0;
}

struct handshake_hello {
  uint64_t magic;
  union {
    struct {
      uint32_t protocol; /* enum sp_protocol: SP_REQ or SP_PUSH */
      uint32_t framing;  /* enum sp_transport */
    };
    uint64_t segment; /* with HANDSHAKE_SEGMENT: its id, or CELL_LIFE_SEGMENT */
  };
};
static_assert(offsetof(struct handshake_hello, protocol) == 8, "layout");
static_assert(offsetof(struct handshake_hello, framing) == 12, "layout");
static_assert(offsetof(struct handshake_hello, segment) == 8, "layout");
static_assert(sizeof(struct handshake_hello) == 16, "layout");

/* The descriptors of a welcome; with HANDSHAKE_SEGMENT only HANDSHAKE_MEMORY. */
enum handshake_descriptor { HANDSHAKE_MEMORY, HANDSHAKE_DOORBELL, HANDSHAKE_DESCRIPTORS };

enum handshake_status {
  HANDSHAKE_WELCOME,
  HANDSHAKE_NOT_ALLOWED, /* the client runs as another user */
  HANDSHAKE_FULL,        /* HF_RINGS_MAX */
  HANDSHAKE_NO_MEMORY,
  HANDSHAKE_BAD_HELLO,
  HANDSHAKE_NO_SEGMENT,    /* of the requested id */
  HANDSHAKE_OTHER_VERSION, /* the hello has another HANDSHAKE_VERSION */
};

struct handshake_answer {
  uint64_t magic;
  uint64_t ring_bytes; /* of each ring; with HANDSHAKE_SEGMENT of the segment */
  uint32_t status;     /* enum handshake_status */
  uint32_t reserved;   /* 0 */
};
static_assert(offsetof(struct handshake_answer, ring_bytes) == 8, "layout");
static_assert(offsetof(struct handshake_answer, status) == 16, "layout");
static_assert(sizeof(struct handshake_answer) == 24, "layout");

#endif
