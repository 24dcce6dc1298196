#include "proto/base/timers.h"

#include "proto/base/clock.h"

#include <stdlib.h>

#define CAPACITY_MIN 16

void timers_deinit(struct timers *timers) {
  free(timers->heap);
  *timers = (struct timers){0};
}

static bool is_before(const struct timer *one, const struct timer *other) {
  return one->deadline_ns < other->deadline_ns ||
         (one->deadline_ns == other->deadline_ns && one->order < other->order);
}

static void put_at(struct timers *timers, size_t idx, struct timer *timer) {
  timers->heap[idx] = timer;
  timer->position = idx + 1;
}

static void sift_up(struct timers *timers, size_t idx, struct timer *timer) {
  while (idx > 0 && is_before(timer, timers->heap[(idx - 1) / 2])) {
    put_at(timers, idx, timers->heap[(idx - 1) / 2]);
    idx = (idx - 1) / 2;
  }
  put_at(timers, idx, timer);
}

static void sift_down(struct timers *timers, size_t idx, struct timer *timer) {
  for (;;) {
    size_t child = 2 * idx + 1;
    if (child >= timers->count) {
      break;
    }
    if (child + 1 < timers->count && is_before(timers->heap[child + 1], timers->heap[child])) {
      child++;
    }
    if (is_before(timer, timers->heap[child])) {
      break;
    }
    put_at(timers, idx, timers->heap[child]);
    idx = child;
  }
  put_at(timers, idx, timer);
}

bool timers_make_room(struct timers *timers) {
  if (timers->count < timers->capacity) {
    return true;
  }
  size_t capacity = timers->capacity ? timers->capacity * 2 : CAPACITY_MIN;
  struct timer **heap = realloc(timers->heap, capacity * sizeof *heap);
  if (!heap) {
    return false;
  }
  timers->heap = heap;
  timers->capacity = capacity;
  return true;
}

bool timers_put_back(struct timers *timers, struct timer *timer, uint64_t deadline_ns,
                     uint64_t order) {
  if (!timers_make_room(timers)) {
    return false;
  }
  timer->deadline_ns = deadline_ns;
  timer->order = order;
  sift_up(timers, timers->count++, timer);
  return true;
}

/* Out of memory: keeps the capacity. */
static void shrink(struct timers *timers) {
  if (timers->capacity > CAPACITY_MIN && timers->count * 4 <= timers->capacity) {
    size_t capacity = timers->capacity / 2;
    struct timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    timers->heap = heap ? heap : timers->heap;
    timers->capacity = heap ? capacity : timers->capacity;
  }
}

bool timers_start(struct timers *timers, struct timer *timer, uint64_t deadline_ns) {
  bool starts = timers_put_back(timers, timer, deadline_ns, timers->next_order);
  timers->next_order += starts;
  return starts;
}

void timers_stop(struct timers *timers, struct timer *timer) {
  if (timer->position == 0) {
    return;
  }
  size_t idx = timer->position - 1;
  timer->position = 0;
  struct timer *last = timers->heap[--timers->count];
  shrink(timers);
  if (last == timer) {
    return;
  }
  if (idx > 0 && is_before(last, timers->heap[(idx - 1) / 2])) {
    sift_up(timers, idx, last);
  } else {
    sift_down(timers, idx, last);
  }
}

bool timers_restart(struct timers *timers, struct timer *timer, uint64_t deadline_ns) {
  timers_stop(timers, timer);
  return timers_start(timers, timer, deadline_ns);
}

struct timer *timers_pop(struct timers *timers, uint64_t now_ns) {
  if (timers->count == 0 || timers->heap[0]->deadline_ns > now_ns) {
    return NULL;
  }
  struct timer *timer = timers->heap[0];
  timers_stop(timers, timer);
  return timer;
}

uint64_t timers_next_deadline_ns(const struct timers *timers) {
  return timers->count ? timers->heap[0]->deadline_ns : CLOCK_NEVER;
}
