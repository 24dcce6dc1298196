/* Rings as a transport: bytes go through shared memory; the local handshake's socket notifies, and
 * reports the end.
 *
 * source  measured: two running processes exchange a message in well under a microsecond; waking a
 *         process takes ten times that on the same processor, fifty times on another. Hence
 *         adaptive spinning: while the server runs on another processor, a thread spins for its
 *         reply. On the server's processor the thread yields, then waits on the futex, then on the
 *         socket. Each step is skipped more and more often while it fails, but never given up:
 *         otherwise two sides that both sleep would never return to spinning.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "client/src/transport/descriptor.h"
#include "client/src/transport/rings.h"
#include "proto/base/clock.h"

/* Spinning time for the reply of a running server, and of one that was just woken. */
#define SPIN_NS 10000
#define WOKEN_SPIN_NS 60000
/* The bound of a futex wait, the fastest way to be woken. */
#define FUTEX_WAIT_NS 2000000
#define SPINS_PER_CLOCK 32
/* Longer than a server takes that has the processor to itself. */
#define YIELD_NS 200000
/* The bound of consecutive misses n, after which a step is skipped 2^n - 1 times: a miss of
 * spinning costs microseconds, one of yielding milliseconds. */
#define SPIN_SHIFT_MAX 6
#define YIELD_SHIFT_MAX 13

/* ---------------------------------------------------------------- bytes */

static void notify_server(const struct rings *rings) {
  const uint64_t one = 1;
  ssize_t written = write(rings->doorbell, &one, sizeof one);
  (void)written; /* a full counter is a pending notification */
}

/* Consumes one notification; if there are more, the next wait ends early. */
static void take_notification(const struct link *link) {
  char notification;
  ssize_t received = recv(link->fd, &notification, sizeof notification, MSG_DONTWAIT);
  if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) {
    atomic_store(&link->rings->is_over, true);
  }
}

/* Notifies the server if it sleeps. The eventfd does not report that the server left. A thread that
 * waits for a reply polls the socket; a one-way thread may never wait, so it checks the socket
 * here. */
static void wake_server(const struct link *link) {
  struct rings *rings = link->rings;
  if (ring_must_wake_reader(&rings->requests) != RING_WAKE_NONE) {
    notify_server(rings);
    atomic_store_explicit(&rings->has_woken, true, memory_order_relaxed);
    if (rings->is_one_way) {
      take_notification(link);
    }
  }
}

static ssize_t send_parts(const struct link *link, struct iovec *parts, int part_count) {
  struct rings *rings = link->rings;
  size_t total = 0, sent = 1;
  for (int i = 0; i < part_count && sent > 0; i++) {
    sent = ring_write(&rings->requests, parts[i].iov_base, parts[i].iov_len);
    if (sent == RING_BROKEN) {
      errno = EPROTO;
      return -1;
    }
    total += sent;
    sent = sent == parts[i].iov_len ? 1 : 0;
  }
  if (total > 0) {
    wake_server(link);
  }
  if (atomic_load_explicit(&rings->is_over, memory_order_relaxed)) {
    errno = EPIPE;
    return -1;
  }
  if (total == 0) {
    errno = EAGAIN;
    return -1;
  }
  return (ssize_t)total;
}

static ssize_t receive(const struct link *link, void *data, size_t capacity) {
  struct rings *rings = link->rings;
  /* Before the ring is read: earlier bytes are still read. */
  bool is_over = atomic_load(&rings->is_over);
  size_t received = ring_read(&rings->replies, data, capacity);
  if (received == RING_BROKEN) {
    errno = EPROTO;
    return -1;
  }
  if (received == 0) {
    errno = EAGAIN;
    return is_over ? 0 : -1;
  }
  if (ring_must_wake_writer(&rings->replies)) {
    notify_server(rings);
  }
  return (ssize_t)received;
}

/* ---------------------------------------------------------------- waiting */

static short events_now(const struct rings *rings, short events) {
  short found = 0;
  if ((events & POLLIN) != 0 && ring_seems_readable(&rings->replies)) {
    found |= POLLIN;
  }
  if ((events & POLLOUT) != 0 && ring_seems_writable(&rings->requests)) {
    found |= POLLOUT;
  }
  if (atomic_load_explicit(&rings->is_over, memory_order_relaxed)) {
    found |= POLLIN | POLLHUP;
  }
  return found;
}

static short spin(const struct rings *rings, short events, uint64_t span_ns) {
  uint64_t until_ns = 0;
  do {
    for (int i = 0; i < SPINS_PER_CLOCK; i++) {
      short found = events_now(rings, events);
      if (found != 0) {
        return found;
      }
      ring_relax();
    }
    until_ns = until_ns == 0 ? clock_now_ns() + span_ns : until_ns;
  } while (clock_now_ns() < until_ns);
  return 0;
}

static bool step_backoff_allows(struct step_backoff *backoff) {
  if (backoff->skips > 0) {
    backoff->skips--;
    return false;
  }
  return true;
}

static void step_backoff_record(struct step_backoff *backoff, bool has_paid, uint32_t shift_max) {
  uint32_t misses = backoff->misses < shift_max ? backoff->misses + 1 : shift_max;
  backoff->misses = has_paid ? 0 : misses;
  backoff->skips = (1u << backoff->misses) - 1;
}

