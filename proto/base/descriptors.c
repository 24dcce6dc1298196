#include "proto/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Behind all of them: the soft limit. */
static int end_of_kept(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur
                                                                           : INT_MAX;
}

static int first_kept(void) {
  return end_of_kept() - DESCRIPTORS_KEPT;
}

int descriptors_for_client(int fd) {
  if (fd >= 0 && fd >= first_kept()) {
    close(fd);
    errno = EMFILE;
    return -1;
  }
  return fd;
}

bool descriptors_are_left(void) {
  int next = descriptors_for_client(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  if (next >= 0) {
    close(next);
  }
  return next >= 0;
}

/* The server itself connects no such sockets. */
static bool is_of_client(int fd) {
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
         (peer.ss_family == AF_INET || peer.ss_family == AF_INET6 || peer.ss_family == AF_UNIX);
}

bool descriptors_are_kept(void) {
  int end = end_of_kept();
  for (int fd = end - DESCRIPTORS_KEPT; fd < end; fd++) {
    if (is_of_client(fd)) {
      return false;
    }
  }
  return true;
}
