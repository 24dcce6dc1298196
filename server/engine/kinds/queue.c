#include "server/engine/admission.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/queue_call.h"
#include "server/engine/kinds/queue_snapshot.h"
#include "server/engine/outcome.h"
#include "server/engine/steps.h"
#include "server/engine/tasks.h"
#include "server/engine/wake.h"

#include "proto/base/clock.h"

#include <stdlib.h>

/* ---- putting */

struct put_options {
  int64_t priority;
  uint64_t delay_ms;
};

static hf_reason store(struct call *call, struct value value, struct put_options options) {
  struct object *object = call->object;
  struct queue *queue = &object->queue;
  if (options.priority == 0 && options.delay_ms == 0) {
    return queue_put(queue, value);
  }
  if (!core_begin_tasks(call->engine, object)) {
    return HF_REASON_NO_MEMORY;
  }
  uint64_t due_ns = options.delay_ms ? clock_deadline_ns(call->now_ns, options.delay_ms) : 0;
  hf_reason reason = queue_put_task(queue, value, options.priority, due_ns);
  if (!reason) {
    core_expect_tasks(call->engine, queue);
  }
  return reason;
}

/* One item, waiting for room. */
static hf_reason put(struct call *call, const Holdfast__Value *message,
                     struct put_options options) {
  struct object *object = call->object;
  struct queue *queue = &object->queue;
  struct value value;
  if (queue->is_shut_down) {
    return HF_REASON_QUEUE_SHUT_DOWN;
  }
  if (queue_is_full(queue) || call_must_line_up(call, &object->waits[WAIT_QUEUE_PUT])) {
    return call_park(call, &object->waits[WAIT_QUEUE_PUT], HF_REASON_QUEUE_FULL);
  }
  hf_reason reason = call_value(call, message, &value);
  if (reason) {
    return reason;
  }
  reason = admission_check_again(call, value_memory_bytes(value));
  reason = reason ? reason : store(call, value, options);
  if (reason) {
    value_release(value);
    return reason;
  }
  call_keep(call, value);
  core_wake(call->engine, &object->waits[WAIT_QUEUE_GET]);
  return HF_REASON_NONE;
}

hf_reason handle_queue_put(struct call *call) {
  const Holdfast__QueuePut *message = call->message->queue_put;
  return put(call, message->value, (struct put_options){message->priority, message->delay_ms});
}

static hf_reason check_items(struct call *call, const Holdfast__QueuePutMany *message) {
  struct value *values;
  if (message->n_items > HF_MANY_COUNT_MAX) {
    return HF_REASON_BAD_ARGUMENT;
  }
  hf_reason reason = call_values(call, message->n_items, message->items, &values);
  if (!reason) {
    call_free_values(values, message->n_items);
  }
  return reason;
}

/* Whether some, but not all of the items can be put now, and the others may wait. */
static bool must_put_in_parts(const struct call *call, size_t count) {
  const struct object *object = call->object;
  const struct queue *queue = &object->queue;
  return !queue->is_shut_down && !queue_is_full(queue) && queue->maxsize > 0 &&
         count > (uint64_t)queue->maxsize - queue_waiting_count(queue) &&
         !call_must_line_up(call, &object->waits[WAIT_QUEUE_PUT]) && !call_may_not_wait(call);
}

/* call->progress is the number of items put; the step is 1 once all items have been checked. One-way, what
 * kept it from putting all is its failure: nobody gets the count. */
hf_reason handle_queue_put_many(struct call *call) {
  const Holdfast__QueuePutMany *message = call->message->queue_put_many;
  struct put_options options = {message->priority, message->delay_ms};
  hf_reason reason = call->step ? HF_REASON_NONE : check_items(call, message);
  call->step = 1;
  if (!reason && !call->waiter && must_put_in_parts(call, message->n_items)) {
    struct wait_queue *putters = &call->object->waits[WAIT_QUEUE_PUT];
    core_wake_parking(call->engine, putters);
    return call_park(call, putters, HF_REASON_QUEUE_FULL);
  }
  uint64_t before = call->progress;
  while (!reason && call->progress < message->n_items) {
    reason = put(call, message->items[call->progress], options);
    call->progress += !reason;
    core_spend(call->engine, 1);
  }
  bool has_no_count = reason == REASON_PARKED || call->one_way;
  if (reason && has_no_count && call->progress > before) {
    core_record_end(call, HF_REASON_NONE); /* of this part */
  }
  if (reason && (has_no_count || call->progress == 0)) {
    return reason;
  }
  call_answer_count(call, call->progress);
  return HF_REASON_NONE;
}

