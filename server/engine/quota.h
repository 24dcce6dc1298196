/* How much a user may use: checked before more is used, by the counts of user.h.
 *
 * layer   engine
 * shapes  A limit of 0 is none; so is the owner's, NULL.
 */
#ifndef HF_ENGINE_QUOTA_H
#define HF_ENGINE_QUOTA_H

#include "server/engine/core.h"

/* HF_REASON_NONE | QUOTA_MEMORY */
hf_reason quota_check_memory(struct engine *engine, const struct user *user, size_t more_bytes);
/* Whether the user may have one more. HF_REASON_NONE | QUOTA_OBJECTS, QUOTA_SESSIONS,
 * QUOTA_CONNECTIONS, QUOTA_WAITING */
hf_reason quota_check_objects(struct engine *engine, const struct user *user);
hf_reason quota_check_sessions(struct engine *engine, const struct user *user);
hf_reason quota_check_connections(struct engine *engine, const struct user *user);
hf_reason quota_check_waiting(struct engine *engine, const struct user *user);
/* HF_REASON_NONE | TOO_FAST too far beyond its rate */
hf_reason quota_check_rate(struct engine *engine, const struct user *user, uint64_t now_ns);

#endif
