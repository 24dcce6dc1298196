#include "server/objects/queue.h"

#include "proto/base/chunk.h"
#include "proto/base/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>

/* ---- life */

void queue_init(struct queue *queue, int64_t maxsize) {
  *queue = (struct queue){.maxsize = maxsize};
  list_init(&queue->items);
}

void queue_deinit(struct queue *queue) {
  struct tasks *tasks = queue->tasks;
  list_deinit(&queue->items);
  if (tasks) {
    task_group_deinit(&tasks->waiting);
    task_group_deinit(&tasks->reserved);
    task_group_deinit(&tasks->buried);
    timers_deinit(&tasks->delays);
    timers_deinit(&tasks->leases);
    free(tasks);
  }
}

bool queue_begin_tasks(struct queue *queue) {
  struct tasks *tasks = queue->tasks;
  if (tasks) {
    return true;
  }
  tasks = calloc(1, sizeof *tasks);
  if (!tasks) {
    return false;
  }
  tasks->queue = queue;
  task_group_init(&tasks->waiting);
  task_group_init(&tasks->reserved);
  task_group_init(&tasks->buried);
  queue->tasks = tasks;
  return true;
}

/* Their heap may be three quarters empty. */
static size_t timers_bytes(const struct timers *timers) {
  return timers->count * 3 * sizeof *timers->heap;
}

size_t queue_memory_bytes(const struct queue *queue) {
  const struct tasks *tasks = queue->tasks;
  size_t bytes = list_memory_bytes(&queue->items);
  if (tasks) {
    bytes += chunk_bytes(sizeof *tasks) + timers_bytes(&tasks->delays) +
             timers_bytes(&tasks->leases) + task_group_memory_bytes(&tasks->waiting) +
             task_group_memory_bytes(&tasks->reserved) + task_group_memory_bytes(&tasks->buried);
  }
  return bytes;
}

size_t queue_values_bytes(const struct queue *queue) {
  const struct tasks *tasks = queue->tasks;
  size_t bytes = list_memory_bytes(&queue->items);
  return tasks ? bytes + tasks->waiting.values_bytes + tasks->reserved.values_bytes +
                     tasks->buried.values_bytes
               : bytes;
}

/* ---- positions */

/* Of the list's first item. */
static struct position front_position(const struct queue *queue) {
  return (struct position){.order = queue->next_order - queue->items.len,
                           .suborder = POSITION_PLAIN};
}

/* Whether a task is next, and not the list's first item. */
static bool task_is_first(const struct queue *queue) {
  const struct task *first = queue->tasks ? queue->tasks->ready : NULL;
  struct position front = front_position(queue);
  return first && (queue->items.len == 0 || position_compare(&first->position, &front) < 0);
}

/* Behind everything of its priority that is there now. */
static void put_last(struct task *task) {
  task->position.order = task->queue->next_order;
  task->position.suborder = task->queue->tasks->next_suborder++;
}

/* ---- from one situation to the next */

/* The task is ready at its position. */
static void make_ready(struct task *task) {
  struct tasks *tasks = task->queue->tasks;
  task_group_add(&tasks->waiting, task);
  task_heap_push(&tasks->ready, task);
}

static void leave_reserved(struct task *task) {
  struct tasks *tasks = task->queue->tasks;
  timers_stop(&tasks->leases, &task->timer);
  task_group_remove(&tasks->reserved, task);
}

static struct task fresh_task(struct queue *queue, struct value value, const struct taken *taken) {
  return (struct task){
      .queue = queue, .value = value, .position = taken->position, .tries = taken->tries};
}

static struct task *new_task(struct queue *queue, struct value value, const struct taken *taken) {
  struct task *task = malloc(sizeof *task);
  if (task) {
    *task = fresh_task(queue, value, taken);
  }
  return task;
}

/* ---- puts */

static bool has_room_for_one(const struct queue *queue) {
  size_t count =
      queue_waiting_count(queue) + queue_reserved_count(queue) + queue_buried_count(queue);
  return count < HF_LENGTH_MAX;
}

