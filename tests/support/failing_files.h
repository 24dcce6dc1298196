/* Files of a real server that fail, or hang: a shared object for LD_PRELOAD, directed by memory that the test shares with it.
 *
 *   test: left = n --> the n-th write or sync of a file below `directory`, of any process: EIO
 *                  --> all later ones of that process do nothing, and say that they did
 *
 * So what a process acknowledges after the failure is lost, and is missed.
 *
 *   test: hangs_each = n --> each n-th sync takes hang_us longer
 *
 * memory  a file that HOLDFAST_FAILING_FILES names, mapped by all
 */
#ifndef HF_TESTS_FAILING_FILES_H
#define HF_TESTS_FAILING_FILES_H

#include <stdatomic.h>
#include <stdbool.h>

#define FAILING_FILES_VARIABLE "HOLDFAST_FAILING_FILES"

enum failing_call { FAILING_WRITE, FAILING_SYNC, FAILING_CALLS };

struct failing_files {
  char directory[128];          /* set before the first process */
  atomic_llong left;            /* calls until one fails, that one included; 0: none does */
  atomic_bool is_torn;          /* a write that fails has written its first half */
  atomic_int process;           /* in which it failed; 0: none yet */
  atomic_int call;              /* then: which */
  char path[256];               /* and of what, set before `process` */
  atomic_ullong calls, dropped; /* below the directory; after the failure */
  atomic_ullong hangs_each;     /* 0: none hangs */
  atomic_ullong hang_us;
  atomic_ullong syncs, hangs;
};

#endif
