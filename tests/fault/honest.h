/* A regular client during attacks on the server, which checks its results: an account book whose
 * sum stays, a counter, a queue in its order.
 *
 * Its objects have names that no attack uses.
 */
#ifndef HF_TESTS_FAULT_HONEST_H
#define HF_TESTS_FAULT_HONEST_H

#include "tests/fault/attacker.h"

struct honest {
  struct attacker attacker;
  uint64_t sequence;
  uint64_t transfers;  /* transfers so far; the counter must have the same value */
  uint64_t put, taken; /* items of the queue: consecutive numbers */
};

/* Uses hostile_server. Each function fails the test on a wrong result. */
void honest_begin(struct honest *honest);
/* Some transfers, puts and gets. */
void honest_work(struct honest *honest);
/* Deletes all objects; fails unless the server then has no object, no waiter, no other session, and
 * counts no memory. */
void honest_end(struct honest *honest);

#endif
