/* Threads that do the engine's jobs: work on large lent objects, outside the engine's lock.
 *
 * layer   dispatch
 * threads lending_add from any; give_back is called on lending's own threads. These have the priority of
 *         all other threads: a preempted one may own the engine's lock, or malloc's
 */
#ifndef HF_DISPATCH_LENDING_H
#define HF_DISPATCH_LENDING_H

#include "server/engine/job.h"

#include <pthread.h>
#include <stdbool.h>

/* Jobs that run at a time; further ones wait. */
#define LENDING_THREADS 4

struct lending {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t threads[LENDING_THREADS];
  struct lent_list waiting, running;
  bool stopping;
  void (*give_back)(void *ctx, struct job *job);
  void *ctx;
};

/* give_back gives a job that has run back to the engine, or goes on with that: until job->is_back. false: no
 * threads. */
bool lending_start(struct lending *lending, void (*give_back)(void *ctx, struct job *job),
                   void *ctx);
/* Interrupts all jobs. Those that were not done are not given back: they are the engine's, and no log has their
 * end. */
void lending_stop(struct lending *lending);
/* Takes the job, until it is back or lending_stop. */
void lending_add(struct lending *lending, struct job *job);

#endif
