/* The end of a session, in slices.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SESSION_END_H
#define HF_ENGINE_SESSION_END_H

#include "server/engine/core.h"

void core_end_session(struct engine *engine, uint64_t now_ns, struct session *session, bool clean);
/* Goes on with the end of a session. */
void core_go_on_ending(struct engine *engine);

#endif
