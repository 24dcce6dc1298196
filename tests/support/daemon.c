#include "tests/support/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/tls/key.h"

#define ARGS_MAX 32
#define POLL_MS 5
#define READY_MS 20000 /* sanitizers on a busy machine take their time */
#define STOP_MS 5000
#define PATH_BYTES 192

/* "": without TLS. */
static char key_path[PATH_BYTES];
static pid_t key_owner;
/* NULL: standard error. */
static const char *log_path;

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "daemon: %s: %s\n", what, detail);
  exit(EXIT_FAILURE);
}

static void pause_ms(long ms) {
  struct timespec span = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&span, NULL);
}

static void ports_path(const struct daemon *daemon, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/ports", daemon->dir);
}

const char *daemon_program(void) {
  const char *program = getenv("HOLDFASTD");
  return program != NULL ? program : HOLDFASTD;
}

/* In the child: becomes the daemon, and dies with the test. */
static void become_daemon(const struct daemon *daemon, pid_t test, const char *const *extra) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != test) {
    _exit(127); /* it died before the line above */
  }
  const char *program = daemon_program();
  char ports[PATH_BYTES];
  ports_path(daemon, ports);
  const char *argv[ARGS_MAX] = {
      program, "--listen", daemon->tcp_url, "--listen", daemon->ipc_url, "--ports-file", ports};
  size_t argc = 7;
  if (key_path[0] != '\0') {
    argv[argc++] = "--key-file";
    argv[argc++] = key_path;
  }
  for (size_t i = 0; extra != NULL && extra[i] != NULL && argc < ARGS_MAX - 1; i++) {
    argv[argc++] = extra[i];
  }
  if (log_path != NULL) {
    dup2(open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC), STDERR_FILENO);
  }
  execv(program, (char *const *)(uintptr_t)argv);
  fprintf(stderr, "daemon: %s: %s\n", program, strerror(errno));
  _exit(127);
}

static const char *tcp_scheme(void) {
  return key_path[0] != '\0' ? "tls+tcp" : "tcp";
}

/* The first line of the ports file says which port the system chose. */
static void read_port(struct daemon *daemon, const char *path) {
  FILE *file = fopen(path, "re");
  char scheme[16] = "";
  unsigned port = 0;
  if (file == NULL || fscanf(file, "%15[a-z+]://127.0.0.1:%u", scheme, &port) != 2 ||
      strcmp(scheme, tcp_scheme()) != 0 || port > 65535) {
    fail("no port in", path);
  }
  fclose(file);
  daemon->tcp_port = (uint16_t)port;
  snprintf(daemon->tcp_url, sizeof daemon->tcp_url, "%s://127.0.0.1:%u", scheme, port);
}

static void wait_until_ready(struct daemon *daemon) {
  char path[PATH_BYTES];
  ports_path(daemon, path);
  for (long waited_ms = 0; access(path, R_OK) != 0; waited_ms += POLL_MS) {
    int status;
    if (waitpid(daemon->pid, &status, WNOHANG) == daemon->pid) {
      daemon->pid = 0;
      fail("ended at once; its lines are above", daemon->dir);
    }
    if (waited_ms > READY_MS) {
      fail("not ready in time", daemon->dir);
    }
    pause_ms(POLL_MS);
  }
  read_port(daemon, path);
}

static void launch(struct daemon *daemon, const char *const *extra) {
  char path[PATH_BYTES];
  ports_path(daemon, path);
  unlink(path);
  pid_t test = getpid();
  fflush(NULL);
  daemon->pid = fork();
  if (daemon->pid < 0) {
    fail("fork", strerror(errno));
  }
  if (daemon->pid == 0) {
    become_daemon(daemon, test, extra);
  }
  wait_until_ready(daemon);
}

static void remove_key(void) {
  if (getpid() == key_owner) {
    unlink(key_path);
  }
}

void daemon_use_tls(void) {
  char line[KEY_LINE_BYTES];
  snprintf(key_path, sizeof key_path, "/tmp/holdfast-key-XXXXXX");
  int fd = mkstemp(key_path);
  if (fd < 0 || !key_make("tester", line)) {
    fail("no key", strerror(errno));
  }
  if (dprintf(fd, "%s\n", line) < 0 || close(fd) != 0) {
    fail(key_path, strerror(errno));
  }
  key_owner = getpid();
  setenv("HOLDFAST_KEY_FILE", key_path, 1);
  atexit(remove_key);
}

