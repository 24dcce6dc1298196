#include "server/dispatch/lending.h"

#include "server/engine/engine.h"

/* With the mutex. */
static struct job *take(struct lending *lending) {
  struct job *job;
  while (!(job = TAILQ_FIRST(&lending->waiting)) && !lending->stopping) {
    pthread_cond_wait(&lending->changed, &lending->mutex);
  }
  if (job) {
    TAILQ_REMOVE(&lending->waiting, job, lent_link);
  }
  return job;
}

static void *run(void *arg) {
  struct lending *lending = arg;
  struct job *job;
  pthread_mutex_lock(&lending->mutex);
  while ((job = take(lending))) {
    pthread_mutex_unlock(&lending->mutex);
    job_run(job);
    lending->finish(lending->ctx, job);
    job_free(job);
    pthread_mutex_lock(&lending->mutex);
  }
  pthread_mutex_unlock(&lending->mutex);
  return NULL;
}

static void stop(struct lending *lending, size_t threads) {
  pthread_mutex_lock(&lending->mutex);
  lending->stopping = true;
  pthread_cond_broadcast(&lending->changed);
  pthread_mutex_unlock(&lending->mutex);
  for (size_t i = 0; i < threads; i++) {
    pthread_join(lending->threads[i], NULL);
  }
  pthread_cond_destroy(&lending->changed);
  pthread_mutex_destroy(&lending->mutex);
}

bool lending_start(struct lending *lending, void (*finish)(void *ctx, struct job *job), void *ctx) {
  *lending = (struct lending){.finish = finish, .ctx = ctx};
  TAILQ_INIT(&lending->waiting);
  pthread_mutex_init(&lending->mutex, NULL);
  pthread_cond_init(&lending->changed, NULL);
  for (size_t i = 0; i < LENDING_THREADS; i++) {
    if (pthread_create(&lending->threads[i], NULL, run, lending) != 0) {
      stop(lending, i);
      return false;
    }
  }
  return true;
}

void lending_stop(struct lending *lending) {
  stop(lending, LENDING_THREADS);
}

void lending_add(struct lending *lending, struct job *job) {
  pthread_mutex_lock(&lending->mutex);
  TAILQ_INSERT_TAIL(&lending->waiting, job, lent_link);
  pthread_cond_signal(&lending->changed);
  pthread_mutex_unlock(&lending->mutex);
}
