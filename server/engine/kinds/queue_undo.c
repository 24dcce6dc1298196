/* Undoing what a transaction did to a queue. */
#include "server/engine/kinds/capture.h"

#include "server/engine/call.h"

#include <stdlib.h>

/* ---- putting */

static void undo_put(const struct undo *undo, struct undo_entry *entry) {
  struct queue *queue = &entry->object->queue;
  struct call call = undo_call_on(undo, entry->object);
  if (queue->items.len > entry->len) {
    call_discard(&call, queue_unput(queue));
  }
}

static const struct undo_way way_of_put = {undo_put, NULL, NULL};

static hf_reason capture_put(struct undo_entry *entry, struct call *call) {
  const Holdfast__QueuePut *message = call->message->queue_put;
  struct queue *queue = &call->object->queue;
  if (message->priority || message->delay_ms) {
    return HF_REASON_NOT_NESTABLE;
  }
  entry->way = &way_of_put;
  entry->len = queue->items.len;
  return HF_REASON_NONE;
}

/* ---- getting */

static void undo_get(const struct undo *undo, struct undo_entry *entry) {
  struct queue *queue = &entry->object->queue;
  if (queue_ready_count(queue) == entry->len) {
    return;
  }
  list_restore(&queue->items, 0, value_retain(entry->value));
  undo_swap_back(undo, entry, (struct value){0});
}

static void release_items(struct undo_entry *entry) {
  list_unpin(&entry->object->queue.items);
}

static const struct undo_way way_of_get = {undo_get, NULL, release_items};

static void undo_get_task(const struct undo *undo, struct undo_entry *entry) {
  struct queue *queue = &entry->object->queue;
  if (queue_ready_count(queue) == entry->len) {
    return;
  }
  queue_unget_task(queue, value_retain(entry->value), &entry->taken, entry->spare);
  entry->spare = NULL;
  undo_swap_back(undo, entry, (struct value){0});
}

static void free_spare(struct undo_entry *entry) {
  free(entry->spare);
}

static const struct undo_way way_of_get_task = {undo_get_task, free_spare, NULL};

static hf_reason capture_get(struct undo_entry *entry, struct call *call) {
  struct queue *queue = &call->object->queue;
  entry->len = queue_ready_count(queue);
  if (entry->len == 0) {
    return HF_REASON_NONE;
  }
  if (queue_next_is_task(queue, &entry->taken)) {
    entry->spare = malloc(sizeof *entry->spare);
    if (!entry->spare) {
      return HF_REASON_NO_MEMORY;
    }
    entry->way = &way_of_get_task;
  } else if (list_pin(&queue->items, 0)) {
    entry->way = &way_of_get;
  } else {
    return HF_REASON_NO_MEMORY;
  }
  entry->value = value_retain(queue_first(queue));
  return HF_REASON_NONE;
}

hf_reason capture_put_or_get(struct undo_entry *entry, struct call *call) {
  bool puts = call->message->operation_case == HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  return puts ? capture_put(entry, call) : capture_get(entry, call);
}
