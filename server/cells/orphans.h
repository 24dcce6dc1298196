/* Processes that may live on after their session ended, with the mutexes of cells: their threads
 * lock and unlock as before.
 *
 * layer   cells
 * threads as the engine, under its lock
 */
#ifndef HF_CELLS_ORPHANS_H
#define HF_CELLS_ORPHANS_H

#include "proto/base/map64.h"
#include "server/cells/kernel.h"

/* All zero at first. */
struct orphans {
  struct map64 processes; /* process id -> non-NULL */
  bool is_incomplete;     /* there was no memory for an orphan: every thread may be an orphan's */
};

/* Adds the process if it lives, and drops processes that ended. */
void orphans_add(struct orphans *orphans, const struct cell_kernel *kernel, uint64_t process);
/* Whether the thread may be an orphan's. */
bool orphans_have_thread(const struct orphans *orphans, const struct cell_kernel *kernel,
                         uint32_t thread);
void orphans_deinit(struct orphans *orphans);

#endif