/* The server runs on another processor: spins. */
static short spin_for_reply(const struct rings *rings, short events, struct step_backoff *backoff,
                            uint64_t span_ns) {
  if (!step_backoff_allows(backoff)) {
    return 0;
  }
  short found = spin(rings, events, span_ns);
  step_backoff_record(backoff, found != 0, SPIN_SHIFT_MAX);
  return found;
}

/* The server has to run here. A third program that does so instead may keep the processor for a
 * whole slice. */
static short yield(struct rings *rings, short events) {
  if (!step_backoff_allows(&rings->yields)) {
    return 0;
  }
  uint64_t began_ns = clock_now_ns();
  sched_yield();
  step_backoff_record(&rings->yields, clock_now_ns() - began_ns < YIELD_NS, YIELD_SHIFT_MAX);
  return events_now(rings, events);
}

/* A bounded futex wait, which notices neither the end of the server, nor a cut link, nor `other`;
 * not used when waiting for room too. */
static short futex_wait(struct rings *rings, uint64_t deadline_ns) {
  uint64_t until_ns = clock_now_ns() + FUTEX_WAIT_NS;
  ring_announce_sleep(&rings->replies, RING_WAKE_FUTEX);
  short found = events_now(rings, POLLIN);
  if (found == 0) {
    ring_sleep(&rings->replies, until_ns < deadline_ns ? until_ns : deadline_ns);
    found = events_now(rings, POLLIN);
  }
  ring_withdraw_sleep(&rings->replies);
  return found;
}

/* Waits on the socket. A thread that waits only for room leaves notifications to the thread that
 * waits for replies. May return 0 before the deadline. */
static short sleep_for(const struct link *link, short events, int other, bool *is_other,
                       uint64_t deadline_ns) {
  struct rings *rings = link->rings;
  if ((events & POLLIN) != 0) {
    ring_announce_sleep(&rings->replies, RING_WAKE_NOTIFY);
  }
  if ((events & POLLOUT) != 0) {
    ring_announce_wait(&rings->requests);
  }
  short found = events_now(rings, events);
  if (found == 0) {
    short ready = descriptor_wait_or(link->fd, POLLIN, other, is_other, deadline_ns);
    if (ready != 0 && ((events & POLLIN) != 0 || rings->is_one_way)) {
      take_notification(link);
    } else if ((ready & (POLLHUP | POLLERR)) != 0) {
      atomic_store(&rings->is_over, true);
    }
    found = events_now(rings, events);
  }
  if ((events & POLLIN) != 0) {
    ring_withdraw_sleep(&rings->replies);
  }
  return found;
}

/* Announces this thread's processor to the server, which spins for the next request. */
static uint32_t announce_cpu(struct rings *rings) {
  uint32_t cpu = (uint32_t)sched_getcpu();
  if (cpu != rings->announced_cpu) {
    rings->announced_cpu = cpu;
    ring_announce_cpu(&rings->replies, cpu);
  }
  return cpu;
}

static short await_reply(struct rings *rings, short events, uint64_t deadline_ns) {
  bool has_woken = atomic_exchange_explicit(&rings->has_woken, false, memory_order_relaxed);
  short found = 0;
  if (ring_reader_is_on(&rings->requests, announce_cpu(rings))) {
    found = yield(rings, events);
  } else {
    found = has_woken ? spin_for_reply(rings, events, &rings->asleep, WOKEN_SPIN_NS)
                      : spin_for_reply(rings, events, &rings->awake, SPIN_NS);
  }
  return found == 0 && events == POLLIN && !rings->is_one_way ? futex_wait(rings, deadline_ns)
                                                              : found;
}

static short await(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns) {
  struct rings *rings = link->rings;
  short found = events_now(rings, events);
  if (found == 0 && (events & POLLIN) != 0 && deadline_ns != 0) {
    found = await_reply(rings, events, deadline_ns);
  }
  bool is_late = false;
  while (found == 0 && !is_late) {
    found = sleep_for(link, events, other, is_other, deadline_ns);
    /* Otherwise the notification may be for another thread, which the caller checks. */
    is_late = *is_other || !rings->is_one_way || clock_now_ns() >= deadline_ns;
  }
  return found;
}

/* ---------------------------------------------------------------- life */

static void cut(const struct link *link) {
  atomic_store(&link->rings->is_over, true);
  shutdown(link->fd, SHUT_RDWR);
}

static void close_rings(const struct link *link) {
  close(link->fd);
  if (link->rings != NULL) { /* NULL while the link was being opened */
    rings_free(link->rings);
  }
}

/* Prepares a wait on the socket among other descriptors: sleep_for in two parts. */
static short arm(const struct link *link, short events) {
  struct rings *rings = link->rings;
  ring_announce_sleep(&rings->replies, RING_WAKE_NOTIFY);
  if ((events & POLLOUT) != 0) {
    ring_announce_wait(&rings->requests);
  }
  return events_now(rings, events);
}

static short poll_events(const struct link *link, short events) {
  (void)link;
  (void)events;
  return POLLIN;
}

static void disarm(const struct link *link) {
  ring_withdraw_sleep(&link->rings->replies);
  take_notification(link);
}

const struct transport transport_ring = {
    .name = "shared memory",
    .send = send_parts,
    .recv = receive,
    .wait = await,
    .arm = arm,
    .poll_events = poll_events,
    .disarm = disarm,
    .cut = cut,
    .close = close_rings,
};
