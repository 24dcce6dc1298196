#include "server/connection/large.h"

#include "server/connection/connection_parts.h"

/* With the lock. NULL: stopping. */
static struct connection *take(struct large *large) {
  while (STAILQ_EMPTY(&large->queue) && !large->is_stopping) {
    pthread_cond_wait(&large->changed, &large->lock);
  }
  struct connection *connection = STAILQ_FIRST(&large->queue);
  if (connection != NULL) {
    STAILQ_REMOVE_HEAD(&large->queue, next_in_queue);
  }
  return connection;
}

static void *run(void *arg) {
  struct large *large = arg;
  struct connection *connection;
  pthread_mutex_lock(&large->lock);
  while ((connection = take(large)) != NULL) {
    pthread_mutex_unlock(&large->lock);
    large->serve(connection);
    pthread_mutex_lock(&large->lock);
  }
  pthread_mutex_unlock(&large->lock);
  return NULL;
}

bool large_start(struct large *large, void (*serve)(struct connection *connection)) {
  *large = (struct large){.serve = serve};
  STAILQ_INIT(&large->queue);
  pthread_mutex_init(&large->lock, NULL);
  pthread_cond_init(&large->changed, NULL);
  while (large->started < LARGE_THREADS &&
         pthread_create(&large->threads[large->started], NULL, run, large) == 0) {
    large->started++;
  }
  return large->started == LARGE_THREADS;
}

void large_stop(struct large *large) {
  pthread_mutex_lock(&large->lock);
  large->is_stopping = true;
  pthread_cond_broadcast(&large->changed);
  pthread_mutex_unlock(&large->lock);
  while (large->started > 0) {
    pthread_join(large->threads[--large->started], NULL);
  }
}

void large_deinit(struct large *large) {
  large_stop(large);
  pthread_cond_destroy(&large->changed);
  pthread_mutex_destroy(&large->lock);
}

void large_add(struct large *large, struct connection *connection) {
  pthread_mutex_lock(&large->lock);
  STAILQ_INSERT_TAIL(&large->queue, connection, next_in_queue);
  pthread_cond_signal(&large->changed);
  pthread_mutex_unlock(&large->lock);
}
