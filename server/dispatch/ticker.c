#include "server/dispatch/ticker.h"

#include "proto/base/clock.h"

#include <time.h>

/* Waits for the deadline, or until the deadline changes. */
static void wait_for_change(struct ticker *ticker) {
  if (ticker->deadline_ns == CLOCK_NEVER) {
    pthread_cond_wait(&ticker->changed, &ticker->mutex);
  } else {
    struct timespec deadline = clock_timespec(ticker->deadline_ns);
    pthread_cond_timedwait(&ticker->changed, &ticker->mutex, &deadline);
  }
}

static void *run(void *arg) {
  struct ticker *ticker = arg;
  pthread_mutex_lock(&ticker->mutex);
  while (!ticker->stopping) {
    if (ticker->deadline_ns > clock_now_ns()) {
      wait_for_change(ticker);
      continue;
    }
    ticker->deadline_ns = CLOCK_NEVER;
    pthread_mutex_unlock(&ticker->mutex);
    ticker->tick(ticker->ctx);
    pthread_mutex_lock(&ticker->mutex);
  }
  pthread_mutex_unlock(&ticker->mutex);
  return NULL;
}

bool ticker_start(struct ticker *ticker, void (*tick)(void *ctx), void *ctx) {
  pthread_condattr_t attributes;
  *ticker = (struct ticker){.deadline_ns = CLOCK_NEVER, .tick = tick, .ctx = ctx};
  pthread_mutex_init(&ticker->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&ticker->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  if (pthread_create(&ticker->thread, NULL, run, ticker) == 0) {
    return true;
  }
  pthread_cond_destroy(&ticker->changed);
  pthread_mutex_destroy(&ticker->mutex);
  return false;
}

void ticker_stop(struct ticker *ticker) {
  pthread_mutex_lock(&ticker->mutex);
  ticker->stopping = true;
  pthread_cond_signal(&ticker->changed);
  pthread_mutex_unlock(&ticker->mutex);
  pthread_join(ticker->thread, NULL);
}

void ticker_expect(struct ticker *ticker, uint64_t deadline_ns) {
  pthread_mutex_lock(&ticker->mutex);
  if (deadline_ns < ticker->deadline_ns) {
    ticker->deadline_ns = deadline_ns;
    pthread_cond_signal(&ticker->changed);
  }
  pthread_mutex_unlock(&ticker->mutex);
}
