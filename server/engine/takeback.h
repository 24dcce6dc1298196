/* What a reply gave away, and nobody looks at, goes back.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_TAKEBACK_H
#define HF_ENGINE_TAKEBACK_H

#include "server/engine/core.h"

/* Once only. Whether it had given something. A session that was made for a child is the caller's to end. */
bool core_take_back(struct engine *engine, struct session *session, struct reply *reply);
/* The session ends: the items of replies it never acknowledged, the newest first. false: the rest
 * is for later. */
bool core_take_back_unseen(struct engine *engine, struct session *session);

#endif
