/* Sessions lose their connection and come back.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_BINDING_H
#define HF_ENGINE_BINDING_H

#include "server/engine/core.h"

/* The connection becomes one of its user's, as soon as that may have one more. HF_REASON_NONE |
 * QUOTA_CONNECTIONS */
hf_reason core_count_peer(struct engine *engine, struct peer *peer);
/* It is none of them any more. */
void core_uncount_peer(struct peer *peer);
/* Takes it over from any connection it had, in whose place its user has this one. */
void core_bind_session(struct engine *engine, uint64_t now_ns, struct session *session,
                       struct peer *peer);
/* The connection is lost: the grace time runs. */
void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session);

#endif
