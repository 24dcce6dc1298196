/* What entries cost in memory, and how long single insertions take while a dict grows. */
#ifndef HF_TESTS_BENCH_MEMORY_H
#define HF_TESTS_BENCH_MEMORY_H

#include "tests/bench/bench.h"

/* Fills a dict of a fresh server, and a hash of a fresh redis when peers is set, with keys such as
 * key:000000123 and small numbers. */
void memory_measure(struct bench_servers *servers, uint64_t entries, bool peers,
                    struct bench_memory *out);

/* In process, on the server's own dict: sets p50, p9999, worst, worst_raw. */
void growth_measure_dict(uint64_t entries, struct bench_growth *out);
/* Over tcp, with another client that pings meanwhile: sets the rest. */
void growth_measure_server(uint64_t entries, struct bench_growth *out);

#endif
