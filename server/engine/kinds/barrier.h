/* What others do to a barrier.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_BARRIER_H
#define HF_ENGINE_KINDS_BARRIER_H

#include "server/engine/kinds/kind.h"

/* Sets `step` (waiter.h) of the waiters; the barrier begins anew, or stays broken. */
void core_end_round(struct engine *engine, struct object *object, unsigned step);

#endif