void daemon_log_to(const char *path) {
  log_path = path;
}

void daemon_start(struct daemon *daemon, const char *const *extra) {
  memset(daemon, 0, sizeof *daemon);
  const char *parent = getenv("TMPDIR");
  /* An ipc path has about 100 bytes in all. */
  parent = parent != NULL && strlen(parent) < 70 ? parent : "/tmp";
  snprintf(daemon->dir, sizeof daemon->dir, "%s/holdfast-XXXXXX", parent);
  if (mkdtemp(daemon->dir) == NULL) {
    fail(daemon->dir, strerror(errno));
  }
  snprintf(daemon->tcp_url, sizeof daemon->tcp_url, "%s://127.0.0.1:0", tcp_scheme());
  snprintf(daemon->ipc_url, sizeof daemon->ipc_url, "ipc://%s/holdfast.sock", daemon->dir);
  launch(daemon, extra);
}

void daemon_restart(struct daemon *daemon, const char *const *extra) {
  launch(daemon, extra);
}

/* Whether it has ended within the time; out status as of waitpid. */
static bool wait_for_end(pid_t pid, long timeout_ms, int *status) {
  for (long waited_ms = 0; waitpid(pid, status, WNOHANG) != pid; waited_ms += POLL_MS) {
    if (waited_ms > timeout_ms) {
      return false;
    }
    pause_ms(POLL_MS);
  }
  return true;
}

bool daemon_wait(struct daemon *daemon, long timeout_ms, int *status) {
  int ended;
  if (!wait_for_end(daemon->pid, timeout_ms, &ended)) {
    return false;
  }
  daemon->pid = 0;
  *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
  return true;
}

static void remove_directory(const struct daemon *daemon) {
  char path[PATH_BYTES];
  ports_path(daemon, path);
  unlink(path);
  if (access(daemon->ipc_url + strlen("ipc://"), F_OK) == 0) {
    fail("left its socket behind", daemon->ipc_url);
  }
  rmdir(daemon->dir);
}

void daemon_end(struct daemon *daemon) {
  int status = 0;
  kill(daemon->pid, SIGTERM);
  if (!wait_for_end(daemon->pid, STOP_MS, &status)) {
    kill(daemon->pid, SIGKILL);
    waitpid(daemon->pid, &status, 0);
    fail("did not stop in time", daemon->dir);
  }
  daemon->pid = 0;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    char detail[32];
    snprintf(detail, sizeof detail, "wait status 0x%x", (unsigned)status);
    fail("did not stop cleanly", detail);
  }
}

void daemon_stop(struct daemon *daemon) {
  if (daemon->pid != 0) { /* else killed before: only its directory is left */
    daemon_check(daemon);
    daemon_end(daemon);
  }
  remove_directory(daemon);
}

void daemon_remove_data(const char *directory) {
  DIR *entries = opendir(directory);
  for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    unlinkat(dirfd(entries), entry->d_name, 0);
  }
  if (entries != NULL) {
    closedir(entries);
  }
  if (rmdir(directory) != 0) {
    fail(directory, strerror(errno));
  }
}

void daemon_kill(struct daemon *daemon) {
  int status;
  kill(daemon->pid, SIGKILL);
  waitpid(daemon->pid, &status, 0);
  daemon->pid = 0;
}

void daemon_discard(struct daemon *daemon) {
  daemon_kill(daemon);
  unlink(daemon->ipc_url + strlen("ipc://"));
  remove_directory(daemon);
}

/* A line of /proc/PID/status, in bytes. */
static uint64_t read_status_bytes(const struct daemon *daemon, const char *key) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "/proc/%ld/status", (long)daemon->pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    fail(path, strerror(errno));
  }
  char line[256];
  unsigned long long kb = 0;
  size_t len = strlen(key);
  while (kb == 0 && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, key, len) == 0) {
      kb = strtoull(line + len, NULL, 10);
    }
  }
  fclose(file);
  return kb * 1024;
}

uint64_t daemon_resident_bytes(const struct daemon *daemon) {
  return read_status_bytes(daemon, "VmRSS:");
}

uint64_t daemon_resident_peak_bytes(const struct daemon *daemon) {
  return read_status_bytes(daemon, "VmHWM:");
}
