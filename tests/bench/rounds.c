#include "tests/bench/rounds.h"

#include "tests/bench/bench.h"
#include "tests/bench/process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct rounds_options rounds_parse(int argc, char **argv, const char *bench) {
  struct rounds_options options = {7, 300};
  if (argc > 1) {
    options.rounds = (unsigned)strtoul(argv[1], NULL, 10);
  }
  if (argc > 2) {
    options.duration_ms = (unsigned)strtoul(argv[2], NULL, 10);
  }
  if (argc > 3 || options.rounds < 1 || options.rounds > BENCH_ROUNDS_MAX ||
      options.duration_ms < 1) {
    bench_fail("usage: %s [ROUNDS [DURATION_MS]]; 1 to %d rounds", bench, BENCH_ROUNDS_MAX);
  }
  return options;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void rounds_report(const struct rounds_row *rows, size_t row_count, const double *results,
                   unsigned rounds) {
  for (size_t i = 0; i < row_count; i++) {
    const struct rounds_row *row = &rows[i];
    double sorted[BENCH_ROUNDS_MAX] = {NAN};
    for (unsigned round = 0; round < rounds; round++) {
      sorted[round] = results[round * row_count + i];
    }
    if (isnan(sorted[0])) {
      printf("%-46s not measured: nothing to compare with\n", row->title);
      continue;
    }
    qsort(sorted, rounds, sizeof *sorted, compare);
    double median = sorted[rounds / 2];
    bool is_met = row->at_most ? median <= row->limit : median >= row->limit;
    printf("%-46s %6.2f %-2s [%.2f %.2f]", row->title, median, row->unit, sorted[0],
           sorted[rounds - 1]);
    if (row->limit > 0) {
      printf("  %s %.3g: %s", row->at_most ? "at most" : "at least", row->limit,
             is_met ? "met" : "missed");
    }
    printf("\n");
  }
}
