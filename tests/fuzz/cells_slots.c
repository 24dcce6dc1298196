#include "tests/fuzz/cells_slots.h"

#include <stdlib.h>
#include <string.h>

#define FLAGS (CELL_LOCAL_WAITS | CELL_SERVER_WAITS | CELL_DIED | CELL_NOTIFIED)
#define CHANGES_MAX 1000 /* in one step */

static bool allocate(void *ctx, size_t bytes, struct cell_location *given) {
  struct slots *slots = ctx;
  if (slots->count == CELLS_SLOTS_MAX || bytes > CELLS_BYTES_MAX) {
    return false;
  }
  struct slot *slot = &slots->all[slots->count];
  size_t whole = (bytes + CELL_ALIGNMENT - 1) & ~(size_t)(CELL_ALIGNMENT - 1);
  *slot = (struct slot){.is_out = true, .local = CELLS_NOBODY, .used = bytes, .bytes = whole};
  slot->memory = aligned_alloc(CELL_ALIGNMENT, whole);
  require(slot->memory != NULL);
  memset(slot->memory, 0, whole);
  *given =
      (struct cell_location){CELLS_FIRST_SEGMENT + slots->count, 0, whole, (void *)slot->memory};
  slots->count++;
  slots->out_count++;
  return true;
}

static struct slot *reclaim(struct slots *slots, const struct cell_location *given) {
  struct slot *slot = slots_find(slots, given->segment);
  require(slot && slot->is_out && (void *)slot->memory == given->header);
  free(slot->memory);
  free(slot->before);
  slot->memory = slot->before = NULL;
  slot->is_out = false;
  slots->out_count--;
  return slot;
}

/* The memory may be reused: no session that was given the location may still write there. */
static void release(void *ctx, const struct cell_location *given) {
  struct slots *slots = ctx;
  struct slot *slot = reclaim(slots, given);
  require(slots->is_ending || slot->given == 0);
}

static void retire(void *ctx, const struct cell_location *given) {
  struct slots *slots = ctx;
  struct slot *slot = reclaim(slots, given);
  require(slot->ever_given & slots->lost);
}

static size_t count_out(void *ctx) {
  const struct slots *slots = ctx;
  return slots->out_count;
}

void slots_wake(void *ctx, void *word) {
  struct slots *slots = ctx;
  bool is_known = false;
  for (size_t i = 0; i < slots->count; i++) {
    struct slot *slot = &slots->all[i];
    struct cell_header *header = slot_header(slot);
    is_known |= slot->is_out && (word == &header->word || word == &header->changes);
  }
  require(is_known);
}

struct segment_source slots_source(struct slots *slots) {
  return (struct segment_source){slots, allocate, release, retire, count_out};
}

struct slot *slots_find(struct slots *slots, uint64_t segment) {
  size_t idx = segment - CELLS_FIRST_SEGMENT;
  return segment >= CELLS_FIRST_SEGMENT && idx < slots->count ? &slots->all[idx] : NULL;
}

struct slot *slots_of(struct slots *slots, uint64_t object) {
  for (size_t i = 0; i < slots->count; i++) {
    struct slot *slot = &slots->all[i];
    if (object && slot->is_out && slot->object == object) {
      return slot;
    }
  }
  return NULL;
}

struct slot *slots_pick(struct slots *slots, size_t idx) {
  size_t left = slots->out_count ? idx % slots->out_count : 0;
  for (size_t i = 0; i < slots->count; i++) {
    if (slots->all[i].is_out && left-- == 0) {
      return &slots->all[i];
    }
  }
  return NULL;
}

struct cell_header *slot_header(const struct slot *slot) {
  return (struct cell_header *)slot->memory;
}

void slot_write(struct slot *slot, size_t offset, const void *bytes, size_t len) {
  memcpy(slot->memory + offset, bytes, len);
  memcpy(slot->before + offset, bytes, len);
}

void slots_forget(struct slots *slots, int session, uint64_t object) {
  for (size_t i = 0; i < slots->count; i++) {
    if (object == CELLS_ALL_OBJECTS || slots->all[i].object == object) {
      slots->all[i].given &= ~(UINT64_C(1) << session);
    }
  }
}

/* ---- what the server wrote */

static bool is_given_to_live_session(const struct slots *slots, const struct slot *slot) {
  for (int session = 0; session < CELLS_SESSIONS_MAX; session++) {
    if ((slot->given >> session & 1) && slots->has_threads(slots->ctx, session)) {
      return true;
    }
  }
  return false;
}

static void check_mutex(const struct slots *slots, const struct slot *slot) {
  struct cell_header before;
  memcpy(&before, slot->before, sizeof before);
  uint32_t was = atomic_load(&before.word), is = atomic_load(&slot_header(slot)->word);
  size_t word_bytes = sizeof was;
  require(memcmp(slot->memory + word_bytes, slot->before + word_bytes,
                 sizeof before.mutex_room - word_bytes) == 0);
  if (is != was) {
    require(slot->has_lock);
    require((was & CELL_WORD_THREAD) && is == ((was & ~CELL_WORD_THREAD) | CELL_WORD_DIED));
    require(!is_given_to_live_session(slots, slot));
  }
}

static void check_header(struct slot *slot) {
  struct cell_header before, *header = slot_header(slot);
  memcpy(&before, slot->before, sizeof before);
  uint32_t remote = atomic_load(&header->remote), owner = atomic_load(&header->owner);
  require(remote == atomic_load(&before.remote) || remote <= 1);
  require(((atomic_load(&header->flags) ^ atomic_load(&before.flags)) & ~(uint32_t)FLAGS) == 0);
  require(atomic_load(&header->changes) - atomic_load(&before.changes) < CHANGES_MAX);
  if (owner != atomic_load(&before.owner)) {
    require(owner == 0);
    slot->is_dead = true;
  }
}

static void check_slot(const struct slots *slots, struct slot *slot) {
  size_t used = slot->used;
  if (slot->is_dead) {
    require(memcmp(slot->memory, slot->before, slot->bytes) == 0);
  }
  check_mutex(slots, slot);
  check_header(slot);
  require(memcmp(slot->memory + used, slot->before + used, slot->bytes - used) == 0);
  require(slot->may_store ||
          memcmp(slot->memory + CELL_HEADER_BYTES, slot->before + CELL_HEADER_BYTES,
                 used - CELL_HEADER_BYTES) == 0);
}

void slots_check(struct slots *slots) {
  for (size_t i = 0; i < slots->count; i++) {
    struct slot *slot = &slots->all[i];
    if (!slot->is_out) {
      continue;
    }
    if (slot->before) {
      check_slot(slots, slot);
    } else {
      slot->before = malloc(slot->bytes);
      require(slot->before != NULL);
    }
    memcpy(slot->before, slot->memory, slot->bytes);
    slot->may_store = false;
  }
}
