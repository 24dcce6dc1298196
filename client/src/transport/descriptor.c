#include "client/src/transport/descriptor.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
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

/* Connecting an AF_UNIX socket succeeds or fails at once. */
int connect_local(const struct sockaddr *address, socklen_t address_len, int type) {
  int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, address, address_len) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

void waits_init(struct waits *waits) {
  waits->count = 0;
  waits->until_ns = CLOCK_NEVER;
}

void waits_add(struct waits *waits, int fd, short events) {
  assert(waits->count < WAITS_MAX);
  waits->descriptors[waits->count++] = (struct pollfd){.fd = fd, .events = events};
}

void waits_until(struct waits *waits, uint64_t until_ns) {
  waits->until_ns = until_ns < waits->until_ns ? until_ns : waits->until_ns;
}

bool waits_block(const struct waits *waits, int other, uint64_t deadline_ns) {
  struct pollfd descriptors[WAITS_MAX + 1];
  memcpy(descriptors, waits->descriptors, waits->count * sizeof *descriptors);
  struct pollfd *last = &descriptors[waits->count];
  *last = (struct pollfd){.fd = other, .events = POLLIN};
  uint64_t until_ns = waits->until_ns < deadline_ns ? waits->until_ns : deadline_ns;
  return poll(descriptors, waits->count + 1, poll_timeout_ms(until_ns)) > 0 && last->revents != 0;
}
