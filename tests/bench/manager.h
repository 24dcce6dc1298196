/* Python's multiprocessing.Manager as a peer, driven by manager.py. */
#ifndef HF_TESTS_BENCH_MANAGER_H
#define HF_TESTS_BENCH_MANAGER_H

#include "tests/bench/bench.h"

#include <stdio.h>
#include <sys/types.h>

struct manager {
  pid_t pid;
  FILE *to, *from;
};

void manager_start(struct manager *manager, enum bench_transport transport);
/* Lets it end by itself, with its server process. */
void manager_stop(struct manager *manager);
struct bench_sample manager_run(struct manager *manager, enum bench_op op, unsigned process_count,
                                unsigned duration_ms);

#endif
