/* A command: the only way to change an engine. The same commands give the same effects and the same
 * state, so a log of commands is the state.
 *
 * layer   engine; made by dispatch
 * shapes  All input is in the command: time, peer, random bytes, the process of a session. The engine
 *         calls nothing outside but cell_host.h, for values in shared memory; a log has its answers
 *         beside the command (journal/cell_tape.h).
 * memory  All is borrowed for the call, but for a request's `decoded`, which is taken when it waits.
 */
#ifndef HF_ENGINE_COMMAND_H
#define HF_ENGINE_COMMAND_H

#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"
#include "proto/sp.h"
#include "proto/status.h"
#include "server/engine/user_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_ELSEWHERE (-1) /* on another machine, for all that is known */
#define PROCESS_HIDDEN (-2)    /* on this machine, but the server can't watch it */

struct decoded;
struct job;
struct operation;

/* One request as dispatch decoded it. */
struct engine_request {
  uint64_t connection;
  struct sp_route route;
  struct bytes body;       /* copied while the operation waits, unless `decoded` is taken */
  struct decoded *decoded; /* of a large one, what `message` is in; NULL: none, or taken */
  const Holdfast__Request *message;  /* the same, unpacked; NULL: it could not be */
  const struct operation *operation; /* NULL: unknown */
  hf_reason malformed;               /* why message is NULL */
  bool may_only_read;                /* as engine_may_only_read says; false without a log */
  uint8_t entropy[HF_SESSION_BYTES]; /* random, when the operation opens a session */
  int process; /* a handle of the process that it names, which is taken if it is needed; PROCESS_HIDDEN
                  or PROCESS_ELSEWHERE; 0: it names none */
  bool ends_connection; /* an effect: what was sent behind it is not to be served */
  uint64_t
      pause_ns; /* an effect: its user is beyond its rate, and its connection is not to be read from for so
                           long */
};

enum command_kind {
  COMMAND_REQUEST,
  COMMAND_TICK,       /* nothing but time, or a slice of what was too much for one command */
  COMMAND_CONNECT,    /* a connection was accepted */
  COMMAND_DISCONNECT, /* a connection is gone: its session has the grace time to come back */
  COMMAND_PROCESS_ENDED, /* a watched process has ended: its session ends, unless that has a connection */
  COMMAND_JOB_DONE, /* a job on a lent object is done: the object comes back */
  COMMAND_FREED,    /* containers of engine_take_deferred are freed: their memory counts no more */
  COMMAND_CROWDED,  /* peers begin to stand in line before they can connect, or the line is over: in
                      between the grace times of lost sessions stand still */
  COMMAND_DRAIN, /* the server stops, and its state with it: waiters, and all later requests, are answered
                        STOPPING */
  COMMAND_USERS, /* the users and their rights from now on */
  COMMAND_RESTART, /* a server was started with the state of the last one, whose connections are gone and
                      whose processes nobody watches: see restart.h */
  COMMAND_DISK,  /* the journal's disk is full, or has room again: while it is full, operations that
                      store are answered JOURNAL_FULL */
  COMMAND_HEARD, /* what requests that only read have changed; they themselves are in no log */
};

/* What requests of a session that only read have changed, all together: see reads.h. */
struct heard {
  uint64_t session;  /* its serial; 0: requests without one */
  uint64_t requests; /* how many there were */
  uint64_t acked;    /* as in the last of them */
  uint64_t highest;  /* sequence */
  uint64_t heard_ns; /* the time of the last */
};

struct command {
  enum command_kind kind;
  uint64_t now_ns; /* stamped in the order of commands; one before the last one's counts as that */
  uint64_t index;  /* of the journal's batch that is being filled; 0: there is no journal */
  union {
    struct engine_request *request;
    struct {
      uint64_t connection;
      uint64_t address;  /* where the peer of a new one is, see addresses.h */
      struct bytes user; /* of a new one; empty: the owner */
      bool one_way;
    };
    uint64_t session; /* whose process ended: its serial */
    struct job *job;
    size_t freed_bytes;
    const struct users_settings *users; /* copied */
    bool is_crowded;
    bool is_full;
    const struct heard *heard;
    size_t memory_bytes_max; /* of a restart */
  };
};

#endif
