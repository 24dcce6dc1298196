/* What the engine is made of. Private to engine/, whose other headers say what is done with it.
 *
 *   engine_apply -> core_examine, core_admit -> seen before? -> core_run -> core_finish --> sink
 *                      |                            |            |  ^                        ^
 *                      |                            |       park v  | wake                   |
 *                      |                            |          waiters                       |
 *                      |                            '--> its reply in the window ------------|
 *                      '--> refused ---------------------------------------------------------'
 *   then core_settle: runs woken waiters, deletes unreferenced objects
 *
 * layer   engine
 */
#ifndef HF_ENGINE_CORE_H
#define HF_ENGINE_CORE_H

#include "proto/base/arena.h"
#include "proto/holdfast.pb-c.h"
#include "server/engine/command.h"
#include "server/engine/config.h"
#include "server/engine/denial.h"
#include "server/engine/job.h"
#include "server/engine/operation.h"
#include "server/engine/registry.h"
#include "server/engine/session.h"
#include "server/engine/user.h"

/* The peer of a connection. */
struct peer {
  uint64_t id;
  struct address *address;
  struct user *user;            /* NULL: the owner */
  struct session *session;      /* bound, or NULL */
  struct session_list sessions; /* bound here last; all but `session` are lost */
  size_t sessions_count;
  struct waiter_list waiters; /* of requests without a session */
  size_t parked;              /* waiters that answer here */
  bool one_way;
  bool session_ended; /* the bound session, or the one to be resumed, is gone: say so until another
                         is opened. What was sent behind must not run outside its session */
  bool fenced;        /* its session moved on, or its user is gone: nothing of it is served */
  bool exceeds;       /* not one of its user's connections: that had them all, or it is fenced */
};

/* Whether a request is served: see examine.h. */
struct examined {
  hf_reason reason;     /* why it is refused; NONE: it is served */
  uint32_t part;        /* of a list of operations: which one that is about, from 1 */
  bool is_counted;      /* against its user's requests a second, and connections */
  bool reaches_session; /* also if it is refused */
  bool is_known; /* its reply is in the window, unless it acknowledges that itself: not admitted */
  bool is_gap;   /* one-way, and the one before it was lost: it is dropped */
  struct session *session; /* NULL: none */
  struct object *object;   /* its target */
};

/* When peers could not connect although the server runs. */
struct crowding {
  uint64_t since_ns; /* until now; 0: they can */
  uint64_t total_ns; /* before that */
};

struct engine {
  struct engine_config config;
  struct engine_sink sink;
  const char *local_handshake; /* borrowed; NULL: none */
  uint64_t now_ns;             /* of the last command; never goes back */
  struct memory memory;
  struct user_table users;
  struct registry registry;
  struct timers timers;
  struct map64 sessions;  /* serial -> struct session */
  struct map64 peers;     /* id -> struct peer */
  struct map64 addresses; /* number -> struct address */
  struct denial denial;
  struct ready_list ready;
  struct object_list unreferenced;
  struct object_list reviewed;          /* cells whose lock may be returned to clients */
  struct object_list deleted;           /* waiters and reserved items are released in slices */
  struct object_list emptied;           /* contents whose references are dropped in slices */
  struct content_cursor emptied_cursor; /* of the first of `emptied` */
  struct job_list jobs, taken_jobs;     /* to be taken, and being worked on */
  struct session_list ending;           /* sessions that are over, and released in slices */
  uint64_t steps;                       /* done so far, all in all */
  uint64_t steps_end;           /* where the command under way leaves the rest to later ones */
  struct session_list lost;     /* sessions without a connection, the longest lost first */
  struct object *deferred_free; /* deleted, to be freed outside the lock; by next_deferred */
  size_t freeing_bytes;         /* of these, and of those that were taken, until COMMAND_FREED */
  struct decoded *answered;     /* requests that waited, to be freed outside the lock */
  struct list dropped_values;   /* values with references that containers dropped */
  struct arena scratch;         /* for requests that waited */
  uint64_t next_ticket;
  uint64_t next_token;
  uint64_t next_session_number;
  uint64_t next_job;
  uint64_t requests, duplicates, waiting, deadlocks;
  uint64_t shared_cells; /* objects with a share */
  struct crowding crowding;
  bool draining;
  bool is_disk_full; /* the journal's */
  bool has_loans;    /* an object was lent once */
  bool has_volatile; /* a cell was volatile once */

