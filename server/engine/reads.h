/* Requests that only read: what they change is little enough to be reported later, all together.
 *
 *   a request without effect, which neither waits nor hands out references, has changed
 *     the engine's time and its count of requests
 *     of its session: acknowledged replies, the highest sequence, when it was heard
 *
 *   a request that was refused before anything was done (examine.h) has changed no more
 *
 * A log of commands leaves them out and has, before its next command, one COMMAND_HEARD for each session that
 * sent some. All others are in the log.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_READS_H
#define HF_ENGINE_READS_H

#include "server/engine/command.h"
#include "server/engine/core.h"

/* Whether the last command was a request that has only read. */
bool engine_has_only_read(const struct engine *engine);
/* If so: the highest index of a command whose effects the request's reply shows. */
uint64_t engine_read_index(const struct engine *engine);
/* What requests that only read have changed since the last call, one session a call, for COMMAND_HEARD: the
 * log has these before the next command. false: nothing more. */
bool engine_next_heard(struct engine *engine, struct heard *heard);

/* ---- for the engine */

/* Whether the request may turn out to have only read: see engine_may_only_read in requests.h. */
bool core_may_only_read(const struct engine *engine, uint64_t now_ns,
                        const struct engine_request *request);
/* Records a request that has only read, of the session, or of none (NULL). */
void core_record_heard(struct engine *engine, struct session *session);
/* After a request that core_may_only_read: whether it has only read; if so it is recorded. waiting:
 * engine->waiting before the request */
bool core_record_read(struct engine *engine, const struct engine_request *request,
                      uint64_t waiting);
/* Applies COMMAND_HEARD. */
void core_hear(struct engine *engine, const struct heard *heard);

#endif
