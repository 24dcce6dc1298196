/* A run of bytes that grows at its end and is taken from its start, within a shared budget.
 *
 * layer   base
 * shapes  capacity doubles up to 1 MiB, and is what is needed beyond; what was taken is room again
 *         once the rest is moved to the front
 * threads one at a time; the budget is shared by all
 * memory  owns data
 */
#ifndef HF_BASE_BUFFER_H
#define HF_BASE_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer of no more than this is small: part of the budget is for these alone. */
#define BUFFER_SMALL_BYTES ((size_t)16 << 10)

/* What all buffers together may take: many peers must not do what one can't. */
struct buffer_budget {
  atomic_size_t used_bytes;
  size_t bytes_max;
  size_t small_bytes; /* of these: kept for small buffers */
};

struct buffer {
  struct buffer_budget *budget; /* borrowed */
  uint8_t *data;
  size_t start; /* the bytes are data[start .. start + len) */
  size_t len;
  size_t capacity;
};

void buffer_init(struct buffer *buffer, struct buffer_budget *budget);
void buffer_deinit(struct buffer *buffer);
/* Makes sure of room_bytes behind the last byte. false: out of memory or budget; nothing changed.
 */
bool buffer_reserve(struct buffer *buffer, size_t room_bytes);
/* Drops the first `count` bytes. */
void buffer_consume(struct buffer *buffer, size_t count);
/* Gives memory back when the buffer is empty and larger than that. */
void buffer_trim(struct buffer *buffer, size_t capacity_max);

static inline uint8_t *buffer_first(const struct buffer *buffer) {
  return buffer->data ? buffer->data + buffer->start : NULL; /* NULL + 0 is undefined */
}

static inline uint8_t *buffer_end(const struct buffer *buffer) {
  return buffer->data ? buffer->data + buffer->start + buffer->len : NULL;
}

/* Bytes that fit behind the last one as things are. */
static inline size_t buffer_room(const struct buffer *buffer) {
  return buffer->capacity - buffer->start - buffer->len;
}

#endif