  /* For a log of commands; no state. See reads.h. */
  uint64_t index; /* of the command under way; 0: there is no log */
  uint64_t
      changed; /* the index of the last command that may have changed more than its own object */
  uint64_t logged;          /* the index of the last command that did more than read */
  uint64_t read_index;      /* of what the last request that only read has seen */
  bool has_only_read;       /* the last command */
  bool has_failed_for_disk; /* the same: a one-way request */
  bool has_touched_cells;   /* the command under way changed what is known of a shared cell */
  struct examined examined; /* of the next command, which is that request: */
  const struct engine_request *examined_request; /* NULL: none was examined */
  uint64_t examined_ns;
  struct heard heard;                 /* of requests without a session */
  struct session_list heard_sessions; /* that sent requests which only read */
};

/* One run of an operation's handler. */
struct call {
  struct engine *engine;
  uint64_t now_ns;
  const struct operation *operation;
  const Holdfast__Request *message; /* NULL: of a waiter whose requirements suffice */
  struct bytes body;                /* of a waiter: only how long it is */
  struct decoded *decoded;          /* taken when it waits; NULL: none */
  const uint8_t *entropy;
  int *process; /* the request's */
  uint64_t connection;
  const struct sp_route *route;
  struct session *session; /* NULL: none */
  struct user *user;       /* of the session, or without one of the connection; NULL: the owner */
  struct object *object;   /* the target; NULL for operations on none */
  struct reply *reply;     /* to be filled */
  struct waiter *waiter;   /* of a request that waited; NULL on the first run */
  bool one_way;
  bool is_part;            /* of a list of operations */
  uint64_t *replaced;      /* of a part that stores an element others store too: the bits before;
                                    NULL: nobody asks */
  bool timed_out;          /* the last run: answer, don't park */
  bool late;               /* it answers so because of the deadline */
  struct waiter *prepared; /* malloc: its waiter, if it waits */
  struct job *lends;       /* malloc: the job that its object is lent to when it waits */
  struct job *job;         /* which it lent its object to, and which is done; NULL: none */
  bool notified;           /* the waiters for the change it made have been woken */
  unsigned step;           /* kept from run to run while the request waits */
  uint64_t progress;       /* the same */
  uint64_t key_hash;       /* of the dict key whose change the request waits for; 0: none */
  uint64_t condition;      /* that the request waits under; 0: none */
  struct lock_terms terms; /* of a lock it gave up for the time it waits */
  uint32_t part;           /* of a list of operations: which one it waits for, from 1 */
  struct wait_queue *park_queue; /* where it waits; NULL: in several queues, see wait_entries.h */
  struct waiter_list entries;
  struct waiter *woken_entry;        /* the wait entry that was woken; NULL: none */
  struct requirements *requirements; /* given to its waiter */
};

/* What a handler answers when the request is to wait; see call_park. */
#define REASON_PARKED ((hf_reason)HF_REASON_COUNT)

/* The one test for memory that a request stores. HF_REASON_NONE | MEMORY_FULL */
static inline hf_reason core_check_memory(const struct engine *engine, size_t more_bytes) {
  return memory_has_room(&engine->memory, more_bytes) ? HF_REASON_NONE : HF_REASON_MEMORY_FULL;
}

/* The same for one more entry of a session's table: a small table may always grow. */
static inline hf_reason core_check_entry(const struct engine *engine, const struct map64 *table) {
  bool is_small = map64_counted_bytes(table) < HF_SMALL_TABLE_BYTES;
  return is_small ? HF_REASON_NONE : core_check_memory(engine, MAP64_ENTRY_BYTES);
}

/* Whether the commands are in a log. */
static inline bool core_is_logged(const struct engine *engine) {
  return engine->index != 0;
}

static inline struct peer *core_peer(const struct engine *engine, uint64_t id) {
  return id ? map64_get(&engine->peers, id) : NULL;
}

/* In whose name a request of the session, or without one (NULL) of the connection, is carried out. */
static inline struct user *core_user_of(const struct engine *engine, const struct session *session,
                                        uint64_t connection) {
  return session ? session->user : core_peer(engine, connection)->user;
}

#endif
