/* Shared segments of values and arrays: opened, divided into slots, given to clients, closed. Rings
 * have segments of their own (transport/ring_stream.h).
 *
 * layer   cells
 * shapes  Small cells share arenas of HF_ARENA_BYTES, one size class in each; a freed slot is used
 *         again as late as possible. A larger cell has a segment of its own. All are memfds sealed
 *         against shrinking and growing.
 * threads any; one mutex, under which nothing is unmapped or closed (mapping_reclaimer.h)
 *
 * Retired slots. A process whose session ended without a goodbye may go on and write through a
 * pointer to a mapped cell. So the slot of that cell is retired and not released: the slot stays used
 * in its arena, and no cell is put there. When the last cell of the arena has been freed the arena is
 * closed as a whole; the mapping of the process stays its own. Retired slots cost at most the rest of
 * the arenas that have a cell: HF_ARENA_BYTES for each cell, and never more than HF_SEGMENTS_MAX
 * arenas; beyond, new cells stay out of shared memory until cells are deleted.
 */
#ifndef HF_CELLS_SEGMENTS_H
#define HF_CELLS_SEGMENTS_H

#include "server/engine/cell_host.h"

struct segments;

/* Where cells get their memory from. */
struct segment_source {
  void *ctx;
  /* Zeroed memory at a multiple of CELL_ALIGNMENT, both here and in the segment; location->header is its
   * address. false: no room, by memory or limits. */
  bool (*allocate)(void *ctx, size_t bytes, struct cell_location *location);
  /* As those of struct cell_host. */
  void (*release)(void *ctx, const struct cell_location *location);
  void (*retire)(void *ctx, const struct cell_location *location);
  size_t (*count)(void *ctx);
};

/* Clients take the server for alive as long as the calling thread lives. NULL: no shared memory on
 * this machine, or out of memory. */
struct segments *segments_new(void);
/* Frees all that was allocated too. */
void segments_free(struct segments *segments);
/* Borrowed. */
struct segment_source segments_source(struct segments *segments);
/* A new descriptor of the segment, which the caller closes, and the segment's size. -1: there is no
 * such segment, or a client has overwritten its header. */
int segments_duplicate(struct segments *segments, uint64_t segment, size_t *bytes);
/* The number of segments, for tests. */
size_t segments_count(struct segments *segments);

#endif
