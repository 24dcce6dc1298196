/* One client of the mixed history: calls of all kinds at random, written down as they are made.
 *
 * Entries and values come and go in epochs, so that none of them has more calls of unknown
 * outcome than the checker can search.
 */
#ifndef HF_TESTS_FAULT_WORKLOAD_H
#define HF_TESTS_FAULT_WORKLOAD_H

#include "tests/fault/cutter.h"
#include "tests/fault/history.h"

#include <stdatomic.h>
#include <stdint.h>

struct workload {
  const char *directory; /* of the histories */
  uint64_t operations;   /* of each process */
  uint64_t seed;
  const struct cutter_options *cutter; /* NULL: no cutter in this process */
  const atomic_bool *stop;             /* shared; set: it is enough. NULL: never */
};

/* A crowd_worker; arg is a struct workload, idx the process in the history. */
int workload_run(const char *url, int idx, void *arg);
/* Completes the histories with a file of its own: reads every entry and value that appears, and
 * takes what is left in the queues. 0: done */
int workload_finish(const char *url, const char *directory);

#endif
