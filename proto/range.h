/* Indexes and slices with Python's meaning.
 *
 * layer   proto: for lists, and for arrays on both sides of shared memory
 */
#ifndef HF_PROTO_RANGE_H
#define HF_PROTO_RANGE_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A resolved slice: `count` items from `start`, `step` apart. */
struct list_range {
  int64_t start;
  int64_t step;
  size_t count;
};
/* Resolves a Python slice of a sequence of len; an absent bound is NULL.
 * HF_REASON_NONE | BAD_SLICE step 0 */
hf_reason list_range_of(size_t len, const int64_t *start, const int64_t *stop, const int64_t *step,
                        struct list_range *range);
/* Resolves an index; a negative one counts from the end. false: out of range. */
bool list_position(size_t len, int64_t index, size_t *position);

#endif
