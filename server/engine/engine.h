/* The deterministic core: sessions, objects, who waits for what. Commands in, effects out: the same
 * commands always give the same effects and the same state.
 *
 * layer   engine: no I/O, no clock, no randomness; called by dispatch
 * threads one at a time: dispatch holds its lock around every call
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

/* The only entry: nothing else changes the state. Outcomes reach the sink, now or later. false: there
 * is no memory for a new connection; all other commands are carried out. */
bool engine_apply(struct engine *engine, const struct command *command);
/* Whether the connection's peer is on this machine. */
bool engine_is_local(const struct engine *engine, uint64_t connection);
/* When a tick has something to do next: 0, at once, while it goes on with what was too much for one
 * command; CLOCK_NEVER: nothing. */
uint64_t engine_next_deadline_ns(const struct engine *engine);
/* Work done so far, in steps of a tenth of a microsecond or so. One command does a few times
 * HF_BATCH_STEPS_MAX of it at most. */
uint64_t engine_steps(const struct engine *engine);

/* Large containers that were deleted: taken within the engine's turn, freed outside it by any
 * thread, because that takes its time. NULL: nothing. */
struct object;
struct object *engine_take_buried(struct engine *engine);
/* Answers how many bytes of memory that freed, for COMMAND_FREED. */
size_t engine_free_buried(struct object *buried);
/* Both together. */
struct object *engine_join_buried(struct object *one, struct object *other);
/* Decoded requests whose waits are over: taken within the engine's turn, for decoded_free outside it.
 * NULL: nothing. */
struct decoded *engine_take_answered(struct engine *engine);
/* Work on a large object that was lent for it. NULL: none. Whoever takes it runs it, beside the engine,
 * and brings it back by COMMAND_JOB_DONE; then it is to be freed, which takes its time, by job_free
 * (job.h). */
struct job;
struct job *engine_take_job(struct engine *engine);
/* For decoded_read. It never changes, and is read without the lock. */
const struct value_hash_key *engine_hash_key(const struct engine *engine);
/* Where clients on this machine find shared memory; borrowed for the engine's life. */
void engine_set_local_handshake(struct engine *engine, const char *path);

#endif
