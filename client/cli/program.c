/* Running a program while something is held; see program.h.
 *
 * threads  a second one pings: it keeps the connection alive through a lost link and notices when
 *          what is held is lost with the session
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

#define PING_INTERVAL_MS 1000
/* What a shell answers for a program that can't be run, isn't there, or was killed. */
#define EXIT_CANNOT_RUN 126
#define EXIT_NO_PROGRAM 127
#define EXIT_SIGNAL_BASE 128

/* ------------------------------------------------------------------ the program */

static void fill_signals(sigset_t *signals) {
  static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  sigemptyset(signals);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    sigaddset(signals, numbers[i]);
}

static void tell_token(uint64_t token) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, token);
  setenv("HOLDFAST_LOCK_TOKEN", text, 1);
}

static _Noreturn void become_program(const struct program *program, const sigset_t *mask,
                                     pid_t parent) {
  if (program->token != 0)
    tell_token(program->token);
  sigprocmask(SIG_SETMASK, mask, NULL);
  /* Without its holder the program would go on with what others soon have. */
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent)
    execvp(program->words[0], program->words);
  fprintf(stderr, "holdfast: %s: %s\n", program->words[0], strerror(errno));
  _exit(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_CANNOT_RUN);
}

/* ------------------------------------------------------------------ the second thread */

struct pinger {
  hf_conn *conn;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool stopping;
  atomic_bool session_ended;
};

/* Sleeps for an interval; false when it is time to stop. */
static bool sleep_interval(struct pinger *pinger) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += PING_INTERVAL_MS / 1000;
  pthread_mutex_lock(&pinger->mutex);
  int woken = 0;
  while (!pinger->stopping && woken == 0)
    woken = pthread_cond_timedwait(&pinger->wake, &pinger->mutex, &deadline);
  bool go_on = !pinger->stopping;
  pthread_mutex_unlock(&pinger->mutex);
  return go_on;
}

static void *ping_until_stopped(void *argument) {
  struct pinger *pinger = argument;
  while (sleep_interval(pinger))
    if (hf_ping(pinger->conn, NULL) != HF_OK &&
        strcmp(hf_last_error()->reason, "SESSION_ENDED") == 0) {
      atomic_store(&pinger->session_ended, true);
      break;
    }
  return NULL;
}

static bool pinger_start(struct pinger *pinger, hf_conn *conn) {
  pinger->conn = conn;
  pinger->stopping = false;
  atomic_init(&pinger->session_ended, false);
  pthread_mutex_init(&pinger->mutex, NULL);
  pthread_cond_init(&pinger->wake, NULL);
  return pthread_create(&pinger->thread, NULL, ping_until_stopped, pinger) == 0;
}

static void pinger_stop(struct pinger *pinger) {
  pthread_mutex_lock(&pinger->mutex);
  pinger->stopping = true;
  pthread_cond_signal(&pinger->wake);
  pthread_mutex_unlock(&pinger->mutex);
  pthread_join(pinger->thread, NULL);
  pthread_cond_destroy(&pinger->wake);
  pthread_mutex_destroy(&pinger->mutex);
}

/* ------------------------------------------------------------------ holding on */

static int program_exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? EXIT_SIGNAL_BASE + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

/* Waits for the child to end, hands signals on to it, ends it when what it runs under is lost. */
static int await_child(pid_t child, struct pinger *pinger, const char *held,
                       const sigset_t *signals) {
  const struct timespec tick = {.tv_sec = PING_INTERVAL_MS / 1000};
  bool told = false;
  for (;;) {
    int wait_status;
    if (waitpid(child, &wait_status, WNOHANG) == child)
      return program_exit_code(wait_status);
    if (!told && atomic_load(&pinger->session_ended)) {
      fprintf(stderr, "holdfast: the %s was lost; stopping the command\n", held);
      kill(child, SIGTERM);
      told = true;
    }
    siginfo_t info;
    int number = sigtimedwait(signals, &info, &tick);
    /* The terminal has sent its own to the child already: si_pid is 0 then. */
    if (number > 0 && number != SIGCHLD && info.si_pid != 0)
      kill(child, number);
  }
}

/* The signals are blocked before the program starts, so that none is missed. */
int program_run(struct cli *cli, const struct program *program, bool *lost) {
  sigset_t signals, mask;
  fill_signals(&signals);
  sigprocmask(SIG_BLOCK, &signals, &mask);
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0)
    become_program(program, &mask, parent);
  struct pinger pinger;
  if (child < 0 || !pinger_start(&pinger, cli->conn)) {
    fprintf(stderr, "holdfast: cannot start a process: %s\n", strerror(errno));
    if (child > 0) {
      kill(child, SIGTERM);
      waitpid(child, NULL, 0);
    }
    return CLI_FAILED;
  }
  int code = await_child(child, &pinger, program->held, &signals);
  pinger_stop(&pinger);
  *lost = atomic_load(&pinger.session_ended);
  return code;
}

char **program_words(struct cli *cli) {
  char **words = cli_alloc(cli, cli->arg_count * sizeof *words); /* ends in a NULL */
  for (size_t i = 1; i < cli->arg_count; i++)
    words[i - 1] = (char *)cli->args[i].text;
  return words;
}
