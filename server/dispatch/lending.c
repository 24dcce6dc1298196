#include "server/dispatch/lending.h"

#include "server/engine/engine.h"

/* With the mutex. */
static struct job *take(struct lending *lending) {
  while (TAILQ_EMPTY(&lending->waiting) && !lending->stopping) {
    pthread_cond_wait(&lending->changed, &lending->mutex);
  }
  if (lending->stopping) {
    return NULL;
  }
  struct job *job = TAILQ_FIRST(&lending->waiting);
  TAILQ_REMOVE(&lending->waiting, job, lent_link);
  TAILQ_INSERT_TAIL(&lending->running, job, lent_link);
  return job;
}

/* With the mutex, which is free meanwhile. */
static void work(struct lending *lending, struct job *job) {
  pthread_mutex_unlock(&lending->mutex);
  job_run(job);
  pthread_mutex_lock(&lending->mutex);
  TAILQ_REMOVE(&lending->running, job, lent_link);
  bool is_interrupted = lending->stopping && job->reason == HF_REASON_STOPPING;
  while (!job->is_back && !is_interrupted) {
    pthread_mutex_unlock(&lending->mutex);
    lending->give_back(lending->ctx, job);
    pthread_mutex_lock(&lending->mutex);
    is_interrupted = lending->stopping;
  }
}

static void *run(void *arg) {
  struct lending *lending = arg;
  struct job *job;
  pthread_mutex_lock(&lending->mutex);
  while ((job = take(lending))) {
    work(lending, job);
    bool is_back = job->is_back;
    pthread_mutex_unlock(&lending->mutex);
    if (is_back) {
      job_free(job);
    }
    pthread_mutex_lock(&lending->mutex);
  }
  pthread_mutex_unlock(&lending->mutex);
  return NULL;
}

static void stop(struct lending *lending, size_t threads) {
  struct job *job;
  pthread_mutex_lock(&lending->mutex);
  lending->stopping = true;
  TAILQ_FOREACH(job, &lending->running, lent_link) {
    shared_flag_raise(&job->stop);
  }
  pthread_cond_broadcast(&lending->changed);
  pthread_mutex_unlock(&lending->mutex);
  for (size_t i = 0; i < threads; i++) {
    pthread_join(lending->threads[i], NULL);
  }
  pthread_cond_destroy(&lending->changed);
  pthread_mutex_destroy(&lending->mutex);
}

bool lending_start(struct lending *lending, void (*give_back)(void *ctx, struct job *job),
                   void *ctx) {
  *lending = (struct lending){.give_back = give_back, .ctx = ctx};
  TAILQ_INIT(&lending->waiting);
  TAILQ_INIT(&lending->running);
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
