/* Shared memory, byte by byte: what server and client, two processes that don't trust each other,
 * both write.
 *
 * layer   proto
 * source  fcntl(2): a memfd sealed against shrinking and growing can't be pulled away under a
 *         reader
 *
 * One segment belongs to one connection. It holds two rings of bytes; each has one writer and one
 * reader, which are in different processes:
 *
 *   offset  bytes       content                          written by
 *        0  64          header: see shared_header.h      server, before the client has it
 *       64  256         control of the requests' ring    both, a word each; see below
 *      320  256         control of the replies' ring     both
 *      576  3520        nothing                          nobody
 *     4096  ring_bytes  the requests' bytes              client
 *     then  ring_bytes  the replies' bytes               server
 *
 * A control, each word on a cache line of its own, so that who looks at one is not disturbed by who
 * writes another; except reader_cpu, which seldom changes:
 *
 *   offset  bytes  word           written by              meaning
 *        0  8      head           writer                  bytes ever written
 *       64  8      tail           reader                  bytes ever read
 *      128  4      reader_sleeps  reader any, writer 0    wake it after writing: 1 by a notification, 2 by
 *                                                        a futex on this word (clients only);
 *                                                        0: it is awake
 *      132  4      reader_cpu     reader                  the processor it runs on, or ran on last
 *      192  4      writer_waits   writer 1, reader 0      wake it after reading, by a notification
 *
 *      tail                  head
 *   ---[-- unread bytes -----[-- room ------]    head - tail is from 0 to ring_bytes; byte n is at
 *                                                n % ring_bytes, ring_bytes being a power of two
 *
 * Memory order. The writer stores bytes, then head with release; the reader loads head with
 * acquire, then bytes. The other way round for tail and room. Going to sleep is Dekker's handshake:
 * the reader stores reader_sleeps, then loads head; the writer stores head, then loads
 * reader_sleeps; with a sequentially consistent fence between the two on each side at least one of
 * them sees the other's store. So no byte is left lying before a sleeping reader. A writer that
 * waits for room does the same with writer_waits and tail. Waking goes by a notification, at the eventfd or
 * the socket that came with the segment (see local_handshake.h); or by a futex, when the reader sleeps on
 * reader_sleeps itself as long as that says 2. Only at the socket does it hear that the other side
 * is gone, so a client does not sleep on the word for long, and the server, which waits for many
 * clients at once, does not at all.
 *
 * Who waits for an answer, or for the next request, may look for it instead of sleeping, except when
 * the other side has to run on the very processor that it would keep busy: that is what reader_cpu is
 * for.
 *
 * A writer that dies in the middle of a write has not moved head: the reader never sees the half.
 * The socket's end tells that it died.
 *
 * A hostile peer may write anything anywhere at any time. Each side keeps its own position outside
 * the segment and reads it back for no more than a hint that there may be something to do; it loads
 * the other's word once, and a distance beyond ring_bytes ends the connection. Bytes are copied out
 * before they are looked at, so they can't change between check and use. The flags are hints: a
 * wrong one costs a wake-up too many, or leaves its own writer asleep. Nobody waits for a word to
 * change for longer than it has set itself.
 */
#ifndef HF_PROTO_SEGMENT_LAYOUT_H
#define HF_PROTO_SEGMENT_LAYOUT_H

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
              "a lock would be the process's own");

struct segment {
  struct shared_header header;
  struct segment_ring requests, replies;
};

#define SEGMENT_DATA_OFFSET 4096

static_assert(offsetof(struct segment, requests) == 64, "layout");
static_assert(offsetof(struct segment, replies) == 320, "layout");
static_assert(sizeof(struct segment) == 576, "layout");
static_assert(sizeof(struct segment) <= SEGMENT_DATA_OFFSET, "layout");

/* Bytes of a segment with rings of that size. */
static inline size_t segment_bytes(size_t ring_bytes) {
  return SEGMENT_DATA_OFFSET + 2 * ring_bytes;
}

#endif
