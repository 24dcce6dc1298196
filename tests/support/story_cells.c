#include "tests/support/story_cells.h"

#include "server/engine/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool allocate(void *ctx, size_t bytes, struct cell_location *location) {
  struct story_cells *cells = ctx;
  if (bytes > cells->bytes_max) {
    return false;
  }
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  cells->header = aligned_alloc(CELL_ALIGNMENT, whole);
  assert_non_null(cells->header);
  memset(cells->header, 0, whole);
  *location = (struct cell_location){2, 128, whole, cells->header};
  cells->out++;
  return true;
}

static void release(void *ctx, const struct cell_location *location) {
  struct story_cells *cells = ctx;
  free(location->header);
  cells->out--;
}

static void retire(void *ctx, const struct cell_location *location) {
  struct story_cells *cells = ctx;
  release(ctx, location);
  cells->retired++;
}

static void wake(void *ctx, void *word) {
  struct story_cells *cells = ctx;
  if (word == &cells->header->word) {
    cells->mutex_wakes++;
  } else {
    assert_ptr_equal(word, &cells->header->changes);
    cells->wakes++;
  }
}

static size_t count(void *ctx) {
  const struct story_cells *cells = ctx;
  return cells->out;
}

static bool has_thread(void *ctx, uint64_t process, uint32_t thread) {
  const struct story_cells *cells = ctx;
  (void)thread;
  return cells->threads_of == 0 || cells->threads_of == process;
}

const struct cell_host *story_cells_begin(struct story_cells *cells) {
  const struct segment_source source = {cells, allocate, release, retire, count};
  const struct cell_kernel kernel = {cells, wake, has_thread};
  *cells = (struct story_cells){.bytes_max = 1024};
  shared_cells_init(&cells->cells, &source, &kernel);
  return &cells->cells.host;
}

void story_cells_end(struct story_cells *cells) {
  shared_cells_deinit(&cells->cells);
}

void story_begin_with_cells(struct story *story, struct story_cells *cells) {
  story_begin_sharing(story, story_cells_begin(cells), 1u << 20);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(story, connection);
  }
  story_open_session_of(story, 1, 101);
  story_open_session_of(story, 2, 102);
  story_open_session_of(story, 3, PROCESS_HIDDEN);
}
