/* Shared memory for stories: plain memory, which the test writes as local threads would. */
#ifndef HF_TESTS_SUPPORT_STORY_PLACES_H
#define HF_TESTS_SUPPORT_STORY_PLACES_H

#include "proto/cell_layout.h"
#include "server/memory/segments.h"

struct story_places {
  struct cell_header *header; /* of what was shared last */
  size_t out, retired;
  size_t wakes;       /* of those who wait for a change there */
  size_t mutex_wakes; /* of those who wait for the mutex there */
  size_t bytes_max;   /* larger ones are refused */
};

/* Forgets what was; places must outlive the story. */
struct segment_source story_places_begin(struct story_places *places);

#endif
