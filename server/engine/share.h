/* A cell's place in shared memory: the object has one count of it, and so has each session that may
 * have mapped it. It is used again only when nobody is left, and each of those sessions let go of
 * it or said goodbye.
 *
 * layer   engine
 * memory  its place is charged as MEMORY_SHARED until the last count is gone
 * threads as the engine, under its lock
 */
#ifndef HF_ENGINE_SHARE_H
#define HF_ENGINE_SHARE_H

#include "server/engine/cell_host.h"
#include "server/engine/memory.h"

struct cell_share {
  unsigned refs;
  bool is_retired;              /* a process may still write there whose session has ended */
  struct memory *memory;        /* borrowed: the engine's */
  const struct cell_host *host; /* borrowed */
  struct cell_place place;
};

/* A cell with room for so many bytes of elements, all zero, and a lock that is free. NULL: there is
 * no host, or no room. */
struct cell_share *cell_share_new(const struct cell_host *host, struct memory *memory,
                                  size_t element_bytes, uint64_t object);
struct cell_share *cell_share_acquire(struct cell_share *share); /* answers its argument */
void cell_share_release(struct cell_share *share);               /* NULL is harmless */
/* Releases the count of a session whose process may not know that it has ended. */
void cell_share_retire(struct cell_share *share);

#endif
