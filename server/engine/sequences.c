#include "server/engine/sequences.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 8

void sequences_deinit(struct sequences *sequences) {
  free(sequences->ranges);
  *sequences = (struct sequences){0};
}

/* The first range that ends at the sequence or beyond; count: none does. */
static size_t find_range(const struct sequences *sequences, uint64_t sequence) {
  size_t from = 0, to = sequences->count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (sequences->ranges[middle].last < sequence) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

static bool is_in(const struct sequences *sequences, size_t idx, uint64_t sequence) {
  return idx < sequences->count && sequences->ranges[idx].first <= sequence;
}

bool sequences_have(const struct sequences *sequences, uint64_t sequence) {
  return is_in(sequences, find_range(sequences, sequence), sequence);
}

static bool grow(struct sequences *sequences) {
  size_t capacity = sequences->capacity ? 2 * sequences->capacity : CAPACITY_FIRST;
  struct sequence_range *ranges = realloc(sequences->ranges, capacity * sizeof *ranges);
  if (ranges) {
    sequences->ranges = ranges;
    sequences->capacity = capacity;
  }
  return ranges != NULL;
}

/* Without memory for a smaller one it stays. */
static void shrink(struct sequences *sequences) {
  if (sequences->count == 0) {
    sequences_deinit(sequences);
  } else if (sequences->capacity > CAPACITY_FIRST && sequences->count * 4 <= sequences->capacity) {
    size_t capacity = sequences->capacity / 2;
    struct sequence_range *ranges = realloc(sequences->ranges, capacity * sizeof *ranges);
    sequences->ranges = ranges ? ranges : sequences->ranges;
    sequences->capacity = ranges ? capacity : sequences->capacity;
  }
}

static void remove_ranges(struct sequences *sequences, size_t idx, size_t count) {
  struct sequence_range *at = &sequences->ranges[idx];
  memmove(at, at + count, (sequences->count - idx - count) * sizeof *at);
  sequences->count -= count;
  shrink(sequences);
}

static bool insert_range(struct sequences *sequences, size_t idx, uint64_t sequence) {
  bool is_full = sequences->count >= HF_WINDOW_COUNT_MAX;
  if (is_full || (sequences->count == sequences->capacity && !grow(sequences))) {
    return false;
  }
  struct sequence_range *at = &sequences->ranges[idx];
  memmove(at + 1, at, (sequences->count - idx) * sizeof *at);
  *at = (struct sequence_range){sequence, sequence};
  sequences->count++;
  return true;
}

bool sequences_add(struct sequences *sequences, uint64_t sequence) {
  size_t idx = find_range(sequences, sequence);
  if (sequences->count == 0) {
    return insert_range(sequences, idx, sequence);
  }
  struct sequence_range *at = sequences->ranges + idx;
  if (is_in(sequences, idx, sequence)) {
    return true;
  }
  bool follows = idx > 0 && at[-1].last + 1 == sequence;
  bool precedes = idx < sequences->count && at->first == sequence + 1;
  if (follows && precedes) {
    at[-1].last = at->last;
    remove_ranges(sequences, idx, 1);
  } else if (follows) {
    at[-1].last = sequence;
  } else if (precedes) {
    at->first = sequence;
  } else {
    return insert_range(sequences, idx, sequence);
  }
  return true;
}

void sequences_remove_up_to(struct sequences *sequences, uint64_t last) {
  size_t idx = find_range(sequences, last);
  if (is_in(sequences, idx, last)) {
    sequences->ranges[idx].first = last + 1;
    idx += sequences->ranges[idx].last == last;
  }
  if (idx > 0) {
    remove_ranges(sequences, 0, idx);
  }
}

size_t sequences_memory_bytes(const struct sequences *sequences) {
  return sequences->count * 3 * sizeof *sequences->ranges;
}
