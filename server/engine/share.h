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

#include "proto/cell_layout.h"
#include "server/engine/memory.h"
#include "server/memory/segments.h"

struct cell_share {
  atomic_uint refs;
  atomic_bool is_retired; /* a process may still write there whose session has ended */
  struct memory *memory;  /* borrowed: the engine's */
  struct segment_source source;
  struct segment_place place;
};

/* A cell with room for so many bytes of elements, all zero, and a mutex that is free. NULL: no
 * room. */
struct cell_share *cell_share_new(const struct segment_source *source, struct memory *memory,
                                  size_t element_bytes, uint64_t object);
struct cell_share *cell_share_acquire(struct cell_share *share); /* answers its argument */
void cell_share_release(struct cell_share *share);               /* NULL is harmless */
/* Releases the count of a session whose process may not know that it has ended. */
void cell_share_retire(struct cell_share *share);

static inline struct cell_header *cell_share_header(const struct cell_share *share) {
  return share->place.address;
}

static inline void *cell_share_elements(const struct cell_share *share) {
  return (char *)share->place.address + CELL_HEADER_BYTES;
}

#endif
