/* A queue in a snapshot: its plain items, then its tasks in each situation. */
#include "server/engine/kinds/queue_snapshot.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

enum {
  RECORD_QUEUE = RECORD_CONTENT,
  RECORD_ITEMS,
  RECORD_TASKS,
  RECORD_WAITING, /* a task each */
  RECORD_RESERVED,
  RECORD_BURIED
};

static const struct snapshot_field queue_rows[] = {
    SNAPSHOT_FIELD(1, struct queue, maxsize),
    SNAPSHOT_FIELD(2, struct queue, unfinished),
    SNAPSHOT_FIELD(3, struct queue, next_order),
    SNAPSHOT_FIELD(4, struct queue, is_shut_down),
};
static const struct snapshot_fields queue_fields = SNAPSHOT_FIELDS(queue_rows);

static const struct snapshot_field tasks_rows[] = {
    SNAPSHOT_FIELD(1, struct tasks, next_suborder),
    SNAPSHOT_FIELD(2, struct tasks, delays.next_order),
    SNAPSHOT_FIELD(3, struct tasks, leases.next_order),
};
static const struct snapshot_fields tasks_fields = SNAPSHOT_FIELDS(tasks_rows);
enum { TASKS_TIMER = 4 };

static const struct snapshot_field task_rows[] = {
    SNAPSHOT_FIELD(1, struct task, value),
    SNAPSHOT_FIELD(2, struct task, position.priority),
    SNAPSHOT_FIELD(3, struct task, position.order),
    SNAPSHOT_FIELD(4, struct task, position.suborder),
    SNAPSHOT_FIELD(5, struct task, tries),
    SNAPSHOT_FIELD(6, struct task, reservation),
    SNAPSHOT_FIELD(7, struct task, session),
    SNAPSHOT_FIELD(8, struct task, thread),
};
static const struct snapshot_fields task_fields = SNAPSHOT_FIELDS(task_rows);
enum { TASK_TIMER = 9 };

/* ---- writing */

/* In the order in which they came to it. What a reservation was means nothing later. */
static void put_tasks(struct snapshot_out *out, uint32_t record, const struct task_group *group) {
  const struct task *task;
  TAILQ_FOREACH(task, &group->list, link) {
    struct task copy = *task;
    if (record != RECORD_RESERVED) {
      copy.reservation = copy.session = copy.thread = 0;
    }
    snapshot_put_fields(out, &task_fields, &copy);
    snapshot_put_timer(out, TASK_TIMER, &task->timer);
    snapshot_end_record(out, record);
  }
}

void queue_content_snapshot(const struct object *object, struct snapshot_out *out) {
  const struct queue *queue = &object->queue;
  const struct tasks *tasks = queue->tasks;
  snapshot_put_fields(out, &queue_fields, queue);
  snapshot_end_record(out, RECORD_QUEUE);
  snapshot_put_list(out, RECORD_ITEMS, &queue->items);
  if (tasks) {
    snapshot_put_fields(out, &tasks_fields, tasks);
    snapshot_put_timer(out, TASKS_TIMER, &tasks->timer);
    snapshot_end_record(out, RECORD_TASKS);
    put_tasks(out, RECORD_WAITING, &tasks->waiting);
    put_tasks(out, RECORD_RESERVED, &tasks->reserved);
    put_tasks(out, RECORD_BURIED, &tasks->buried);
  }
}

/* ---- reading */

static bool visit_tasks(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  struct tasks *tasks = restoring->object->queue.tasks;
  return field->number != TASKS_TIMER ||
         snapshot_read_timer(in, field, &restoring->engine->timers, &tasks->timer);
}

static bool read_tasks(struct restoring *restoring, struct queue *queue, struct bytes body) {
  if (!queue_begin_tasks(queue)) {
    return snapshot_lacks_memory(restoring);
  }
  queue->tasks->timer.kind = TIMER_TASKS;
  return snapshot_read(&restoring->in, body, &tasks_fields, queue->tasks, visit_tasks, restoring);
}

struct reading_task {
  struct task *task;
  struct timers *timers; /* that its timer is one of; NULL: it has none */
};

static bool visit_task(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  const struct reading_task *reading = ctx;
  if (field->number != TASK_TIMER) {
    return true;
  }
  return reading->timers ? snapshot_read_timer(in, field, reading->timers, &reading->task->timer)
                         : snapshot_fail(in, "a task has a timer");
}

/* A reserved one is its session's, which lists it at the end. */
static bool own(struct restoring *restoring, struct task *task) {
  struct session *session =
      task->session ? map64_get(&restoring->engine->sessions, task->session) : NULL;
  bool is_good = session && task->reservation &&
                 !map64_get(&session->reservations, task->reservation) &&
                 session->reservations.count < HF_RESERVATIONS_MAX;
  if (!is_good) {
    return snapshot_fail(&restoring->in, "a reservation without a session, or there twice");
  }
  return session_set(session, &session->reservations, task->reservation, task) ||
         snapshot_lacks_memory(restoring);
}

static bool restore_task(struct restoring *restoring, struct task *task, uint32_t record) {
  struct tasks *tasks = task->queue->tasks;
  switch (record) {
    case RECORD_WAITING:
      task_group_add(&tasks->waiting, task);
      if (!task->timer.position) {
        task_heap_push(&tasks->ready, task);
      }
      return true;
    case RECORD_RESERVED:
      task_group_add(&tasks->reserved, task);
      return own(restoring, task);
    default:
      task_group_add(&tasks->buried, task);
      return true;
  }
}

static struct timers *timers_of(struct tasks *tasks, uint32_t record) {
  return record == RECORD_WAITING    ? &tasks->delays
         : record == RECORD_RESERVED ? &tasks->leases
                                     : NULL;
}

static bool read_task(struct restoring *restoring, struct queue *queue,
                      const struct snapshot_record *record) {
  struct tasks *tasks = queue->tasks;
  struct task *task = tasks ? calloc(1, sizeof *task) : NULL;
  if (!task) {
    return snapshot_fail(&restoring->in, "a task has no queue, or there is not enough memory");
  }
  struct reading_task reading = {task, timers_of(tasks, record->number)};
  task->queue = queue;
  bool is_read =
      snapshot_read(&restoring->in, record->body, &task_fields, task, visit_task, &reading) &&
      !value_is_absent(task->value);
  if (!is_read) {
    if (reading.timers) {
      timers_stop(reading.timers, &task->timer);
    }
    value_release(task->value);
    free(task);
    return snapshot_fail(&restoring->in, "a task is broken");
  }
  restore_count(restoring->object, task->value);
  return restore_task(restoring, task, record->number);
}

bool queue_content_restore(struct restoring *restoring, struct object *object,
                           const struct snapshot_record *record) {
  struct queue *queue = &object->queue;
  switch (record->number) {
    case RECORD_QUEUE:
      return snapshot_read(&restoring->in, record->body, &queue_fields, queue, NULL, NULL);
    case RECORD_ITEMS:
      return restore_list(restoring, object, &queue->items, record->body);
    case RECORD_TASKS:
      return read_tasks(restoring, queue, record->body);
    case RECORD_WAITING:
    case RECORD_RESERVED:
    case RECORD_BURIED:
      return read_task(restoring, queue, record);
    default:
      return true;
  }
}
