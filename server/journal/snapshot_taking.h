/* The state of an engine as the newest snapshot of a directory.
 *
 * layer   journal
 * threads the engine's
 */
#ifndef HF_JOURNAL_SNAPSHOT_TAKING_H
#define HF_JOURNAL_SNAPSHOT_TAKING_H

#include "server/engine/engine.h"
#include "server/journal/snapshot_file.h"

/* Behind a batch. */
struct snapshot_point {
  uint64_t index, epoch; /* of the batch */
  uint64_t replies;      /* the digest's chain */
};

/* Durable when it answers true; else error says why, and there is none. deadline_ns: it is given up then;
 * CLOCK_NEVER: it takes as long as it takes. */
bool snapshot_take(const char *directory, const struct engine *engine,
                   const struct snapshot_point *point, uint64_t deadline_ns,
                   char error[SNAPSHOT_ERROR_BYTES]);

#endif
