/* holdfast lock ...
 *
 * threads  `lock run` has a second one, which pings: it keeps the connection alive through a lost
 *          link and notices when the lock is lost with the session
 */
#include "client/cli/answer.h"
#include "client/cli/command.h"

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

static _Noreturn void become_program(char **program, uint64_t token, const sigset_t *mask,
                                     pid_t parent) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, token);
  setenv("HOLDFAST_LOCK_TOKEN", text, 1);
  sigprocmask(SIG_SETMASK, mask, NULL);
  /* Without its holder the program would go on with a lock that others soon have. */
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent)
    execvp(program[0], program);
  fprintf(stderr, "holdfast: %s: %s\n", program[0], strerror(errno));
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

/* Waits for the child to end, hands signals on to it, ends it when the lock is lost. */
static int await_child(pid_t child, struct pinger *pinger, const sigset_t *signals) {
  const struct timespec tick = {.tv_sec = PING_INTERVAL_MS / 1000};
  bool told = false;
  for (;;) {
    int wait_status;
    if (waitpid(child, &wait_status, WNOHANG) == child)
      return program_exit_code(wait_status);
    if (!told && atomic_load(&pinger->session_ended)) {
      fputs("holdfast: the lock was lost; stopping the command\n", stderr);
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

/* Runs the program; the signals are blocked before it starts, so that none is missed. */
static int run_program(struct cli *cli, char **program, uint64_t token, bool *lost) {
  sigset_t signals, mask;
  fill_signals(&signals);
  sigprocmask(SIG_BLOCK, &signals, &mask);
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0)
    become_program(program, token, &mask, parent);
  struct pinger pinger;
  if (child < 0 || !pinger_start(&pinger, cli->conn)) {
    fprintf(stderr, "holdfast: cannot start a process: %s\n", strerror(errno));
    if (child > 0) {
      kill(child, SIGTERM);
      waitpid(child, NULL, 0);
    }
    return CLI_FAILED;
  }
  int code = await_child(child, &pinger, &signals);
  pinger_stop(&pinger);
  *lost = atomic_load(&pinger.session_ended);
  return code;
}

static int run_holding(struct cli *cli, hf_object *object) {
  (void)object;
  hf_lock *lock;
  struct hf_grant grant;
  char **program = cli_alloc(cli, cli->arg_count * sizeof *program); /* ends in a NULL */
  for (size_t i = 1; i < cli->arg_count; i++)
    program[i - 1] = (char *)cli->args[i].text;
  if (hf_lock_open(cli->conn, cli->args[0].text, &lock) != HF_OK)
    return cli_fail(cli);
  if (hf_lock_acquire_robust(lock, cli_wait_ms(cli), &grant) != HF_OK) {
    int refused = cli_fail(cli);
    hf_lock_close(lock);
    return refused;
  }
  bool lost = false;
  int code = run_program(cli, program, grant.token, &lost);
  /* By token: if the lock was lost meanwhile, the new owner keeps it. */
  if (hf_lock_release_token(lock, grant.token) != HF_OK || lost)
    code = cli_fail(cli);
  hf_lock_close(lock);
  return code;
}

/* ------------------------------------------------------------------ the others */

static int release(struct cli *cli, hf_object *object) {
  hf_lock *lock = (hf_lock *)object;
  return answer_done(cli, cli->options.has_token ? hf_lock_release_token(lock, cli->options.token)
                                                 : hf_lock_release(lock));
}

static int describe(struct cli *cli, hf_object *object) {
  struct hf_object_info info;
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  return output_members(cli, json_pack("{s:s, s:b, s:s, s:I, s:I}", "name", info.name, "locked",
                                       (int)info.locked, "holder", info.holder, "waiting",
                                       (json_int_t)info.waiting, "token", (json_int_t)info.token));
}

const struct command lock_commands[] = {
    {"run", "nn*", "NAME [--timeout MS] -- PROGRAM..", OPEN_NOTHING, HF_LOCK, true, run_holding,
     "holds it while PROGRAM runs"},
    {"release", "n", "NAME [--token N]", OPEN_EXISTING, HF_LOCK, false, release,
     "frees it, whoever holds it"},
    {"info", "n", "NAME", OPEN_EXISTING, HF_LOCK, false, describe, "who holds it; its token"},
    {0},
};
