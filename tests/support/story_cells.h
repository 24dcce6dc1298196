/* Shared memory for stories: plain memory, which the test writes as local threads would. */
#ifndef HF_TESTS_SUPPORT_STORY_PLACES_H
#define HF_TESTS_SUPPORT_STORY_PLACES_H

#include "proto/cell_layout.h"
#include "server/cells/shared_cells.h"
#include "tests/support/story.h"

struct story_cells {
  struct cell_header *header; /* of what was shared last */
  size_t out, retired;
  size_t wakes;        /* of those who wait for a change there */
  size_t mutex_wakes;  /* of those who wait for the mutex there */
  size_t bytes_max;    /* larger ones are refused */
  uint64_t threads_of; /* the process that has all threads; 0: each has them all */
  struct shared_cells cells;
};

/* Forgets what was; places must outlive the story. */
const struct cell_host *story_places_begin(struct story_cells *places);
/* The same, and a story with them: connections 1 to 3 have sessions, 1 and 2 of the processes 101 and
 * 102 of the server's machine, 3 of another. */
void story_begin_in_places(struct story *story, struct story_cells *places);

#endif
