#include "proto/ring.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void init(struct ring_end *end, struct segment_ring *control, uint8_t *data, size_t size,
                 uint64_t limit) {
  assert(size > 0 && (size & (size - 1)) == 0);
  *end = (struct ring_end){.control = control, .data = data, .size = size, .limit = limit};
}

void ring_init_writer(struct ring_end *writer, struct segment_ring *control, uint8_t *data,
                      size_t size) {
  init(writer, control, data, size, size);
}

void ring_init_reader(struct ring_end *reader, struct segment_ring *control, uint8_t *data,
                      size_t size) {
  init(reader, control, data, size, 0);
}

/* ---------------------------------------------------------------- bytes */

/* Returns how far this end may go beyond its position, according to the peer's word. */
static size_t take_limit(struct ring_end *end, uint64_t limit) {
  uint64_t distance = limit - end->position;
  if (distance > end->size) {
    return RING_BROKEN;
  }
  end->limit = limit;
  return (size_t)distance;
}

size_t ring_room(struct ring_end *writer) {
  uint64_t tail = atomic_load_explicit(&writer->control->tail, memory_order_acquire);
  return take_limit(writer, tail + writer->size);
}

size_t ring_used(struct ring_end *reader) {
  uint64_t head = atomic_load_explicit(&reader->control->head, memory_order_acquire);
  return take_limit(reader, head);
}

/* The part of `len` bytes before the end of the data. */
static size_t first_part(const struct ring_end *end, size_t len) {
  size_t to_end = (size_t)(end->size - (end->position & (end->size - 1)));
  return len < to_end ? len : to_end;
}

size_t ring_write(struct ring_end *writer, const void *data, size_t len) {
  size_t room = (size_t)(writer->limit - writer->position);
  if (room < len) { /* only if needed, since loading the word takes its cache line from the peer */
    room = ring_room(writer);
  }
  if (room == RING_BROKEN || room == 0 || len == 0) {
    return room == RING_BROKEN ? RING_BROKEN : 0;
  }
  len = len < room ? len : room;
  size_t first = first_part(writer, len);
  memcpy(writer->data + (writer->position & (writer->size - 1)), data, first);
  memcpy(writer->data, (const uint8_t *)data + first, len - first);
  writer->position += len;
  atomic_store_explicit(&writer->control->head, writer->position, memory_order_release);
  return len;
}

size_t ring_read(struct ring_end *reader, void *data, size_t capacity) {
  size_t used = (size_t)(reader->limit - reader->position);
  if (used < capacity) {
    used = ring_used(reader);
  }
  if (used == RING_BROKEN || used == 0 || capacity == 0) {
    return used == RING_BROKEN ? RING_BROKEN : 0;
  }
  size_t len = used < capacity ? used : capacity;
  size_t first = first_part(reader, len);
  memcpy(data, reader->data + (reader->position & (reader->size - 1)), first);
  memcpy((uint8_t *)data + first, reader->data, len - first);
  reader->position += len;
  atomic_store_explicit(&reader->control->tail, reader->position, memory_order_release);
  return len;
}

/* ---------------------------------------------------------------- waiting */

/* Loads this end's word from shared memory, too, since `position` belongs to another thread. */
static uint64_t distance(const struct ring_end *end) {
  return atomic_load_explicit(&end->control->head, memory_order_relaxed) -
         atomic_load_explicit(&end->control->tail, memory_order_relaxed);
}

bool ring_seems_readable(const struct ring_end *reader) {
  return distance(reader) != 0;
}

bool ring_seems_writable(const struct ring_end *writer) {
  return distance(writer) != writer->size;
}

void ring_announce_sleep(struct ring_end *reader, enum ring_wake wake) {
  atomic_store_explicit(&reader->control->reader_sleeps, wake, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst);
}

void ring_withdraw_sleep(struct ring_end *reader) {
  atomic_store_explicit(&reader->control->reader_sleeps, 0, memory_order_relaxed);
}

bool ring_is_waited_for(const struct ring_end *writer) {
  return atomic_load_explicit(&writer->control->writer_waits, memory_order_relaxed) != 0;
}

void ring_announce_wait(struct ring_end *writer) {
  atomic_store_explicit(&writer->control->writer_waits, 1, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
}

static uint32_t take_flag(_Atomic uint32_t *flag) {
  atomic_thread_fence(memory_order_seq_cst);
  if (atomic_load_explicit(flag, memory_order_relaxed) == 0) {
    return 0;
  }
  return atomic_exchange_explicit(flag, 0, memory_order_acquire);
}

enum ring_wake ring_must_wake_reader(struct ring_end *writer) {
  uint32_t wake = take_flag(&writer->control->reader_sleeps);
  return wake <= RING_WAKE_FUTEX ? (enum ring_wake)wake : RING_WAKE_NOTIFY;
}

bool ring_must_wake_writer(struct ring_end *reader) {
  return take_flag(&reader->control->writer_waits) != 0;
}

void ring_wake_reader(const struct ring_end *writer) {
  syscall(SYS_futex, &writer->control->reader_sleeps, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ring_sleep(const struct ring_end *reader, uint64_t deadline_ns) {
  const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                    .tv_nsec = (long)(deadline_ns % 1000000000)};
  syscall(SYS_futex, &reader->control->reader_sleeps, FUTEX_WAIT_BITSET, RING_WAKE_FUTEX, &deadline,
          NULL, FUTEX_BITSET_MATCH_ANY);
}

void ring_announce_cpu(const struct ring_end *reader, uint32_t cpu) {
  atomic_store_explicit(&reader->control->reader_cpu, cpu, memory_order_relaxed);
}

bool ring_reader_is_on(const struct ring_end *writer, uint32_t cpu) {
  return atomic_load_explicit(&writer->control->reader_cpu, memory_order_relaxed) == cpu;
}
