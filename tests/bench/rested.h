/* A call after a rest, against two processes that wake each other with a futex: the least that a
 * round trip between two sleeping processes can take. Each with both sides on one processor, or on two,
 * because to wake another processor takes ten times as long.
 */
#ifndef HF_TESTS_BENCH_RESTED_H
#define HF_TESTS_BENCH_RESTED_H

#include "tests/bench/library.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct table;

struct rested {
  struct table *table; /* shared with the partner */
  pid_t partner, server;
  cpu_set_t usable; /* processors */
};

/* Forks the partner, which ends with this process. */
void rested_start(struct rested *rested, pid_t server);
/* Median of dict get over that of ping-pong, in turn, each after 1 ms. NAN: there is no second
 * processor. */
double rested_ratio(const struct rested *rested, struct library *library, bool apart,
                    unsigned duration_ms);

#endif
