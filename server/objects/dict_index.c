#include "server/objects/dict_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 8
#define HASH_BITS 32
#define TAG_SHIFT 9
/* Neighbours merge when both together fill no more than this; far below what makes them split. */
#define MERGE_COUNT (INDEX_SLOTS_MAX / 2)

/* ---------------------------------------------------------------- segments */

static size_t segment_bytes(size_t capacity) {
  return sizeof(struct index_segment) + capacity * (sizeof(uint8_t) + sizeof(uint32_t));
}

/* The capacity is a multiple of 8, so the slots of the log behind the tags are aligned. */
static inline uint32_t *log_slots_of(struct index_segment *segment) {
  return (uint32_t *)(void *)(segment->tags + segment->capacity);
}

static struct index_segment *new_segment(size_t capacity, unsigned depth) {
  struct index_segment *segment = malloc(segment_bytes(capacity));
  if (segment) {
    *segment = (struct index_segment){.capacity = (uint16_t)capacity, .depth = (uint8_t)depth};
    memset(segment->tags, 0, capacity);
  }
  return segment;
}

static inline uint8_t tag_of(uint32_t hash) {
  uint8_t tag = (uint8_t)(hash >> TAG_SHIFT);
  return tag ? tag : 1;
}

static inline size_t home_of(const struct index_segment *segment, uint32_t hash) {
  return hash & (segment->capacity - 1u);
}

static inline size_t next_slot(const struct index_segment *segment, size_t slot) {
  return (slot + 1) & (segment->capacity - 1u);
}

static void put(struct index_segment *segment, uint32_t hash, uint32_t log_slot) {
  size_t slot = home_of(segment, hash);
  while (segment->tags[slot]) {
    slot = next_slot(segment, slot);
  }
  segment->tags[slot] = tag_of(hash);
  log_slots_of(segment)[slot] = log_slot;
  segment->count++;
}

/* The entries of a segment, taken out of it. */
struct contents {
  size_t count;
  uint32_t log_slots[INDEX_SLOTS_MAX];
  uint32_t hashes[INDEX_SLOTS_MAX];
};

static void take_contents(struct index_segment *segment, const struct dict_log *log,
                          struct contents *contents) {
  contents->count = 0;
  for (size_t slot = 0; slot < segment->capacity; slot++) {
    if (segment->tags[slot]) {
      contents->log_slots[contents->count++] = log_slots_of(segment)[slot];
    }
  }
  for (size_t i = 0; i < contents->count; i++) { /* hundreds of cache misses: let them overlap */
    log_prefetch_hash(log, contents->log_slots[i]);
  }
  for (size_t i = 0; i < contents->count; i++) {
    contents->hashes[i] = log_hash_at(log, contents->log_slots[i]);
  }
  memset(segment->tags, 0, segment->capacity);
  segment->count = 0;
}

/* Above 13/16 probes get long. */
static bool is_full(const struct index_segment *segment) {
  return segment->count >= segment->capacity * 13u / 16u;
}

/* ---------------------------------------------------------------- directory */

static size_t directory_bytes(unsigned depth) {
  return sizeof(struct index_segment *) << depth;
}

/* Position in a directory of that depth: the hash's upper bits. */
static inline size_t prefix_of(uint32_t hash, unsigned depth) {
  return (size_t)((uint64_t)hash << depth >> HASH_BITS);
}

static inline struct index_segment *segment_of(const struct dict_index *index, uint32_t hash) {
  return index->directory[prefix_of(hash, index->depth)];
}

/* Points all directory entries of the segments with the hash's first `depth` bits to it. */
static void point_to(struct dict_index *index, uint32_t hash, unsigned depth,
                     struct index_segment *segment) {
  assert(depth <= index->depth);
  size_t span = (size_t)1 << (index->depth - depth);
  size_t first = prefix_of(hash, depth) * span;
  for (size_t i = first; i < first + span; i++) {
    index->directory[i] = segment;
  }
}

static bool double_directory(struct dict_index *index) {
  size_t count = (size_t)1 << index->depth;
  struct index_segment **directory = calloc(1, directory_bytes(index->depth + 1));
  if (!directory) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    directory[2 * i] = directory[2 * i + 1] = index->directory[i];
  }
  free(index->directory);
  index->directory = directory;
  index->depth++;
  index->deepest_count = 0;
  return true;
}

