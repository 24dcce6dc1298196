/* How much one command does.
 *
 * Work is counted in steps of a tenth of a microsecond or so. A command does up to HF_BATCH_STEPS_MAX
 * steps of deferred work; later commands do the rest, and engine_next_deadline_ns is 0 while there is
 * some.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_STEPS_H
#define HF_ENGINE_STEPS_H

#include "server/engine/core.h"

/* What takes more steps than one. */
enum {
  STEPS_OF_RUN = 16,
  STEPS_OF_DELETION = 40,  /* of one among a million, which takes 4 us of cache misses */
  STEPS_OF_REFERENCE = 16, /* of a session that ends, to one among a million: 1.6 us, likewise */
  STEPS_OF_COUNT = 4,      /* of an item with references that a list holds more often now */
  STEPS_OF_TIMER = 4,
  STEPS_OF_ACKNOWLEDGEMENT = 2, /* of one reply, or of one number beyond the cumulative one */
  STEPS_BODY_BYTES = 64,
};

static inline void core_spend(struct engine *engine, uint64_t steps) {
  engine->steps += steps;
}

/* false: the rest is for later. */
static inline bool core_has_steps(const struct engine *engine) {
  return engine->steps < engine->steps_end;
}

/* A command begins. */
static inline void core_begin_steps(struct engine *engine) {
  engine->steps_end = engine->steps + HF_BATCH_STEPS_MAX;
}

#endif
