/* Shared memory for stories: plain memory, which the test writes like local threads. */
#ifndef HF_TESTS_SUPPORT_STORY_CELLS_H
#define HF_TESTS_SUPPORT_STORY_CELLS_H

#include "proto/cell_layout.h"
#include "server/cells/shared_cells.h"
#include "tests/support/story.h"

struct story_cells {
  struct cell_header *header; /* of the cell shared last */
  size_t out, retired;
  size_t wakes;        /* wake-ups of `changes` */
  size_t mutex_wakes;  /* wake-ups of the mutex */
  size_t bytes_max;    /* larger cells are refused */
  uint64_t threads_of; /* the process that has all threads; 0: each process has them all */
  struct shared_cells cells;
};

/* Resets *cells, which must outlive the story; story_cells_end is due after the story's end. */
const struct cell_host *story_cells_begin(struct story_cells *cells);
void story_cells_end(struct story_cells *cells);
/* The same, and a story with them: connections 1 to 3 have sessions, 1 and 2 of the processes 101
 * and 102 of the server's machine, 3 of another. */
void story_begin_with_cells(struct story *story, struct story_cells *cells);

#endif
