/* Values and arrays in shared memory: whose lock it is, who waits, who may look.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_CELLS_H
#define HF_ENGINE_CELLS_H

#include "server/engine/core.h"

/* object->cells, if it has some; else NULL. */
struct cells *core_cells(struct object *object);
/* Whether it may be handed the cell: only a client on this machine can map one. A mutex
 * knows its holder by thread id, which names another thread in another namespace of process ids:
 * cells with a lock are for clients whose process the server can look at, and so sees under the same
 * id. */
bool core_may_share_cells(const struct session *session, const struct object *object);
/* A place for the elements in shared memory, all zero, charged. NULL: there is none. */
struct cell_share *core_new_share(struct engine *engine, const struct object *object);
/* Puts the elements, which are all zero, into shared memory, if there is any. */
void core_share_fresh_cells(struct engine *engine, struct object *object);
/* The elements are in the share from now on. Answers where they were: malloc. */
void *core_install_share(struct engine *engine, struct object *object, struct cell_share *share);
/* The session's client may map it from now on, for as long as the session holds the object. false:
 * it may not, for want of memory. */
bool core_attach_cells(const struct engine *engine, struct session *session, struct object *object);
/* Acquires the lock from local threads, for requests to the server.
 * HF_REASON_NONE no local thread has it | LOCK_HELD a thread still has it: park | NO_MEMORY */
hf_reason core_acquire_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Something may have happened to it. */
void core_notify_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Before a session ends without a goodbye: its process may live on and not know. */
void core_note_orphan(struct engine *engine, const struct session *session);
/* A client that is gone may have let go of any cell it had mapped without saying so. */
void core_notify_cells_of(struct engine *engine, uint64_t now_ns, struct session *session);
/* Whether a local thread died with the lock, and nobody was told; from now on somebody is. */
bool core_tell_cells_death(struct object *object);
/* A local thread, as far as its memory tells, has the lock. */
bool core_is_locked_locally(struct object *object);
/* A thread of the session's process has the mutex, and wants the server's grant instead.
 * HF_REASON_NONE | NOT_OWNER also when a thread of another process has it */
hf_reason core_take_cells_over(struct engine *engine, const struct session *session,
                               struct object *object);
/* An element was stored. */
void core_cells_changed(struct engine *engine, struct object *object);
/* The value, for one who may wait for another. Whoever stores after this lets us know. */
struct value core_look_at_value(struct engine *engine, struct object *object);
/* After it was looked at, before somebody waits: looks now and then. HF_REASON_NONE | NO_MEMORY */
hf_reason core_watch_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Once what happens now is over: may local threads have the lock again? Any object. */
void core_review_cells(struct engine *engine, struct object *object);
void core_settle_cells(struct engine *engine);
void core_cells_due(struct engine *engine, uint64_t now_ns, struct object *object);
/* The object is about to be deleted. */
void core_forget_cells(struct engine *engine, struct object *object);

#endif
