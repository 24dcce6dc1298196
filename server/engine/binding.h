/* Sessions lose their connection and come back.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_BINDING_H
#define HF_ENGINE_BINDING_H

#include "server/engine/core.h"

/* Counts the connection against its user's quota, unless the user has as many connections as it may.
 * HF_REASON_NONE | QUOTA_CONNECTIONS */
hf_reason core_count_peer(struct engine *engine, struct peer *peer);
/* Takes the connection out of that count. */
void core_uncount_peer(struct peer *peer);
/* The session goes on over the peer's connection. The connection that it had before is closed, and gives
 * its room in the user's quota to this one. */
void core_bind_session(struct engine *engine, uint64_t now_ns, struct session *session,
                       struct peer *peer);
/* The session's connection is lost: its waiters are suspended, and its grace time begins. */
void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session);

#endif
