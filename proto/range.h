/* Indexes and slices, as Python means them.
 *
 * layer   proto: what they select of a list, and of an array on both sides of shared memory
 */
#ifndef HF_PROTO_RANGE_H
#define HF_PROTO_RANGE_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slice with every bound in range: `count` items from `start`, `step` apart. */
struct list_range {
  int64_t start;
  int64_t step;
  size_t count;
};
/* What a Python slice means for a sequence of len; an absent bound is NULL.
 * HF_REASON_NONE | BAD_SLICE step 0 */
hf_reason list_range_of(size_t len, const int64_t *start, const int64_t *stop, const int64_t *step,
                        struct list_range *range);
/* The position an index (negative: from the end) means. false: out of range. */
bool list_position(size_t len, int64_t index, size_t *position);

#endif
