#include "server/dispatch/undertaker.h"

#include "proto/base/clock.h"
#include "server/engine/engine.h"
#include "server/memory/heap.h"

#include <stddef.h>
#include <time.h>

/* After giving back the thread pauses for this many times as long as that took, up to a second. */
#define TRIM_SHARE 20
#define PAUSE_NS_MAX NS_PER_S
#define NS_PER_S (UINT64_C(1000) * CLOCK_NS_PER_MS)

static bool has_to_wait(const struct undertaker *undertaker) {
  return !undertaker->buried && !undertaker->stopping &&
         (!undertaker->trim_wanted || clock_now_ns() < undertaker->trim_ns);
}

/* With the mutex. */
static void wait_for_work(struct undertaker *undertaker) {
  while (has_to_wait(undertaker)) {
    if (undertaker->trim_wanted) {
      const struct timespec until = {.tv_sec = (time_t)(undertaker->trim_ns / NS_PER_S),
                                     .tv_nsec = (long)(undertaker->trim_ns % NS_PER_S)};
      pthread_cond_timedwait(&undertaker->changed, &undertaker->mutex, &until);
    } else {
      pthread_cond_wait(&undertaker->changed, &undertaker->mutex);
    }
  }
}

/* With the mutex, which is let go of meanwhile. */
static void free_buried(struct undertaker *undertaker) {
  struct object *buried = undertaker->buried;
  undertaker->buried = NULL;
  pthread_mutex_unlock(&undertaker->mutex);
  size_t bytes = engine_free_buried(buried);
  atomic_fetch_add(&undertaker->freed_bytes, bytes);
  pthread_mutex_lock(&undertaker->mutex);
  undertaker->untrimmed_bytes += bytes;
  undertaker->trim_wanted |= undertaker->untrimmed_bytes >= HEAP_TRIM_BYTES;
}

/* This thread's own time: on a busy machine it waits for a processor much longer than it works. */
static uint64_t used_ns(void) {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* With the mutex, which is let go of meanwhile. */
static void trim(struct undertaker *undertaker) {
  undertaker->trim_wanted = false;
  undertaker->untrimmed_bytes = 0;
  pthread_mutex_unlock(&undertaker->mutex);
  uint64_t began_ns = used_ns();
  heap_trim();
  uint64_t pause_ns = TRIM_SHARE * (used_ns() - began_ns);
  pthread_mutex_lock(&undertaker->mutex);
  undertaker->trim_ns = clock_now_ns() + (pause_ns < PAUSE_NS_MAX ? pause_ns : PAUSE_NS_MAX);
}

static void *run(void *arg) {
  struct undertaker *undertaker = arg;
  pthread_mutex_lock(&undertaker->mutex);
  while (undertaker->buried || !undertaker->stopping) {
    wait_for_work(undertaker);
    if (undertaker->buried) {
      free_buried(undertaker);
    } else if (!undertaker->stopping) {
      trim(undertaker);
    }
  }
  pthread_mutex_unlock(&undertaker->mutex);
  return NULL;
}

/* For times of clock_now_ns. */
static void init_condition(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

bool undertaker_start(struct undertaker *undertaker) {
  *undertaker = (struct undertaker){.buried = NULL};
  pthread_mutex_init(&undertaker->mutex, NULL);
  init_condition(&undertaker->changed);
  if (pthread_create(&undertaker->thread, NULL, run, undertaker) == 0) {
    return true;
  }
  pthread_cond_destroy(&undertaker->changed);
  pthread_mutex_destroy(&undertaker->mutex);
  return false;
}

void undertaker_stop(struct undertaker *undertaker) {
  pthread_mutex_lock(&undertaker->mutex);
  undertaker->stopping = true;
  pthread_cond_signal(&undertaker->changed);
  pthread_mutex_unlock(&undertaker->mutex);
  pthread_join(undertaker->thread, NULL);
  pthread_cond_destroy(&undertaker->changed);
  pthread_mutex_destroy(&undertaker->mutex);
}

size_t undertaker_take_freed(struct undertaker *undertaker) {
  bool has_freed = atomic_load_explicit(&undertaker->freed_bytes, memory_order_relaxed) > 0;
  return has_freed ? atomic_exchange(&undertaker->freed_bytes, 0) : 0;
}

void undertaker_bury(struct undertaker *undertaker, struct object *buried) {
  if (!buried) {
    return;
  }
  pthread_mutex_lock(&undertaker->mutex);
  undertaker->buried = engine_join_buried(undertaker->buried, buried);
  pthread_cond_signal(&undertaker->changed);
  pthread_mutex_unlock(&undertaker->mutex);
}

void undertaker_note_used(struct undertaker *undertaker, size_t used_bytes) {
  if (used_bytes >= undertaker->used_max) {
    undertaker->used_max = used_bytes;
  } else if (undertaker->used_max - used_bytes >= HEAP_TRIM_BYTES) {
    undertaker->used_max = used_bytes;
    pthread_mutex_lock(&undertaker->mutex);
    undertaker->trim_wanted = true;
    pthread_cond_signal(&undertaker->changed);
    pthread_mutex_unlock(&undertaker->mutex);
  }
}
