/* The descriptor for an event loop: one epoll descriptor for all descriptors of a connection, a
 * timer and notifications.
 *
 * layer   client, call; independent of calls
 * threads Only the event loop's thread, except async_poll_notify: connection's mutex.
 */
#ifndef HF_CLIENT_ASYNC_POLL_H
#define HF_CLIENT_ASYNC_POLL_H

#include "client/src/transport/descriptor.h"

struct async_poll {
  int epoll_fd, timer_fd, event_fd; /* -1: none, in a forked child */
  struct pollfd armed[WAITS_MAX];   /* those in the epoll set */
  size_t armed_count;
  uint32_t change_count; /* the connection's when `armed` was set */
  uint64_t timer_ns;     /* CLOCK_NEVER: not set */
  bool is_notified;
};

/* false: out of descriptors */
bool async_poll_init(struct async_poll *poll);
void async_poll_deinit(struct async_poll *poll);
/* Makes the descriptor readable. */
void async_poll_notify(struct async_poll *poll);
/* Consumes timer and notifications, so that the descriptor is no longer readable. */
void async_poll_clear(struct async_poll *poll);
/* Makes the descriptor readable on each of `waits`. A changed change_count means that descriptors
 * in the epoll set may have been closed. */
void async_poll_arm(struct async_poll *poll, const struct waits *waits, uint32_t change_count);

#endif
