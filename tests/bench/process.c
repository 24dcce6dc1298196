/* See process.h. */
#define _GNU_SOURCE
#include "tests/bench/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

void *bench_alloc(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL)
    bench_fail("out of memory");
  return memory;
}

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

pid_t process_fork(void) {
  pid_t parent = getpid();
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0)
    bench_fail("fork: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
      _exit(1);
  }
  return pid;
}

/* in, out: descriptors that become the child's standard input and output. */
static pid_t start_with(const char *const *argv, int in, int out) {
  pid_t pid = process_fork();
  if (pid != 0)
    return pid;
  int nowhere = open("/dev/null", O_RDWR);
  dup2(in < 0 ? nowhere : in, STDIN_FILENO);
  dup2(out < 0 ? nowhere : out, STDOUT_FILENO);
  execvp(argv[0], (char *const *)argv);
  _exit(127);
}

pid_t process_start(const char *const *argv) {
  return start_with(argv, -1, -1);
}

pid_t process_start_piped(const char *const *argv, int *to, int *from) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    bench_fail("pipe: %s", strerror(errno));
  pid_t pid = start_with(argv, in[0], out[1]);
  close(in[0]);
  close(out[1]);
  *to = in[1];
  *from = out[0];
  return pid;
}

void process_stop(pid_t pid) {
  if (pid <= 0)
    return;
  kill(pid, SIGTERM);
  for (int tries = 0; tries < 300; tries++) {
    if (waitpid(pid, NULL, WNOHANG) != 0)
      return;
    pause_ms(10);
  }
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

bool process_output(const char *const *argv, char *output, size_t size) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0)
    bench_fail("pipe: %s", strerror(errno));
  pid_t pid = start_with(argv, -1, out[1]);
  close(out[1]);
  size_t len = 0;
  char rest[4096];
  for (;;) {
    bool full = len + 1 >= size;
    ssize_t got =
        full ? read(out[0], rest, sizeof(rest)) : read(out[0], output + len, size - 1 - len);
    if (got <= 0)
      break;
    len += full ? 0 : (size_t)got;
  }
  output[len] = '\0';
  close(out[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t process_resident_bytes(pid_t pid) {
  char path[64];
  unsigned long long size, resident;
  snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL)
    return 0;
  int fields = fscanf(file, "%llu %llu", &size, &resident);
  fclose(file);
  return fields == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

double process_cpu_us(pid_t pid) {
  clockid_t clock;
  struct timespec time = {0};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
    bench_fail("no processor time of process %ld", (long)pid);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

bool process_installed(const char *program) {
  const char *path = getenv("PATH");
  char file[512];
  for (const char *dir = path; dir != NULL && *dir != '\0';) {
    size_t len = strcspn(dir, ":");
    snprintf(file, sizeof(file), "%.*s/%s", (int)len, dir, program);
    if (access(file, X_OK) == 0)
      return true;
    dir += len + (dir[len] == ':');
  }
  return false;
}

static char owned_dir[64];
static pid_t owner;

/* Also when the benchmark fails, but not when a child of it ends. */
static void remove_owned(void) {
  DIR *entries = getpid() == owner ? opendir(owned_dir) : NULL;
  if (entries == NULL)
    return;
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
    if (entry->d_name[0] != '.')
      unlinkat(dirfd(entries), entry->d_name, 0);
  closedir(entries);
  rmdir(owned_dir);
}

void directory_make(char dir[64]) {
  const char *base = getenv("TMPDIR");
  /* A socket's path must fit 108 bytes. */
  if (base == NULL || strlen(base) > 40)
    base = "/tmp";
  snprintf(owned_dir, sizeof(owned_dir), "%s/bench.XXXXXX", base);
  if (mkdtemp(owned_dir) == NULL)
    bench_fail("%s: %s", owned_dir, strerror(errno));
  owner = getpid();
  atexit(remove_owned);
  memcpy(dir, owned_dir, sizeof(owned_dir));
}

uint16_t port_find(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0)
    bench_fail("no free port: %s", strerror(errno));
  close(fd);
  return ntohs(address.sin_port);
}

static int connect_tcp(const char *address) {
  char host[64];
  const char *colon = strrchr(address, ':');
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
  if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
    bench_fail("%s: the host is to be an IPv4 address", address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
    return fd;
  close(fd);
  return -1;
}

static int connect_local(const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
    return fd;
  close(fd);
  return -1;
}

int socket_connect(enum bench_transport transport, const char *address) {
  return transport == BENCH_TCP ? connect_tcp(address) : connect_local(address);
}

void socket_wait(enum bench_transport transport, const char *address) {
  for (int tries = 0; tries < 500; tries++) {
    int fd = socket_connect(transport, address);
    if (fd >= 0) {
      close(fd);
      return;
    }
    pause_ms(10);
  }
  bench_fail("nobody answers at %s", address);
}

void socket_send(int fd, const void *data, size_t len) {
  for (size_t done = 0; done < len;) {
    ssize_t sent = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);
    if (sent <= 0)
      bench_fail("send: %s", strerror(errno));
    done += (size_t)sent;
  }
}

void socket_receive(int fd, void *data, size_t len) {
  for (size_t done = 0; done < len;) {
    ssize_t got = recv(fd, (char *)data + done, len - done, 0);
    if (got <= 0)
      bench_fail("receive: %s", got == 0 ? "closed by the server" : strerror(errno));
    done += (size_t)got;
  }
}
