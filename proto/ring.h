/* One direction of a segment, seen from one of its ends: a stream of bytes, as a socket's.
 *
 * layer   proto; used by server and client
 * shapes  a power of two of bytes, see segment_layout.h
 * threads An end is used by one thread at a time; the ends are in different processes. Functions
 *         that say so may run at any time.
 * memory  borrows the segment; keeps its own position, which the other process can't touch
 */
#ifndef HF_PROTO_RING_H
#define HF_PROTO_RING_H

#include "proto/segment_layout.h"

#include <stdbool.h>

/* Instead of a number of bytes: the other end's word makes no sense. */
#define RING_BROKEN SIZE_MAX

/* What reader_sleeps says: how the reader is to be woken. */
enum ring_wake {
  RING_WAKE_NONE,   /* it is awake */
  RING_WAKE_NOTIFY, /* by a notification; see local_handshake.h */
  RING_WAKE_FUTEX,  /* by a futex, this very word */
};
static_assert(RING_WAKE_NONE == 0 && RING_WAKE_NOTIFY == 1 && RING_WAKE_FUTEX == 2, "layout");

struct ring_end {
  struct segment_ring *control; /* shared */
  uint8_t *data;                /* shared */
  uint64_t size;
  uint64_t position; /* own: bytes written, or read */
  uint64_t limit;    /* as far as the other end let us go when last seen */
};

/* Both begin at 0, as a fresh segment does. */
void ring_init_writer(struct ring_end *writer, struct segment_ring *control, uint8_t *data,
                      size_t size);
void ring_init_reader(struct ring_end *reader, struct segment_ring *control, uint8_t *data,
                      size_t size);

/* Bytes that can be written now, or RING_BROKEN. */
size_t ring_room(struct ring_end *writer);
/* Writes as much as there is room for. Bytes written, or RING_BROKEN. */
size_t ring_write(struct ring_end *writer, const void *data, size_t len);
/* Bytes that can be read now, or RING_BROKEN. */
size_t ring_used(struct ring_end *reader);
/* Copies out what is there, up to capacity. Bytes read, or RING_BROKEN. */
size_t ring_read(struct ring_end *reader, void *data, size_t capacity);

/* Hints for a thread that is to wait; from any thread. True also when the words make no sense. */
bool ring_seems_readable(const struct ring_end *reader);
bool ring_seems_writable(const struct ring_end *writer);

/* The reader is about to sleep, and looks once more after this; or has woken. From any thread, as
 * the next two. */
void ring_announce_sleep(struct ring_end *reader, enum ring_wake wake);
void ring_withdraw_sleep(struct ring_end *reader);
/* The writer waits for room, and looks once more after this. What was stored before is known to who
 * is told to wake it. */
void ring_announce_wait(struct ring_end *writer);
/* Whether the reader is yet to be told of a wait that was announced. */
bool ring_is_waited_for(const struct ring_end *writer);
/* After writing: how the reader has to be woken; says so once for each announcement. */
enum ring_wake ring_must_wake_reader(struct ring_end *writer);
/* By a futex; if that is how. */
void ring_wake_reader(const struct ring_end *writer);
/* After reading: whether the writer has to be woken, by a packet; says so once as well. */
bool ring_must_wake_writer(struct ring_end *reader);
/* The reader sleeps after it announced that it does so on a futex. Returns when it was woken, at
 * the deadline (of CLOCK_MONOTONIC), or for no reason. */
void ring_sleep(const struct ring_end *reader, uint64_t deadline_ns);
/* The reader says where it runs. */
void ring_announce_cpu(const struct ring_end *reader, uint32_t cpu);
/* Whether the reader runs, or ran last, on that processor. */
bool ring_reader_is_on(const struct ring_end *writer, uint32_t cpu);

#endif
