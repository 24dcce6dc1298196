/* What the kinds with a lock share: locks, cells, conditions.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_LOCK_H
#define HF_ENGINE_KINDS_LOCK_H

#include "server/engine/kinds/kind.h"

/* Of their rows: see kind.h. */
void revoke_grant(struct engine *engine, struct session *session, struct object *object,
                  const struct reply *reply);

#endif
