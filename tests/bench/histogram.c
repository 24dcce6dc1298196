/* See histogram.h. Buckets as in HdrHistogram: exact below 2^7, then 128 for each power of two. */
#include "tests/bench/histogram.h"

#include <math.h>

static unsigned bucket_of(uint64_t value_ns) {
  if (value_ns >> HISTOGRAM_SUB_BITS == 0)
    return (unsigned)value_ns;
  unsigned exponent = 63u - (unsigned)__builtin_clzll(value_ns);
  if (exponent > HISTOGRAM_EXPONENT_MAX)
    return HISTOGRAM_BUCKETS - 1;
  unsigned shift = exponent - HISTOGRAM_SUB_BITS;
  return ((shift + 1) << HISTOGRAM_SUB_BITS) +
         (unsigned)((value_ns >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end_ns(unsigned bucket) {
  if (bucket >> HISTOGRAM_SUB_BITS == 0)
    return bucket;
  unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
  uint64_t first = (1u << HISTOGRAM_SUB_BITS) | (bucket & ((1u << HISTOGRAM_SUB_BITS) - 1));
  return ((first + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns) {
  histogram->count++;
  if (value_ns > histogram->max_ns)
    histogram->max_ns = value_ns;
  histogram->buckets[bucket_of(value_ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
  into->count += from->count;
  if (from->max_ns > into->max_ns)
    into->max_ns = from->max_ns;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
    into->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double part) {
  uint64_t wanted = (uint64_t)((double)histogram->count * part + 0.5);
  if (wanted == 0)
    wanted = 1;
  uint64_t seen = 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen >= wanted)
      return bucket_end_ns(i) < histogram->max_ns ? bucket_end_ns(i) : histogram->max_ns;
  }
  return histogram->max_ns;
}

struct bench_sample histogram_sample(const struct histogram *histogram, uint64_t elapsed_ns) {
  return (struct bench_sample){
      .rate = elapsed_ns == 0 ? 0 : (double)histogram->count * 1e9 / (double)elapsed_ns,
      .p50 = (double)histogram_quantile_ns(histogram, 0.5) / 1e3,
      .p90 = (double)histogram_quantile_ns(histogram, 0.9) / 1e3,
      .p99 = (double)histogram_quantile_ns(histogram, 0.99) / 1e3,
      .p999 = (double)histogram_quantile_ns(histogram, 0.999) / 1e3,
      .max = (double)histogram->max_ns / 1e3,
      .cpu = NAN,
      .count = (double)histogram->count,
  };
}
