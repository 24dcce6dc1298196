/* The local handshake: how a client on the server's machine gets its segment.
 *
 * layer   proto; used by server and client
 * shapes  packets of 16, 24 and 1 bytes, and an eventfd; numbers are the machine's own, for both sides run on it
 *
 * Beside each ipc socket PATH there is a SOCK_SEQPACKET socket PATH.shm. One packet each way:
 *
 *   client                                     server
 *   handshake_hello      ------------------------>
 *                   <------------------------  handshake_answer, with HANDSHAKE_WELCOME, the segment's memfd
 *                                              and an eventfd (SCM_RIGHTS, in this order)
 *   then, as long as the connection lives, "look at the rings" for a side that sleeps; see
 *   segment_layout.h
 *   1 written to the eventfd  ------------->
 *                   <------------------------  a packet of one byte, whose content means nothing
 *
 * The stream of bytes in the rings is what follows the hello on a socket of that framing (sp.h).
 * Either side closes the socket to end the connection; what is in a ring then is still read.
 *
 * A client that was told where a value or array is (segment in Object) asks for that segment over a
 * connection of its own: handshake_hello with HANDSHAKE_SEGMENT, handshake_answer with its size, and the memfd;
 * then both hang up. That is no connection through shared memory: HANDSHAKE_FULL does not concern it.
 *
 * Both packets begin with a magic number whose last byte is the version; each side checks the other's.
 * A hello that is not right is answered with a handshake_status that says why, and the socket is closed;
 * so is one that has not said it within HF_HELLO_TIMEOUT_MS, without an answer.
 *
 * The server wakes by packets and not by an eventfd: descriptors that two processes share have one
 * set of flags, so a hostile client could make the server's write block. To the eventfd that a client
 * writes to the server only listens (EPOLLET): it neither reads nor writes there.
 */
#ifndef HF_PROTO_LOCAL_HANDSHAKE_H
#define HF_PROTO_LOCAL_HANDSHAKE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDSHAKE_SUFFIX ".shm"
#define HANDSHAKE_VERSION \
  3 /* of these packets; layouts of memory have their own (shared_header.h) */
#define HANDSHAKE_MAGIC HANDSHAKE_VERSIONED(0x30726f6f444648)
#define HANDSHAKE_SEGMENT \
  HANDSHAKE_VERSIONED(0x746e6d67655348) /* "HSegmnt": the same for one segment */
#define HANDSHAKE_VERSIONED(name) ((uint64_t)HANDSHAKE_VERSION << 56 | UINT64_C(name))

/* Whether both are the same magic, perhaps of different versions. */
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
    uint64_t segment; /* HANDSHAKE_SEGMENT: its id; CELL_LIFE_SEGMENT is one too */
  };
};
static_assert(offsetof(struct handshake_hello, protocol) == 8, "layout");
static_assert(offsetof(struct handshake_hello, framing) == 12, "layout");
static_assert(offsetof(struct handshake_hello, segment) == 8, "layout");
static_assert(sizeof(struct handshake_hello) == 16, "layout");

/* What comes with a welcome; with HANDSHAKE_SEGMENT, the first alone. */
enum handshake_descriptor { HANDSHAKE_MEMORY, HANDSHAKE_DOORBELL, HANDSHAKE_DESCRIPTORS };

enum handshake_status {
  HANDSHAKE_WELCOME,
  HANDSHAKE_NOT_ALLOWED, /* not the server's user */
  HANDSHAKE_FULL,        /* HF_RINGS_MAX */
  HANDSHAKE_NO_MEMORY,
  HANDSHAKE_BAD_HELLO,
  HANDSHAKE_NO_SEGMENT,    /* of that id */
  HANDSHAKE_OTHER_VERSION, /* the hello's is not HANDSHAKE_VERSION */
};

struct handshake_answer {
  uint64_t magic;
  uint64_t ring_bytes; /* of each ring; of the segment */
  uint32_t status;     /* enum handshake_status */
  uint32_t reserved;   /* 0 */
};
static_assert(offsetof(struct handshake_answer, ring_bytes) == 8, "layout");
static_assert(offsetof(struct handshake_answer, status) == 16, "layout");
static_assert(sizeof(struct handshake_answer) == 24, "layout");

#endif
