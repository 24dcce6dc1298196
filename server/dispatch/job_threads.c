#include "server/dispatch/job_threads.h"

#include "server/engine/engine.h"

/* With the mutex. */
static struct job *take(struct job_threads *threads) {
  while (TAILQ_EMPTY(&threads->waiting) && !threads->stopping) {
    pthread_cond_wait(&threads->changed, &threads->mutex);
  }
  if (threads->stopping) {
    return NULL;
  }
  struct job *job = TAILQ_FIRST(&threads->waiting);
  TAILQ_REMOVE(&threads->waiting, job, lent_link);
  TAILQ_INSERT_TAIL(&threads->running, job, lent_link);
  return job;
}

/* With the mutex, which is free meanwhile. */
static void work(struct job_threads *threads, struct job *job) {
  pthread_mutex_unlock(&threads->mutex);
  job_run(job);
  pthread_mutex_lock(&threads->mutex);
  TAILQ_REMOVE(&threads->running, job, lent_link);
  bool is_interrupted = threads->stopping && job->reason == HF_REASON_STOPPING;
  while (!job->is_back && !is_interrupted) {
    pthread_mutex_unlock(&threads->mutex);
    threads->give_back(threads->ctx, job);
    pthread_mutex_lock(&threads->mutex);
    is_interrupted = threads->stopping;
  }
}

static void *run(void *arg) {
  struct job_threads *threads = arg;
  struct job *job;
  pthread_mutex_lock(&threads->mutex);
  while ((job = take(threads))) {
    work(threads, job);
    bool is_back = job->is_back;
    pthread_mutex_unlock(&threads->mutex);
    if (is_back) {
      job_free(job);
    }
    pthread_mutex_lock(&threads->mutex);
  }
  pthread_mutex_unlock(&threads->mutex);
  return NULL;
}

static void stop(struct job_threads *threads, size_t started) {
  struct job *job;
  pthread_mutex_lock(&threads->mutex);
  threads->stopping = true;
  TAILQ_FOREACH(job, &threads->running, lent_link) {
    shared_flag_raise(&job->stop);
  }
  pthread_cond_broadcast(&threads->changed);
  pthread_mutex_unlock(&threads->mutex);
  for (size_t i = 0; i < started; i++) {
    pthread_join(threads->threads[i], NULL);
  }
  pthread_cond_destroy(&threads->changed);
  pthread_mutex_destroy(&threads->mutex);
}

bool job_threads_start(struct job_threads *threads, void (*give_back)(void *ctx, struct job *job),
                       void *ctx) {
  *threads = (struct job_threads){.give_back = give_back, .ctx = ctx};
  TAILQ_INIT(&threads->waiting);
  TAILQ_INIT(&threads->running);
  pthread_mutex_init(&threads->mutex, NULL);
  pthread_cond_init(&threads->changed, NULL);
  for (size_t i = 0; i < JOB_THREADS; i++) {
    if (pthread_create(&threads->threads[i], NULL, run, threads) != 0) {
      stop(threads, i);
      return false;
    }
  }
  return true;
}

void job_threads_stop(struct job_threads *threads) {
  stop(threads, JOB_THREADS);
}

void job_threads_add(struct job_threads *threads, struct job *job) {
  pthread_mutex_lock(&threads->mutex);
  TAILQ_INSERT_TAIL(&threads->waiting, job, lent_link);
  pthread_cond_signal(&threads->changed);
  pthread_mutex_unlock(&threads->mutex);
}
