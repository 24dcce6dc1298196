/* Requests: whether they are served, in which session, and each once.
 *
 *   well-formed, peer, session, rate -> seen before? -> run
 *
 * layer   engine
 * source  ../../proto/PROTOCOL.md, "Exactly once" and "One-way requests"
 */
#ifndef HF_ENGINE_REQUESTS_H
#define HF_ENGINE_REQUESTS_H

#include "server/engine/core.h"

/* COMMAND_REQUEST. Finds out whether it has only read, see reads.h. */
void core_apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request);

#endif
