#include "client/src/call/async_poll.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define EVENTS_MAX 8

static bool add(const struct async_poll *poll, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data = {.fd = fd}};
  return epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool async_poll_init(struct async_poll *poll) {
  *poll = (struct async_poll){.timer_ns = CLOCK_NEVER};
  poll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  poll->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  poll->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poll->epoll_fd < 0 || poll->timer_fd < 0 || poll->event_fd < 0 ||
      !add(poll, poll->timer_fd, EPOLLIN) || !add(poll, poll->event_fd, EPOLLIN)) {
    async_poll_deinit(poll);
    return false;
  }
  return true;
}

static void close_one(int *fd) {
  if (*fd >= 0) {
    close(*fd);
    *fd = -1;
  }
}

void async_poll_deinit(struct async_poll *poll) {
  close_one(&poll->epoll_fd);
  close_one(&poll->timer_fd);
  close_one(&poll->event_fd);
}

void async_poll_notify(struct async_poll *poll) {
  const uint64_t one = 1;
  if (!poll->is_notified && poll->event_fd >= 0) {
    poll->is_notified = true;
    ssize_t written = write(poll->event_fd, &one, sizeof one);
    (void)written; /* a counter just read can't overflow */
  }
}

void async_poll_clear(struct async_poll *poll) {
  struct epoll_event events[EVENTS_MAX];
  uint64_t count;
  int ready = epoll_wait(poll->epoll_fd, events, EVENTS_MAX, 0);
  for (int i = 0; i < ready; i++) {
    int fd = events[i].data.fd;
    if (fd == poll->timer_fd || fd == poll->event_fd) {
      ssize_t received = read(fd, &count, sizeof count);
      (void)received; /* EAGAIN: already consumed */
      poll->timer_ns = fd == poll->timer_fd ? CLOCK_NEVER : poll->timer_ns;
      poll->is_notified = fd != poll->event_fd && poll->is_notified;
    }
  }
}

/* ---------------------------------------------------------------- arming */

static uint32_t events_of(const struct pollfd *descriptor) {
  uint32_t events = (descriptor->events & POLLIN) != 0 ? EPOLLIN : 0;
  return (descriptor->events & POLLOUT) != 0 ? events | EPOLLOUT : events;
}

/* A closed descriptor has left the epoll set, and its number may be reused. */
static void watch(const struct async_poll *poll, const struct pollfd *descriptor) {
  struct epoll_event event = {.events = events_of(descriptor), .data = {.fd = descriptor->fd}};
  if (epoll_ctl(poll->epoll_fd, EPOLL_CTL_MOD, descriptor->fd, &event) != 0 && errno == ENOENT) {
    epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, descriptor->fd, &event);
  }
}

static bool is_waited_for(const struct waits *waits, int fd) {
  for (size_t i = 0; i < waits->count; i++) {
    if (waits->descriptors[i].fd == fd) {
      return true;
    }
  }
  return false;
}

static bool is_armed(const struct async_poll *poll, const struct waits *waits) {
  return poll->armed_count == waits->count &&
         memcmp(poll->armed, waits->descriptors, waits->count * sizeof *poll->armed) == 0;
}

static void set_timer(struct async_poll *poll, uint64_t until_ns) {
  if (until_ns >= poll->timer_ns) {
    return; /* the timer fires early enough */
  }
  const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(until_ns / 1000000000),
                                               .tv_nsec = (long)(until_ns % 1000000000)}};
  poll->timer_ns = until_ns;
  timerfd_settime(poll->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void async_poll_arm(struct async_poll *poll, const struct waits *waits, uint32_t change_count) {
  set_timer(poll, waits->until_ns);
  if (poll->change_count == change_count && is_armed(poll, waits)) {
    return;
  }
  for (size_t i = 0; i < poll->armed_count; i++) {
    if (!is_waited_for(waits, poll->armed[i].fd)) {
      epoll_ctl(poll->epoll_fd, EPOLL_CTL_DEL, poll->armed[i].fd, NULL);
    }
  }
  for (size_t i = 0; i < waits->count; i++) {
    watch(poll, &waits->descriptors[i]);
  }
  memcpy(poll->armed, waits->descriptors, waits->count * sizeof *poll->armed);
  poll->armed_count = waits->count;
  poll->change_count = change_count;
}
