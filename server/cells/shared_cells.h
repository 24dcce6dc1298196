/* Values and arrays in shared memory: the engine's struct cell_host, over segments.
 *
 * layer   cells: above the engine, which is handed the table
 * threads as struct cell_host says
 * source  proto/cell_layout.h, byte by byte
 *
 * The only server code with atomics on memory that clients write, futexes and thread ids is in this
 * folder:
 *
 *   shared_cells   the table: locations, elements, changes
 *   lock           the lock of a cell, with its clients' mutex
 *   orphans        processes that may have a mutex without a session
 *   kernel         futexes and thread ids
 *   segments       memory: memfds, cut into locations; mapping_reclaimer gives it back
 */
#ifndef HF_CELLS_SHARED_CELLS_H
#define HF_CELLS_SHARED_CELLS_H

#include "server/cells/kernel.h"
#include "server/cells/orphans.h"
#include "server/cells/segments.h"
#include "server/engine/cell_host.h"

struct shared_cells {
  struct cell_host host; /* for the engine; its ctx is this struct, which must not move */
  struct segment_source source;
  struct cell_kernel kernel;
  struct orphans orphans;
};

/* The source and the kernel are copied; what they refer to is borrowed. */
void shared_cells_init(struct shared_cells *cells, const struct segment_source *source,
                       const struct cell_kernel *kernel);
/* All cells were released or retired. */
void shared_cells_deinit(struct shared_cells *cells);

#endif
