#include "server/journal/releaser.h"

/* With the mutex, which is not held meanwhile. */
static void say(struct releaser *releaser) {
  uint64_t through = releaser->committed;
  releaser->is_saying = true;
  pthread_mutex_unlock(&releaser->mutex);
  releaser->say(releaser->ctx, through);
  pthread_mutex_lock(&releaser->mutex);
  releaser->said = through;
  releaser->is_saying = false;
}

static bool has_news(const struct releaser *releaser) {
  return releaser->said < releaser->committed && !releaser->is_saying;
}

static void *run(void *arg) {
  struct releaser *releaser = arg;
  pthread_mutex_lock(&releaser->mutex);
  while (has_news(releaser) || !releaser->is_stopping) {
    if (has_news(releaser)) {
      say(releaser);
    } else {
      pthread_cond_wait(&releaser->changed, &releaser->mutex);
    }
  }
  pthread_mutex_unlock(&releaser->mutex);
  return NULL;
}

bool releaser_start(struct releaser *releaser, uint64_t said,
                    void (*committed)(void *ctx, uint64_t through), void *ctx) {
  *releaser = (struct releaser){.say = committed, .ctx = ctx, .committed = said, .said = said};
  pthread_mutex_init(&releaser->mutex, NULL);
  pthread_cond_init(&releaser->changed, NULL);
  if (pthread_create(&releaser->thread, NULL, run, releaser) == 0) {
    return true;
  }
  pthread_cond_destroy(&releaser->changed);
  pthread_mutex_destroy(&releaser->mutex);
  return false;
}

void releaser_commit(struct releaser *releaser, uint64_t through, bool is_short) {
  pthread_mutex_lock(&releaser->mutex);
  releaser->committed = through;
  if (is_short && has_news(releaser)) {
    say(releaser);
  } else {
    pthread_cond_signal(&releaser->changed);
  }
  pthread_mutex_unlock(&releaser->mutex);
}

void releaser_stop(struct releaser *releaser) {
  pthread_mutex_lock(&releaser->mutex);
  releaser->is_stopping = true;
  pthread_cond_signal(&releaser->changed);
  pthread_mutex_unlock(&releaser->mutex);
  pthread_join(releaser->thread, NULL);
  pthread_cond_destroy(&releaser->changed);
  pthread_mutex_destroy(&releaser->mutex);
}
