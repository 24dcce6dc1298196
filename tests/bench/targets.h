/* Ratios between systems, round by round, and the targets they are held to. */
#ifndef HF_TESTS_BENCH_TARGETS_H
#define HF_TESTS_BENCH_TARGETS_H

#include "tests/bench/bench.h"

#define TARGETS_MAX 32

/* A median and the extremes around it. */
struct spread {
  double median, low, high;
};

/* NULL: not measured. */
const struct bench_cell *cell_find(const struct bench_report *report,
                                   enum bench_transport transport, enum bench_mode mode,
                                   enum bench_op op, enum bench_system system);
/* offset: of a double in struct bench_sample. */
struct spread cell_spread(const struct bench_cell *cell, size_t offset);
/* `cell` over `other` in the same round; all NAN when other is NULL. offset as above. */
struct spread cell_ratio(const struct bench_cell *cell, const struct bench_cell *other,
                         size_t offset);

struct target {
  char name[96];
  bool at_most; /* else: at least */
  double limit;
  struct spread value;  /* of the operation that does worst */
  const char *unit;     /* "x" for a ratio */
  const char *worst_op; /* "" where there is none */
  bool met;             /* the median meets the limit, for every operation */
};

/* Fills in those whose measurements are there; answers how many. */
size_t targets_judge(const struct bench_report *report, struct target targets[TARGETS_MAX]);

#endif
