#include "tests/fault/stepper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Another signal than the one that each step ends with. */
#define MARK SIGSTOP

bool stepper_is_permitted(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
  }
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

void stepper_begin(void) {
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
    abort();
  }
  raise(MARK);
}

void stepper_end(void) {
  raise(MARK);
}

static int await_stop(pid_t victim) {
  int status;
  if (waitpid(victim, &status, 0) != victim || !WIFSTOPPED(status)) {
    fprintf(stderr, "who was to be stepped through has ended by itself: %x\n", (unsigned)status);
    abort();
  }
  return WSTOPSIG(status);
}

pid_t stepper_start(void (*victim)(void *arg), void *arg) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) {
    abort();
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    victim(arg);
    _exit(1);
  }
  if (await_stop(pid) != MARK) {
    abort();
  }
  return pid;
}

size_t stepper_go(pid_t victim, size_t steps) {
  size_t done = 0;
  while (done < steps) {
    if (ptrace(PTRACE_SINGLESTEP, victim, NULL, NULL) != 0) {
      abort();
    }
    int signal = await_stop(victim);
    if (signal == MARK) {
      break;
    }
    if (signal != SIGTRAP) {
      fprintf(stderr, "signal %d instead of a step\n", signal);
      abort();
    }
    done++;
  }
  return done;
}

void stepper_kill(pid_t victim) {
  int status;
  kill(victim, SIGKILL);
  if (waitpid(victim, &status, 0) != victim || !WIFSIGNALED(status)) {
    abort();
  }
}