/* While no segment needs the directory's last bit. Without memory for a smaller one it stays. */
static void halve_directory(struct dict_index *index) {
  while (index->depth > 0 && index->deepest_count == 0) {
    struct index_segment **directory = calloc(1, directory_bytes(index->depth - 1));
    if (!directory) {
      return;
    }
    size_t count = (size_t)1 << (index->depth - 1);
    for (size_t i = 0; i < count; i++) {
      directory[i] = index->directory[2 * i];
    }
    free(index->directory);
    index->directory = directory;
    index->depth--;
    for (size_t i = 0; i < count; i++) { /* the deepest segments have one directory entry */
      index->deepest_count += count == 1 || directory[i] != directory[i ^ 1];
    }
  }
}

/* ---------------------------------------------------------------- life */

void index_init(struct dict_index *index) {
  *index = (struct dict_index){0};
}

void index_deinit(struct dict_index *index) {
  size_t count = index->directory ? (size_t)1 << index->depth : 0;
  for (size_t i = 0; i < count;) {
    struct index_segment *segment = index->directory[i];
    i += (size_t)1 << (index->depth - segment->depth);
    free(segment);
  }
  free(index->directory);
  index_init(index);
}

static bool open_index(struct dict_index *index) {
  index->directory = calloc(1, directory_bytes(0));
  if (!index->directory) {
    return false;
  }
  index->directory[0] = new_segment(SLOTS_MIN, 0);
  if (!index->directory[0]) {
    free(index->directory);
    index->directory = NULL;
    return false;
  }
  index->deepest_count = 1;
  return true;
}

void index_forget_slots(struct dict_index *index) {
  size_t count = index->directory ? (size_t)1 << index->depth : 0;
  for (size_t i = 0; i < count; i++) {
    struct index_segment *segment = index->directory[i];
    memset(segment->tags, 0, segment->capacity);
    segment->count = 0;
  }
}

/* ---------------------------------------------------------------- growing and shrinking */

/* The only segment, with another capacity. false: out of memory. */
static bool resize_only_segment(struct dict_index *index, const struct dict_log *log,
                                size_t capacity) {
  struct index_segment *old = index->directory[0];
  struct index_segment *segment = new_segment(capacity, 0);
  if (!segment) {
    return false;
  }
  struct contents contents;
  take_contents(old, log, &contents);
  for (size_t i = 0; i < contents.count; i++) {
    put(segment, contents.hashes[i], contents.log_slots[i]);
  }
  free(old);
  index->directory[0] = segment;
  return true;
}

/* Gives the upper half of a segment's hashes to a new one. */
static bool split(struct dict_index *index, const struct dict_log *log, uint32_t hash) {
  struct index_segment *low = segment_of(index, hash);
  if (low->depth == index->depth && !double_directory(index)) {
    return false;
  }
  struct index_segment *high = new_segment(INDEX_SLOTS_MAX, low->depth + 1u);
  if (!high) {
    return false;
  }
  struct contents contents;
  take_contents(low, log, &contents);
  low->depth++;
  uint32_t bit = UINT32_C(1) << (HASH_BITS - low->depth);
  for (size_t i = 0; i < contents.count; i++) {
    put(contents.hashes[i] & bit ? high : low, contents.hashes[i], contents.log_slots[i]);
  }
  point_to(index, hash | bit, low->depth, high);
  if (low->depth == index->depth) {
    index->deepest_count += 2;
  }
  return true;
}

bool index_reserve(struct dict_index *index, const struct dict_log *log, uint32_t hash) {
  if (!index->directory && !open_index(index)) {
    return false;
  }
  struct index_segment *segment;
  while (segment = segment_of(index, hash), is_full(segment)) {
    if (segment->capacity < INDEX_SLOTS_MAX) {
      if (!resize_only_segment(index, log, segment->capacity * 2u)) {
        return false;
      }
    } else if (segment->depth == INDEX_DEPTH_MAX) {
      /* The last free slot ends every probe, so it must stay. */
      return segment->count < segment->capacity - 1;
    } else if (!split(index, log, hash)) {
      return false;
    }
  }
  return true;
}

/* Joins the segment of a hash with the one that differs in its last bit, where both together are
 * sparse. false: they stay apart. */
