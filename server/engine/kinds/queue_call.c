#include "server/engine/kinds/queue_call.h"

#include "server/engine/tasks.h"
#include "server/engine/wake.h"

bool call_finds_item(const struct call *call) {
  const struct object *object = call->object;
  return queue_ready_count(&object->queue) > 0 &&
         !call_must_line_up(call, &object->waits[WAIT_QUEUE_GET]);
}

hf_reason call_park_for_item(struct call *call) {
  struct object *object = call->object;
  if (queue_is_at_end(&object->queue)) {
    return HF_REASON_QUEUE_SHUT_DOWN;
  }
  return call_park(call, &object->waits[WAIT_QUEUE_GET], HF_REASON_QUEUE_EMPTY);
}

struct task *call_find_oldest_reservation(const struct call *call) {
  struct task *task = call->session ? TAILQ_FIRST(&call->session->reserved) : NULL;
  while (task && (task->queue != &call->object->queue || task->thread != call->message->thread)) {
    task = TAILQ_NEXT(task, owner_link);
  }
  return task;
}

void call_wake_joins(struct call *call) {
  if (call->object->queue.unfinished == 0) {
    core_release(call->engine, &call->object->waits[WAIT_QUEUE_JOIN]);
  }
}

void call_wake_at_end(struct call *call) {
  if (queue_is_at_end(&call->object->queue)) {
    core_wake(call->engine, &call->object->waits[WAIT_QUEUE_GET]);
  }
}

void call_finish_task(struct call *call, struct task *task) {
  core_disown_task(call->engine, task);
  call_discard(call, queue_finish(task));
  call_wake_joins(call);
  call_wake_at_end(call);
}
