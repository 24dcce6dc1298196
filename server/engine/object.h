/* An object: what all have, and what each kind keeps.
 *
 * layer   engine
 * memory  An object owns its content. What is done with that depends on the kind: `row` has the
 *         functions (kinds/kind.h).
 */
#ifndef HF_ENGINE_OBJECT_H
#define HF_ENGINE_OBJECT_H

#include "proto/base/bytes.h"
#include "proto/base/timers.h"
#include "proto/value.h"
#include "server/engine/order.h"
#include "server/engine/share.h"
#include "server/engine/waiter.h"
#include "server/objects/barrier.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/lock.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/semaphore.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct job;
struct kind;
struct user;

/* The conditions a request may wait for, by kind of object. Snapshots have these numbers. */
enum {
  WAIT_QUEUE_GET = 0,
  WAIT_QUEUE_PUT = 1,
  WAIT_QUEUE_JOIN = 2,
  WAIT_PIPE_RECV = 0, /* + end */
  WAIT_PIPE_SEND = 2, /* + end */
  WAIT_LOCK = 0,      /* locks, and the lock of a value or array */
  WAIT_SEMAPHORE = 0,
  WAIT_EVENT = 0,
  WAIT_NOTIFY = 1,        /* conditions; 0 is their own lock's */
  WAIT_NOTIFIED = 2,      /* conditions: notified, and about to wait for the lock */
  WAIT_BARRIER = 0,       /* parties of this round */
  WAIT_BARRIER_ENTER = 1, /* threads that arrive while the action runs */
  WAIT_CHANGE = 4,        /* of every kind: broadcast after each change */
  OBJECT_WAITS = 5,
};

/* The side that has the lock of a cell in shared memory:
 *
 *             a request waits, a local thread owns the mutex
 *   CLIENTS ------------------------------------------> REQUESTED
 *     ^  ^ '--- a request comes, the mutex is free ---.    | the thread has unlocked it
 *     |  '------------ no request waits ---------------\---'|
 *     |                                                v   v
 *     '-------- no request waits, no grant ----------- SERVER
 */
enum cell_lock_state { CELL_CLIENTS, CELL_REQUESTED, CELL_SERVER };

/* Value, Array and their raw kinds. */
struct cells {
  char typecode;
  size_t count;
  void *elements;   /* malloc; NULL: they are in the share. See elements.h */
  struct lock lock; /* unused by the raw ones */
  bool is_volatile; /* with a log: it may be in shared memory, and its content is in no log */
  bool is_lost;     /* a volatile one, by a restart: it has no elements, and can only be deleted */
  /* In shared memory. */
  struct cell_share *share; /* one count of it; NULL: elements are in plain memory */
  enum cell_lock_state lock_state;
  uint64_t seen;   /* bits of the value at the last check */
  bool is_changed; /* the value has changed, and waiters have not been woken for that yet */
  bool was_locked; /* at the last check: for waiters for its release */
  uint64_t retry_ms;
  uint64_t validate_ns;   /* the owner is not validated again before that */
  uint64_t owner_session; /* whose thread had the lock when it was validated last */
  struct timer timer;     /* runs while the lock or the value has to be checked periodically */
  bool listed;            /* is in the engine's list of cells to review */
  TAILQ_ENTRY(object) review_link;
};

LIST_HEAD(condition_list, object);

/* A lock, and the conditions that were given it. */
struct guard {
  struct lock lock;
  struct condition_list conditions; /* the newest first */
};

/* A condition's lock: its own, or another object's, which it refers to. */
struct condition {
  struct lock own;
  uint64_t guard;                /* id of the lock's object; 0: own */
  LIST_ENTRY(object) guard_link; /* in the list of the lock's object, while that is there */
};

struct object {
  uint64_t id;
  int kind;
  bool is_unreferenced;       /* in the engine's list of objects that may have no reference */
  bool is_deleted;            /* in no registry any more; it may still have waiters */
  const struct kind *row;     /* of the kind: what is done with its objects */
  struct value name;          /* text; VALUE_ABSENT: anonymous */
  struct user *user;          /* who made it, and is charged for it; NULL: the owner */
  uint64_t references;        /* from sessions and containers */
  uint64_t stored_references; /* stored in it, to other objects */
  size_t memory_bytes;        /* of containers and values, as charged */
  size_t values_bytes;        /* those of values among them */
  struct loan *loan;          /* malloc; NULL: it was never lent */
  uint64_t changed;           /* the index of the last command that changed it; no state */
  struct object *next_deferred;
  TAILQ_ENTRY(object) unreferenced_link;
  struct order_node in_names; /* or, of an anonymous one, in the registry's order of those */
  struct order_node in_locks; /* if it has a lock */
  struct timer lease;         /* runs while its lock is owned on a lease */
  struct wait_queue waits[OBJECT_WAITS];
  union {
    struct dict *dict; /* dict and namespace */
    struct list list;
    struct queue queue;
    struct pipe pipe;
    struct cells cells;
    struct guard guard; /* lock and rlock */
    struct semaphore semaphore;
    bool event_is_set;
    struct condition condition;
    struct barrier barrier;
  };
};
TAILQ_HEAD(object_list, object);

/* The loan of a lent object, and requests that wait for its end: see job.h. */
struct loan {
  struct wait_queue queue;
  struct job *job; /* the object is lent to this job; NULL: it is not lent */
  bool awaits_job; /* deleted, but for what the job has */
};

/* Where a walk over an object's values stands; begins with zeros. */
struct content_cursor {
  unsigned part;
  uint64_t position;
  const struct task *task;
  const struct value *run; /* items of a list that lie together, and how many are left of them */
  size_t run_left;
};

/* What a new object is to be. */
struct object_shape {
  int kind;
  const struct kind *row;
  struct bytes name;
  struct user *user; /* who makes it; NULL: the owner */
  int64_t maxsize;
  char typecode;
  uint64_t length;
  size_t elements_bytes; /* of all, which are there from the beginning */
  bool is_volatile;      /* values and arrays */
  bool one_way;
  uint64_t start;   /* semaphores */
  uint64_t parties; /* barriers */
  uint64_t guard;   /* conditions */
};

/* An object that is in no registry. Takes time in proportion to its length. */
void object_free(struct object *object);
/* A nameless object without content, of the same kind and id, which counts as many stored references.
 * NULL: out of memory. */
struct object *object_new_shell(const struct object *object);
/* A shell that takes over the content of a dict or list, or what waits in a queue: of a kind that has
 * take_content. NULL: out of memory, unchanged. */
struct object *object_take_content(struct object *object, const struct value_hash_key *hash_key);
uint64_t object_length(const struct object *object);
/* The lock within the object: a lock's own, a value's, or a condition's own; NULL: none. */
struct lock *object_lock(struct object *object);
/* The next value stored in it, borrowed; keys have no references, and are left out. It may not
 * change meanwhile. false: no more. */
bool object_next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value);
size_t object_waiting(const struct object *object);
/* A step of a kind's next_value through one list. */
bool content_next_in_list(const struct list *list, struct content_cursor *cursor,
                          struct value *value);

#endif
