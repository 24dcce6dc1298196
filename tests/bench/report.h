/* The results for people (a table), for programs (JSON) and for the eye (SVG). */
#ifndef HF_TESTS_BENCH_REPORT_H
#define HF_TESTS_BENCH_REPORT_H

#include "tests/bench/targets.h"

#include <stdio.h>

void report_print(const struct bench_report *report, FILE *out);
/* Fail the benchmark when the file can't be written. */
void report_write_json(const struct bench_report *report, const char *path);
void report_write_svg(const struct bench_report *report, const char *path);

#endif
