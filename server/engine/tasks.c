/* What becomes of a queue's items that were given out or are delayed. */
#include "server/engine/tasks.h"

#include "proto/base/clock.h"
#include "server/engine/references.h"
#include "server/engine/steps.h"
#include "server/engine/wake.h"

#include <stddef.h>

static struct object *object_of(struct queue *queue) {
  return (struct object *)((char *)queue - offsetof(struct object, queue));
}

/* Items have come back, or have become due: fewer deadlines are kept. */
static void mark_ready(struct engine *engine, struct queue *queue) {
  if (!object_of(queue)->is_deleted) {
    registry_account(&engine->registry, object_of(queue));
  }
  core_wake(engine, &object_of(queue)->waits[WAIT_QUEUE_GET]);
  core_wake(engine, &object_of(queue)->waits[WAIT_CHANGE]);
}

/* ---- time */

/* Its timer is always started, if only for CLOCK_NEVER, so that nothing later can find no memory for
 * it. */
bool core_begin_tasks(struct engine *engine, struct object *object) {
  struct queue *queue = &object->queue;
  if (queue->tasks) {
    return true;
  }
  if (!timers_make_room(&engine->timers) || !queue_begin_tasks(queue)) {
    return false;
  }
  queue->tasks->timer.kind = TIMER_TASKS;
  return timers_start(&engine->timers, &queue->tasks->timer, CLOCK_NEVER);
}

void core_expect_tasks(struct engine *engine, struct queue *queue) {
  struct timer *timer = &queue->tasks->timer;
  uint64_t deadline_ns = queue_next_deadline_ns(queue);
  if (deadline_ns < timer->deadline_ns) {
    timers_restart(&engine->timers, timer, deadline_ns);
  }
}

void core_tasks_due(struct engine *engine, uint64_t now_ns, struct timer *timer) {
  struct tasks *tasks = (struct tasks *)((char *)timer - offsetof(struct tasks, timer));
  struct queue *queue = tasks->queue;
  struct task *task;
  while (core_has_steps(engine) && queue_ripen_one(queue, now_ns)) {
    core_spend(engine, STEPS_OF_TIMER);
  }
  while (core_has_steps(engine) && (task = queue_next_overdue(queue, now_ns))) {
    core_spend(engine, STEPS_OF_TIMER);
    core_disown_task(engine, task);
    queue_give_back(task, true);
  }
  timers_start(&engine->timers, timer, queue_next_deadline_ns(queue));
  mark_ready(engine, queue);
}

/* ---- reservations */

hf_reason core_own_task(struct engine *engine, struct session *session, uint64_t thread,
                        struct task *task) {
  uint64_t reservation = ++engine->next_token;
  if (!session_set(session, &session->reservations, reservation, task)) {
    return HF_REASON_NO_MEMORY;
  }
  task->reservation = reservation;
  task->session = session->serial;
  task->thread = thread;
  TAILQ_INSERT_TAIL(&session->reserved, task, owner_link);
  return HF_REASON_NONE;
}

void core_disown_task(struct engine *engine, struct task *task) {
  struct session *session = map64_get(&engine->sessions, task->session);
  session_remove(session, &session->reservations, task->reservation);
  TAILQ_REMOVE(&session->reserved, task, owner_link);
}

static void give_back(struct engine *engine, struct task *task, bool is_tried) {
  core_disown_task(engine, task);
  queue_give_back(task, is_tried);
  mark_ready(engine, task->queue);
}

void core_end_reservation(struct engine *engine, struct session *session, uint64_t reservation,
                          bool is_tried) {
  struct task *task = map64_get(&session->reservations, reservation);
  if (task) {
    give_back(engine, task, is_tried);
  }
}

void core_leave_reservations(struct engine *engine, struct session *session, bool clean) {
  struct task *task;
  while ((task = TAILQ_FIRST(&session->reserved))) {
    give_back(engine, task, !clean);
  }
}

/* ---- items */

void core_put_back_item(struct engine *engine, struct object *object, struct value value,
                        const struct reply_taken *taken) {
  struct taken item = {{taken->priority, taken->order, taken->suborder}, taken->tries};
  (void)core_begin_tasks(engine, object); /* without them it may still find room */
  if (queue_put_back(&object->queue, value, &item)) {
    value_release(value);
    return;
  }
  core_keep(engine, object, value);
  mark_ready(engine, &object->queue);
}

void core_stop_tasks(struct engine *engine, struct object *object) {
  if (object->queue.tasks) {
    timers_stop(&engine->timers, &object->queue.tasks->timer);
  }
}

bool core_forget_tasks(struct engine *engine, struct object *object) {
  struct tasks *tasks = object->queue.tasks;
  struct task *task;
  while (tasks && (task = TAILQ_FIRST(&tasks->reserved.list))) {
    if (!core_has_steps(engine)) {
      return false;
    }
    core_spend(engine, STEPS_OF_TIMER);
    core_disown_task(engine, task);
    queue_bury(task);
  }
  return true;
}
