#include "server/journal/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static int spawn(char *const arguments[], int out, enum child_errors errors, pid_t *process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  if (errors == CHILD_ERRORS_PIPE) {
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int error = posix_spawn(process, arguments[0], &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

int child_start(char *const arguments[], enum child_errors errors, pid_t *process) {
  int ends[2];
  *process = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -1;
  }
  int error = spawn(arguments, ends[1], errors, process);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    *process = 0;
    errno = error;
    return -1;
  }
  return ends[0];
}

int child_await(pid_t *process, pthread_mutex_t *mutex) {
  siginfo_t info;
  int status = 0;
  pid_t child = *process; /* which this thread alone changes */
  while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  pthread_mutex_lock(mutex);
  *process = 0;
  pthread_mutex_unlock(mutex);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
