/* What the engine is made of. Private to engine/.
 *
 *   engine_apply -> session, sequence, target -> handler -> complete --> sink
 *                                                  |  ^         |
 *                                             park v  | wake    v
 *                                                waiters     settle: wake the ready, drop the
 * unheld
 */
#ifndef HF_ENGINE_CORE_H
#define HF_ENGINE_CORE_H

#include "proto/base/arena.h"
#include "server/engine/engine.h"
#include "server/engine/job.h"
#include "server/engine/registry.h"
#include "server/engine/session.h"

/* Who is at the other end of a connection of net's. */
struct peer {
  uint64_t id;
  struct address *address;
  struct session *session;      /* bound, or NULL */
  struct session_list sessions; /* bound here last; all but `session` are lost */
  size_t sessions_count;
  struct waiter_list waiters; /* of requests without a session */
  size_t parked;              /* waiters that answer here */
  bool one_way;
  bool session_ended; /* the bound session, or the one to be resumed, is gone: say so until another
                         is opened. What was sent behind must not run outside its session */
  bool fenced;        /* its session moved on: nothing of it is served */
};

struct engine {
  struct engine_config config;
  struct engine_sink sink;
  const char *door; /* borrowed; NULL: none */
  struct memory memory;
  struct registry registry;
  struct timers timers;
  struct map64 sessions;  /* serial -> struct session */
  struct map64 peers;     /* id -> struct peer */
  struct map64 addresses; /* number -> struct address */
  struct map64 strays;    /* process id -> non-NULL: may live on, its session over, with mutexes */
  struct ready_list ready;
  struct object_list doomed;
  struct object_list reviewed;          /* cells in shared memory whose lock may be let go of */
  struct object_list deleted;           /* whose waiters and reserved items are let go in slices */
  struct object_list emptied;           /* contents whose references are let go in slices */
  struct content_cursor emptied_cursor; /* of the first of `emptied` */
  struct job_list jobs, taken_jobs;     /* to be taken, and being worked on */
  struct session_list ending;           /* sessions that are over, and let go of in slices */
  uint64_t steps;                       /* done so far, all in all */
  uint64_t steps_end;       /* where the command under way leaves the rest to later ones */
  struct session_list lost; /* sessions without a connection, the longest lost first */
  struct object *buried;    /* deleted, to be freed outside the turn; by next_buried */
  struct decoded *answered; /* requests that waited, to be freed outside the turn */
  struct list trash;        /* values with references that containers dropped */
  struct arena scratch;     /* for requests that waited */
  uint64_t next_ticket;
  uint64_t next_token;
  uint64_t next_session_number;
  uint64_t requests, duplicates, waiting, deadlocks;
  uint64_t shared_cells; /* objects with a share */
  bool draining;
  bool has_loans;       /* an object was lent once */
  bool has_lost_strays; /* there was no memory for one */
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
  uint64_t connection;
  const struct sp_route *route;
  struct session *session; /* NULL: none */
  struct object *object;   /* the target; NULL for operations on none */
  struct reply *reply;     /* to be filled */
  struct waiter *waiter;   /* of a request that waited; NULL on the first run */
  bool one_way;
  bool is_part;            /* of a list of operations */
  bool timed_out;          /* the last run: answer, don't park */
  bool late;               /* what it answers is owed to the deadline */
  struct waiter *prepared; /* malloc: what it will wait as */
  struct job *lends;       /* malloc: what it lends its object to when it waits */
  struct job *job;         /* which it lent its object to, and which is done; NULL: none */
  bool told;               /* those who wait for the change it made have been woken */
  unsigned step;           /* kept from run to run while it waits, with the note */
  uint64_t note;
  struct lock_terms terms;       /* of a lock it gave up for the time it waits */
  uint32_t part;                 /* of a list of operations: which one it waits for, from 1 */
  struct wait_queue *park_queue; /* where it waits; NULL: its ears do, see ears.h */
  struct waiter_list ears;
  struct waiter *heard;              /* the ear a wake came to; NULL: none */
  struct requirements *requirements; /* given to what it waits as */
};

