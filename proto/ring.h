/* One direction of a segment, seen from one of its ends: a stream of bytes, as a socket's.
 *
 * layer   proto; used by server and client
 * shapes  a power of two of bytes, see ring_layout.h
 * threads One thread at a time uses an end; the two ends are in different processes. Functions that
 *         say so may be called by any thread.
 * memory  borrows the segment; keeps its own position, which the peer can't change
 */
#ifndef HF_PROTO_RING_H
#define HF_PROTO_RING_H

#include "proto/ring_layout.h"

#include <stdbool.h>

/* In place of a number of bytes: the peer's word is invalid. */
#define RING_BROKEN SIZE_MAX

/* Values of reader_sleeps: how to wake the reader. */
enum ring_wake {
  RING_WAKE_NONE,   /* the reader is awake */
  RING_WAKE_NOTIFY, /* by a notification (local_handshake.h) */
  RING_WAKE_FUTEX,  /* by a futex wake on reader_sleeps */
};
static_assert(RING_WAKE_NONE == 0 && RING_WAKE_NOTIFY == 1 && RING_WAKE_FUTEX == 2, "layout");

struct ring_end {
  struct segment_ring *control; /* shared */
  uint8_t *data;                /* shared */
  uint64_t size;
  uint64_t position; /* this end's: bytes ever written, or read */
  uint64_t limit;    /* how far the peer's word, when last loaded, allows */
};

/* Both start at position 0, as in a new segment. */
void ring_init_writer(struct ring_end *writer, struct segment_ring *control, uint8_t *data,
                      size_t size);
void ring_init_reader(struct ring_end *reader, struct segment_ring *control, uint8_t *data,
                      size_t size);

/* Bytes that can be written now, or RING_BROKEN. */
size_t ring_room(struct ring_end *writer);
/* Writes as many bytes as fit. Returns their number, or RING_BROKEN. */
size_t ring_write(struct ring_end *writer, const void *data, size_t len);
/* Bytes that can be read now, or RING_BROKEN. */
size_t ring_used(struct ring_end *reader);
/* Copies out available bytes, up to capacity. Returns their number, or RING_BROKEN. */
size_t ring_read(struct ring_end *reader, void *data, size_t capacity);

/* Hints before a wait, for any thread. Also true if the peer's word is invalid. */
bool ring_seems_readable(const struct ring_end *reader);
bool ring_seems_writable(const struct ring_end *writer);

/* announce: the reader is about to sleep, and must check the ring once more afterwards. withdraw:
 * the reader is awake again. For any thread, as are the next three. */
void ring_announce_sleep(struct ring_end *reader, enum ring_wake wake);
void ring_withdraw_sleep(struct ring_end *reader);
/* The writer waits for room, and must check the ring once more afterwards. Its earlier stores are
 * visible to the reader that sees the announcement. */
void ring_announce_wait(struct ring_end *writer);
/* Whether the writer's announcement is still pending. */
bool ring_is_waited_for(const struct ring_end *writer);
/* After writing: how to wake the reader. Returns RING_WAKE_NONE after the first time for each
 * announcement. */
enum ring_wake ring_must_wake_reader(struct ring_end *writer);
/* Futex wake, for RING_WAKE_FUTEX. */
void ring_wake_reader(const struct ring_end *writer);
/* After reading: whether to notify the writer. True once for each announcement. */
bool ring_must_wake_writer(struct ring_end *reader);
/* Futex wait of a reader that has announced RING_WAKE_FUTEX. Returns when woken, at the deadline
 * (of CLOCK_MONOTONIC), or spuriously. */
void ring_sleep(const struct ring_end *reader, uint64_t deadline_ns);
/* Between two polls of a ring: lets the processor's other thread run. */
static inline void ring_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}
/* Stores the processor that the reader runs on. */
void ring_announce_cpu(const struct ring_end *reader, uint32_t cpu);
/* Whether the reader runs, or ran last, on that processor. */
bool ring_reader_is_on(const struct ring_end *writer, uint32_t cpu);

#endif
