/* Sessions of forked children.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_FORKS_H
#define HF_ENGINE_FORKS_H

#include "server/engine/core.h"

/* Makes one. HF_REASON_NONE | BAD_SESSION SESSIONS_FULL QUOTA_SESSIONS MEMORY_FULL NO_MEMORY */
hf_reason core_fork_session(struct engine *engine, struct session *parent, struct bytes id);
/* Ends the one of that serial, if it is the parent's and its child did not come for it. */
void core_end_unadopted(struct engine *engine, struct session *parent, uint64_t serial);
/* The child was forked, and runs there. */
void core_locate_forked(const struct call *call, struct session *forked, uint64_t process);

#endif
