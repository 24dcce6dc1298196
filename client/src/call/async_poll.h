/* What an event loop is told: one descriptor for all that is waited for, a time and a notification.
 *
 * layer   client, call; knows nothing of calls
 * threads The loop's, but for async_poll_notify: connection's mutex.
 */
#ifndef HF_CLIENT_ASYNC_POLL_H
#define HF_CLIENT_ASYNC_POLL_H

#include "client/src/transport/descriptor.h"

struct async_poll {
  int epoll_fd, timer_fd, event_fd; /* -1: none, in a forked child */
  struct pollfd armed[WAITS_MAX];   /* in epoll */
  size_t armed_count;
  uint32_t change_count; /* the connection's, when they were put there */
  uint64_t timer_ns;     /* CLOCK_NEVER: not set */
  bool is_notified;
};

/* false: there are no descriptors */
bool async_poll_init(struct async_poll *poll);
void async_poll_deinit(struct async_poll *poll);
/* Makes the descriptor readable. */
void async_poll_notify(struct async_poll *poll);
/* Forgets that it was readable. */
void async_poll_clear(struct async_poll *poll);
/* Readable when one of them happens. change_count differs: descriptors may have been closed. */
void async_poll_arm(struct async_poll *poll, const struct waits *waits, uint32_t change_count);

#endif
