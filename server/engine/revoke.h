/* Revokes what a reply took out of an object, if the reply is never acknowledged.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_REVOKE_H
#define HF_ENGINE_REVOKE_H

#include "server/engine/core.h"

/* Once only. Whether there was something to revoke. A session that was made for a child is left: the
 * caller ends it. */
bool core_revoke(struct engine *engine, struct session *session, struct reply *reply);
/* The session ends: revokes the items of unacknowledged replies, the newest first. false: the rest is
 * for later. */
bool core_revoke_unacknowledged(struct engine *engine, struct session *session);

#endif
