/* Values and arrays in shared memory: the side that has the lock, waiters for a lock or a change,
 * clients that may map a cell.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_CELLS_H
#define HF_ENGINE_CELLS_H

#include "server/engine/core.h"

/* object->cells, if it has some; else NULL. */
struct cells *core_cells(struct object *object);
/* Whether the session's client may map the cell: with a log only a volatile one. Its user may read and write the object, as the cell is
 * read and written without a check, and it must be on this machine. A mutex names its owner
 * by thread id, which names another thread in another pid namespace. So a cell with a lock is only for
 * clients whose process the server sees under the same id. */
bool core_may_share_cells(const struct engine *engine, const struct session *session,
                          const struct object *object);
/* A volatile cell that a restart has lost. */
bool core_is_lost_cell(const struct object *object);
/* Frees the elements of a lost cell. Any object. */
void core_drop_lost_elements(struct object *object);
/* Shared memory for the elements, all zero, charged. NULL: there is none. */
struct cell_share *core_new_share(struct engine *engine, const struct object *object);
/* Puts the elements, which are all zero, into shared memory, if there is any. */
void core_share_fresh_cells(struct engine *engine, struct object *object);
/* The elements are in the share from now on. Answers where they were: malloc. */
void *core_install_share(struct engine *engine, struct object *object, struct cell_share *share);
/* The session's client may map the cell from now on, for as long as the session has a reference to the
 * object. false: out of memory, it may not. */
bool core_attach_cells(const struct engine *engine, struct session *session, struct object *object);
/* Acquires the lock from local threads, for requests to the server.
 * HF_REASON_NONE no local thread has it | LOCK_HELD a thread still has it: park | NO_MEMORY */
hf_reason core_acquire_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Checks the lock and the value of a cell that may have changed. */
void core_check_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Before a session ends without a goodbye: its process may live on and not know. */
void core_add_orphan(struct engine *engine, const struct session *session);
/* Checks all cells that a client which is gone had mapped: it may have unlocked any. */
void core_check_cells_of(struct engine *engine, uint64_t now_ns, struct session *session);
/* Whether a local thread died with the lock and no later owner was notified; clears that. */
bool core_take_cells_death(struct object *object);
/* Whether a local thread owns the lock, as far as the shared memory says. */
bool core_is_locked_locally(struct engine *engine, struct object *object);
/* Turns the mutex that a thread of the session's process owns into a grant of the server's.
 * HF_REASON_NONE | NOT_OWNER also when a thread of another process owns it */
hf_reason core_take_cells_over(struct engine *engine, const struct session *session,
                               struct object *object);
/* An element was stored. */
void core_cells_changed(struct engine *engine, struct object *object);
/* Reads the value for a waiter. A local thread that stores after this notifies the server. */
struct value core_watch_value(struct engine *engine, struct object *object);
/* After core_watch_value, before a request waits: checks the value periodically. HF_REASON_NONE |
 * NO_MEMORY */
hf_reason core_watch_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Once what happens now is over: may local threads have the lock again? Any object. */
void core_review_cells(struct engine *engine, struct object *object);
void core_settle_cells(struct engine *engine);
void core_cells_due(struct engine *engine, uint64_t now_ns, struct object *object);
/* The object is about to be deleted. */
void core_forget_cells(struct engine *engine, struct object *object);

#endif
