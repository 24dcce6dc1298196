/* What happens by time alone: deadlines of waiters, sessions, leases and tasks.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_DUE_H
#define HF_ENGINE_DUE_H

#include "server/engine/core.h"

/* Whether a deadline has passed, or deferred work is left. */
bool core_is_due(const struct engine *engine, uint64_t now_ns);
/* Does that, as far as the steps reach. */
void core_advance(struct engine *engine, uint64_t now_ns);

#endif
