#include "server/dispatch/reclaimer.h"

#include "server/engine/engine.h"

#include <stddef.h>

static void *run(void *arg) {
  struct reclaimer *reclaimer = arg;
  pthread_mutex_lock(&reclaimer->mutex);
  while (reclaimer->objects || !reclaimer->stopping) {
    struct object *objects = reclaimer->objects;
    if (!objects) {
      pthread_cond_wait(&reclaimer->changed, &reclaimer->mutex);
      continue;
    }
    reclaimer->objects = NULL;
    pthread_mutex_unlock(&reclaimer->mutex);
    atomic_fetch_add(&reclaimer->freed_bytes, engine_free_deferred(objects));
    pthread_mutex_lock(&reclaimer->mutex);
  }
  pthread_mutex_unlock(&reclaimer->mutex);
  return NULL;
}

bool reclaimer_start(struct reclaimer *reclaimer) {
  *reclaimer = (struct reclaimer){.objects = NULL};
  pthread_mutex_init(&reclaimer->mutex, NULL);
  pthread_cond_init(&reclaimer->changed, NULL);
  if (pthread_create(&reclaimer->thread, NULL, run, reclaimer) == 0) {
    return true;
  }
  pthread_cond_destroy(&reclaimer->changed);
  pthread_mutex_destroy(&reclaimer->mutex);
  return false;
}

void reclaimer_stop(struct reclaimer *reclaimer) {
  pthread_mutex_lock(&reclaimer->mutex);
  reclaimer->stopping = true;
  pthread_cond_signal(&reclaimer->changed);
  pthread_mutex_unlock(&reclaimer->mutex);
  pthread_join(reclaimer->thread, NULL);
  pthread_cond_destroy(&reclaimer->changed);
  pthread_mutex_destroy(&reclaimer->mutex);
}

size_t reclaimer_take_freed(struct reclaimer *reclaimer) {
  bool has_freed = atomic_load_explicit(&reclaimer->freed_bytes, memory_order_relaxed) > 0;
  return has_freed ? atomic_exchange(&reclaimer->freed_bytes, 0) : 0;
}

void reclaimer_add(struct reclaimer *reclaimer, struct object *objects) {
  if (!objects) {
    return;
  }
  pthread_mutex_lock(&reclaimer->mutex);
  reclaimer->objects = engine_join_deferred(reclaimer->objects, objects);
  pthread_cond_signal(&reclaimer->changed);
  pthread_mutex_unlock(&reclaimer->mutex);
}
