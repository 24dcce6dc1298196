#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"

hf_reason handle_queue_put(struct call *call) {
  struct object *object = call->object;
  struct queue *queue = &object->queue;
  struct value value;
  if (queue_is_full(queue) || call_must_line_up(call, &object->waits[WAIT_QUEUE_PUT])) {
    return call_park(call, &object->waits[WAIT_QUEUE_PUT], HF_REASON_QUEUE_FULL);
  }
  hf_reason reason = call_value(call, call->message->queue_put->value, &value);
  if (reason) {
    return reason;
  }
  reason = list_append(&queue->items, value);
  if (reason) {
    value_release(value);
    return reason;
  }
  call_keep(call, value);
  queue->unfinished++;
  core_wake(call->engine, &object->waits[WAIT_QUEUE_GET]);
  return HF_REASON_NONE;
}

hf_reason handle_queue_get(struct call *call) {
  struct object *object = call->object;
  struct queue *queue = &object->queue;
  if (queue->items.len == 0 || call_must_line_up(call, &object->waits[WAIT_QUEUE_GET])) {
    return call_park(call, &object->waits[WAIT_QUEUE_GET], HF_REASON_QUEUE_EMPTY);
  }
  struct value value = list_remove_at(&queue->items, 0);
  call_note_source(call, 0);
  call_answer_value(call, value_retain(value));
  call_discard(call, value);
  core_wake(call->engine, &object->waits[WAIT_QUEUE_PUT]);
  return HF_REASON_NONE;
}

hf_reason handle_queue_size(struct call *call) {
  call_answer_count(call, call->object->queue.items.len);
  return HF_REASON_NONE;
}

hf_reason handle_queue_empty(struct call *call) {
  call_answer_flag(call, call->object->queue.items.len == 0);
  return HF_REASON_NONE;
}

hf_reason handle_queue_full(struct call *call) {
  call_answer_flag(call, queue_is_full(&call->object->queue));
  return HF_REASON_NONE;
}

hf_reason handle_queue_task_done(struct call *call) {
  struct queue *queue = &call->object->queue;
  if (queue->unfinished == 0) {
    return HF_REASON_TOO_MANY_DONE;
  }
  if (--queue->unfinished == 0) {
    core_wake(call->engine, &call->object->waits[WAIT_QUEUE_JOIN]);
  }
  return HF_REASON_NONE;
}

hf_reason handle_queue_join(struct call *call) {
  if (call->object->queue.unfinished == 0) {
    return HF_REASON_NONE;
  }
  return call_park(call, &call->object->waits[WAIT_QUEUE_JOIN], HF_REASON_NOT_JOINED);
}
