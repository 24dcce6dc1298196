/* See crowd.h. */
#include "tests/fault/crowd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"

#define LOOK_AGAIN_US 2000
/* A client waits 1 s at the local handshake, and many come at once. */
#define ATTEMPTS 10

pid_t crowd_start(crowd_worker *worker, const char *url, int idx, void *arg) {
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(worker(url, idx, arg));
  }
  return pid;
}

int crowd_wait(pid_t pid, int timeout_ms) {
  int64_t deadline_ms = attacker_now_ms() + timeout_ms;
  int status;
  pid_t done;
  while ((done = waitpid(pid, &status, WNOHANG)) == 0) {
    if (attacker_now_ms() > deadline_ms) {
      crowd_kill(pid);
      fail_msg("a client hangs: not done within %d ms", timeout_ms);
    }
    usleep(LOOK_AGAIN_US);
  }
  assert_int_equal(done, pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void crowd_expect_running(pid_t pid) {
  siginfo_t info = {0};
  assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
  if (info.si_pid != 0) {
    fail_msg("a client ended by itself, %s %d",
             info.si_code == CLD_EXITED ? "exit code" : "by signal", info.si_status);
  }
}

void crowd_kill(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

/* HOLDFAST_LOCAL=on says that shared memory is what is tested. */
static bool has_preferred_path(hf_conn *conn) {
  const char *preference = getenv("HOLDFAST_LOCAL");
  if (preference == NULL || strcmp(preference, "on") != 0 ||
      strcmp(hf_conn_path(conn), "shared memory") == 0) {
    return true;
  }
  fprintf(stderr, "worker: over %s: %s\n", hf_conn_path(conn), hf_conn_path_reason(conn));
  return false;
}

hf_conn *crowd_connect(const char *url, uint32_t grace_ms, int64_t call_timeout_ms) {
  struct hf_options options = {.call_timeout_ms = call_timeout_ms, .grace_ms = grace_ms};
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    hf_conn *conn;
    if (hf_connect(url, &options, &conn) != HF_OK) {
      _exit(crowd_fail("connect", -1));
    }
    if (has_preferred_path(conn)) {
      return conn;
    }
    hf_close(conn);
  }
  _exit(CROWD_FAILED);
}

int crowd_fail(const char *what, int idx) {
  const struct hf_error *error = hf_last_error();
  fprintf(stderr, "worker %d: %s: %s %s: %s\n", idx, what, hf_status_name(error->status),
          error->reason, error->message);
  return CROWD_FAILED;
}

void crowd_expect_ok(hf_status status, const char *what) {
  if (status != HF_OK) {
    fail_msg("%s: %s: %s", what, hf_status_name(status), hf_last_error()->message);
  }
}

void crowd_expect_left(hf_conn *conn, uint64_t objects, uint64_t sessions, int timeout_ms) {
  int64_t deadline_ms = attacker_now_ms() + timeout_ms;
  struct hf_server_info info;
  do {
    crowd_expect_ok(hf_server_info(conn, &info), "server info");
    if (info.objects <= objects && info.sessions <= sessions) {
      return;
    }
    usleep(LOOK_AGAIN_US);
  } while (attacker_now_ms() < deadline_ms);
  fail_msg("left behind: %llu objects, %llu sessions instead of %llu, %llu",
           (unsigned long long)info.objects, (unsigned long long)info.sessions,
           (unsigned long long)objects, (unsigned long long)sessions);
}
