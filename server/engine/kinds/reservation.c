/* Items that are given out until they are acknowledged. */
#include "server/engine/handlers.h"
#include "server/engine/kinds/queue_call.h"
#include "server/engine/lending.h"
#include "server/engine/parking.h"
#include "server/engine/steps.h"
#include "server/engine/tasks.h"
#include "server/engine/wake.h"

#include "proto/base/clock.h"

/* Items that are kicked at a time. */
#define KICK_ITEMS 256

static uint64_t lease_end_ns(const struct call *call, uint64_t lease_ms) {
  return lease_ms ? clock_deadline_ns(call->now_ns, lease_ms) : CLOCK_NEVER;
}

static void answer_reservation(struct call *call, const struct task *task) {
  struct reply *reply = call->reply;
  reply->shape = REPLY_RESERVATION;
  reply->source = call->object->id;
  reply->item = value_retain(task->value);
  reply->reservation = task->reservation;
  reply->tries = task->tries;
  reply->priority = task->position.priority;
}

hf_reason handle_queue_reserve(struct call *call) {
  struct object *object = call->object;
  struct queue *queue = &object->queue;
  struct task *task;
  if (call->session->reservations.count >= HF_RESERVATIONS_MAX) {
    return HF_REASON_RESERVATIONS_FULL;
  }
  if (!call_finds_item(call)) {
    return call_park_for_item(call);
  }
  uint64_t end_ns = lease_end_ns(call, call->message->queue_reserve->lease_ms);
  if (!core_begin_tasks(call->engine, object) || queue_reserve(queue, end_ns, &task)) {
    return HF_REASON_NO_MEMORY;
  }
  if (core_own_task(call->engine, call->session, call->message->thread, task)) {
    queue_give_back(task, false);
    return HF_REASON_NO_MEMORY;
  }
  core_expect_tasks(call->engine, queue);
  answer_reservation(call, task);
  core_wake(call->engine, &object->waits[WAIT_QUEUE_PUT]);
  return HF_REASON_NONE;
}

/* NULL: NOT_RESERVED */
static struct task *find_task(const struct call *call, uint64_t reservation) {
  struct task *task = map64_get(&call->session->reservations, reservation);
  return task && task->queue == &call->object->queue ? task : NULL;
}

hf_reason handle_queue_ack(struct call *call) {
  struct task *task = find_task(call, call->message->queue_ack->reservation);
  if (!task) {
    return HF_REASON_NOT_RESERVED;
  }
  call_finish_task(call, task);
  return HF_REASON_NONE;
}

hf_reason handle_queue_extend(struct call *call) {
  const Holdfast__QueueExtend *message = call->message->queue_extend;
  struct task *task = find_task(call, message->reservation);
  if (!task) {
    return HF_REASON_NOT_RESERVED;
  }
  hf_reason reason = queue_extend(task, lease_end_ns(call, message->lease_ms));
  if (!reason) {
    core_expect_tasks(call->engine, &call->object->queue);
  }
  return reason;
}

static hf_reason return_later(struct call *call, struct task *task, uint64_t delay_ms) {
  hf_reason reason = queue_give_back_later(task, clock_deadline_ns(call->now_ns, delay_ms));
  if (!reason) {
    core_disown_task(call->engine, task);
    core_expect_tasks(call->engine, &call->object->queue);
  }
  return reason;
}

hf_reason handle_queue_return(struct call *call) {
  const Holdfast__QueueReturn *message = call->message->queue_return;
  struct task *task = find_task(call, message->reservation);
  if (!task) {
    return HF_REASON_NOT_RESERVED;
  }
  if (message->delay_ms) {
    return return_later(call, task, message->delay_ms);
  }
  core_end_reservation(call->engine, call->session, message->reservation, true);
  return HF_REASON_NONE;
}

hf_reason handle_queue_bury(struct call *call) {
  struct task *task = find_task(call, call->message->queue_bury->reservation);
  if (!task) {
    return HF_REASON_NOT_RESERVED;
  }
  core_disown_task(call->engine, task);
  queue_bury(task);
  call_wake_at_end(call);
  return HF_REASON_NONE;
}

/* Goes on later, before all other waiters of the queue. */
static hf_reason wait_for_steps(struct call *call) {
  struct loan *loan = core_loan(call->engine, call->object);
  hf_reason reason = loan ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  if (!reason && !call->waiter) {
    reason = core_prepare_park(call);
  }
  if (reason) {
    return reason;
  }
  core_wake_parking(call->engine, &loan->queue);
  call->timed_out = false; /* it goes to its end, however long that takes */
  call->park_queue = &loan->queue;
  return REASON_PARKED;
}

/* call->progress is the number of items kicked. */
hf_reason handle_queue_kick(struct call *call) {
  struct queue *queue = &call->object->queue;
  uint64_t wanted = call->message->queue_kick->count;
  uint64_t max = wanted ? wanted : UINT64_MAX;
  core_wake(call->engine, &call->object->waits[WAIT_QUEUE_GET]);
  while (call->progress < max && queue_buried_count(queue) > 0) {
    hf_reason reason = core_has_steps(call->engine) ? HF_REASON_NONE : wait_for_steps(call);
    if (reason == REASON_PARKED) {
      return reason;
    }
    if (reason && call->progress > 0) {
      break; /* it may not wait: the others are for another kick */
    }
    uint64_t left = max - call->progress;
    call->progress += queue_kick(queue, left < KICK_ITEMS ? left : KICK_ITEMS);
    core_spend(call->engine, KICK_ITEMS);
  }
  call_answer_count(call, call->progress);
  return HF_REASON_NONE;
}