hf_reason queue_put(struct queue *queue, struct value value) {
  if (!has_room_for_one(queue)) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  hf_reason reason = list_append(&queue->items, value);
  if (!reason) {
    queue->next_order++;
    queue->unfinished++;
  }
  return reason;
}

hf_reason queue_put_task(struct queue *queue, struct value value, int64_t priority,
                         uint64_t due_ns) {
  struct tasks *tasks = queue->tasks;
  if (!has_room_for_one(queue)) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  struct taken fresh = {.position = {.priority = priority, .order = POSITION_NONE}};
  struct task *task = new_task(queue, value, &fresh);
  if (!task) {
    return HF_REASON_NO_MEMORY;
  }
  if (due_ns == 0) {
    put_last(task);
    make_ready(task);
  } else if (timers_start(&tasks->delays, &task->timer, due_ns)) {
    task_group_add(&tasks->waiting, task);
  } else {
    free(task);
    return HF_REASON_NO_MEMORY;
  }
  queue->unfinished++;
  return HF_REASON_NONE;
}

/* ---- gets */

struct value queue_first(const struct queue *queue) {
  return task_is_first(queue) ? queue->tasks->ready->value : list_at(&queue->items, 0);
}

struct value queue_get(struct queue *queue, struct taken *taken) {
  if (!task_is_first(queue)) {
    *taken = (struct taken){.position = front_position(queue)};
    return list_remove_at(&queue->items, 0);
  }
  struct task *task = task_heap_pop(&queue->tasks->ready);
  struct value value = task->value;
  task_group_remove(&queue->tasks->waiting, task);
  *taken = (struct taken){task->position, task->tries};
  free(task);
  return value;
}

struct value queue_unput(struct queue *queue) {
  queue->next_order--;
  queue->unfinished--;
  return list_remove_at(&queue->items, queue->items.len - 1);
}

bool queue_next_is_task(const struct queue *queue, struct taken *taken) {
  if (!task_is_first(queue)) {
    return false;
  }
  const struct task *task = queue->tasks->ready;
  *taken = (struct taken){task->position, task->tries};
  return true;
}

void queue_unget_task(struct queue *queue, struct value value, const struct taken *taken,
                      struct task *spare) {
  *spare = fresh_task(queue, value, taken);
  make_ready(spare);
}

hf_reason queue_put_back(struct queue *queue, struct value value, const struct taken *taken) {
  struct position before_front = front_position(queue);
  before_front.order--;
  bool is_next = taken->tries == 0 && position_compare(&taken->position, &before_front) == 0;
  if (is_next && list_insert(&queue->items, 0, &value, 1) == HF_REASON_NONE) {
    return HF_REASON_NONE;
  }
  struct task *task = queue->tasks ? new_task(queue, value, taken) : NULL;
  if (!task) {
    return list_insert(&queue->items, 0, &value, 1);
  }
  make_ready(task);
  return HF_REASON_NONE;
}

