/* What connections, processes and other sessions know of a session.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SESSIONS_H
#define HF_ENGINE_SESSIONS_H

#include "server/engine/core.h"

struct session *core_find_session(const struct engine *engine, struct bytes id);
/* The session has lost its connection: it ends with its process, or after its grace time. false: out of
 * memory, end it now. */
bool core_begin_grace(struct engine *engine, uint64_t now_ns, struct session *session);
/* The grace time is over. Whether it goes on, as long as peers stood in line meanwhile. */
bool core_extend_grace(struct engine *engine, uint64_t now_ns, struct session *session);
/* See COMMAND_CROWDED. */
void core_set_crowded(struct engine *engine, uint64_t now_ns, bool is_crowded);
/* The connection closes: its sessions are of none. */
void core_leave_peer(struct peer *peer);
void core_leave_peer_of(struct session *session); /* this one is */
void core_forget_process(struct engine *engine, struct session *session);
/* Sets the session's process: takes the call's handle, unless the session has one of that process
 * id. */
void core_locate_session(const struct call *call, struct session *session, uint64_t id);
/* An entry of that object is added to the table: looks at two others, which ones depends on its id, and drops those of
 * deleted objects. So the table has about twice as many entries as are of objects that there are. */
void core_sweep(struct engine *engine, struct session *session, struct map64 *table,
                const struct object *added);
/* Before the session has something of the object in such a table. What is there already needs no memory.
 * HF_REASON_NONE | MEMORY_FULL */
hf_reason core_check_object_entry(struct engine *engine, struct session *session,
                                  struct map64 *table, const struct object *object);
/* It has its connection again, or ends. */
void core_forget_lost(struct engine *engine, struct session *session);
/* An unadopted session (forks.c) is its parent's no more; harmless for others. */
void core_leave_parent(struct session *forked);
/* Its child has come for it; also for sessions that are none of these. */
void core_adopt_forked(struct session *session);
/* What its requests that only read have changed is in the log now, see reads.h; or it ends. */
void core_forget_reads(struct engine *engine, struct session *session);

#endif
