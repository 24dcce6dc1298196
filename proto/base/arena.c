#include "proto/base/arena.h"

#include "proto/base/chunk.h"

#include <stdint.h>
#include <stdlib.h>

#define BLOCK_BYTES_MAX ((size_t)1 << 20)

struct arena_block {
  struct arena_block *older;
  size_t size; /* of data */
  _Alignas(16) char data[];
};

void arena_init(struct arena *arena, size_t budget_bytes) {
  *arena = (struct arena){.budget_bytes = budget_bytes};
}

static void free_block(struct arena_block *block) {
  ARENA_UNPOISON(block->data, block->size);
  free(block);
}

void arena_deinit(struct arena *arena) {
  while (arena->blocks) {
    struct arena_block *older = arena->blocks->older;
    free_block(arena->blocks);
    arena->blocks = older;
  }
  arena->next = arena->end = NULL;
}

/* Keeps the newest small enough block, since blocks grow. */
void arena_reset(struct arena *arena) {
  struct arena_block *kept = NULL;
  while (arena->blocks) {
    struct arena_block *block = arena->blocks;
    arena->blocks = block->older;
    if (!kept && block->size <= ARENA_KEPT_BYTES_MAX) {
      kept = block;
    } else {
      free_block(block);
    }
  }
  arena->next = arena->end = NULL;
  if (kept) {
    kept->older = NULL;
    arena->blocks = kept;
    arena->next = kept->data;
    arena->end = kept->data + kept->size;
    ARENA_POISON(kept->data, kept->size);
  }
  arena->used_bytes = 0;
  arena->refused = false;
}

bool arena_add_block(struct arena *arena, size_t size) {
  size_t block_size = arena->blocks ? arena->blocks->size * 2 : ARENA_BLOCK_BYTES;
  if (block_size > BLOCK_BYTES_MAX) {
    block_size = BLOCK_BYTES_MAX;
  }
  if (block_size < size) {
    block_size = size;
  }
  if (block_size > SIZE_MAX - sizeof(struct arena_block)) {
    return false;
  }
  struct arena_block *block = malloc(sizeof *block + block_size);
  if (!block) {
    return false;
  }
  *block = (struct arena_block){.older = arena->blocks, .size = block_size};
  ARENA_POISON(block->data, block_size);
  arena->blocks = block;
  arena->next = block->data;
  arena->end = block->data + block_size;
  return true;
}

size_t arena_memory_bytes(const struct arena *arena) {
  size_t bytes = 0;
  for (const struct arena_block *block = arena->blocks; block; block = block->older) {
    bytes += chunk_bytes(sizeof *block + block->size);
  }
  return bytes;
}
