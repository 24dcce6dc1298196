/* Running a program while this process owns a resource; see program.h.
 *
 * threads  a second thread keeps the resource: it reconnects after a lost link, renews leases, and
 *          detects the loss of the resource
 */
#include "client/cli/program.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEP_INTERVAL_MS 1000
/* Renewals per lease time. */
#define KEEPS_PER_LEASE 3

/* ------------------------------------------------------------------ the program */

/* Signal actions that this process was started with; the program gets them too. */
static struct sigaction initial_xfsz, initial_chld;

void program_init_signals(void) {
  const struct sigaction ignore = {.sa_handler = SIG_IGN}, default_action = {.sa_handler = SIG_DFL};
  sigaction(SIGXFSZ, &ignore, &initial_xfsz); /* write and ftruncate answer EFBIG instead */
  sigaction(SIGCHLD, &default_action,
            &initial_chld); /* an ignored SIGCHLD would make waiting for the child fail */
}

/* A signal ignored at start (nohup, a background job of a script) stays ignored: blocking it would
 * let sigtimedwait take it. */
static void fill_signals(sigset_t *signals) {
  static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  sigemptyset(signals);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct sigaction action;
    if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(signals, numbers[i]);
  }
}

static void export_number(const struct program *program) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, program->number);
  setenv(program->variable, text, 1);
}

static _Noreturn void become_program(const struct program *program, const sigset_t *mask,
                                     pid_t parent) {
  if (program->variable != NULL)
    export_number(program);
  if (program->input >= 0)
    dup2(program->input, STDIN_FILENO);
  sigaction(SIGXFSZ, &initial_xfsz, NULL);
  sigaction(SIGCHLD, &initial_chld, NULL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  /* The program must end with this process, since others may own the resource then. */
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent)
    execvp(program->words[0], program->words);
  fprintf(stderr, "holdfast: %s: %s\n", program->words[0], strerror(errno));
  _exit(errno == ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_CANNOT_RUN);
}

/* ------------------------------------------------------------------ the second thread */

struct keeper {
  hf_conn *conn;
  const struct program *program;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool stopping;
  atomic_bool lost;
};

static struct timespec next_renewal(const struct program *program) {
  uint64_t interval_ms = KEEP_INTERVAL_MS;
  struct timespec deadline;
  if (program->lease_ms > 0 && program->lease_ms / KEEPS_PER_LEASE < interval_ms)
    interval_ms = program->lease_ms / KEEPS_PER_LEASE;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  uint64_t deadline_ns = (uint64_t)deadline.tv_nsec + interval_ms * 1000000;
  deadline.tv_sec += (time_t)(deadline_ns / 1000000000);
  deadline.tv_nsec = (long)(deadline_ns % 1000000000);
  return deadline;
}

/* Sleeps for an interval; false: time to stop. */
static bool sleep_interval(struct keeper *keeper) {
  struct timespec deadline = next_renewal(keeper->program);
  pthread_mutex_lock(&keeper->mutex);
  int woken = 0;
  while (!keeper->stopping && woken == 0)
    woken = pthread_cond_timedwait(&keeper->wake, &keeper->mutex, &deadline);
  bool go_on = !keeper->stopping;
  pthread_mutex_unlock(&keeper->mutex);
  return go_on;
}

static bool ping(hf_conn *conn) {
  return hf_ping(conn, NULL) == HF_OK || strcmp(hf_last_error()->reason, "SESSION_ENDED") != 0;
}

static void *keep_until_stopped(void *argument) {
  struct keeper *keeper = argument;
  const struct program *program = keeper->program;
  bool has = true;
  while (has && sleep_interval(keeper))
    has = program->keep == NULL ? ping(keeper->conn) : program->keep(program->ctx);
  if (!has)
    atomic_store(&keeper->lost, true);
  return NULL;
}

static bool keeper_start(struct keeper *keeper, hf_conn *conn, const struct program *program) {
  pthread_condattr_t attributes;
  keeper->conn = conn;
  keeper->program = program;
  keeper->stopping = false;
  atomic_init(&keeper->lost, false);
  pthread_mutex_init(&keeper->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&keeper->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  return pthread_create(&keeper->thread, NULL, keep_until_stopped, keeper) == 0;
}

static void keeper_stop(struct keeper *keeper) {
  pthread_mutex_lock(&keeper->mutex);
  keeper->stopping = true;
  pthread_cond_signal(&keeper->wake);
  pthread_mutex_unlock(&keeper->mutex);
  pthread_join(keeper->thread, NULL);
  pthread_cond_destroy(&keeper->wake);
  pthread_mutex_destroy(&keeper->mutex);
}

/* ------------------------------------------------------------------ holding on */

static int program_exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? PROGRAM_SIGNAL_BASE + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

/* Forwards a signal to the child, except one that the terminal sent to both: si_pid is 0 then. */
static void forward_signal(pid_t child, int number, const siginfo_t *info,
                           struct program_end *end) {
  if (number <= 0 || number == SIGCHLD)
    return;
  end->signal = number;
  if (info->si_pid != 0)
    kill(child, number);
}

/* Waits for the child to end, forwards signals to the child, and ends the child if the resource is
 * lost. */
static void await_child(pid_t child, struct keeper *keeper, const sigset_t *signals,
                        struct program_end *end) {
  const struct timespec tick = {.tv_nsec = 200000000};
  for (;;) {
    int wait_status;
    if (waitpid(child, &wait_status, WNOHANG) == child) {
      end->code = program_exit_code(wait_status);
      return;
    }
    if (!end->lost && atomic_load(&keeper->lost)) {
      fprintf(stderr, "holdfast: the %s was lost; stopping the command\n",
              keeper->program->resource);
      kill(child, SIGTERM);
      end->lost = true;
    }
    siginfo_t info;
    int number = sigtimedwait(signals, &info, &tick);
    forward_signal(child, number, &info, end);
  }
}

/* Blocks the signals before the program starts, so that none is missed. */
int program_run(struct cli *cli, const struct program *program, struct program_end *end) {
  sigset_t signals, mask;
  *end = (struct program_end){0};
  fill_signals(&signals);
  sigprocmask(SIG_BLOCK, &signals, &mask);
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0)
    become_program(program, &mask, parent);
  struct keeper keeper;
  if (child < 0 || !keeper_start(&keeper, cli->conn, program)) {
    fprintf(stderr, "holdfast: cannot start a process: %s\n", strerror(errno));
    if (child > 0) {
      kill(child, SIGTERM);
      waitpid(child, NULL, 0);
    }
    return CLI_FAILED;
  }
  await_child(child, &keeper, &signals, end);
  keeper_stop(&keeper);
  end->lost = end->lost || atomic_load(&keeper.lost);
  return CLI_YES;
}

char **program_words(struct cli *cli) {
  char **words = cli_alloc(cli, cli->arg_count * sizeof *words); /* ends in a NULL */
  for (size_t i = 1; i < cli->arg_count; i++)
    words[i - 1] = (char *)cli->args[i].text;
  return words;
}
