/* Shared memory for random stories: plain memory that is written to as local threads would, at random: mutexes
 * are locked, unlocked, and left by threads that died; elements change.
 */
#ifndef HF_TESTS_SUPPORT_WILD_CELLS_H
#define HF_TESTS_SUPPORT_WILD_CELLS_H

#include "proto/cell_layout.h"
#include "server/cells/shared_cells.h"
#include "tests/support/random.h"

#define WILD_CELLS_MAX 64

struct wild_cells {
  struct shared_cells cells;
  struct cell_header *headers[WILD_CELLS_MAX]; /* those that are out */
  size_t count;
  uint64_t segments; /* given out so far */
  uint64_t writes;   /* to cells, by wild_cells_stir */
};

/* Resets *cells, which must outlive the engine; wild_cells_end is due after its end. */
const struct cell_host *wild_cells_begin(struct wild_cells *cells);
void wild_cells_end(struct wild_cells *cells);
/* Something happens to some of them. */
void wild_cells_stir(struct wild_cells *cells, struct random *random);

#endif
