#include "server/engine/kinds/notification.h"

#include "server/engine/steps.h"
#include "server/engine/wake.h"

/* ---- notifications */

/* Notifies the first `count` waiters of the list. Answers how many notifications are left. */
static uint64_t notify_list(struct engine *engine, struct object *object, struct waiter_list *list,
                            uint64_t count) {
  struct waiter *waiter;
  for (; count > 0 && (waiter = TAILQ_FIRST(list)); count--) {
    core_spend(engine, 1);
    waiter->step = STEP_NOTIFIED;
    wait_queue_move(waiter, &object->waits[WAIT_NOTIFIED]);
  }
  return count;
}

void core_notify(struct engine *engine, struct object *object, uint64_t count) {
  struct wait_queue *queue = &object->waits[WAIT_NOTIFY];
  count = notify_list(engine, object, &queue->waiters, count);
  notify_list(engine, object, &queue->suspended, count);
  core_wake(engine, &object->waits[WAIT_NOTIFIED]);
}

void core_pass_notification(struct engine *engine, uint64_t condition) {
  struct object *object = registry_find(&engine->registry, condition);
  if (object) {
    core_notify(engine, object, 1);
  }
}

void core_leave_condition(struct engine *engine, const struct waiter *waiter) {
  if (waiter->step == STEP_NOTIFIED) {
    core_pass_notification(engine, waiter->condition); /* another waiter gets it */
  }
}

/* ---- a condition and the lock it was given */

void core_join_guard(struct object *condition, struct object *guard) {
  LIST_INSERT_HEAD(&guard->guard.conditions, condition, condition.guard_link);
}

void core_leave_guard(struct object *condition) {
  if (condition->condition.guard_link.le_prev) {
    LIST_REMOVE(condition, condition.guard_link);
    condition->condition.guard_link.le_prev = NULL;
  }
}

bool core_end_conditions(struct engine *engine, struct object *guard) {
  struct object *condition;
  while ((condition = LIST_FIRST(&guard->guard.conditions))) {
    if (!core_has_steps(engine)) {
      return false;
    }
    core_spend(engine, 1);
    core_leave_guard(condition);
    core_wake(engine, &condition->waits[WAIT_NOTIFY]);
  }
  return true;
}
