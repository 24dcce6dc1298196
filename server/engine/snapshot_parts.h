/* The parts of a snapshot, in the order in which they are written. A record is checked against earlier
 * ones; references to later records are checked at the end.
 *
 * layer   engine; private to snapshot*.c and kinds/
 */
#ifndef HF_ENGINE_SNAPSHOT_PARTS_H
#define HF_ENGINE_SNAPSHOT_PARTS_H

#include "server/engine/core.h"
#include "server/engine/snapshot_record.h"

/* Records. A number is never used again for something else. */
enum {
  RECORD_START = 1,
  RECORD_ENGINE = 2,
  RECORD_SESSION = 3, /* by serial */
  RECORD_REPLY = 4,   /* kept by the session before, by sequence */
  RECORD_FORKED = 5,  /* unadopted sessions of one parent */
  RECORD_LOST = 6,
  RECORD_CONNECTION = 7, /* by id */
  RECORD_OBJECT = 8,     /* by id */
  RECORD_WAITER = 9,     /* by ticket */
  RECORD_SUSPENDED = 10,
  RECORD_END = 11,
  RECORD_USER = 12,    /* by name; before all others but the first two */
  RECORD_SHARE = 13,   /* by object; before sessions */
  RECORD_CONTENT = 16, /* and beyond: of the object before, as its kind says */
};

struct restoring {
  struct snapshot_in in;
  struct engine *engine;
  struct session *session; /* whose replies are read; NULL: none */
  struct object *object;   /* whose content is read; NULL: none */
  uint64_t next_id;        /* of objects: all are below */
  uint64_t last_ticket;
  struct map64 tickets; /* -> struct waiter */
  struct map64 shares;  /* object id -> struct cell_share, one count each */
  bool is_ended;
};

/* Answers false. */
static inline bool snapshot_lacks_memory(struct restoring *restoring) {
  return snapshot_fail(&restoring->in, "there is not enough memory");
}

/* snapshot_users.c */
void snapshot_users(const struct engine *engine, struct snapshot_out *out);
bool restore_user(struct restoring *restoring, struct bytes body);
/* The user's name, or nothing of the owner. */
void snapshot_put_user(struct snapshot_out *out, uint32_t number, const struct user *user);
/* The user of that name, which is to be counted by the caller. false: in.why */
bool restore_find_user(struct restoring *restoring, const struct wire_field *field,
                       struct user **user);

/* snapshot_shares.c: cells in shared memory, without their elements. A cell that is deleted is there while a
 * session may have mapped it. */
void snapshot_shares(const struct engine *engine, struct snapshot_out *out);
bool restore_share(struct restoring *restoring, struct bytes body);
/* Of the object, counted once more. NULL: in.why */
struct cell_share *restore_find_share(struct restoring *restoring, uint64_t object);
/* All records have been read, or it failed. */
void restore_end_shares(struct restoring *restoring);

/* snapshot_sessions.c */
void snapshot_sessions(const struct engine *engine, struct snapshot_out *out);
bool restore_session(struct restoring *restoring, struct bytes body);
bool restore_kept_reply(struct restoring *restoring, struct bytes body);
bool restore_forked(struct restoring *restoring, struct bytes body);
bool restore_lost(struct restoring *restoring, struct bytes body);
/* Counts the address once more. false: in.why */
bool restore_address(struct restoring *restoring, const struct wire_field *field,
                     struct address **address);
/* NULL: in.why */
struct session *restore_find_session(struct restoring *restoring, uint64_t serial);
/* All records have been read. */
bool restore_end_sessions(struct restoring *restoring);

/* snapshot_connections.c */
void snapshot_connections(const struct engine *engine, struct snapshot_out *out);
bool restore_connection(struct restoring *restoring, struct bytes body);

/* snapshot_replies.c */
void snapshot_put_reply(struct snapshot_out *out, const struct reply *reply);
/* One count, the caller's. NULL: in.why */
struct reply *restore_reply(struct restoring *restoring, struct bytes body);
void snapshot_put_reason(struct snapshot_out *out, uint32_t number, hf_reason reason);
bool restore_reason(struct snapshot_in *in, const struct wire_field *field, hf_reason *reason);
void snapshot_put_failures(struct snapshot_out *out, uint32_t number,
                           const struct reply_failure *failures, size_t count);
bool restore_failure(struct snapshot_in *in, const struct wire_field *field,
                     struct reply_failure *failure);
/* Whether a revoke of the reply finds its object. */
bool restore_check_reply(struct restoring *restoring, const struct reply *reply);

/* snapshot_objects.c */
void snapshot_objects(const struct engine *engine, struct snapshot_out *out);
bool restore_object(struct restoring *restoring, struct bytes body);
bool restore_content(struct restoring *restoring, const struct snapshot_record *record);
/* The object whose content was read is complete. */
bool restore_end_object(struct restoring *restoring);

/* snapshot_content.c: of kinds. Values that stand in a row, in records of that number. */
void snapshot_put_list(struct snapshot_out *out, uint32_t record, const struct list *list);
bool restore_list(struct restoring *restoring, struct object *object, struct list *list,
                  struct bytes body);
void snapshot_put_lock(struct snapshot_out *out, uint32_t number, const struct lock *lock);
bool restore_lock(struct restoring *restoring, const struct wire_field *field, struct lock *lock);
/* References in the value, which the object stores from now on, are the object's. */
void restore_count(struct object *object, struct value value);

/* snapshot_requirements.c */
struct requirements;
void snapshot_put_requirements(struct snapshot_out *out, uint32_t number,
                               const struct requirements *requirements);
/* *requirements is NULL before, and the caller's then, also on failure. */
bool restore_requirements(struct restoring *restoring, const struct wire_field *field,
                          struct requirements **requirements);

/* snapshot_waiting.c: whether a waiter that was read may wait as it says, and run again: its message,
 * NULL where its requirements suffice, its operation and its target are what they would be had it come
 * as a request. */
bool restore_check_waiter(struct restoring *restoring, const struct waiter *waiter,
                          const Holdfast__Request *message);

/* snapshot_queues.c */

/* A wait queue: its owner, an object or a session (by serial), and which of the owner's. */
struct queue_name {
  uint64_t owner;
  unsigned number;
};
/* An object's queues: its waits, then that of its loan; a session's: that of flushes. */
enum { QUEUE_OF_LOAN = OBJECT_WAITS, QUEUE_OF_FLUSHES, NO_QUEUE };
/* Where each waiter and wait entry waits, by address; begins with zeros. */
struct snapshot_spots {
  struct snapshot_spot *items; /* malloc, the caller's */
  size_t count, capacity;
};
void snapshot_find_spots(const struct engine *engine, struct snapshot_out *out,
                         struct snapshot_spots *spots);
/* NO_QUEUE: the waiter waits in none. */
struct queue_name snapshot_queue_of(const struct snapshot_spots *spots,
                                    const struct waiter *waiter);
/* NULL: there is none. */
struct wait_queue *restore_find_queue(struct restoring *restoring, const struct queue_name *name);
void snapshot_suspended(const struct engine *engine, struct snapshot_out *out);
bool restore_suspended(struct restoring *restoring, struct bytes body);

/* snapshot_waiters.c */
void snapshot_waiters(const struct engine *engine, struct snapshot_out *out);
bool restore_waiter(struct restoring *restoring, struct bytes body);

#endif
