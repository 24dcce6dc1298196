/* Benchmarks in rounds: each measures everything once, one after the other, and a row's median is
 * reported. */
#ifndef HF_TESTS_BENCH_ROUNDS_H
#define HF_TESTS_BENCH_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>

struct rounds_row {
  const char *title, *unit;
  double limit; /* 0: no target */
  bool at_most;
};

struct rounds_options {
  unsigned rounds, duration_ms;
};

/* [ROUNDS [DURATION_MS]]; 7 of 300 ms by default. Fails the benchmark when they are not right. */
struct rounds_options rounds_parse(int argc, char **argv, const char *bench);
/* results: for each round, for each row; NAN: not measured. */
void rounds_report(const struct rounds_row *rows, size_t row_count, const double *results,
                   unsigned rounds);

#endif
