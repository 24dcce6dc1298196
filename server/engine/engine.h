/* The deterministic core: sessions, objects, waiters. Commands in, effects out: the same commands
 * always give the same effects and the same state.
 *
 * layer   engine: no I/O, no clock, no randomness; called by dispatch
 * threads one at a time: dispatch owns its lock in every call
 * source  ../../proto/PROTOCOL.md, "Exactly once" and "Lifecycles"
 */
#ifndef HF_ENGINE_ENGINE_H
#define HF_ENGINE_ENGINE_H

#include "proto/holdfast.pb-c.h"
#include "proto/sp.h"
#include "proto/value.h"
#include "server/engine/addresses.h"
#include "server/engine/cell_host.h"
#include "server/engine/command.h"
#include "server/engine/config.h"
#include "server/engine/operation.h"
#include "server/engine/reply.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;

/* NULL: out of memory. */
struct engine *engine_new(const struct engine_config *config, const struct engine_sink *sink);
void engine_free(struct engine *engine);

/* The only way to change the state. Outcomes reach the sink, now or later. false, and unchanged: no memory
 * for a new connection, or its user is unknown; no memory for users. All other commands are carried
 * out. */
bool engine_apply(struct engine *engine, const struct command *command);
/* Whether the connection's peer is on this machine. */
bool engine_is_local(const struct engine *engine, uint64_t connection);
/* Whether the connection is beyond its user's quota: its first request is refused, and then it is closed,
 * unless the user has room by then, or its session comes back in the place of its former connection. */
bool engine_exceeds_quota(const struct engine *engine, uint64_t connection);
/* The deadline of the next tick: 0, at once, while deferred work is left; CLOCK_NEVER: none. */
uint64_t engine_next_deadline_ns(const struct engine *engine);
/* Work done so far, in steps of a tenth of a microsecond or so. One command does a few times
 * HF_BATCH_STEPS_MAX of it at most. */
uint64_t engine_steps(const struct engine *engine);

/* The time of its last command. */
uint64_t engine_now_ns(const struct engine *engine);
/* Of a restored engine. */
void engine_set_sink(struct engine *engine, const struct engine_sink *sink);

/* Deferred free: large containers that were deleted. Taken under the engine's lock, freed outside it by
 * any thread. NULL: none. */
struct object;
struct object *engine_take_deferred(struct engine *engine);
/* Frees the objects. Answers how many bytes, for COMMAND_FREED. */
size_t engine_free_deferred(struct object *objects);
/* Concatenates both lists. */
struct object *engine_join_deferred(struct object *one, struct object *other);
/* Decoded requests whose waits are over: taken under the engine's lock, for decoded_free outside it.
 * NULL: none. */
struct decoded *engine_take_answered(struct engine *engine);
/* Takes a job on a large lent object. NULL: none. The caller runs the job outside the engine's lock,
 * gives it back by COMMAND_JOB_DONE, again until it is back (job.h), and then frees it by job_free, outside
 * the lock. */
struct job;
struct job *engine_take_job(struct engine *engine);
/* Jobs that were taken, and whose takers are no more: they can be taken again. */
void engine_give_jobs_back(struct engine *engine);
/* For decoded_read. It never changes, and is read without the lock. */
const struct value_hash_key *engine_hash_key(const struct engine *engine);
/* Where clients on this machine find shared memory; borrowed for the engine's life. */
void engine_set_local_handshake(struct engine *engine, const char *path);

#endif
