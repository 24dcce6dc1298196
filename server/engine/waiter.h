/* Parked operations: waiters in queues, first in, first out.
 *
 * layer   engine
 *
 * A waiter is an operation whose handler answered REASON_PARKED. The waiter has the request, a small one
 * as its bytes and a large one decoded (decoded.h), blocks no thread, and ends exactly one way. A waiter
 * for conditions has them decoded (require.h): the handler runs only when all are met.
 *
 *              wake: the handler runs again and answers        -> completed
 *              job done: the handler runs with its results     -> completed
 *   parked --> deadline: runs once more with `timed_out`       -> completed
 *     |        cancelled, object deleted, right lost, session
 *     |        ended, server stopping                          -> completed with that reason
 *     |        connection without a session gone               -> dropped
 *     '-- connection of its session lost --> suspended: keeps its position, takes nothing
 *                                            until the session is resumed, or ends
 */
#ifndef HF_ENGINE_WAITER_H
#define HF_ENGINE_WAITER_H

#include "proto/base/timers.h"
#include "proto/sp.h"
#include "server/objects/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct operation;
struct object;
struct reply;
struct session;
struct requirements;
struct decoded;

/* What the engine's timers live in. */
enum timer_kind { TIMER_WAITER, TIMER_SESSION, TIMER_LEASE, TIMER_TASKS, TIMER_CELL };

/* Steps of condition_wait and barrier_wait. Snapshots have these numbers. */
enum { STEP_WAITING = 1, STEP_NOTIFIED, STEP_LATE, STEP_CANCELLED, STEP_RELEASED, STEP_BROKEN };

TAILQ_HEAD(waiter_list, waiter);

/* The waiters for one condition of one object, in order of their tickets. */
struct wait_queue {
  struct waiter_list waiters;
  struct waiter_list suspended; /* of sessions without a connection; not in `waiters` */
  struct waiter *hint;          /* in waiters, near where the next may belong; NULL: not known */
  size_t count;                 /* of waiters */
  uint64_t key_hash; /* while woken: only waiters for this key, and those for any, run; 0: all */
  uint64_t released; /* waiters with tickets up to this may go on, whatever they find */
  /* One pass over the waiters, which may take several slices. */
  struct waiter *cursor; /* the next to run; NULL: none */
  uint64_t last_ticket;  /* waiters with later tickets are not run */
  uint64_t pass_key_hash;
  bool broadcast; /* a wake runs every waiter, not just until the first that can't go on */
  bool woken;     /* is to be run from the beginning */
  bool ready;     /* is in the engine's list of queues to run */
  TAILQ_ENTRY(wait_queue) ready_link;
};
TAILQ_HEAD(ready_list, wait_queue);

struct waiter {
  TAILQ_ENTRY(waiter) queue_link;   /* in queue->waiters or queue->suspended */
  TAILQ_ENTRY(waiter) owner_link;   /* in the session's list, or without one in the connection's */
  TAILQ_ENTRY(waiter) one_way_link; /* in the session's list of numbered one-way ones */
  struct timer timer;
  struct wait_queue *queue;   /* NULL: a wait-any, whose entries are in queues */
  struct waiter_list entries; /* of a wait-any, by owner_link; see wait_entries.h */
  struct waiter *owner;       /* of a wait entry; NULL: no wait entry */
  uint32_t part;              /* of a list of operations: the part that waits, from 1 */
  uint64_t ticket;            /* rises with every waiter of the engine */
  const struct operation *operation;
  struct object *object;   /* NULL for operations on no object */
  struct session *session; /* NULL: none */
  uint64_t thread;         /* the thread within the session */
  uint64_t since_ns;
  uint64_t connection; /* where the answer goes */
  struct sp_route route;
  struct reply *reply; /* the waiter's count */
  /* State of handlers with several steps, from one run to the next. */
  unsigned step;      /* 0 at first */
  uint64_t progress;  /* 0 at first */
  uint64_t key_hash;  /* of the dict key whose change the waiter waits for; 0: none */
  uint64_t condition; /* that it waits under, or whose lock it takes back; 0: none */
  struct lock_terms terms;
  struct requirements *requirements; /* what it waits for, decoded; NULL: its handler decides */
  struct job *job;                   /* that its object is lent to for it; NULL: none */
  size_t memory_bytes;               /* as charged */
  bool one_way;
  bool suspended;
  bool overdue;            /* its deadline passed while it was suspended */
  struct decoded *decoded; /* the request; NULL: it is `body` */
  size_t request_len;      /* bytes as it arrived */
  size_t body_len;
  uint8_t body[]; /* the request as it arrived, unless it is decoded, or its requirements suffice */
};

void wait_queue_init(struct wait_queue *queue, bool broadcast);
/* By ticket, then by part; a suspended waiter: last of those. O(1) for the newest; many old ones, inserted
 * in order, share one walk. */
void wait_queue_insert(struct wait_queue *queue, struct waiter *waiter);
/* From whichever list it is in. */
void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter);
/* Moves the waiter to its position in the queue; nothing if it is there. A suspended waiter stays
 * suspended. */
void wait_queue_move(struct waiter *waiter, struct wait_queue *queue);
/* Suspends or resumes the waiter and its entries. Resumed, they get their old positions back. */
void waiter_set_suspended(struct waiter *waiter, bool suspended);
/* The owner of a wait entry; else the waiter itself. */
static inline struct waiter *waiter_owner(struct waiter *waiter) {
  return waiter->owner ? waiter->owner : waiter;
}

#endif
