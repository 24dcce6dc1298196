#include "server/engine/waiter.h"

void wait_queue_init(struct wait_queue *queue, bool broadcast) {
  *queue = (struct wait_queue){.broadcast = broadcast};
  TAILQ_INIT(&queue->waiters);
  TAILQ_INIT(&queue->suspended);
}

/* Of wait entries of one request, which have one ticket: by part. */
static bool is_behind(const struct waiter *one, const struct waiter *other) {
  return one->ticket > other->ticket || (one->ticket == other->ticket && one->part > other->part);
}

static bool belongs_behind(const struct waiter *before, const struct waiter *waiter) {
  const struct waiter *next = TAILQ_NEXT(before, queue_link);
  return !is_behind(before, waiter) && (!next || is_behind(next, waiter));
}

/* The last waiter that is before this one; NULL: none. Unless it is the last of all, the walk goes from both ends,
 * and from where the one before went: who comes back is often among the oldest, and a session brings its waiters
 * back in order. */
static struct waiter *find_before(const struct wait_queue *queue, const struct waiter *waiter) {
  struct waiter *last = TAILQ_LAST(&queue->waiters, waiter_list);
  if (!last || !is_behind(last, waiter)) {
    return last;
  }
  struct waiter *first = TAILQ_FIRST(&queue->waiters), *near = queue->hint;
  if (is_behind(first, waiter)) {
    return NULL;
  }
  while (!belongs_behind(first, waiter)) {
    if (belongs_behind(last, waiter)) {
      return last;
    }
    if (near && belongs_behind(near, waiter)) {
      return near;
    }
    first = TAILQ_NEXT(first, queue_link);
    last = TAILQ_PREV(last, waiter_list, queue_link);
    if (near) {
      near = is_behind(near, waiter) ? TAILQ_PREV(near, waiter_list, queue_link)
                                     : TAILQ_NEXT(near, queue_link);
    }
  }
  return first;
}

void wait_queue_insert(struct wait_queue *queue, struct waiter *waiter) {
  waiter->queue = queue;
  if (waiter->suspended) {
    TAILQ_INSERT_TAIL(&queue->suspended, waiter, queue_link);
    return;
  }
  struct waiter *before = find_before(queue, waiter);
  if (before) {
    TAILQ_INSERT_AFTER(&queue->waiters, before, waiter, queue_link);
  } else {
    TAILQ_INSERT_HEAD(&queue->waiters, waiter, queue_link);
  }
  queue->hint = waiter;
  queue->count++;
}

void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter) {
  if (waiter->suspended) {
    TAILQ_REMOVE(&queue->suspended, waiter, queue_link);
  } else {
    if (queue->hint == waiter) {
      struct waiter *next = TAILQ_NEXT(waiter, queue_link);
      queue->hint = next ? next : TAILQ_PREV(waiter, waiter_list, queue_link);
    }
    if (queue->cursor == waiter) {
      queue->cursor = TAILQ_NEXT(waiter, queue_link);
    }
    TAILQ_REMOVE(&queue->waiters, waiter, queue_link);
    queue->count--;
  }
}

void wait_queue_move(struct waiter *waiter, struct wait_queue *queue) {
  if (waiter->queue != queue) {
    wait_queue_remove(waiter->queue, waiter);
    wait_queue_insert(queue, waiter);
  }
}

static void set_suspended(struct waiter *waiter, bool suspended) {
  if (waiter->queue) {
    wait_queue_remove(waiter->queue, waiter);
  }
  waiter->suspended = suspended;
  if (waiter->queue) {
    wait_queue_insert(waiter->queue, waiter);
  }
}

void waiter_set_suspended(struct waiter *waiter, bool suspended) {
  struct waiter *entry;
  set_suspended(waiter, suspended);
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    set_suspended(entry, suspended);
  }
}
