#include "server/dispatch/undertaker.h"

#include "server/engine/engine.h"

#include <stddef.h>

static void *run(void *arg) {
  struct undertaker *undertaker = arg;
  pthread_mutex_lock(&undertaker->mutex);
  while (undertaker->buried || !undertaker->stopping) {
    struct object *buried = undertaker->buried;
    if (!buried) {
      pthread_cond_wait(&undertaker->changed, &undertaker->mutex);
      continue;
    }
    undertaker->buried = NULL;
    pthread_mutex_unlock(&undertaker->mutex);
    atomic_fetch_add(&undertaker->freed_bytes, engine_free_buried(buried));
    pthread_mutex_lock(&undertaker->mutex);
  }
  pthread_mutex_unlock(&undertaker->mutex);
  return NULL;
}

bool undertaker_start(struct undertaker *undertaker) {
  *undertaker = (struct undertaker){.buried = NULL};
  pthread_mutex_init(&undertaker->mutex, NULL);
  pthread_cond_init(&undertaker->changed, NULL);
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
