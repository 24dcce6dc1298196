#include "server/engine/timers.h"

#include "proto/base/clock.h"

#include <stdlib.h>

void timers_deinit(struct timers *timers) {
  free(timers->heap);
  *timers = (struct timers){0};
}

static void place(struct timers *timers, size_t idx, struct timer *timer) {
  timers->heap[idx] = timer;
  timer->position = idx + 1;
}

static void sift_up(struct timers *timers, size_t idx, struct timer *timer) {
  while (idx > 0 && timers->heap[(idx - 1) / 2]->deadline_ns > timer->deadline_ns) {
    place(timers, idx, timers->heap[(idx - 1) / 2]);
    idx = (idx - 1) / 2;
  }
  place(timers, idx, timer);
}

static void sift_down(struct timers *timers, size_t idx, struct timer *timer) {
  for (;;) {
    size_t child = 2 * idx + 1;
    if (child >= timers->count) {
      break;
    }
    if (child + 1 < timers->count &&
        timers->heap[child + 1]->deadline_ns < timers->heap[child]->deadline_ns) {
      child++;
    }
    if (timers->heap[child]->deadline_ns >= timer->deadline_ns) {
      break;
    }
    place(timers, idx, timers->heap[child]);
    idx = child;
  }
  place(timers, idx, timer);
}

bool timers_start(struct timers *timers, struct timer *timer, uint64_t deadline_ns) {
  if (timers->count == timers->capacity) {
    size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
    struct timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap) {
      return false;
    }
    timers->heap = heap;
    timers->capacity = capacity;
  }
  timer->deadline_ns = deadline_ns;
  sift_up(timers, timers->count++, timer);
  return true;
}

void timers_stop(struct timers *timers, struct timer *timer) {
  if (timer->position == 0) {
    return;
  }
  size_t idx = timer->position - 1;
  timer->position = 0;
  struct timer *last = timers->heap[--timers->count];
  if (last == timer) {
    return;
  }
  if (idx > 0 && timers->heap[(idx - 1) / 2]->deadline_ns > last->deadline_ns) {
    sift_up(timers, idx, last);
  } else {
    sift_down(timers, idx, last);
  }
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
