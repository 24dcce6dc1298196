#include "tests/support/story_cells.h"

#include "server/engine/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool allocate(void *ctx, size_t bytes, struct cell_place *place) {
  struct story_cells *places = ctx;
  if (bytes > places->bytes_max) {
    return false;
  }
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  places->header = aligned_alloc(CELL_ALIGNMENT, whole);
  assert_non_null(places->header);
  memset(places->header, 0, whole);
  *place = (struct cell_place){2, 128, whole, places->header};
  places->out++;
  return true;
}

static void release(void *ctx, const struct cell_place *place) {
  struct story_cells *places = ctx;
  free(place->header);
  places->out--;
}

static void retire(void *ctx, const struct cell_place *place) {
  struct story_cells *places = ctx;
  release(ctx, place);
  places->retired++;
}

static void wake(void *ctx, void *word) {
  struct story_cells *places = ctx;
  if (word == &places->header->word) {
    places->mutex_wakes++;
  } else {
    assert_ptr_equal(word, &places->header->changes);
    places->wakes++;
  }
}

static size_t count(void *ctx) {
  const struct story_cells *places = ctx;
  return places->out;
}

static bool has_thread(void *ctx, uint64_t process, uint32_t thread) {
  const struct story_cells *places = ctx;
  (void)thread;
  return places->threads_of == 0 || places->threads_of == process;
}

const struct cell_host *story_places_begin(struct story_cells *places) {
  const struct segment_source source = {places, allocate, release, retire, count};
  const struct cell_kernel kernel = {places, wake, has_thread};
  *places = (struct story_cells){.bytes_max = 1024};
  shared_cells_init(&places->cells, &source, &kernel);
  return &places->cells.host;
}

void story_begin_in_places(struct story *story, struct story_cells *places) {
  story_begin_sharing(story, story_places_begin(places), 1u << 20);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(story, connection);
  }
  story_open_session_of(story, 1, 101);
  story_open_session_of(story, 2, 102);
  story_open_session_of(story, 3, PROCESS_HIDDEN);
}
