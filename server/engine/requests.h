/* Requests: served in their sessions, each once, or refused.
 *
 *   examine.h -> seen before? -> run
 *      '-> refused: nothing is changed, and no log has it
 *
 * layer   engine
 * source  ../../proto/PROTOCOL.md, "Exactly once" and "One-way requests"
 */
#ifndef HF_ENGINE_REQUESTS_H
#define HF_ENGINE_REQUESTS_H

#include "server/engine/core.h"

/* Whether the request, if it is the next command, is refused, and changes nothing but what COMMAND_HEARD has.
 * Changes nothing. */
bool engine_refuses(struct engine *engine, uint64_t now_ns, struct engine_request *request);
/* Whether the request, if it is the next command, may turn out to have only read, or to be refused: then it need
 * not be in the log, where COMMAND_HEARD takes its place. Before any other command engine_next_heard is
 * asked. Changes nothing. */
bool engine_may_only_read(struct engine *engine, uint64_t now_ns, struct engine_request *request);
/* Whether the last command was a one-way request that has failed with JOURNAL_FULL: it counts, whatever it was. */
bool engine_has_failed_for_disk(const struct engine *engine);

/* ---- for the engine */

/* COMMAND_REQUEST. Finds out whether it has only read, see reads.h. */
void core_apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request);

#endif
