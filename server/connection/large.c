#include "server/connection/large.h"

#include "server/connection/connection_parts.h"

static void serve_request(struct large *large) {
  struct connection *connection = STAILQ_FIRST(&large->requests);
  STAILQ_REMOVE_HEAD(&large->requests, next_in_queue);
  pthread_mutex_unlock(&large->lock);
  large->serve(connection);
  pthread_mutex_lock(&large->lock);
}

static void send_reply(struct large *large) {
  struct connection *connection = STAILQ_FIRST(&large->replies);
  STAILQ_REMOVE_HEAD(&large->replies, next_to_send);
  pthread_mutex_unlock(&large->lock);
  large->send(connection);
  pthread_mutex_lock(&large->lock);
}

static void *run(void *arg) {
  struct large *large = arg;
  bool has_sent = false;
  pthread_mutex_lock(&large->lock);
  for (;;) {
    has_sent = !STAILQ_EMPTY(&large->replies) && !(has_sent && !STAILQ_EMPTY(&large->requests));
    if (has_sent) {
      send_reply(large);
    } else if (!STAILQ_EMPTY(&large->requests)) {
      serve_request(large);
    } else if (!large->is_stopping) {
      pthread_cond_wait(&large->changed, &large->lock);
    } else {
      break;
    }
  }
  pthread_mutex_unlock(&large->lock);
  return NULL;
}

bool large_start(struct large *large, void (*serve)(struct connection *connection),
                 void (*send)(struct connection *connection)) {
  *large = (struct large){.serve = serve, .send = send};
  STAILQ_INIT(&large->requests);
  STAILQ_INIT(&large->replies);
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

void large_add_request(struct large *large, struct connection *connection) {
  pthread_mutex_lock(&large->lock);
  STAILQ_INSERT_TAIL(&large->requests, connection, next_in_queue);
  pthread_cond_signal(&large->changed);
  pthread_mutex_unlock(&large->lock);
}

void large_add_reply(struct large *large, struct connection *connection) {
  pthread_mutex_lock(&large->lock);
  STAILQ_INSERT_TAIL(&large->replies, connection, next_to_send);
  pthread_cond_signal(&large->changed);
  pthread_mutex_unlock(&large->lock);
}
