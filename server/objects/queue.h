/* The queue: items first in, first out, and how many of them are not done yet.
 *
 * layer   objects
 * source  Python's queue.Queue: maxsize <= 0 is unbounded, every put counts one unfinished task
 */
#ifndef HF_OBJECTS_QUEUE_H
#define HF_OBJECTS_QUEUE_H

#include "server/objects/list.h"

struct queue {
  struct list items;
  int64_t maxsize;
  uint64_t unfinished;
};

static inline bool queue_is_full(const struct queue *queue) {
  return queue->maxsize > 0 && queue->items.len >= (uint64_t)queue->maxsize;
}

#endif
