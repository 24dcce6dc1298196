#include "client/src/transport/descriptor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "proto/base/clock.h"

int poll_timeout_ms(uint64_t deadline_ns) {
  if (deadline_ns == CLOCK_NEVER) {
    return -1;
  }
  uint64_t now_ns = clock_now_ns();
  if (now_ns >= deadline_ns) {
    return 0;
  }
  uint64_t left_ms = (deadline_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
  return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

short descriptor_wait_or(int fd, short events, int other, bool *is_other, uint64_t deadline_ns) {
  struct pollfd descriptors[] = {{.fd = fd, .events = events}, {.fd = other, .events = POLLIN}};
  int count = poll(descriptors, 2, poll_timeout_ms(deadline_ns));
  *is_other = count > 0 && descriptors[1].revents != 0;
  return count > 0 ? descriptors[0].revents : 0;
}

short descriptor_wait(int fd, short events, uint64_t deadline_ns) {
  bool is_other;
  return descriptor_wait_or(fd, events, -1, &is_other, deadline_ns);
}

int connect_socket(const struct sockaddr *address, socklen_t address_len, int type,
                   uint64_t deadline_ns) {
  int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  int error = connect(fd, address, address_len) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    socklen_t error_len = sizeof error;
    while (descriptor_wait(fd, POLLOUT, deadline_ns) == 0 && clock_now_ns() < deadline_ns) {
    }
    if (descriptor_wait(fd, POLLOUT, 0) == 0) {
      error = ETIMEDOUT;
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) {
      error = errno;
    }
  }
  if (error != 0) {
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
