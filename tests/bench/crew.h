/* BENCH_PROCESS_COUNT processes that do the same at the same time. */
#ifndef HF_TESTS_BENCH_CREW_H
#define HF_TESTS_BENCH_CREW_H

#include "tests/bench/histogram.h"

struct crew_work {
  /* In each process, before any begins. Its answer goes to the others. */
  void *(*open)(const void *ctx);
  /* Adds durations for about duration_ms; answers how many ns it took. */
  uint64_t (*run)(void *opened, unsigned duration_ms, struct histogram *histogram);
  void (*close)(void *opened);
};

struct bench_sample crew_run(const struct crew_work *work, const void *ctx, unsigned duration_ms);

#endif