/* ---- getting */

static struct reply_taken reply_taken_of(const struct taken *taken) {
  return (struct reply_taken){.priority = taken->position.priority,
                              .order = taken->position.order,
                              .suborder = taken->position.suborder,
                              .tries = taken->tries};
}

/* The item, once for the reply; where it was is in *from. */
static struct value take(struct call *call, struct reply_taken *from) {
  struct taken taken;
  struct value value = queue_get(&call->object->queue, &taken);
  *from = reply_taken_of(&taken);
  value_retain(value);
  call_discard(call, value);
  return value;
}

hf_reason handle_queue_get(struct call *call) {
  struct object *object = call->object;
  if (!call_finds_item(call)) {
    return call_park_for_item(call);
  }
  call->reply->source = object->id;
  call->reply->gave_items = true;
  call_answer_value(call, take(call, &call->reply->taken));
  core_wake(call->engine, &object->waits[WAIT_QUEUE_PUT]);
  return HF_REASON_NONE;
}

/* As many as fit a reply, one in any case. */
static void take_some(struct call *call, struct value *values, size_t max) {
  struct queue *queue = &call->object->queue;
  size_t count = 0, bytes = 0;
  do {
    bytes += reply_bytes_of(queue_first(queue));
    if (count > 0 && bytes > HF_FRAME_BYTES_MAX) {
      break;
    }
    values[count] = take(call, &call->reply->taken_many[count]);
    count++;
  } while (count < max);
  call->reply->values_count = count;
}

hf_reason handle_queue_get_many(struct call *call) {
  struct object *object = call->object;
  size_t max = call->message->queue_get_many->count;
  if (max == 0) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (!call_finds_item(call)) {
    return call_park_for_item(call);
  }
  size_t ready = queue_ready_count(&object->queue);
  max = max < ready ? max : ready;
  max = max < HF_MANY_COUNT_MAX ? max : HF_MANY_COUNT_MAX;
  struct reply *reply = call->reply;
  struct value *values;
  reply->taken_many = malloc(max * sizeof *reply->taken_many);
  if (!reply->taken_many || call_answer_values(call, REPLY_VALUES, max, &values)) {
    return HF_REASON_NO_MEMORY;
  }
  reply->source = object->id;
  reply->gave_items = true;
  take_some(call, values, max);
  core_wake(call->engine, &object->waits[WAIT_QUEUE_PUT]);
  return HF_REASON_NONE;
}

/* ---- numbers */

hf_reason handle_queue_size(struct call *call) {
  call_answer_count(call, queue_ready_count(&call->object->queue));
  return HF_REASON_NONE;
}

hf_reason handle_queue_empty(struct call *call) {
  call_answer_flag(call, queue_ready_count(&call->object->queue) == 0);
  return HF_REASON_NONE;
}

hf_reason handle_queue_full(struct call *call) {
  call_answer_flag(call, queue_is_full(&call->object->queue));
  return HF_REASON_NONE;
}

/* ---- finishing */

hf_reason handle_queue_task_done(struct call *call) {
  struct task *task = call_find_oldest_reservation(call);
  if (task) {
    call_finish_task(call, task);
    return HF_REASON_NONE;
  }
  if (!queue_count_done(&call->object->queue, 1)) {
    return HF_REASON_TOO_MANY_DONE;
  }
  call_wake_joins(call);
  return HF_REASON_NONE;
}

hf_reason handle_queue_join(struct call *call) {
  if (call->object->queue.unfinished == 0 || call_is_released(call, WAIT_QUEUE_JOIN)) {
    return HF_REASON_NONE;
  }
  return call_park(call, &call->object->waits[WAIT_QUEUE_JOIN], HF_REASON_NOT_JOINED);
}

hf_reason handle_queue_shutdown(struct call *call) {
  struct object *object = call->object;
  hf_reason reason =
      call->message->queue_shutdown->immediate ? call_clear_content(call) : HF_REASON_NONE;
  if (reason) {
    return reason;
  }
  object->queue.is_shut_down = true;
  core_wake(call->engine, &object->waits[WAIT_QUEUE_PUT]);
  core_wake(call->engine, &object->waits[WAIT_QUEUE_GET]);
  call_wake_joins(call);
  return HF_REASON_NONE;
}

