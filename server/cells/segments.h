/* Shared segments of values and arrays: opened, cut into places, lent, closed. Rings have their own
 * (transport/ring_stream.h).
 *
 * layer   cells
 * shapes  Small cells share arenas of HF_ARENA_BYTES, one size class in each; a freed place is used
 *         again as late as possible. Larger ones have a segment of their own. All are memfds sealed
 *         against shrinking and growing.
 * threads any; one mutex, under which nothing is unmapped or closed (closer.h)
 *
 * Retired places. A process whose session ended without a goodbye may go on and write through a
 * pointer it has kept. So a place that it had is not released but retired: it stays used in its
 * arena, and nobody's. When the last cell of the arena has gone the arena goes as a whole, and what
 * the process has mapped is its own from then on. Retired places cost at most the rest of the
 * arenas that have a cell: HF_ARENA_BYTES for each cell there is, and never more than
 * HF_SEGMENTS_MAX of them; beyond, new cells stay out of shared memory until cells are deleted.
 */
#ifndef HF_CELLS_SEGMENTS_H
#define HF_CELLS_SEGMENTS_H

#include "server/engine/cell_host.h"

struct segments;

/* Where cells get their memory from. */
struct segment_source {
  void *ctx;
  /* Zeroed memory at a multiple of CELL_ALIGNMENT, both here and in the segment; place->header is its
   * address. false: no room, by memory or limits. */
  bool (*allocate)(void *ctx, size_t bytes, struct cell_place *place);
  /* As those of struct cell_host. */
  void (*release)(void *ctx, const struct cell_place *place);
  void (*retire)(void *ctx, const struct cell_place *place);
  size_t (*count)(void *ctx);
};

/* Clients take the server for alive as long as the calling thread is. NULL: this machine can't do
 * it, or is out of memory. */
struct segments *segments_new(void);
/* What was allocated goes too. */
void segments_free(struct segments *segments);
/* Borrowed. */
struct segment_source segments_source(struct segments *segments);
/* A descriptor of the segment, the caller's, and its size. -1: there is no such segment, or a client
 * has overwritten its header. */
int segments_duplicate(struct segments *segments, uint64_t segment, size_t *bytes);
/* Segments there are, for tests. */
size_t segments_count(struct segments *segments);

#endif
