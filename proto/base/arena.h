/* Memory that is freed all at once: a request's scratch.
 *
 * shapes  allocations are 16-byte aligned; blocks double from ARENA_BLOCK_BYTES to 1 MiB
 * limits  a budget in bytes; an allocation beyond it answers NULL
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
  char *next;                 /* free room in the newest block */
  char *end;
  size_t used_bytes;   /* allocated since the last reset */
  size_t budget_bytes; /* what used_bytes may reach */
  bool refused;        /* an allocation since the last reset went beyond it */
};

void arena_init(struct arena *arena, size_t budget_bytes);
void arena_deinit(struct arena *arena);
/* Forgets every allocation; keeps the newest block of up to ARENA_KEPT_BYTES_MAX for the next
 * round. Poisoned under ASan. */
void arena_reset(struct arena *arena);
/* NULL when the budget or the machine's memory is used up. */
void *arena_alloc(struct arena *arena, size_t size);

/* What all of it takes from the machine, as in chunk.h. */
size_t arena_memory_bytes(const struct arena *arena);

#endif