/* ---- the kind */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  shape->maxsize = message->maxsize > 0 ? message->maxsize : 0;
  return HF_REASON_NONE;
}

static bool has_shape(const struct object *object, const struct object_shape *shape) {
  return object->queue.maxsize == shape->maxsize;
}

static bool init_queue(struct object *object, const struct object_shape *shape,
                       const struct value_hash_key *hash_key) {
  (void)hash_key;
  queue_init(&object->queue, shape->maxsize);
  return true;
}

static void deinit_queue(struct object *object) {
  queue_deinit(&object->queue);
}

static struct content_bytes bytes_of_queue(const struct object *object) {
  return (struct content_bytes){queue_memory_bytes(&object->queue),
                                queue_values_bytes(&object->queue)};
}

static uint64_t length_of_queue(const struct object *object) {
  return queue_ready_count(&object->queue);
}

static bool next_in_group(const struct task_group *group, struct content_cursor *cursor,
                          struct value *value) {
  const struct task *task =
      cursor->position++ ? TAILQ_NEXT(cursor->task, link) : TAILQ_FIRST(&group->list);
  cursor->task = task;
  if (task) {
    *value = task->value;
  }
  return task != NULL;
}

/* The parts of a queue: its plain items, and its tasks in three situations. */
static bool next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  const struct queue *queue = &object->queue;
  const struct tasks *tasks = queue->tasks;
  const struct task_group *groups[] = {tasks ? &tasks->waiting : NULL,
                                       tasks ? &tasks->reserved : NULL,
                                       tasks ? &tasks->buried : NULL};
  if (cursor->part == 0) {
    if (content_next_in_list(&queue->items, cursor, value)) {
      return true;
    }
    *cursor = (struct content_cursor){.part = 1};
  }
  while (tasks && cursor->part <= sizeof groups / sizeof *groups) {
    if (next_in_group(groups[cursor->part - 1], cursor, value)) {
      return true;
    }
    *cursor = (struct content_cursor){.part = cursor->part + 1};
  }
  return false;
}

static bool take_waiting(struct object *object, struct object *taken,
                         const struct value_hash_key *hash_key) {
  (void)hash_key;
  return queue_move_waiting(&object->queue, &taken->queue);
}

static void report_queue(const struct object *object, struct reply_object *reported) {
  const struct queue *queue = &object->queue;
  reported->maxsize = queue->maxsize;
  reported->unfinished = queue->unfinished;
  reported->delayed = queue_delayed_count(queue);
  reported->reserved = queue_reserved_count(queue);
  reported->buried = queue_buried_count(queue);
  reported->shut_down = queue->is_shut_down;
}

static void put_back_items(struct engine *engine, struct object *object,
                           const struct reply *reply) {
  for (size_t i = reply->values_count; i > 0; i--) {
    core_put_back_item(engine, object, value_retain(reply->values[i - 1]),
                       &reply->taken_many[i - 1]);
  }
}

static void revoke(struct engine *engine, struct session *session, struct object *object,
                   const struct reply *reply) {
  switch (reply->operation) {
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET:
      core_put_back_item(engine, object, value_retain(reply->value), &reply->taken);
      break;
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET_MANY:
      put_back_items(engine, object, reply);
      break;
    default:
      core_end_reservation(engine, session, reply->reservation, false);
      break;
  }
}

/* A put of many waits for room, a kick for its next slice; `progress` is the number of items done. */
static bool answer_part(const struct waiter *waiter) {
  const struct object *object = waiter->object;
  bool puts = waiter->queue == &object->waits[WAIT_QUEUE_PUT];
  bool kicks = object->loan && waiter->queue == &object->loan->queue;
  if ((puts || kicks) && waiter->progress > 0) {
    waiter->reply->shape = REPLY_COUNT;
    waiter->reply->count = (int64_t)waiter->progress;
    return true;
  }
  return false;
}

const struct kind kind_queue = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .init = init_queue,
    .deinit = deinit_queue,
    .bytes = bytes_of_queue,
    .length = length_of_queue,
    .is_counted = true,
    .next_value = next_value,
    .take_content = take_waiting,
    .report = report_queue,
    .capture = capture_put_or_get,
    .revoke = revoke,
    .snapshot = queue_content_snapshot,
    .restore = queue_content_restore,
    .answer_part = answer_part,
    .stop = core_stop_tasks,
    .disown = core_forget_tasks,
};
