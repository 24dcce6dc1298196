/* A client that does what programs do while a server is attacked, and notices when it is served
 * wrongly: an account book whose sum stays, a counter, a queue in its order.
 *
 * Its objects have names that no attack uses.
 */
#ifndef HF_TESTS_FAULT_HONEST_H
#define HF_TESTS_FAULT_HONEST_H

#include "tests/fault/attacker.h"

struct honest {
  struct attacker attacker;
  uint64_t sequence;
  uint64_t transfers;  /* done so far; the counter must say the same */
  uint64_t put, taken; /* items of the queue: consecutive numbers */
};

/* Against hostile_server. Each of these fails the test when an answer is not the right one. */
void honest_begin(struct honest *honest);
/* Some transfers, puts and gets. */
void honest_work(struct honest *honest);
/* Deletes every object there is; fails unless the server then has none, nobody who waits, no session
 * but this one, and counts no memory. */
void honest_end(struct honest *honest);

#endif
