/* Counts of durations in buckets less than one percent wide.
 *
 * shapes  values in nanoseconds up to 2^40; larger ones count as that
 */
#ifndef HF_TESTS_BENCH_HISTOGRAM_H
#define HF_TESTS_BENCH_HISTOGRAM_H

#include "tests/bench/bench.h"

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_EXPONENT_MAX 40
#define HISTOGRAM_BUCKETS ((HISTOGRAM_EXPONENT_MAX - HISTOGRAM_SUB_BITS + 2) << HISTOGRAM_SUB_BITS)

/* All zero is the empty one. */
struct histogram {
  uint64_t count;
  uint64_t max_ns;
  uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `part` (0..1) of all values do not exceed; 0 for an empty one. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double part);
/* Percentiles in microseconds, and the rate of count in elapsed_ns. */
struct bench_sample histogram_sample(const struct histogram *histogram, uint64_t elapsed_ns);

#endif
