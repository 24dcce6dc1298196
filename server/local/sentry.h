/* Who watches the descriptors while the local thread sleeps on words: a thread that waits until one
 * of them is ready, rings, and waits until the local thread has looked.
 *
 * layer   local, internal
 * threads sentry_start and sentry_stop: the main thread; sentry_relieve: the local thread
 */
#ifndef HF_LOCAL_SENTRY_H
#define HF_LOCAL_SENTRY_H

#include "server/local/bells.h"

#include <pthread.h>
#include <semaphore.h>

struct sentry {
  struct bells *bells; /* borrowed */
  int poll;            /* an epoll descriptor, borrowed */
  int stop;            /* an eventfd */
  sem_t looked;
  atomic_bool waits; /* for a look */
  atomic_bool is_stopping;
  pthread_t thread;
};

/* false: out of memory or of descriptors. */
bool sentry_start(struct sentry *sentry, int poll, struct bells *bells);
/* What was ready has been looked at. */
void sentry_relieve(struct sentry *sentry);
void sentry_stop(struct sentry *sentry);

#endif
