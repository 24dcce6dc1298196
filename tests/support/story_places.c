#include "tests/support/story_places.h"

#include "server/engine/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool allocate(void *ctx, size_t bytes, struct segment_place *place) {
  struct story_places *places = ctx;
  if (bytes > places->bytes_max) {
    return false;
  }
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  places->header = aligned_alloc(CELL_ALIGNMENT, whole);
  assert_non_null(places->header);
  memset(places->header, 0, whole);
  *place = (struct segment_place){2, 128, whole, places->header};
  places->out++;
  return true;
}

static void release(void *ctx, const struct segment_place *place) {
  struct story_places *places = ctx;
  free(place->address);
  places->out--;
}

static void retire(void *ctx, const struct segment_place *place) {
  struct story_places *places = ctx;
  release(ctx, place);
  places->retired++;
}

static void wake(void *ctx, void *word) {
  struct story_places *places = ctx;
  if (word == &places->header->word) {
    places->mutex_wakes++;
  } else {
    assert_ptr_equal(word, &places->header->changes);
    places->wakes++;
  }
}

struct segment_source story_places_begin(struct story_places *places) {
  *places = (struct story_places){.bytes_max = 1024};
  return (struct segment_source){places, allocate, release, retire, wake};
}

void story_begin_in_places(struct story *story, struct story_places *places) {
  const struct segment_source source = story_places_begin(places);
  story_begin_sharing(story, &source, 1u << 20);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(story, connection);
  }
  story_open_session_of(story, 1, 101);
  story_open_session_of(story, 2, 102);
  story_open_session_of(story, 3, PROCESS_HIDDEN);
}
