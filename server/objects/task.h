/* The task: an item of a queue that is more than a value in a row: it has a priority, is not due
 * yet, is given out until it is acknowledged, came back, or was buried.
 *
 * layer   objects
 * memory  one malloc each; nothing that happens to it later needs any more.
 */
#ifndef HF_OBJECTS_TASK_H
#define HF_OBJECTS_TASK_H

#include "proto/base/timers.h"
#include "proto/value.h"

#include <sys/queue.h>

struct queue;

/* The position of an item: smaller ones go first, compared by these members in this order. */
struct position {
  int64_t priority;
  uint64_t order;    /* number of plain items put before it; POSITION_NONE: gets one when due */
  uint64_t suborder; /* among those of one order; the plain one itself comes last */
};
#define POSITION_NONE UINT64_MAX
#define POSITION_PLAIN UINT64_MAX /* suborder of plain items */

struct task {
  TAILQ_ENTRY(task) link;       /* in its group */
  TAILQ_ENTRY(task) owner_link; /* while reserved: in the list of its session */
  struct timer timer;           /* while delayed: until it is due. While reserved: the lease */
  struct task *left, *right;    /* in the heap, while ready */
  unsigned rank;
  struct queue *queue;
  struct value value;
  struct position position;
  uint64_t tries; /* how often it came back undone */
  /* While reserved: its number and whose it is. Of no meaning here. */
  uint64_t reservation, session, thread;
};
TAILQ_HEAD(task_list, task);

/* Tasks in the same situation, in the order they came to it. */
struct task_group {
  struct task_list list;
  size_t count;
  size_t values_bytes;
};

void task_group_init(struct task_group *group);
/* Frees what is in it. */
void task_group_deinit(struct task_group *group);
void task_group_add(struct task_group *group, struct task *task);
void task_group_remove(struct task_group *group, struct task *task);
/* All of `from`. O(1) */
void task_group_move(struct task_group *from, struct task_group *to);
size_t task_group_memory_bytes(const struct task_group *group);

/* <0, 0, >0 */
int position_compare(const struct position *one, const struct position *other);

/* Tasks by position: *heap is the first, NULL: none. A leftist heap, linked through the tasks: adding
 * one never fails. O(log n), also in depth. */
void task_heap_push(struct task **heap, struct task *task);
/* *heap is not NULL. */
struct task *task_heap_pop(struct task **heap);

#endif
