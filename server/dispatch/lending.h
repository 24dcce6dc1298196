/* Threads that do the engine's jobs: work on large objects that would hold everybody up.
 *
 * layer   dispatch
 * threads lending_add from any; finish is called on lending's own, which have the priority of all
 *         others: one that waits for the processor must not hold the engine's lock, or malloc's
 */
#ifndef HF_DISPATCH_LENDING_H
#define HF_DISPATCH_LENDING_H

#include "server/engine/job.h"

#include <pthread.h>
#include <stdbool.h>

/* Jobs that are worked on at a time; more wait. */
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

/* finish gives a job that has run back to the engine. false: no threads. */
bool lending_start(struct lending *lending, void (*finish)(void *ctx, struct job *job), void *ctx);
/* All jobs that were added have been given back when it returns; the engine stops them first. */
void lending_stop(struct lending *lending);
/* The job is taken, until finish has it. */
void lending_add(struct lending *lending, struct job *job);

#endif
