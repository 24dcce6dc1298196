#include "proto/base/socket_path.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOCK_RETRY_MS 10
#define BESIDE_CHARACTERS_MAX 12
#define LINE_BYTES_MAX 512

/* ---- the directory's lock */

/* The process that has locked the directory, from /proc/locks by inode; 0: not found. */
static long lock_owner(int directory) {
  FILE *locks = fopen("/proc/locks", "re");
  struct stat status;
  char line[LINE_BYTES_MAX];
  long owner = 0;
  if (locks == NULL) {
    return 0;
  }
  if (fstat(directory, &status) == 0) {
    while (owner == 0 && fgets(line, sizeof line, locks) != NULL) {
      long pid = 0;
      unsigned long long inode = 0;
      bool is_read = sscanf(line, "%*d: FLOCK %*s %*s %ld %*x:%*x:%llu", &pid, &inode) == 2;
      owner = is_read && inode == (unsigned long long)status.st_ino ? pid : 0;
    }
  }
  fclose(locks);
  return owner;
}

/* Bounded, since any process that may read the directory can lock it for ever. */
static bool lock_in_time(int directory, const char *name) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), SOCKET_PATH_LOCK_MS);
  bool is_logged = false;
  while (flock(directory, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return false;
    }
    if (!is_logged) {
      log_line(LOG_WARN, "waiting for a lock on a directory path=%s pid=%ld", name,
               lock_owner(directory));
      is_logged = true;
    }
    if (clock_now_ns() > deadline_ns) {
      errno = ETIMEDOUT;
      return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_MS * 1000000}, NULL);
  }
  return true;
}

int socket_path_lock(const char *path) {
  char name[SOCKET_PATH_BYTES_MAX];
  snprintf(name, sizeof name, "%s", path);
  char *slash = strrchr(name, '/');
  if (slash == NULL) {
    errno = EINVAL;
    return -1;
  }
  slash[slash == name ? 1 : 0] = '\0';
  int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && !lock_in_time(fd, name)) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

/* ---- dead ones */

static int connect_as(int type, const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return errno;
  }
  int error = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

/* Whether a process is bound to the path: /proc/net/unix lists bound sockets with their paths. */
static bool is_bound(const char *path) {
  FILE *sockets = fopen("/proc/net/unix", "re");
  char line[LINE_BYTES_MAX];
  bool is_found = false;
  while (sockets != NULL && !is_found && fgets(line, sizeof line, sockets) != NULL) {
    char *name = strchr(line, '/');
    line[strcspn(line, "\n")] = '\0';
    is_found = name != NULL && strcmp(name, path) == 0;
  }
  if (sockets != NULL) {
    fclose(sockets);
  }
  return is_found;
}

/* Connects to the socket. ECONNREFUSED: no process is bound, or the process does not listen yet.
 * EPROTOTYPE: a socket of another type. */
static bool is_dead(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int error = connect_as(SOCK_STREAM, &address);
  if (error == EPROTOTYPE) {
    error = connect_as(SOCK_SEQPACKET, &address);
  }
  return error == ENOENT || (error == ECONNREFUSED && !is_bound(path));
}

bool socket_path_clear(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) {
    return errno == ENOENT;
  }
  if (!S_ISSOCK(status.st_mode)) {
    errno = ENOTSOCK;
    return false;
  }
  if (!is_dead(path)) {
    errno = EADDRINUSE;
    return false;
  }
  log_line(LOG_INFO, "removing stale socket path=%s", path);
  return unlink(path) == 0 || errno == ENOENT;
}

/* ---- one's own */

void socket_path_beside(const char *path, char beside[SOCKET_PATH_BYTES_MAX]) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
  const size_t letter_count = sizeof letters - 1;
  uint8_t random[BESIDE_CHARACTERS_MAX];
  struct stat status;
  snprintf(beside, SOCKET_PATH_BYTES_MAX, "%s", path);
  char *name = strrchr(beside, '/') + 1;
  size_t len = strlen(name) < sizeof random ? strlen(name) : sizeof random;
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
    memset(random, getpid(), sizeof random);
  }
  for (size_t i = 0; i < len; i++) {
    name[i] = letters[random[i] % letter_count];
  }
  name[len] = '\0';
  /* A short random name may be the path itself, or exist in the directory. */
  for (size_t i = 1; i < letter_count && (strcmp(beside, path) == 0 || lstat(beside, &status) == 0);
       i++) {
    name[0] = letters[(random[0] + i) % letter_count];
  }
}

bool socket_path_publish(const char *from, const char *path) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
    return true;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    errno = errno == EEXIST ? EADDRINUSE : errno;
    return false;
  }
  /* The file system lacks RENAME_NOREPLACE; the path was checked before. */
  return rename(from, path) == 0;
}

bool socket_file_record(struct socket_file *file, const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) {
    return false;
  }
  *file = (struct socket_file){.dev = status.st_dev, .ino = status.st_ino};
  snprintf(file->path, sizeof file->path, "%s", path);
  return true;
}

void socket_file_remove(struct socket_file *file) {
  struct stat status;
  if (file->path[0] == '\0') {
    return;
  }
  int directory = socket_path_lock(file->path); /* without the lock the race is short */
  if (lstat(file->path, &status) == 0 && status.st_dev == file->dev && status.st_ino == file->ino) {
    unlink(file->path);
  }
  if (directory >= 0) {
    close(directory);
  }
  file->path[0] = '\0';
}
