/* Threads that do the engine's jobs: work on large lent objects, outside the engine's lock.
 *
 * layer   dispatch
 * threads lending_add from any; finish is called on lending's own threads. These have the priority of
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
  struct lent_list waiting;
  bool stopping;
  void (*finish)(void *ctx, struct job *job);
  void *ctx;
};

/* finish gives a finished job back to the engine. false: no threads. */
bool lending_start(struct lending *lending, void (*finish)(void *ctx, struct job *job), void *ctx);
/* When lending_stop returns all added jobs have been given back; the engine cancels them before. */
void lending_stop(struct lending *lending);
/* Takes the job, until finish. */
void lending_add(struct lending *lending, struct job *job);

#endif
