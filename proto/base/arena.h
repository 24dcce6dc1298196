/* Arena: scratch memory of a request, freed all at once.
 *
 * shapes  allocations are 16-byte aligned; blocks double from ARENA_BLOCK_BYTES to 1 MiB
 * limits  a budget in bytes; an allocation beyond returns NULL
 * threads one at a time
 */
#ifndef HF_BASE_ARENA_H
#define HF_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_BLOCK_BYTES 4096
#define ARENA_KEPT_BYTES_MAX 65536

struct arena_block;

struct arena {
  struct arena_block *blocks; /* newest first */
  char *next;                 /* free memory in the newest block */
  char *end;
  size_t used_bytes;   /* allocated since the last reset */
  size_t budget_bytes; /* the bound of used_bytes */
  bool refused;        /* an allocation since the last reset exceeded budget_bytes */
};

void arena_init(struct arena *arena, size_t budget_bytes);
void arena_deinit(struct arena *arena);
/* Frees all allocations; keeps the newest block of up to ARENA_KEPT_BYTES_MAX for reuse. Poisons
 * memory under ASan. */
void arena_reset(struct arena *arena);
/* NULL: out of budget or memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* Bytes that all blocks take from malloc, see chunk.h. */
size_t arena_memory_bytes(const struct arena *arena);

#endif
