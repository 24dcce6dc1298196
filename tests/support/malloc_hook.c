#include "tests/support/malloc_hook.h"

#include "proto/base/chunk.h"

#include <stdlib.h>
#include <string.h>

/* The size asked for lies in front of each block. */
#define HEAD_BYTES 16

void *__real_malloc(size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static size_t live_bytes, most_bytes;
static size_t failing;
static int has_failed, goes_on;

size_t malloc_hook_live_bytes(void) {
  return __atomic_load_n(&live_bytes, __ATOMIC_RELAXED);
}

size_t malloc_hook_most_bytes(void) {
  return most_bytes;
}

void malloc_hook_record_peak(void) {
  most_bytes = malloc_hook_live_bytes();
}

void malloc_hook_fail(size_t n) {
  failing = n;
  has_failed = goes_on = 0;
}

void malloc_hook_fail_from(size_t n) {
  malloc_hook_fail(n);
  goes_on = 1;
}

int malloc_hook_has_failed(void) {
  return has_failed;
}

void *__wrap_malloc(size_t size) {
  if (failing > 0 && --failing == 0) {
    failing = goes_on ? 1 : 0;
    has_failed = 1;
    return NULL;
  }
  char *head = __real_malloc(size + HEAD_BYTES);
  if (!head) {
    return NULL;
  }
  memcpy(head, &size, sizeof size);
  size_t bytes = __atomic_add_fetch(&live_bytes, chunk_bytes(size), __ATOMIC_RELAXED);
  most_bytes = bytes > most_bytes ? bytes : most_bytes;
  return head + HEAD_BYTES;
}

static size_t size_of(void *block) {
  size_t size;
  memcpy(&size, (char *)block - HEAD_BYTES, sizeof size);
  return size;
}

void *__wrap_calloc(size_t count, size_t size) {
  void *block = __wrap_malloc(count * size);
  if (block) {
    memset(block, 0, count * size);
  }
  return block;
}

void *__wrap_realloc(void *block, size_t size) {
  void *moved = __wrap_malloc(size);
  if (moved && block) {
    size_t old = size_of(block);
    memcpy(moved, block, old < size ? old : size);
    __wrap_free(block);
  }
  return moved;
}

void __wrap_free(void *block) {
  if (block) {
    __atomic_fetch_sub(&live_bytes, chunk_bytes(size_of(block)), __ATOMIC_RELAXED);
    __real_free((char *)block - HEAD_BYTES);
  }
}
