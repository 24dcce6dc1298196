/* What operations leave to be done, in slices: see steps.h.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SETTLE_H
#define HF_ENGINE_SETTLE_H

#include "server/engine/core.h"

/* Whether something was left for later. */
bool core_has_work(const struct engine *engine);

/* A request is to see to its own, and to a little of what others have left. */
static inline void core_begin_request_steps(struct engine *engine) {
  engine->steps_end =
      engine->steps + (core_has_work(engine) ? HF_BATCH_STEPS_MAX / 8 : HF_BATCH_STEPS_MAX);
}
/* Runs woken waiters, deletes unreferenced objects, goes on with deletions and ends of sessions, as far
 * as the steps reach. */
void core_settle(struct engine *engine, uint64_t now_ns);
/* The same to the end. */
void core_settle_all(struct engine *engine, uint64_t now_ns);

#endif