/* What a handler answers when the request is to wait; see call_park. */
#define REASON_PARKED ((hf_reason)HF_REASON_COUNT)

/* core.c: runs operations */
void core_run(struct call *call);
/* The object the request names, if its operation works on one. HF_REASON_NONE | NO_SUCH_OBJECT
 * WRONG_KIND */
hf_reason core_find_target(struct call *call);
/* After an operation: counts the memory of its object, wakes those who wait for its change. */
void core_note_end(struct call *call, hf_reason reason);
/* Sees to all that parking needs, for handlers that change something before they wait: then it can't
 * fail. HF_REASON_NONE | IN_FLIGHT_FULL MEMORY_FULL NO_MEMORY */
hf_reason core_prepare_park(struct call *call);
/* A waiter, or an ear, that waited for a lent object at first knows only now what it waits for. The
 * call's requirements, if it has any, are taken. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_keep_requirements(struct call *call, struct waiter *waiter);
/* The time of a request that waits begins now. HF_REASON_NONE | NO_MEMORY */
hf_reason core_restart_time(struct call *call);
/* Runs the handler of a waiter again, or of the one it is an ear of. false: it waits on. */
bool core_run_again(struct engine *engine, uint64_t now_ns, struct waiter *woken, bool timed_out);
/* Ends a wait with a reason; a put of many that has put some answers that, as does a kick. */
void core_end_wait(struct engine *engine, uint64_t now_ns, struct waiter *waiter, hf_reason reason);
/* The last run of a waiter whose time is up; when it is resumed, if it is suspended. */
void core_time_out(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* A waiter leaves without an answer. */
void core_drop_waiter(struct engine *engine, struct waiter *waiter);

/* lending.c: see job.h */

/* The object's loan, made if it has none. NULL: out of memory. */
struct loan *core_loan(struct engine *engine, struct object *object);

/* The object is lent, or others wait for it as such before the call: call->park_queue is where. */
bool core_must_wait_for(struct call *call, struct object *object);
/* It is being worked on. */
static inline bool core_is_lent(const struct object *object) {
  return object && object->loan && object->loan->job;
}
/* The requester waits in its loan. */
void core_begin_job(struct engine *engine, struct job *job, struct waiter *requester);
/* Soon: if it still can be stopped, its requester is told the reason. */
void core_stop_job(struct job *job, hf_reason reason);
void core_stop_all_jobs(struct engine *engine);
/* The waiter ends: nobody needs its job's outcome. */
void core_forget_requester(struct waiter *waiter);
/* Sees to what the work has changed. */
void core_take_effect(struct engine *engine, struct object *object, struct job *job);
/* core.c: answers a request whose job is done. */
void core_end_job(struct engine *engine, uint64_t now_ns, struct waiter *requester,
                  struct job *job);
/* Those that nobody took. */
void core_free_jobs(struct engine *engine);

/* settle.c: what operations leave to be done, in slices.
 *
 * Work is counted in steps, of a tenth of a microsecond or so. A command does up to
 * HF_TURN_STEPS_MAX of what it found and caused; what is left goes on with later commands, and
 * engine_next_deadline_ns says that there is some. */

/* What takes more steps than one. */
enum { STEPS_OF_RUN = 16, STEPS_OF_DELETION = 8, STEPS_OF_TIMER = 4, STEPS_BODY_BYTES = 64 };

static inline void core_spend(struct engine *engine, uint64_t steps) {
  engine->steps += steps;
}

/* false: the rest is for later. */
static inline bool core_has_steps(const struct engine *engine) {
  return engine->steps < engine->steps_end;
}

/* Whether something was left for later. */
bool core_has_work(const struct engine *engine);

/* A command begins. */
static inline void core_begin_steps(struct engine *engine) {
  engine->steps_end = engine->steps + HF_TURN_STEPS_MAX;
}

/* A request is to see to its own, and to a little of what others have left. */
static inline void core_begin_request_steps(struct engine *engine) {
  engine->steps_end =
      engine->steps + (core_has_work(engine) ? HF_TURN_STEPS_MAX / 8 : HF_TURN_STEPS_MAX);
}
/* Something a queue's waiters wait for may have happened. */
void core_wake(struct engine *engine, struct wait_queue *queue);
/* The same for one who is about to be parked there, first in line: it runs again at once, as a
 * waiter, whose handler can't fail to be parked after it has changed something. */
void core_wake_parking(struct engine *engine, struct wait_queue *queue);
/* The same for the waiters of that note, and those without one. */
void core_wake_noted(struct engine *engine, struct wait_queue *queue, uint64_t note);
/* A lock was freed: for those who want it, and those who watch it. */
void core_wake_lock(struct engine *engine, struct object *object);
/* Where it waits. */
void core_wake_waiter(struct engine *engine, const struct waiter *waiter);
/* Those who wait in the queue now may go on, also if what they wait for is over when they do. */
void core_release(struct engine *engine, struct wait_queue *queue);
/* Nobody will be woken there any more. */
void core_forget_queue(struct engine *engine, struct wait_queue *queue);
/* Runs what was woken, drops what nobody holds, goes on with deletions and ends of sessions, as far
 * as the steps reach. */
void core_settle(struct engine *engine, uint64_t now_ns);
/* The same to the end. */
void core_settle_all(struct engine *engine, uint64_t now_ns);

/* admit_waiter.c: whether one more may wait, that takes so many bytes. HF_REASON_NONE |
 * IN_FLIGHT_FULL MEMORY_FULL */
hf_reason core_admit_waiter(const struct call *call, size_t bytes);
/* Whether one that waits may take so many bytes more. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_admit_growth(const struct call *call, const struct address *address, size_t bytes);

/* holding.c: who refers to what */
void core_hold(struct engine *engine, uint64_t object);
void core_unhold(struct engine *engine, uint64_t object, uint64_t count);
/* The object has stored the value: references in it are counted. */
void core_keep(struct engine *engine, struct object *object, struct value value);
/* Drops values that containers let go of, then an object that nobody holds, if there is one. */
void core_drop_unheld(struct engine *engine, uint64_t now_ns);

/* deletion.c: the end of an object, in slices */

/* Nobody finds it any more; its waiters are told, its references let go, now or soon. */
void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object);
/* What a waiter waited for is gone. */
void core_end_wait_on_deleted(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* Lets go of what is in an object that is in no registry, and frees it; a large one outside the
 * turn. */
void core_drop_content(struct engine *engine, struct object *object);
/* Lets go of values that an object had: slowly, but without memory. */
void core_drop_values(struct engine *engine, struct object *object, struct list *values);
/* The first of those whose deletion was left for later. */
void core_go_on_deleting(struct engine *engine, uint64_t now_ns);
void core_go_on_emptying(struct engine *engine);

/* tasks.c: what becomes of items that were given out or are delayed */

/* Sees to object->queue.tasks and its timer. false: out of memory. */
bool core_begin_tasks(struct engine *engine, struct object *object);
/* The tasks' next deadline may have come nearer. */
void core_expect_tasks(struct engine *engine, struct queue *queue);
void core_tasks_due(struct engine *engine, uint64_t now_ns, struct timer *timer);
/* The caller's reservation, for as long as the task is reserved. HF_REASON_NONE | NO_MEMORY */
hf_reason core_own_task(struct engine *engine, struct session *session, uint64_t caller,
                        struct task *task);
/* It is about to be reserved no more. */
void core_disown_task(struct engine *engine, struct task *task);
/* The item is ready again at its place, if the session still has the reservation. */
void core_end_reservation(struct engine *engine, struct session *session, uint64_t reservation,
                          bool is_tried);
/* What a get took is ready again at its place. The value is taken, and not counted as kept by the
 * object while it is on its way. */
void core_put_back_item(struct engine *engine, struct object *object, struct value value,
                        const struct reply_taken *taken);
void core_leave_reservations(struct engine *engine, struct session *session, bool clean);
/* The queue, if it is one, is about to be deleted: time brings nothing more. */
void core_stop_tasks(struct engine *engine, struct object *object);
/* Then: what was reserved is nobody's any more. false: the rest is for later. */
bool core_forget_tasks(struct engine *engine, struct object *object);

/* sync.c: what others feel of a party or a waiter that is gone */
void core_leave_wait(struct engine *engine, const struct waiter *waiter);
/* Those who wait get `step`; the barrier begins anew, or stays as it is when broken. */
void core_end_round(struct engine *engine, struct object *object, unsigned step);
/* Ends the waits for the object that stand in other objects' queues. */
void core_end_foreign_waits(struct engine *engine, uint64_t now_ns, struct object *object);
/* Gives permits back, first of those the session (or NULL) has. HF_REASON_NONE | RELEASED_TOO_OFTEN
 * OVERFLOW, unchanged */
hf_reason core_release_permits(struct engine *engine, struct session *session,
                               struct object *object, uint64_t count);
/* Passes notifications to the first `count` who wait for one. */
void core_notify(struct engine *engine, struct object *object, uint64_t count);
/* The object whose lock a condition uses; itself unless it was given one. NULL: that one is gone.
 */
struct object *core_guard_of(const struct engine *engine, struct object *object);
/* Whether the request has done a part already, which must not be called an error: that part is
 * answered. */
bool core_answer_part(const struct waiter *waiter);
/* Steps of condition_wait and barrier_wait. */
enum { STEP_WAITING = 1, STEP_NOTIFIED, STEP_LATE, STEP_CANCELLED, STEP_RELEASED, STEP_BROKEN };

/* locks.c: who holds them, and how they lose them */
/* Takes the object's lock, which is free for the owner. HF_REASON_NONE | NO_MEMORY, not taken */
hf_reason core_take_lock(struct call *call, struct object *object, const struct lock_terms *terms,
                         bool *owner_died);
/* Whoever held the object's lock does so no more: its session forgets it, the next may come. Before
 * or after the lock itself changed owner, but with `owner` as it was. */
void core_forget_lock(struct engine *engine, struct object *object, struct lock_owner owner);
/* A lease is over, or is found renewed. */
void core_end_lease(struct engine *engine, uint64_t now_ns, struct object *object);
/* The object whose lock the thread waits for; NULL: none, or *steps, how many waiters may be looked
 * at, are used up. */
struct object *core_lock_waited_for(const struct engine *engine, struct lock_owner thread,
                                    unsigned *steps);
/* Whether the thread's waiting for the object's lock closes a circle of holders who wait. */
bool core_closes_circle(const struct engine *engine, struct lock_owner thread,
                        struct object *object, unsigned *steps);
/* Counts it, and says who is in it. */
void core_note_circle(struct engine *engine, struct lock_owner thread, struct object *object);

/* cells.c: values and arrays in shared memory */
/* object->cells, if it has some; else NULL. */
struct cells *core_cells(struct object *object);
/* Whether it may be handed a cell of that kind: only a client on this machine can map one. A mutex
 * knows its holder by thread id, which names another thread in another namespace of process ids:
 * cells with a lock are for clients whose process the server can look at, and so sees under the same
 * id. */
bool core_may_share_cells(const struct session *session, Holdfast__Kind kind);
/* A place for the elements in shared memory, all zero, charged. NULL: there is none. */
struct cell_share *core_new_share(struct engine *engine, const struct object *object);
/* Puts the elements, which are all zero, into shared memory, if there is any. */
void core_share_fresh_cells(struct engine *engine, struct object *object);
/* The elements are in the share from now on. Answers where they were: malloc. */
void *core_install_share(struct engine *engine, struct object *object, struct cell_share *share);
/* The session's client may map it from now on, for as long as the session holds the object. false:
 * it may not, for want of memory. */
bool core_attach_cells(const struct engine *engine, struct session *session, struct object *object);
/* Takes the lock away from local threads, on behalf of all who ask the server for it.
 * HF_REASON_NONE it is not theirs | LOCK_HELD one has it still: park | NO_MEMORY */
hf_reason core_claim_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Something may have happened to it. */
void core_nudge_cells(struct engine *engine, uint64_t now_ns, struct object *object);
/* Before a session ends without goodbye whose process may not know. */
void core_note_stray(struct engine *engine, const struct session *session);
/* A client that is gone may have let go of any cell it had mapped without saying so. */
void core_nudge_cells_of(struct engine *engine, uint64_t now_ns, struct session *session);
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

/* takeback.c: what a reply gave away, and nobody looks at, goes back */
/* Once only. Whether it had given something. */
bool core_take_back(struct engine *engine, struct session *session, struct reply *reply);
/* The session ends: the items of replies it never acknowledged, the newest first. false: the rest
 * is for later. */
bool core_take_back_unseen(struct engine *engine, struct session *session);

/* sessions.c: their beginning and end */
struct session *core_find_session(const struct engine *engine, struct bytes id);
/* Takes it over from any connection it had. */
void core_bind_session(struct engine *engine, uint64_t now_ns, struct session *session,
                       struct peer *peer);
/* The connection is lost: the grace time runs. */
void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session);
/* Nobody speaks for it: it ends with its process, or when its grace time is over. */
void core_begin_grace(struct engine *engine, uint64_t now_ns, struct session *session);
/* The connection closes: its sessions are of none. */
void core_leave_peer(struct peer *peer);
void core_leave_peer_of(struct session *session); /* this one is */
void core_forget_process(struct engine *engine, struct session *session);
/* Its client tells where it runs. */
void core_locate_session(struct engine *engine, struct session *session, struct bytes machine,
                         uint64_t process);