/* Started only if it has an end. */
static hf_reason start_lease(struct task *task, uint64_t lease_end_ns) {
  bool started = lease_end_ns == CLOCK_NEVER ||
                 timers_start(&task->queue->tasks->leases, &task->timer, lease_end_ns);
  return started ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

static hf_reason reserve_front(struct queue *queue, uint64_t lease_end_ns, struct task **reserved) {
  struct taken taken = {.position = front_position(queue)};
  struct task *task = new_task(queue, list_at(&queue->items, 0), &taken);
  if (!task || start_lease(task, lease_end_ns)) {
    free(task);
    return HF_REASON_NO_MEMORY;
  }
  list_remove_at(&queue->items, 0);
  *reserved = task;
  return HF_REASON_NONE;
}

static hf_reason reserve_task(struct queue *queue, uint64_t lease_end_ns, struct task **reserved) {
  struct task *task = queue->tasks->ready;
  hf_reason reason = start_lease(task, lease_end_ns);
  if (!reason) {
    task_heap_pop(&queue->tasks->ready);
    task_group_remove(&queue->tasks->waiting, task);
    *reserved = task;
  }
  return reason;
}

hf_reason queue_reserve(struct queue *queue, uint64_t lease_end_ns, struct task **task) {
  hf_reason reason = task_is_first(queue) ? reserve_task(queue, lease_end_ns, task)
                                          : reserve_front(queue, lease_end_ns, task);
  if (!reason) {
    task_group_add(&queue->tasks->reserved, *task);
  }
  return reason;
}

/* ---- reserved tasks */

struct value queue_finish(struct task *task) {
  struct value value = task->value;
  leave_reserved(task);
  queue_count_done(task->queue, 1);
  free(task);
  return value;
}

hf_reason queue_extend(struct task *task, uint64_t lease_end_ns) {
  struct timers *leases = &task->queue->tasks->leases;
  if (lease_end_ns == CLOCK_NEVER) {
    timers_stop(leases, &task->timer);
    return HF_REASON_NONE;
  }
  bool restarted = timers_restart(leases, &task->timer, lease_end_ns);
  return restarted ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

void queue_give_back(struct task *task, bool is_tried) {
  leave_reserved(task);
  task->tries += is_tried;
  make_ready(task);
}

hf_reason queue_give_back_later(struct task *task, uint64_t due_ns) {
  struct tasks *tasks = task->queue->tasks;
  if (!timers_make_room(&tasks->delays)) {
    return HF_REASON_NO_MEMORY;
  }
  timers_stop(&tasks->leases, &task->timer);
  timers_start(&tasks->delays, &task->timer, due_ns);
  task_group_remove(&tasks->reserved, task);
  task->tries++;
  task_group_add(&tasks->waiting, task);
  return HF_REASON_NONE;
}

void queue_bury(struct task *task) {
  leave_reserved(task);
  task_group_add(&task->queue->tasks->buried, task);
}

uint64_t queue_kick(struct queue *queue, uint64_t count) {
  uint64_t kicked = 0;
  struct task *task;
  while (queue->tasks && (task = TAILQ_FIRST(&queue->tasks->buried.list)) &&
         (count == 0 || kicked < count)) {
    task_group_remove(&queue->tasks->buried, task);
    make_ready(task);
    kicked++;
  }
  return kicked;
}

/* ---- all of them */

bool queue_count_done(struct queue *queue, uint64_t count) {
  bool counted = queue->unfinished >= count;
  queue->unfinished -= counted ? count : queue->unfinished;
  return counted;
}

bool queue_move_waiting(struct queue *from, struct queue *to) {
  queue_init(to, 0);
  if (from->tasks && !queue_begin_tasks(to)) {
    return false;
  }
  queue_count_done(from, queue_waiting_count(from));
  to->items = from->items;
  list_init(&from->items);
  if (from->tasks) {
    task_group_move(&from->tasks->waiting, &to->tasks->waiting);
    to->tasks->delays = from->tasks->delays;
    from->tasks->delays = (struct timers){0};
    from->tasks->ready = NULL;
  }
  return true;
}

/* ---- time */

uint64_t queue_next_deadline_ns(const struct queue *queue) {
  uint64_t due_ns = timers_next_deadline_ns(&queue->tasks->delays);
  uint64_t lease_end_ns = timers_next_deadline_ns(&queue->tasks->leases);
  return due_ns < lease_end_ns ? due_ns : lease_end_ns;
}

static struct task *task_of(struct timer *timer) {
  return (struct task *)((char *)timer - offsetof(struct task, timer));
}

bool queue_ripen_one(struct queue *queue, uint64_t now_ns) {
  struct timer *timer = timers_pop(&queue->tasks->delays, now_ns);
  if (!timer) {
    return false;
  }
  struct task *task = task_of(timer);
  if (task->position.order == POSITION_NONE) {
    put_last(task);
  }
  task_heap_push(&queue->tasks->ready, task);
  return true;
}

struct task *queue_next_overdue(struct queue *queue, uint64_t now_ns) {
  struct timer *timer = timers_pop(&queue->tasks->leases, now_ns);
  return timer ? task_of(timer) : NULL;
}
