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

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define ARENA_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define ARENA_POISON(p, n) ((void)(p), (void)(n))
#define ARENA_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_ALIGNMENT ((size_t)16)
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
/* Adds a block with room for `size` bytes. false: out of memory. */
bool arena_add_block(struct arena *arena, size_t size);

/* NULL: out of budget or memory. */
static inline void *arena_alloc(struct arena *arena, size_t size) {
  size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
  if (rounded < size || rounded > arena->budget_bytes - arena->used_bytes) {
    arena->refused = true;
    return NULL;
  }
  if ((size_t)(arena->end - arena->next) < rounded && !arena_add_block(arena, rounded)) {
    return NULL;
  }
  char *memory = arena->next;
  arena->next += rounded;
  arena->used_bytes += rounded;
  ARENA_UNPOISON(memory, size);
  return memory;
}

/* Bytes that all blocks take from malloc, see chunk.h. */
size_t arena_memory_bytes(const struct arena *arena);

#endif
