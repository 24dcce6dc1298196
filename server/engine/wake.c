#include "server/engine/wake.h"

void core_make_ready(struct engine *engine, struct wait_queue *queue) {
  if (!queue->ready) {
    queue->ready = true;
    TAILQ_INSERT_TAIL(&engine->ready, queue, ready_link);
  }
}

void core_wake_parking(struct engine *engine, struct wait_queue *queue) {
  queue->key_hash = 0;
  queue->woken = true;
  core_make_ready(engine, queue);
}

void core_wake_key(struct engine *engine, struct wait_queue *queue, uint64_t key_hash) {
  if (queue->woken) {
    queue->key_hash = queue->key_hash == key_hash ? key_hash : 0;
  } else if (queue->count > 0) {
    queue->woken = true;
    queue->key_hash = key_hash;
    core_make_ready(engine, queue);
  }
}

void core_wake(struct engine *engine, struct wait_queue *queue) {
  core_wake_key(engine, queue, 0);
}

void core_release(struct engine *engine, struct wait_queue *queue) {
  queue->released = engine->next_ticket;
  core_wake(engine, queue);
}

void core_wake_waiter(struct engine *engine, const struct waiter *waiter) {
  const struct waiter *entry;
  if (waiter->queue) {
    core_wake(engine, waiter->queue);
  }
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    core_wake(engine, entry->queue);
  }
}

void core_wake_lock(struct engine *engine, struct object *object) {
  core_wake(engine, &object->waits[WAIT_LOCK]);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
}

void core_forget_queue(struct engine *engine, struct wait_queue *queue) {
  if (queue->ready) {
    TAILQ_REMOVE(&engine->ready, queue, ready_link);
    queue->ready = false;
  }
  queue->woken = false;
  queue->cursor = NULL;
}
