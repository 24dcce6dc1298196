#include "tests/support/wild_cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES_MAX ((size_t)2 << 20)
#define THREADS 6

static bool allocate(void *ctx, size_t bytes, struct cell_location *location) {
  struct wild_cells *cells = ctx;
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  if (bytes > BYTES_MAX || cells->count == WILD_CELLS_MAX) {
    return false;
  }
  struct cell_header *header = aligned_alloc(CELL_ALIGNMENT, whole);
  assert_non_null(header);
  memset(header, 0, whole);
  cells->headers[cells->count++] = header;
  *location = (struct cell_location){++cells->segments, 64, whole, header};
  return true;
}

static void release(void *ctx, const struct cell_location *location) {
  struct wild_cells *cells = ctx;
  size_t at = 0;
  while (at < cells->count && cells->headers[at] != location->header) {
    at++;
  }
  assert_true(at < cells->count);
  cells->headers[at] = cells->headers[--cells->count];
  free(location->header);
}

static size_t count(void *ctx) {
  return ((struct wild_cells *)ctx)->count;
}

static void wake(void *ctx, void *word) {
  (void)ctx;
  (void)word;
}

/* So that some words are nobody's. */
static bool has_thread(void *ctx, uint64_t process, uint32_t thread) {
  (void)ctx;
  return process % 2 == thread % 2;
}

const struct cell_host *wild_cells_begin(struct wild_cells *cells) {
  const struct segment_source source = {cells, allocate, release, release, count};
  const struct cell_kernel kernel = {cells, wake, has_thread};
  *cells = (struct wild_cells){.count = 0};
  shared_cells_init(&cells->cells, &source, &kernel);
  return &cells->cells.host;
}

void wild_cells_end(struct wild_cells *cells) {
  assert_int_equal(cells->count, 0);
  shared_cells_deinit(&cells->cells);
}

static uint32_t make_word(struct random *random) {
  uint32_t word = random_below(random, 2) ? 0 : 1 + (uint32_t)random_below(random, THREADS);
  return word | (random_below(random, 8) ? 0 : CELL_WORD_DIED);
}

static void stir(struct cell_header *header, struct random *random) {
  uint8_t *elements = (uint8_t *)(header + 1);
  switch (random_below(random, 6)) {
    case 0:
    case 1:
      atomic_store(&header->word, make_word(random));
      break;
    case 2:
      atomic_fetch_xor(&header->flags, 1u << random_below(random, 4));
      break;
    default: /* no cell of a story is smaller than that, rounded up */
      elements[random_below(random, 8)] = (uint8_t)random_next(random);
      break;
  }
}

void wild_cells_stir(struct wild_cells *cells, struct random *random) {
  for (size_t i = 0; i < cells->count; i++) {
    if (random_below(random, 4) == 0) {
      stir(cells->headers[i], random);
      cells->writes++;
    }
  }
}
