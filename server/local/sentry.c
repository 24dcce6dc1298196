#include "server/local/sentry.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void report(struct sentry *sentry) {
  atomic_store(&sentry->waits, true);
  bells_ring(sentry->bells);
  while (sem_wait(&sentry->looked) != 0) {
  }
}

static void *watch(void *arg) {
  struct sentry *sentry = arg;
  struct pollfd watched[] = {{.fd = sentry->poll, .events = POLLIN},
                             {.fd = sentry->stop, .events = POLLIN}};
  while (!atomic_load(&sentry->is_stopping)) {
    if (poll(watched, 2, -1) > 0 && watched[0].revents != 0 && !atomic_load(&sentry->is_stopping)) {
      report(sentry);
    }
  }
  return NULL;
}

bool sentry_start(struct sentry *sentry, int poll, struct bells *bells) {
  *sentry = (struct sentry){.bells = bells, .poll = poll, .stop = eventfd(0, EFD_CLOEXEC)};
  sem_init(&sentry->looked, 0, 0);
  if (sentry->stop < 0 || pthread_create(&sentry->thread, NULL, watch, sentry) != 0) {
    if (sentry->stop >= 0) {
      close(sentry->stop);
    }
    sem_destroy(&sentry->looked);
    return false;
  }
  return true;
}

void sentry_relieve(struct sentry *sentry) {
  if (atomic_exchange(&sentry->waits, false)) {
    sem_post(&sentry->looked);
  }
}

void sentry_stop(struct sentry *sentry) {
  const uint64_t one = 1;
  atomic_store(&sentry->is_stopping, true);
  ssize_t written = write(sentry->stop, &one, sizeof one);
  (void)written; /* an eventfd that is not full takes it */
  sem_post(&sentry->looked);
  pthread_join(sentry->thread, NULL);
  close(sentry->stop);
  sem_destroy(&sentry->looked);
}