static bool merge(struct dict_index *index, const struct dict_log *log, uint32_t hash) {
  struct index_segment *segment, *other;
  uint32_t bit = 0;
  do { /* the other may be split itself: then its parts join first */
    hash ^= bit;
    segment = segment_of(index, hash);
    if (segment->depth == 0 || segment->count > MERGE_COUNT / 2) {
      return false;
    }
    bit = UINT32_C(1) << (HASH_BITS - segment->depth);
    other = segment_of(index, hash ^ bit);
  } while (other->depth > segment->depth);
  if (other->depth != segment->depth || other->count + segment->count > MERGE_COUNT) {
    return false;
  }
  struct contents contents;
  take_contents(other, log, &contents);
  for (size_t i = 0; i < contents.count; i++) {
    put(segment, contents.hashes[i], contents.log_slots[i]);
  }
  if (segment->depth == index->depth) {
    index->deepest_count -= 2;
  }
  segment->depth--;
  point_to(index, hash, segment->depth, segment);
  free(other);
  halve_directory(index);
  return true;
}

void index_tidy(struct dict_index *index, const struct dict_log *log, uint32_t hash) {
  while (merge(index, log, hash)) {
  }
  const struct index_segment *segment = segment_of(index, hash);
  size_t capacity = segment->capacity;
  while (index->depth == 0 && capacity > SLOTS_MIN && segment->count < capacity / 4) {
    capacity /= 2;
  }
  if (capacity < segment->capacity) {
    (void)resize_only_segment(index, log, capacity); /* without memory it stays */
  }
}

/* ---------------------------------------------------------------- slots */

bool index_find(const struct dict_index *index, const struct dict_log *log, uint32_t hash,
                struct value key, uint32_t *log_slot) {
  if (!index->directory) {
    return false;
  }
  struct index_segment *segment = segment_of(index, hash);
  uint8_t tag = tag_of(hash);
  size_t slot = home_of(segment, hash);
  __builtin_prefetch(&log_slots_of(segment)[slot]);
  for (; segment->tags[slot]; slot = next_slot(segment, slot)) {
    if (segment->tags[slot] == tag &&
        value_equal(log_entry_at(log, log_slots_of(segment)[slot])->key, key)) {
      *log_slot = log_slots_of(segment)[slot];
      return true;
    }
  }
  return false;
}

/* As if the segment was of the usual size: to read its own would be the miss that is to be spared. */
void index_prefetch(const struct dict_index *index, uint32_t hash) {
  if (index->directory) {
    const struct index_segment *segment = segment_of(index, hash);
    size_t slot = hash & (INDEX_SLOTS_MAX - 1u);
    __builtin_prefetch(segment);
    __builtin_prefetch(&segment->tags[slot], 1);
    __builtin_prefetch(segment->tags + INDEX_SLOTS_MAX + slot * sizeof(uint32_t), 1);
  }
}

void index_insert(struct dict_index *index, uint32_t hash, uint32_t log_slot) {
  put(segment_of(index, hash), hash, log_slot);
}

/* Fills the hole with whatever a probe from its home would no longer find behind it. */
static void close_hole(struct index_segment *segment, const struct dict_log *log, size_t hole) {
  size_t mask = segment->capacity - 1u;
  for (size_t slot = next_slot(segment, hole); segment->tags[slot];
       slot = next_slot(segment, slot)) {
    size_t home = home_of(segment, log_hash_at(log, log_slots_of(segment)[slot]));
    if (((slot - home) & mask) >= ((slot - hole) & mask)) {
      segment->tags[hole] = segment->tags[slot];
      log_slots_of(segment)[hole] = log_slots_of(segment)[slot];
      hole = slot;
    }
  }
  segment->tags[hole] = 0;
}

void index_remove(struct dict_index *index, const struct dict_log *log, uint32_t hash,
                  uint32_t log_slot) {
  struct index_segment *segment = segment_of(index, hash);
  size_t slot = home_of(segment, hash);
  while (log_slots_of(segment)[slot] != log_slot || !segment->tags[slot]) {
    assert(segment->tags[slot]);
    slot = next_slot(segment, slot);
  }
  close_hole(segment, log, slot);
  segment->count--;
  if (!log->pinned) {
    index_tidy(index, log, hash);
  }
}
