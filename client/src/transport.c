#include "client/src/transport.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "proto/base/clock.h"

const struct transport *transport_find(const char *url, const char **address) {
  static const struct transport *const all[] = {&transport_tcp, &transport_ipc};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    size_t scheme_len = strlen(all[i]->scheme);
    if (strncmp(url, all[i]->scheme, scheme_len) == 0) {
      *address = url + scheme_len;
      return all[i]->is_address(*address) ? all[i] : NULL;
    }
  }
  return NULL;
}

/* Rounded up, so that a wait never ends before its deadline. */
static int poll_timeout_ms(uint64_t deadline_ns) {
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

short link_wait_or(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns) {
  *is_other = false;
  return link->transport->wait(link, events, other, is_other, deadline_ns);
}

short link_wait(const struct link *link, short events, uint64_t deadline_ns) {
  bool is_other;
  return link_wait_or(link, events, -1, &is_other, deadline_ns);
}

ssize_t link_send(const struct link *link, struct iovec *parts, int part_count) {
  return link->transport->send(link, parts, part_count);
}

ssize_t link_recv(const struct link *link, void *data, size_t capacity) {
  return link->transport->recv(link, data, capacity);
}

void link_cut(const struct link *link) {
  link->transport->cut(link);
}

int link_send_all(struct link *link, const void *data, size_t size, uint64_t deadline_ns) {
  const uint8_t *next = data;
  while (size > 0) {
    struct iovec part = {(void *)(uintptr_t)next, size};
    ssize_t sent = link_send(link, &part, 1);
    if (sent >= 0) {
      next += sent;
      size -= (size_t)sent;
    } else if (errno != EAGAIN) {
      return errno;
    } else if (link_wait(link, POLLOUT, deadline_ns) == 0 && clock_now_ns() >= deadline_ns) {
      return ETIMEDOUT;
    }
  }
  return 0;
}

static int receive_exactly(struct link *link, uint8_t *data, size_t size, uint64_t deadline_ns) {
  while (size > 0) {
    ssize_t received = link_recv(link, data, size);
    if (received > 0) {
      data += received;
      size -= (size_t)received;
    } else if (received == 0) {
      return ECONNRESET;
    } else if (errno != EAGAIN) {
      return errno;
    } else if (link_wait(link, POLLIN, deadline_ns) == 0 && clock_now_ns() >= deadline_ns) {
      return ETIMEDOUT;
    }
  }
  return 0;
}

static int exchange_hellos(struct link *link, enum sp_protocol own, enum sp_protocol peer,
                           uint64_t deadline_ns) {
  uint8_t hello[SP_HELLO_BYTES];
  uint16_t protocol;
  sp_hello_write(hello, own);
  int error = link_send_all(link, hello, sizeof hello, deadline_ns);
  if (error == 0) {
    error = receive_exactly(link, hello, sizeof hello, deadline_ns);
  }
  if (error == 0 && (sp_hello_read(hello, &protocol) != SP_OK || protocol != peer)) {
    error = EPROTO;
  }
  return error;
}

int link_open(struct link *link, const struct transport *transport, const char *address,
              enum sp_protocol own, enum sp_protocol peer, uint64_t deadline_ns,
              int64_t dead_after_ms) {
  link->transport = transport;
  link->rings = NULL;
  link->fd = transport->dial(address, deadline_ns, dead_after_ms);
  if (link->fd < 0) {
    return errno;
  }
  int error = exchange_hellos(link, own, peer, deadline_ns);
  if (error != 0) {
    link_close(link);
  }
  return error;
}

void link_close(struct link *link) {
  if (link->fd >= 0) {
    link->transport->close(link);
    link->fd = -1;
    link->rings = NULL;
  }
}
