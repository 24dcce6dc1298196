#include "tests/fuzz/cells_places.h"

#include <stdlib.h>
#include <string.h>

#define FLAGS (CELL_LOCAL_WAITS | CELL_SERVER_WAITS | CELL_DIED | CELL_NOTIFIED)
#define CHANGES_MAX 1000 /* in one step */

static bool allocate(void *ctx, size_t bytes, struct cell_place *given) {
  struct places *places = ctx;
  if (places->count == CELLS_PLACES_MAX || bytes > CELLS_BYTES_MAX) {
    return false;
  }
  struct place *place = &places->all[places->count];
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  *place = (struct place){.is_out = true, .local = CELLS_NOBODY, .used = bytes, .bytes = whole};
  place->memory = aligned_alloc(CELL_ALIGNMENT, whole);
  require(place->memory != NULL);
  memset(place->memory, 0, whole);
  *given =
      (struct cell_place){CELLS_FIRST_SEGMENT + places->count, 0, whole, (void *)place->memory};
  places->count++;
  places->out_count++;
  return true;
}

static struct place *take_back(struct places *places, const struct cell_place *given) {
  struct place *place = places_find(places, given->segment);
  require(place && place->is_out && (void *)place->memory == given->header);
  free(place->memory);
  free(place->before);
  place->memory = place->before = NULL;
  place->is_out = false;
  places->out_count--;
  return place;
}

/* Another cell may come there: nobody who was told may write to it still. */
static void release(void *ctx, const struct cell_place *given) {
  struct places *places = ctx;
  struct place *place = take_back(places, given);
  require(places->is_ending || place->told == 0);
}

static void retire(void *ctx, const struct cell_place *given) {
  struct places *places = ctx;
  struct place *place = take_back(places, given);
  require(place->told_ever & places->lost);
}

static size_t count_out(void *ctx) {
  const struct places *places = ctx;
  return places->out_count;
}

void places_wake(void *ctx, void *word) {
  struct places *places = ctx;
  bool is_known = false;
  for (size_t i = 0; i < places->count; i++) {
    struct place *place = &places->all[i];
    struct cell_header *header = place_header(place);
    is_known |= place->is_out && (word == &header->word || word == &header->changes);
  }
  require(is_known);
}

struct segment_source places_source(struct places *places) {
  return (struct segment_source){places, allocate, release, retire, count_out};
}

struct place *places_find(struct places *places, uint64_t segment) {
  size_t idx = segment - CELLS_FIRST_SEGMENT;
  return segment >= CELLS_FIRST_SEGMENT && idx < places->count ? &places->all[idx] : NULL;
}

struct place *places_of(struct places *places, uint64_t object) {
  for (size_t i = 0; i < places->count; i++) {
    struct place *place = &places->all[i];
    if (object && place->is_out && place->object == object) {
      return place;
    }
  }
  return NULL;
}

struct place *places_pick(struct places *places, size_t idx) {
  size_t left = places->out_count ? idx % places->out_count : 0;
  for (size_t i = 0; i < places->count; i++) {
    if (places->all[i].is_out && left-- == 0) {
      return &places->all[i];
    }
  }
  return NULL;
}

struct cell_header *place_header(const struct place *place) {
  return (struct cell_header *)place->memory;
}

void place_write(struct place *place, size_t offset, const void *bytes, size_t len) {
  memcpy(place->memory + offset, bytes, len);
  memcpy(place->before + offset, bytes, len);
}

void places_forget(struct places *places, int session, uint64_t object) {
  for (size_t i = 0; i < places->count; i++) {
    if (object == CELLS_ALL_OBJECTS || places->all[i].object == object) {
      places->all[i].told &= ~(UINT64_C(1) << session);
    }
  }
}

/* ---- what the server wrote */

static bool is_told_of_by_living(const struct places *places, const struct place *place) {
  for (int session = 0; session < CELLS_SESSIONS_MAX; session++) {
    if ((place->told >> session & 1) && places->has_threads(places->ctx, session)) {
      return true;
    }
  }
  return false;
}

static void check_mutex(const struct places *places, const struct place *place) {
  struct cell_header before;
  memcpy(&before, place->before, sizeof before);
  uint32_t was = atomic_load(&before.word), is = atomic_load(&place_header(place)->word);
  size_t word_bytes = sizeof was;
  require(memcmp(place->memory + word_bytes, place->before + word_bytes,
                 sizeof before.mutex_room - word_bytes) == 0);
  if (is != was) {
    require(place->has_lock);
    require((was & CELL_WORD_THREAD) && is == ((was & ~CELL_WORD_THREAD) | CELL_WORD_DIED));
    require(!is_told_of_by_living(places, place));
  }
}

static void check_header(struct place *place) {
  struct cell_header before, *header = place_header(place);
  memcpy(&before, place->before, sizeof before);
  uint32_t remote = atomic_load(&header->remote), owner = atomic_load(&header->owner);
  require(remote == atomic_load(&before.remote) || remote <= 1);
  require(((atomic_load(&header->flags) ^ atomic_load(&before.flags)) & ~(uint32_t)FLAGS) == 0);
  require(atomic_load(&header->changes) - atomic_load(&before.changes) < CHANGES_MAX);
  if (owner != atomic_load(&before.owner)) {
    require(owner == 0);
    place->is_dead = true;
  }
}

static void check_place(const struct places *places, struct place *place) {
  size_t used = place->used;
  if (place->is_dead) {
    require(memcmp(place->memory, place->before, place->bytes) == 0);
  }
  check_mutex(places, place);
  check_header(place);
  require(memcmp(place->memory + used, place->before + used, place->bytes - used) == 0);
  require(place->may_store ||
          memcmp(place->memory + CELL_HEADER_BYTES, place->before + CELL_HEADER_BYTES,
                 used - CELL_HEADER_BYTES) == 0);
}

void places_check(struct places *places) {
  for (size_t i = 0; i < places->count; i++) {
    struct place *place = &places->all[i];
    if (!place->is_out) {
      continue;
    }
    if (place->before) {
      check_place(places, place);
    } else {
      place->before = malloc(place->bytes);
      require(place->before != NULL);
    }
    memcpy(place->before, place->memory, place->bytes);
    place->may_store = false;
  }
}
