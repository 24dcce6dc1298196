/* A cell in shared memory, reference counted: the object has a reference, and so has each session that
 * may have mapped the cell. Its slot is used again when the last reference is gone, and each of those
 * sessions released it or said goodbye.
 *
 * layer   engine
 * memory  the cell is charged as MEMORY_SHARED, and to the object's user, until the last reference is
 *         gone
 * threads as the engine, under its lock
 */
#ifndef HF_ENGINE_SHARE_H
#define HF_ENGINE_SHARE_H

#include "server/engine/cell_host.h"
#include "server/engine/memory.h"

struct user;

struct cell_share {
  unsigned refs;
  bool is_retired;              /* a process may still write there whose session has ended */
  struct memory *memory;        /* borrowed: the engine's */
  struct user *user;            /* a reference; NULL: the owner */
  const struct cell_host *host; /* borrowed */
  struct cell_location location;
};

/* A cell with room for so many bytes of elements, all zero, and a lock that is free. NULL: there is
 * no host, or no room. */
struct cell_share *cell_share_new(const struct cell_host *host, struct memory *memory,
                                  struct user *user, size_t element_bytes, uint64_t object);
/* The same for a cell that is there: of a snapshot. NULL: out of memory. */
struct cell_share *cell_share_restore(const struct cell_host *host, struct memory *memory,
                                      struct user *user, const struct cell_location *location);
struct cell_share *cell_share_acquire(struct cell_share *share); /* answers its argument */
void cell_share_release(struct cell_share *share);               /* NULL is harmless */
/* Releases the reference of a session whose process may not know that the session has ended. */
void cell_share_retire(struct cell_share *share);

#endif
