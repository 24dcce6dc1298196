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
#include "server/engine/reply.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct call;

/* How an operation may be used; the bits of struct operation's flags. */
enum operation_flag {
  OPERATION_WAITS = 1,   /* may park; its timeout is looked at */
  OPERATION_STORES = 2,  /* refused while memory is full */
  OPERATION_ONE_WAY = 4, /* makes sense without a reply */
  OPERATION_NEEDS_SESSION = 8,
  OPERATION_OPENS = 16, /* OpenSession, ResumeSession: served to a connection whose session ended */
  OPERATION_ANY_TIMEOUT = 32,     /* a negative timeout is as good as none at all */
  OPERATION_SELECTABLE = 64,      /* may be in a WaitFirst */
  OPERATION_IN_TRANSACTION = 128, /* may be in a Transaction: see undo.c */
  OPERATION_SILENT = 256,         /* has no reply */
};

/* What a user must be allowed on the object. */
enum operation_access {
  ACCESS_NOTHING = 0,
  ACCESS_READ = 1,
  ACCESS_WRITE = 2,
  ACCESS_EITHER = 4, /* one of the two */
  ACCESS_CREATE = 8, /* and delete */
};

/* What becomes of a request that comes again with the same number. */
enum operation_repeat {
  REPEAT_KEPT,  /* gets the reply that was kept */
  REPEAT_AGAIN, /* runs again, but for replies with references, and those that were waited for */
};

/* What changes when it succeeds: the most of it. */
enum operation_effect {
  EFFECT_NONE,
  EFFECT_SESSION, /* the caller's own session */
  EFFECT_OBJECT,  /* objects, and what hangs on them */
};

/* Of operations on any object: they leave its content alone. */
#define OPERATION_ANY_KIND (~0u)

/* One row of dispatch/operations.h. */
struct operation {
  uint32_t arm;   /* of the request's oneof: the operation's stable id */
  uint32_t kinds; /* bit (1 << kind) for each kind of object it works on; 0: on no object */
  uint32_t flags;
  uint8_t access; /* bits of enum operation_access */
  uint8_t repeat; /* enum operation_repeat */
  uint8_t effect; /* enum operation_effect */
  hf_reason (*handle)(struct call *call);
};

struct engine_config {
  struct value_hash_key hash_key;
  uint64_t first_object; /* ids count up from here; never the ones of an earlier start */
  uint64_t first_token;  /* as do the tokens of locks */
  size_t memory_bytes_max;
  uint64_t start_ns;
  /* The row of an operation within a list of them; NULL: unknown. */
  const struct operation *(*find_operation)(const Holdfast__Request *message);
  const struct cell_host *cell_host; /* borrowed; NULL: values and arrays stay in plain memory */
};

/* Where the effects of commands go, in their order. Called from within engine_apply. */
struct engine_sink {
  void *ctx;
  /* reply is given: one count. It answers the request that came with the route. */
  void (*deliver)(void *ctx, uint64_t connection, const struct sp_route *route,
                  struct reply *reply);
  /* The connection's session moved to another one; nothing of it is served any more. */
  void (*close)(void *ctx, uint64_t connection);
  /* A process's handle, which came with a request and was taken, is not needed any more. */
  void (*forget_process)(void *ctx, int process, uint64_t session);
  /* The session lost its connection: COMMAND_PROCESS_ENDED is due when the process has ended. */
  void (*watch_process)(void *ctx, int process, uint64_t session);
  /* A circle of lock holders that wait for each other, in words. NULL: nobody wants to know. */
  void (*deadlock)(void *ctx, const char *circle);
};

/* NULL: out of memory. */
struct engine *engine_new(const struct engine_config *config, const struct engine_sink *sink);
void engine_free(struct engine *engine);

/* The only door: nothing else changes the state. Outcomes reach the sink, now or later. false: there
 * is no memory for a new connection; all other commands are carried out. */
bool engine_apply(struct engine *engine, const struct command *command);
/* Whether the connection's peer is on this machine. */
bool engine_is_local(const struct engine *engine, uint64_t connection);
/* When a tick has something to do next: 0, at once, while it goes on with what was too much for one
 * command; CLOCK_NEVER: nothing. */
uint64_t engine_next_deadline_ns(const struct engine *engine);
/* Work done so far, in steps of a tenth of a microsecond or so. One command does a few times
 * HF_TURN_STEPS_MAX of it at most. */
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
void job_run(struct job *job);
/* For decoded_read. It never changes, and is read without the lock. */
const struct value_hash_key *engine_hash_key(const struct engine *engine);
/* Where clients on this machine find shared memory; borrowed for the engine's life. */
void engine_set_door(struct engine *engine, const char *path);

#endif
