#include "server/journal/compactor.h"

#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER_BYTES 32

/* It has no descriptor of the server but standard error, and no signal is blocked. errno; 0: it runs. */
static int spawn(const struct compactor *compactor, uint64_t through, int out, pid_t *process) {
  char number[NUMBER_BYTES];
  snprintf(number, sizeof number, "%llu", (unsigned long long)through);
  char *arguments[] = {(char *)compactor->program, (char *)"--compact",
                       (char *)compactor->directory, number, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int error = posix_spawn(process, arguments[0], &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* What it prints until its end. */
static uint64_t read_number(int in) {
  char text[NUMBER_BYTES] = "";
  size_t len = 0;
  ssize_t got;
  do {
    got = read(in, text + len, sizeof text - 1 - len);
    len += got > 0 ? (size_t)got : 0;
  } while ((got > 0 && len < sizeof text - 1) || (got < 0 && errno == EINTR));
  return strtoull(text, NULL, 10);
}

/* The process is a zombie until then: its id can't be another's, so that stopping kills no other. */
static bool await_end(struct compactor *compactor, pid_t process) {
  siginfo_t info;
  int status = 0;
  while (waitid(P_PID, (id_t)process, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  pthread_mutex_lock(&compactor->mutex);
  compactor->process = 0;
  pthread_mutex_unlock(&compactor->mutex);
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* With the mutex, which is free while the process runs. Answers the index of the snapshot; 0: none. */
static uint64_t run_process(struct compactor *compactor, uint64_t through) {
  int ends[2], error = EMFILE;
  if (pipe2(ends, O_CLOEXEC) == 0) {
    error = spawn(compactor, through, ends[1], &compactor->process);
    close(ends[1]);
    if (error != 0) {
      close(ends[0]);
    }
  }
  if (error != 0) {
    compactor->process = 0;
    log_line(LOG_ERROR, "can't start the process that makes snapshots reason=\"%s\"",
             strerror(error));
    return 0;
  }
  pid_t process = compactor->process;
  pthread_mutex_unlock(&compactor->mutex);
  uint64_t index = read_number(ends[0]);
  close(ends[0]);
  bool is_right = await_end(compactor, process);
  pthread_mutex_lock(&compactor->mutex);
  return is_right ? index : 0;
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
