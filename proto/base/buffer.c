#include "proto/base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 512
#define DOUBLING_MAX ((size_t)1 << 20) /* a larger buffer has one large message of known length */

void buffer_init(struct buffer *buffer, struct buffer_budget *budget) {
  *buffer = (struct buffer){.budget = budget};
}

void buffer_deinit(struct buffer *buffer) {
  atomic_fetch_sub(&buffer->budget->used_bytes, buffer->capacity);
  free(buffer->data);
  *buffer = (struct buffer){.budget = buffer->budget};
}

static bool budget_take(struct buffer_budget *budget, size_t more, size_t capacity) {
  size_t before = atomic_fetch_add(&budget->used_bytes, more);
  size_t kept = capacity > BUFFER_SMALL_BYTES ? budget->small_bytes : 0;
  if (before + more + kept <= budget->bytes_max) {
    return true;
  }
  atomic_fetch_sub(&budget->used_bytes, more);
  return false;
}

static void move_to_front(struct buffer *buffer) {
  if (buffer->start > 0) {
    memmove(buffer->data, buffer->data + buffer->start, buffer->len);
    buffer->start = 0;
  }
}

static bool grow(struct buffer *buffer, size_t wanted) {
  size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
  while (capacity < wanted) {
    capacity = capacity < DOUBLING_MAX ? capacity * 2 : wanted;
  }
  size_t more = capacity - buffer->capacity;
  if (!budget_take(buffer->budget, more, capacity)) {
    return false;
  }
  uint8_t *data = realloc(buffer->data, capacity);
  if (data == NULL) {
    atomic_fetch_sub(&buffer->budget->used_bytes, more);
    return false;
  }
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

bool buffer_reserve(struct buffer *buffer, size_t room_bytes) {
  if (buffer_room(buffer) >= room_bytes) {
    return true;
  }
  if (buffer->capacity - buffer->len < room_bytes && !grow(buffer, buffer->len + room_bytes)) {
    return false;
  }
  if (buffer_room(buffer) < room_bytes) {
    move_to_front(buffer);
  }
  return true;
}

void buffer_consume(struct buffer *buffer, size_t count) {
  assert(count <= buffer->len);
  buffer->len -= count;
  buffer->start = buffer->len == 0 ? 0 : buffer->start + count;
}

void buffer_trim(struct buffer *buffer, size_t capacity_max) {
  if (buffer->len == 0 && buffer->capacity > capacity_max) {
    buffer_deinit(buffer);
  }
}
