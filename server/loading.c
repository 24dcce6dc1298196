#include "server/loading.h"

#include "proto/base/log.h"
#include "server/process.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOG_FLUSH_MS 500

static void *run(void *arg) {
  struct loading *loading = arg;
  sigset_t signals;
  int number;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  do {
    number = process_wait(&signals, loading->is_over, UINT32_MAX);
  } while (number == PROCESS_TIMED_OUT);
  if (number > 0) {
    loading->abandon(loading->ctx);
    log_line(LOG_INFO, "stopping while loading");
    log_stop(LOG_FLUSH_MS);
    _exit(EXIT_SUCCESS);
  }
  return NULL;
}

bool loading_begin(struct loading *loading) {
  loading->is_over = eventfd(0, EFD_CLOEXEC);
  if (loading->is_over < 0) {
    return false;
  }
  int error = pthread_create(&loading->thread, NULL, run, loading);
  if (error != 0) {
    close(loading->is_over);
    errno = error;
  }
  return error == 0;
}

void loading_end(struct loading *loading) {
  (void)eventfd_write(loading->is_over, 1);
  pthread_join(loading->thread, NULL);
  close(loading->is_over);
}
