#include "server/engine/waiter.h"

void wait_queue_init(struct wait_queue *queue, bool broadcast) {
  *queue = (struct wait_queue){.broadcast = broadcast};
  TAILQ_INIT(&queue->waiters);
  TAILQ_INIT(&queue->suspended);
}

void wait_queue_insert(struct wait_queue *queue, struct waiter *waiter) {
  struct waiter *before = TAILQ_LAST(&queue->waiters, waiter_list);
  while (before && before->ticket > waiter->ticket) {
    before = TAILQ_PREV(before, waiter_list, queue_link);
  }
  if (before) {
    TAILQ_INSERT_AFTER(&queue->waiters, before, waiter, queue_link);
  } else {
    TAILQ_INSERT_HEAD(&queue->waiters, waiter, queue_link);
  }
  waiter->queue = queue;
  queue->count++;
}

void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter) {
  if (waiter->suspended) {
    TAILQ_REMOVE(&queue->suspended, waiter, queue_link);
  } else {
    TAILQ_REMOVE(&queue->waiters, waiter, queue_link);
    queue->count--;
  }
}

void wait_queue_suspend(struct waiter *waiter) {
  wait_queue_remove(waiter->queue, waiter);
  waiter->suspended = true;
  TAILQ_INSERT_TAIL(&waiter->queue->suspended, waiter, queue_link);
}

void wait_queue_resume(struct waiter *waiter) {
  wait_queue_remove(waiter->queue, waiter);
  waiter->suspended = false;
  wait_queue_insert(waiter->queue, waiter);
}
