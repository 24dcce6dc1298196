/* BENCH_PROCESS_COUNT processes that do the same at the same time. */
#ifndef HF_TESTS_BENCH_WORKERS_H
#define HF_TESTS_BENCH_WORKERS_H

#include "tests/bench/histogram.h"

struct worker_calls {
  /* In each process, before any begins. Its answer goes to the others. */
  void *(*open)(const void *ctx);
  /* Adds durations for about duration_ms; answers how many ns it took. */
  uint64_t (*run)(void *opened, unsigned duration_ms, struct histogram *histogram);
  void (*close)(void *opened);
};

struct bench_sample workers_run(const struct worker_calls *work, const void *ctx,
                                unsigned duration_ms);

#endif
