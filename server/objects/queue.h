/* The queue: items by priority, first in, first out among equal ones; and how many of them are not
 * done yet.
 *
 *                put                                       get
 *   (new) -----------------------------------> ready ---------------> (gone)
 *     |                                        ^ ^ ^ |                  ^
 *     | put, delayed                       due | | | | reserve          | ack
 *     '------------------------------> delayed | | | v                  |
 *                                         ^      | '- reserved ---------'
 *                                         |      |    | |   given back, or taken away: the lease or
 *                                         '------|----' |   the session is over
 *                         given back for later   |      | bury
 *                                           kick |      v
 *                                                '--- buried
 *
 * layer   objects; time is an argument
 * source  Python's queue.Queue: maxsize <= 0 is unbounded, every put counts one unfinished task;
 * beanstalkd's jobs
 *
 * Plain items, with priority 0 and no delay, are values in a list. All others are tasks. Both have a
 * position in one order: the list's first item has the order next_order - items.len. An item that comes
 * back has its old position; a delayed item gets its position when it is due.
 */
#ifndef HF_OBJECTS_QUEUE_H
#define HF_OBJECTS_QUEUE_H

#include "server/objects/list.h"
#include "server/objects/task.h"

/* What a queue has that is used for work. */
struct tasks {
  struct queue *queue;
  struct timer timer; /* for the user: until queue_next_deadline_ns */
  struct timers delays, leases;
  struct task *ready;        /* a heap of those in `waiting` that are not in `delays` */
  struct task_group waiting; /* ready and delayed ones */
  struct task_group reserved;
  struct task_group buried;
  uint64_t next_suborder;
};

struct queue {
  struct list items; /* plain items */
  int64_t maxsize;
  uint64_t unfinished;
  uint64_t next_order;
  struct tasks *tasks; /* NULL until the first task */
  bool is_shut_down;
};

/* What get took, for queue_put_back. */
struct taken {
  struct position position;
  uint64_t tries;
};

void queue_init(struct queue *queue, int64_t maxsize);
/* Ignores reservations. */
void queue_deinit(struct queue *queue);
size_t queue_memory_bytes(const struct queue *queue);
/* Of values, and of their slots in the list. */
size_t queue_values_bytes(const struct queue *queue);
/* Sees to queue->tasks, which is what all below needs that says "tasks". false: out of memory. */
bool queue_begin_tasks(struct queue *queue);

static inline size_t queue_delayed_count(const struct queue *queue) {
  return queue->tasks ? queue->tasks->delays.count : 0;
}

static inline size_t queue_reserved_count(const struct queue *queue) {
  return queue->tasks ? queue->tasks->reserved.count : 0;
}

static inline size_t queue_buried_count(const struct queue *queue) {
  return queue->tasks ? queue->tasks->buried.count : 0;
}

/* Ready and delayed ones: what maxsize bounds. */
static inline size_t queue_waiting_count(const struct queue *queue) {
  return queue->items.len + (queue->tasks ? queue->tasks->waiting.count : 0);
}

static inline size_t queue_ready_count(const struct queue *queue) {
  return queue_waiting_count(queue) - queue_delayed_count(queue);
}

static inline bool queue_is_full(const struct queue *queue) {
  return queue->maxsize > 0 && queue_waiting_count(queue) >= (uint64_t)queue->maxsize;
}

/* Whether no get will find an item again, unless one is put. */
static inline bool queue_is_at_end(const struct queue *queue) {
  return queue->is_shut_down && queue_waiting_count(queue) + queue_reserved_count(queue) == 0;
}

/* Puts. The value is taken, on success only. */

/* HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG */
hf_reason queue_put(struct queue *queue, struct value value);
/* due_ns 0: it is ready. Tasks. HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG */
hf_reason queue_put_task(struct queue *queue, struct value value, int64_t priority,
                         uint64_t due_ns);

/* Gets; something must be ready. */

/* What is next; borrowed. */
struct value queue_first(const struct queue *queue);
/* The item, the caller's. */
struct value queue_get(struct queue *queue, struct taken *taken);
/* An item is ready again at its old position, also beyond maxsize. The value is taken. Without tasks,
 * or memory, the item may come first instead. HF_REASON_NONE | NO_MEMORY not even that: not taken */
hf_reason queue_put_back(struct queue *queue, struct value value, const struct taken *taken);

/* For a transaction's undoing. */

/* Takes the last put back, which was plain, and which nothing has happened after. */
struct value queue_unput(struct queue *queue);
/* Whether what is next is a task; then where it stands. */
bool queue_next_is_task(const struct queue *queue, struct taken *taken);
/* A task that was got stands there again. The value is taken, and so is spare: malloc, of a task's
 * size. */
void queue_unget_task(struct queue *queue, struct value value, const struct taken *taken,
                      struct task *spare);

/* Gives it out until lease_end_ns; CLOCK_NEVER: no lease. Tasks. HF_REASON_NONE, *task is reserved
 * | NO_MEMORY */
hf_reason queue_reserve(struct queue *queue, uint64_t lease_end_ns, struct task **task);

/* Of a reserved task. Nothing refers to it as reserved after that, but for extend. */

/* Done. The item, the caller's; the task is freed. */
struct value queue_finish(struct task *task);
/* HF_REASON_NONE | NO_MEMORY, unchanged */
hf_reason queue_extend(struct task *task, uint64_t lease_end_ns);
/* The task is ready at its position. */
void queue_give_back(struct task *task, bool is_tried);
/* Counts a try; the task is ready at its position from that time on. HF_REASON_NONE | NO_MEMORY,
 * unchanged */
hf_reason queue_give_back_later(struct task *task, uint64_t due_ns);
void queue_bury(struct task *task);

/* Buried ones are ready, the longest buried first; 0: all. Answers how many. */
uint64_t queue_kick(struct queue *queue, uint64_t count);

/* So many are no longer unfinished. false: that many were not; none is. */
bool queue_count_done(struct queue *queue, uint64_t count);

/* Ready and delayed items move to `to`, an empty queue, in no time; they are no longer unfinished.
 * false: out of memory, unchanged */
bool queue_move_waiting(struct queue *from, struct queue *to);

/* What time brings. Tasks. */

/* When one of the next two has something to do; CLOCK_NEVER: nothing. */
uint64_t queue_next_deadline_ns(const struct queue *queue);
/* What has been due longest, and is due now, is ready. false: nothing is. */
bool queue_ripen_one(struct queue *queue, uint64_t now_ns);
/* A reserved task whose lease is over; NULL: no more. */
struct task *queue_next_overdue(struct queue *queue, uint64_t now_ns);

#endif
