#include "server/journal/compactor.h"

#include "proto/base/log.h"
#include "server/journal/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER_BYTES 32
#define TEXT_BYTES 1024 /* of what it prints, from the end */

/* The last line of what it prints until its end: so it never waits for one that reads. */
static const char *read_last_line(int in, char text[TEXT_BYTES]) {
  size_t len = 0;
  ssize_t got;
  do {
    if (len == TEXT_BYTES - 1) {
      len = TEXT_BYTES / 2;
      memmove(text, text + TEXT_BYTES - 1 - len, len);
    }
    got = read(in, text + len, TEXT_BYTES - 1 - len);
    len += got > 0 ? (size_t)got : 0;
  } while (got > 0 || (got < 0 && errno == EINTR));
  len -= len > 0 && text[len - 1] == '\n';
  text[len] = '\0';
  const char *line = strrchr(text, '\n');
  return line ? line + 1 : text;
}

/* With the mutex. One that was killed could not say why: by its memory, which it is the first to lose. */
static void log_failure(const struct compactor *compactor, int status, const char *line) {
  if (compactor->is_stopping) {
    return;
  }
  if (WIFSIGNALED(status)) {
    int number = WTERMSIG(status);
    log_line(LOG_ERROR, "can't make a snapshot reason=\"its process was ended by signal %d%s\"",
             number, number == SIGKILL ? ", maybe as memory ran out" : "");
  } else {
    log_line(LOG_ERROR, "can't make a snapshot reason=\"%s\"",
             *line ? line : "its process has ended without one");
  }
}

/* With the mutex, which is free while the process runs. Answers the index of the snapshot; 0: none. */
static uint64_t run_process(struct compactor *compactor, uint64_t through) {
  char number[NUMBER_BYTES], text[TEXT_BYTES];
  snprintf(number, sizeof number, "%llu", (unsigned long long)through);
  char *arguments[] = {(char *)compactor->program, (char *)"--compact",
                       (char *)compactor->directory, number, NULL};
  int in = child_start(arguments, CHILD_ERRORS_PIPE, &compactor->process);
  if (in < 0) {
    log_line(LOG_ERROR, "can't start the process that makes snapshots reason=\"%s\"",
             strerror(errno));
    return 0;
  }
  pthread_mutex_unlock(&compactor->mutex);
  const char *line = read_last_line(in, text);
  close(in);
  int status = child_await(&compactor->process, &compactor->mutex);
  pthread_mutex_lock(&compactor->mutex);
  if (status != 0) {
    log_failure(compactor, status, line);
    return 0;
  }
  return strtoull(line, NULL, 10);
}

static void *run(void *arg) {
  struct compactor *compactor = arg;
  pthread_mutex_lock(&compactor->mutex);
  while (!compactor->is_stopping) {
    if (compactor->through == 0) {
      pthread_cond_wait(&compactor->changed, &compactor->mutex);
      continue;
    }
    uint64_t through = compactor->through;
    compactor->through = 0;
    uint64_t index = run_process(compactor, through);
    pthread_mutex_unlock(&compactor->mutex);
    compactor->ended(compactor->ctx, index);
    pthread_mutex_lock(&compactor->mutex);
  }
  pthread_mutex_unlock(&compactor->mutex);
  return NULL;
}

bool compactor_start(struct compactor *compactor, const char *program, const char *directory,
                     void (*ended)(void *ctx, uint64_t index), void *ctx) {
  *compactor =
      (struct compactor){.program = program, .directory = directory, .ended = ended, .ctx = ctx};
  pthread_mutex_init(&compactor->mutex, NULL);
  pthread_cond_init(&compactor->changed, NULL);
  if (pthread_create(&compactor->thread, NULL, run, compactor) == 0) {
    return true;
  }
  pthread_cond_destroy(&compactor->changed);
  pthread_mutex_destroy(&compactor->mutex);
  return false;
}

void compactor_run(struct compactor *compactor, uint64_t through) {
  pthread_mutex_lock(&compactor->mutex);
  compactor->through = through;
  pthread_cond_signal(&compactor->changed);
  pthread_mutex_unlock(&compactor->mutex);
}

void compactor_stop(struct compactor *compactor) {
  pthread_mutex_lock(&compactor->mutex);
  compactor->is_stopping = true;
  if (compactor->process > 0) {
    kill(compactor->process, SIGKILL);
  }
  pthread_cond_signal(&compactor->changed);
  pthread_mutex_unlock(&compactor->mutex);
  pthread_join(compactor->thread, NULL);
  pthread_cond_destroy(&compactor->changed);
  pthread_mutex_destroy(&compactor->mutex);
}
