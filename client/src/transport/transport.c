#include "client/src/transport/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "proto/base/clock.h"

static bool is_same_address(const struct address *a, const struct address *b) {
  return a->len == b->len && memcmp(&a->socket, &b->socket, a->len) == 0;
}

void dialling_note(struct dialling *dialling, bool has_worked) {
  if (dialling->chosen.len == 0) {
    return;
  }
  if (has_worked) {
    dialling->worked = dialling->chosen;
    dialling->shunned.len = 0;
  } else {
    dialling->shunned = dialling->chosen;
    dialling->worked.len =
        is_same_address(&dialling->worked, &dialling->chosen) ? 0 : dialling->worked.len;
  }
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

static int receive_exactly(struct link *link, uint8_t *data, size_t size, int cancel_fd,
                           uint64_t deadline_ns) {
  bool is_cancelled = false;
  while (size > 0) {
    if (is_cancelled) {
      return ECANCELED;
    }
    ssize_t received = link_recv(link, data, size);
    if (received > 0) {
      data += received;
      size -= (size_t)received;
    } else if (received == 0) {
      return ECONNRESET;
    } else if (errno != EAGAIN) {
      return errno;
    } else if (link_wait_or(link, POLLIN, cancel_fd, &is_cancelled, deadline_ns) == 0 &&
               clock_now_ns() >= deadline_ns) {
      return ETIMEDOUT;
    }
  }
  return 0;
}

/* One of several addresses may take the connection and say nothing: the others get their turn. */
static uint64_t hello_deadline_ns(const struct dialling *dialling) {
  uint64_t now_ns = clock_now_ns(), deadline_ns = dialling->deadline_ns;
  return dialling->has_others && deadline_ns > now_ns ? now_ns + (deadline_ns - now_ns) / 2
                                                      : deadline_ns;
}

static int exchange_hellos(struct link *link, enum sp_protocol own, enum sp_protocol peer,
                           const struct dialling *dialling) {
  uint64_t deadline_ns = hello_deadline_ns(dialling);
  uint8_t hello[SP_HELLO_BYTES];
  uint16_t protocol;
  sp_hello_write(hello, own);
  int error = link_send_all(link, hello, sizeof hello, deadline_ns);
  if (error == 0) {
    error = receive_exactly(link, hello, sizeof hello, dialling->cancel_fd, deadline_ns);
  }
  if (error == 0 && (sp_hello_read(hello, &protocol) != SP_OK || protocol != peer)) {
    error = EPROTO;
  }
  return error;
}

int link_open(struct link *link, const struct transport *transport, const char *address,
              enum sp_protocol own, enum sp_protocol peer, struct dialling *dialling) {
  link->transport = transport;
  link->rings = NULL;
  dialling->chosen.len = 0;
  dialling->has_others = false;
  link->fd = transport->dial(address, dialling);
  if (link->fd < 0) {
    return errno;
  }
  int error = exchange_hellos(link, own, peer, dialling);
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
