/* The rings of a connection through shared memory, byte by byte: written by a server and a client
 * that do not trust each other.
 *
 * layer   proto
 * source  fcntl(2): a memfd that is sealed against shrinking and growing can't be truncated under a
 *         reader
 *
 * A segment belongs to one connection and has two rings of bytes. Each ring has one writer and one
 * reader, in different processes:
 *
 *   offset  bytes       content                          written by
 *        0  64          header (shared_header.h)         server, before the client has the segment
 *       64  256         control of the request ring      both, see below
 *      320  256         control of the reply ring        both
 *      576  3520        unused
 *     4096  ring_bytes  bytes of the request ring        client
 *     then  ring_bytes  bytes of the reply ring          server
 *
 * A control. Each word has its own cache line, so that polling one word does not contend with
 * stores to another; except reader_cpu, which changes rarely:
 *
 *   offset  bytes  word           written by              meaning
 *        0  8      head           writer                  bytes ever written
 *       64  8      tail           reader                  bytes ever read
 *      128  4      reader_sleeps  reader; writer sets 0   how the writer wakes the reader: 0 not at
 *                                                         all, 1 by a notification, 2 by a futex
 *                                                         wake on this word (clients only)
 *      132  4      reader_cpu     reader                  the processor the reader runs or ran on
 *      192  4      writer_waits   writer 1, reader 0      the reader is to notify the writer
 *
 *      tail                  head
 *   ---[-- unread bytes -----[-- room ------]    0 <= head - tail <= ring_bytes; byte n is at
 *                                                n % ring_bytes; ring_bytes is a power of two
 *
 * Memory order. The writer stores bytes, then head with release; the reader loads head with
 * acquire, then bytes; likewise for tail and room. Going to sleep is Dekker's handshake:
 *
 *   reader                                      writer
 *   1 store reader_sleeps                       1 store head
 *   2 sequentially consistent fence             2 sequentially consistent fence
 *   3 load head                                 3 load reader_sleeps
 *
 * At least one side sees the other's store, so no byte stays unread while the reader sleeps. A
 * writer that waits for room does the same with writer_waits and tail. A notification is a write to
 * the eventfd or a packet on the socket that came with the segment (local_handshake.h). While
 * reader_sleeps is 2, the wake-up is a futex wake on reader_sleeps. Only the socket reports that
 * the peer is gone, so a client limits each futex wait; the server waits for many clients at once,
 * and never waits on the futex.
 *
 * Spinning. A thread that waits for bytes may spin before it sleeps, unless the peer has to run on
 * the same processor; reader_cpu answers that.
 *
 * Deaths. A writer that dies during a write has not advanced head, so the reader never sees partial
 * bytes. The end of the socket reports the death.
 *
 * Hostile peers. The peer may write anything anywhere at any time. Each side keeps its own position
 * outside the segment, and reads it from the segment only as a hint that there may be work. Each
 * side loads the peer's word once; a distance beyond ring_bytes ends the connection. Bytes are
 * copied out before they are checked, so they can't change between check and use. Flags are hints:
 * a wrong flag costs a superfluous wake-up, or leaves asleep the side that wrote it. Every wait for
 * a word has a deadline of its own.
 */
#ifndef HF_PROTO_RING_LAYOUT_H
#define HF_PROTO_RING_LAYOUT_H

#include "proto/shared_header.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_LINE_BYTES 64

struct segment_ring {
  alignas(SEGMENT_LINE_BYTES) _Atomic uint64_t head;
  alignas(SEGMENT_LINE_BYTES) _Atomic uint64_t tail;
  alignas(SEGMENT_LINE_BYTES) _Atomic uint32_t reader_sleeps;
  _Atomic uint32_t reader_cpu;
  alignas(SEGMENT_LINE_BYTES) _Atomic uint32_t writer_waits;
};

static_assert(offsetof(struct segment_ring, head) == 0, "layout");
static_assert(offsetof(struct segment_ring, tail) == 64, "layout");
static_assert(offsetof(struct segment_ring, reader_sleeps) == 128, "layout");
static_assert(offsetof(struct segment_ring, reader_cpu) == 132, "layout");
static_assert(offsetof(struct segment_ring, writer_waits) == 192, "layout");
static_assert(sizeof(struct segment_ring) == 256, "layout");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
              "an emulated atomic would use a lock of each process");

struct segment {
  struct shared_header header;
  struct segment_ring requests, replies;
};

#define SEGMENT_DATA_OFFSET 4096

static_assert(offsetof(struct segment, requests) == 64, "layout");
static_assert(offsetof(struct segment, replies) == 320, "layout");
static_assert(sizeof(struct segment) == 576, "layout");
static_assert(sizeof(struct segment) <= SEGMENT_DATA_OFFSET, "layout");

/* The size of a segment whose rings have ring_bytes each. */
static inline size_t segment_bytes(size_t ring_bytes) {
  return SEGMENT_DATA_OFFSET + 2 * ring_bytes;
}

#endif
