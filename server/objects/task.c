#include "server/objects/task.h"

#include "proto/base/chunk.h"

#include <stdlib.h>

/* ---- groups */

void task_group_init(struct task_group *group) {
  *group = (struct task_group){.count = 0};
  TAILQ_INIT(&group->list);
}

void task_group_deinit(struct task_group *group) {
  struct task *next, *task = TAILQ_FIRST(&group->list);
  for (; task; task = next) {
    next = TAILQ_NEXT(task, link);
    value_release(task->value);
    free(task);
  }
  task_group_init(group);
}

void task_group_add(struct task_group *group, struct task *task) {
  TAILQ_INSERT_TAIL(&group->list, task, link);
  group->count++;
  group->values_bytes += value_memory_bytes(task->value);
}

void task_group_remove(struct task_group *group, struct task *task) {
  TAILQ_REMOVE(&group->list, task, link);
  group->count--;
  group->values_bytes -= value_memory_bytes(task->value);
}

void task_group_move(struct task_group *from, struct task_group *to) {
  TAILQ_CONCAT(&to->list, &from->list, link);
  to->count += from->count;
  to->values_bytes += from->values_bytes;
  task_group_init(from);
}

size_t task_group_memory_bytes(const struct task_group *group) {
  return group->count * chunk_bytes(sizeof(struct task)) + group->values_bytes;
}

/* ---- positions */

static int compare_numbers(uint64_t one, uint64_t other) {
  return (one > other) - (one < other);
}

int position_compare(const struct position *one, const struct position *other) {
  if (one->priority != other->priority) {
    return one->priority < other->priority ? -1 : 1;
  }
  if (one->order != other->order) {
    return compare_numbers(one->order, other->order);
  }
  return compare_numbers(one->suborder, other->suborder);
}

/* ---- the heap */

static unsigned rank_of(const struct task *task) {
  return task ? task->rank : 0;
}

/* Walks down the right sides only, which are no longer than the logarithm of the count: the rank, a
 * node's shortest way out, is never larger on the right. */
static struct task *merge(struct task *one, struct task *other) {
  if (!one || !other) {
    return one ? one : other;
  }
  bool in_order = position_compare(&one->position, &other->position) <= 0;
  struct task *first = in_order ? one : other;
  struct task *merged = merge(first->right, in_order ? other : one);
  bool is_longer = rank_of(merged) > rank_of(first->left);
  first->right = is_longer ? first->left : merged;
  first->left = is_longer ? merged : first->left;
  first->rank = rank_of(first->right) + 1;
  return first;
}

void task_heap_push(struct task **heap, struct task *task) {
  task->left = task->right = NULL;
  task->rank = 1;
  *heap = merge(*heap, task);
}

struct task *task_heap_pop(struct task **heap) {
  struct task *first = *heap;
  *heap = merge(first->left, first->right);
  return first;
}
