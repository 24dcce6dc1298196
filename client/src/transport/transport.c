#include "client/src/transport/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static bool is_same_address(const struct address *a, const struct address *b) {
  return a->len == b->len && memcmp(&a->socket, &b->socket, a->len) == 0;
}

void dialling_record(struct dialling *dialling, bool has_worked) {
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

short link_arm(const struct link *link, short events) {
  return link->transport->arm(link, events);
}

void link_disarm(const struct link *link) {
  link->transport->disarm(link);
}

short link_poll_events(const struct link *link, short events) {
  return link->transport->poll_events(link, events);
}

int link_send_step(const struct link *link, const void *data, size_t size, size_t *done,
                   struct waits *waits) {
  link_disarm(link);
  while (*done < size) {
    struct iovec part = {(uint8_t *)(uintptr_t)data + *done, size - *done};
    ssize_t sent = link_send(link, &part, 1);
    if (sent >= 0) {
      *done += (size_t)sent;
    } else if (errno != EAGAIN) {
      return errno;
    } else if (link_arm(link, POLLOUT) == 0) {
      waits_add(waits, link->fd, link_poll_events(link, POLLOUT));
      return STEP_WAITS;
    }
  }
  return 0;
}

int link_recv_some(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits) {
  link_disarm(link);
  for (;;) {
    ssize_t received = link_recv(link, (uint8_t *)data + *done, size - *done);
    if (received > 0) {
      *done += (size_t)received;
      return 0;
    }
    if (received == 0) {
      return ECONNRESET;
    }
    if (errno != EAGAIN) {
      return errno;
    }
    if (link_arm(link, POLLIN) == 0) {
      waits_add(waits, link->fd, POLLIN);
      return STEP_WAITS;
    }
  }
}

int link_recv_step(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits) {
  int error = 0;
  while (error == 0 && *done < size) {
    error = link_recv_some(link, data, size, done, waits);
  }
  return error;
}

void link_close(struct link *link) {
  if (link->fd >= 0) {
    link->transport->close(link);
    link->fd = -1;
    link->rings = NULL;
    link->tls = NULL;
  }
}
