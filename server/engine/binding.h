/* Sessions lose their connection and come back.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_BINDING_H
#define HF_ENGINE_BINDING_H

#include "server/engine/core.h"

/* Takes it over from any connection it had. */
void core_bind_session(struct engine *engine, uint64_t now_ns, struct session *session,
                       struct peer *peer);
/* The connection is lost: the grace time runs. */
void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session);

#endif
