/* A byte queue: bytes are appended at the end and consumed at the start, within a shared budget.
 *
 * layer   base
 * shapes  the capacity doubles up to 1 MiB, and is exact beyond; room of consumed bytes is reused
 *         by moving the others to the front
 * threads one at a time; all buffers share the budget
 * memory  owns data
 */
#ifndef HF_BASE_BUFFER_H
#define HF_BASE_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buffers of up to this size are small: a part of the budget is reserved for them. */
#define BUFFER_SMALL_BYTES ((size_t)16 << 10)

/* The bound of all buffers together, so that many peers can't take more than it. */
struct buffer_budget {
  atomic_size_t used_bytes;
  size_t bytes_max;
  size_t small_bytes; /* of them reserved for small buffers */
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
/* Reserves room_bytes after the last byte. false: out of memory or budget; unchanged. */
bool buffer_reserve(struct buffer *buffer, size_t room_bytes);
/* Consumes the first `count` bytes. */
void buffer_consume(struct buffer *buffer, size_t count);
/* Frees the memory if the buffer is empty and larger than that. */
void buffer_trim(struct buffer *buffer, size_t capacity_max);

static inline uint8_t *buffer_first(const struct buffer *buffer) {
  return buffer->data ? buffer->data + buffer->start : NULL; /* NULL + 0 is undefined */
}

static inline uint8_t *buffer_end(const struct buffer *buffer) {
  return buffer->data ? buffer->data + buffer->start + buffer->len : NULL;
}

/* Bytes that fit after the last byte without a reallocation. */
static inline size_t buffer_room(const struct buffer *buffer) {
  return buffer->capacity - buffer->start - buffer->len;
}

#endif