void core_end_session(struct engine *engine, uint64_t now_ns, struct session *session, bool clean);
/* Goes on with the end of a session. */
void core_go_on_ending(struct engine *engine);
/* It has its connection again, or ends. */
void core_forget_lost(struct engine *engine, struct session *session);
/* One session less on the end; the last one closes it. */
void core_detach_pipe(struct engine *engine, struct object *object, unsigned end);
void core_close_pipe(struct engine *engine, struct object *object, unsigned end);

/* forks.c: sessions of forked children */
/* Makes one. HF_REASON_NONE | BAD_SESSION SESSIONS_FULL MEMORY_FULL NO_MEMORY */
hf_reason core_fork_session(struct engine *engine, struct session *parent, struct bytes id);
/* Ends the one of that serial, if it is the parent's and its child did not come for it. */
void core_take_back_forked(struct engine *engine, struct session *parent, uint64_t serial);
/* The child was forked, and runs there. */
void core_locate_forked(struct engine *engine, struct session *forked, struct bytes machine,
                        uint64_t process);
/* Its child has come for it; also for sessions that are none of these. */
void core_claim_forked(struct session *session);
/* A session ends: as an unclaimed one, and as a parent of some. */
void core_leave_forked(struct engine *engine, uint64_t now_ns, struct session *session);

static inline bool core_has_room(const struct engine *engine, size_t more_bytes) {
  return memory_has_room(&engine->memory, more_bytes);
}

/* Whether a table of a session may take one entry more: memory is not full, or the table need not
 * grow, or is small. */
static inline bool core_may_note(const struct engine *engine, const struct map64 *table) {
  return !map64_grows_next(table) || map64_bytes(table) < HF_SMALL_TABLE_BYTES ||
         core_has_room(engine, 2 * map64_bytes(table));
}

static inline struct peer *core_peer(const struct engine *engine, uint64_t id) {
  return id ? map64_get(&engine->peers, id) : NULL;
}

#endif
