/* An engine that steps are applied to, and all that came of them, so that two engines can be
 * compared: every effect in order, replies as the bytes that would be sent.
 *
 * Steps are values: the same one is applied to as many engines as a test has.
 */
#ifndef HF_TESTS_SUPPORT_REPLAY_H
#define HF_TESTS_SUPPORT_REPLAY_H

#include "proto/base/arena.h"
#include "server/dispatch/batch.h"
#include "server/dispatch/command_log.h"
#include "server/engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum replay_kind {
  REPLAY_CONNECT,
  REPLAY_DISCONNECT,
  REPLAY_REQUEST,
  REPLAY_TIME, /* includes a slice of deferred work */
  REPLAY_PROCESS_ENDED,
  REPLAY_TAKE_JOB, /* takes the first job and runs it */
  REPLAY_FINISH_JOB,
  REPLAY_FREE, /* frees containers that the engine has handed over */
  REPLAY_CROWDED,
  REPLAY_DRAIN,
  REPLAY_USERS,
  REPLAY_RESTART, /* with the memory that it has */
  REPLAY_DISK,
};

struct replay_step {
  enum replay_kind kind;
  uint64_t now_ns;
  uint64_t connection;
  uint64_t address; /* of a new connection */
  const char *user; /* of a new connection: static; NULL: the owner. It may be none */
  uint64_t users;   /* which of random_users.h there are from now on */
  bool one_way;
  bool is_crowded;
  bool is_full;      /* of the disk */
  uint64_t session;  /* the serial of the session whose process ended */
  uint32_t id;       /* of a request: identifies it on its connection */
  struct bytes body; /* of a request; borrowed */
  uint8_t entropy[HF_SESSION_BYTES];
};

#define REPLAY_JOBS_MAX 16

struct replay {
  struct engine *engine;
  struct arena arena;
  struct job *jobs[REPLAY_JOBS_MAX]; /* jobs that were run and not brought back, oldest first */
  size_t jobs_count;
  struct object *deferred;
  char *effects; /* malloc: of the last step */
  size_t effects_len, effects_capacity;
  uint64_t replies_count, failures_count;
  /* An object appeared in a reply. NULL: ignored. */
  void (*learn)(void *ctx, uint64_t object);
  void *learn_ctx;
  /* Commands are appended to it as dispatch does. NULL: to none. */
  const struct command_log *log;
  uint64_t now_ns;      /* of the last command, with a log */
  uint64_t reads_count; /* requests that are in no log */
  struct batch batch;   /* the replies of the command under way, with a log */
};

/* cells: borrowed; NULL: there is no shared memory. */
void replay_begin(struct replay *replay, size_t memory_bytes_max, const struct cell_host *cells);
/* Goes on with an engine, which is taken. */
void replay_begin_with(struct replay *replay, struct engine *engine);
void replay_end(struct replay *replay);
void replay_apply(struct replay *replay, const struct replay_step *step);
/* Whether the last step had the same effects on both engines, and left the same counters, memory by
 * use, and next deadline; with `all` also the same objects and sessions, which takes longer. Prints
 * the first difference. */
bool replay_is_equal(const struct replay *one, const struct replay *other, bool all);

#endif
