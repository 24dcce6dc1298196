#include "proto/range.h"

bool list_position(size_t len, int64_t index, size_t *position) {
  int64_t at = index < 0 ? index + (int64_t)len : index;
  if (at < 0 || at >= (int64_t)len) {
    return false;
  }
  *position = (size_t)at;
  return true;
}

/* Clamps a bound of a slice to [lowest, highest]. */
static int64_t clamp_bound(int64_t bound, int64_t len, int64_t lowest, int64_t highest) {
  if (bound < 0) {
    bound += len;
  }
  return bound < lowest ? lowest : bound > highest ? highest : bound;
}

hf_reason list_range_of(size_t len, const int64_t *start, const int64_t *stop, const int64_t *step,
                        struct list_range *range) {
  int64_t stride = step ? *step : 1;
  if (stride == 0) {
    return HF_REASON_BAD_SLICE;
  }
  if (stride == INT64_MIN) { /* -INT64_MIN overflows; no list is that long */
    stride = -INT64_MAX;
  }
  int64_t items = (int64_t)len;
  /* For a negative stride the bounds are one lower: -1 is "before the first". */
  int64_t lowest = stride < 0 ? -1 : 0;
  int64_t highest = stride < 0 ? items - 1 : items;
  int64_t first = start ? clamp_bound(*start, items, lowest, highest) : stride < 0 ? highest : 0;
  int64_t last = stop ? clamp_bound(*stop, items, lowest, highest) : stride < 0 ? -1 : items;
  int64_t distance = stride < 0 ? first - last : last - first;
  int64_t stride_len = stride < 0 ? -stride : stride;
  *range = (struct list_range){
      .start = first < 0 ? 0 : first,
      .step = stride,
      .count = distance <= 0 ? 0 : (size_t)((distance - 1) / stride_len + 1),
  };
  return HF_REASON_NONE;
}
