/* A set of sequence numbers as ranges: what was acknowledged beyond the cumulative acknowledgement.
 *
 * layer   engine
 * shapes  at most HF_WINDOW_COUNT_MAX ranges, in order, none next to another. Between two ranges is
 *         at least one number that was not acknowledged; a session with more than that many has
 *         filled its window.
 * memory  the ranges, malloc, doubling
 * cost    a lookup O(log n); an addition or removal moves the ranges behind it
 */
#ifndef HF_ENGINE_SEQUENCES_H
#define HF_ENGINE_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sequence_range {
  uint64_t first, last; /* both are in the set */
};

struct sequences {
  struct sequence_range *ranges;
  size_t count, capacity;
};

void sequences_deinit(struct sequences *sequences);
bool sequences_have(const struct sequences *sequences, uint64_t sequence);
/* false: one range more would be too many, or there is no memory; the set is as it was. */
bool sequences_add(struct sequences *sequences, uint64_t sequence);
/* Removes every number up to `last`. */
void sequences_remove_up_to(struct sequences *sequences, uint64_t last);
size_t sequences_memory_bytes(const struct sequences *sequences);

#endif
