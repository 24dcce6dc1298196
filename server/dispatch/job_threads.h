/* Threads that do the engine's jobs: work on large lent objects, outside the engine's lock.
 *
 * layer   dispatch
 * threads job_threads_add from any; give_back is called on these threads. These have the priority of
 *         all other threads: a preempted one may own the engine's lock, or malloc's
 */
#ifndef HF_DISPATCH_JOB_THREADS_H
#define HF_DISPATCH_JOB_THREADS_H

#include "server/engine/job.h"

#include <pthread.h>
#include <stdbool.h>

/* Jobs that run at a time; further ones wait. */
#define JOB_THREADS 4

struct job_threads {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t threads[JOB_THREADS];
  struct lent_list waiting, running;
  bool stopping;
  void (*give_back)(void *ctx, struct job *job);
  void *ctx;
};

/* give_back gives a job that has run back to the engine, or goes on with that: until job->is_back. false: no
 * threads. */
bool job_threads_start(struct job_threads *threads, void (*give_back)(void *ctx, struct job *job),
                       void *ctx);
/* Interrupts all jobs. Those that were not done are not given back: they are the engine's, and no log has their
 * end. */
void job_threads_stop(struct job_threads *threads);
/* Takes the job, until it is back or job_threads_stop. */
void job_threads_add(struct job_threads *threads, struct job *job);

#endif
