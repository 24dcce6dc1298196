#include "server/ports_file.h"

#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How soon the end of waiting is noticed. */
#define RETRY_MS 20

/* errno stays that of the failure. */
static bool close_written(int fd, bool is_written) {
  int error = errno;
  bool is_closed = close(fd) == 0;
  if (!is_written) {
    errno = error;
  }
  return is_written && is_closed;
}

/* A pipe or terminal that is full is waited for. */
static bool write_all(int fd, const char *text, size_t len) {
  while (len > 0) {
    ssize_t written = write(fd, text, len);
    if (written > 0) {
      text += written;
      len -= (size_t)written;
    } else if (written < 0 && errno == EAGAIN) {
      if (process_has_to_end()) {
        return true;
      }
      struct pollfd room = {.fd = fd, .events = POLLOUT};
      (void)poll(&room, 1, RETRY_MS);
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

/* A new file with a random name, then renamed: no link that was planted before is followed. */
static bool replace(const char *path, const char *text, size_t len) {
  char temporary[PATH_MAX];
  int name_len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (name_len < 0 || (size_t)name_len >= sizeof temporary) {
    errno = ENAMETOOLONG;
    return false;
  }
  int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  if (close_written(fd, write_all(fd, text, len)) && rename(temporary, path) == 0) {
    return true;
  }
  int error = errno;
  unlink(temporary);
  errno = error;
  return false;
}

/* A fifo without a reader answers ENXIO: one will come, or none any more if `is_own`, since this process
 * had the pipe from its reader. */
static bool write_into(const char *path, const char *text, size_t len, bool is_own) {
  int fd;
  while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0 && errno == ENXIO &&
         !is_own && !process_has_to_end()) {
    nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000}, NULL);
  }
  if (fd < 0) {
    return errno == ENXIO && !is_own; /* the server has to end */
  }
  return close_written(fd, write_all(fd, text, len));
}

/* The standard descriptor that a path like /dev/stdout is a link to; -1: none. */
static int own_descriptor(const struct stat *wanted) {
  for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
    struct stat status;
    if (fstat(fd, &status) == 0 && status.st_dev == wanted->st_dev &&
        status.st_ino == wanted->st_ino) {
      return fd;
    }
  }
  return -1;
}

bool ports_file_write(const char *path, const char *text, size_t len) {
  struct stat status;
  if (stat(path, &status) != 0) {
    return replace(path, text, len);
  }
  int own = own_descriptor(&status);
  if (!S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode)) {
    return write_into(path, text, len, own >= 0);
  }
  return own >= 0 ? write_all(own, text, len) : replace(path, text, len);
}
