#include "client/src/transport/race.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "client/src/transport/descriptor.h"
#include "proto/base/clock.h"

struct racer {
  int fd; /* -1: it has lost */
  size_t idx;
};

struct field_of_racers {
  const struct addresses *addresses;
  struct racer racers[RESOLVE_ADDRESSES_MAX];
  size_t started, running;
  uint64_t next_ns; /* when the next one starts */
  int error;        /* the last failure */
};

static void start_next(struct field_of_racers *field) {
  const struct address *address = &field->addresses->items[field->started];
  struct racer *racer = &field->racers[field->started];
  *racer = (struct racer){.idx = field->started++};
  racer->fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const struct sockaddr *socket_address = (const struct sockaddr *)&address->socket;
  bool is_under_way = racer->fd >= 0 && (connect(racer->fd, socket_address, address->len) == 0 ||
                                         errno == EINPROGRESS);
  if (is_under_way) {
    field->running++;
    field->next_ns = clock_deadline_ns(clock_now_ns(), RACE_NEXT_AFTER_MS);
    return;
  }
  field->error = errno;
  if (racer->fd >= 0) {
    close(racer->fd);
    racer->fd = -1;
  }
}

/* A failure makes room for the next address at once. */
static bool has_won(struct field_of_racers *field, struct racer *racer) {
  int error = 0;
  socklen_t error_len = sizeof error;
  if (getsockopt(racer->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) {
    error = errno;
  }
  if (error == 0) {
    return true;
  }
  close(racer->fd);
  racer->fd = -1;
  field->running--;
  field->error = error;
  field->next_ns = 0;
  return false;
}

static void end_race(struct field_of_racers *field, const struct racer *winner) {
  for (size_t i = 0; i < field->started; i++) {
    if (&field->racers[i] != winner && field->racers[i].fd >= 0) {
      close(field->racers[i].fd);
    }
  }
}

/* Waits for news. out is_cancelled */
static struct racer *await_news(struct field_of_racers *field, int cancel_fd, uint64_t until_ns,
                                bool *is_cancelled) {
  struct pollfd descriptors[RESOLVE_ADDRESSES_MAX + 1];
  for (size_t i = 0; i < field->started; i++) {
    descriptors[i] = (struct pollfd){.fd = field->racers[i].fd, .events = POLLOUT};
  }
  struct pollfd *cancel = &descriptors[field->started];
  *cancel = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
  if (poll(descriptors, field->started + 1, poll_timeout_ms(until_ns)) <= 0) {
    return NULL;
  }
  *is_cancelled = cancel->revents != 0;
  for (size_t i = 0; i < field->started; i++) {
    struct racer *racer = &field->racers[i];
    if (racer->fd >= 0 && descriptors[i].revents != 0 && has_won(field, racer)) {
      return racer;
    }
  }
  return NULL;
}

int race(const struct addresses *addresses, int cancel_fd, uint64_t deadline_ns, size_t *winner) {
  struct field_of_racers field = {.addresses = addresses, .error = ETIMEDOUT};
  struct racer *first = NULL;
  bool is_cancelled = false, is_late = false;
  while (first == NULL && !is_cancelled && !is_late) {
    bool has_next = field.started < addresses->count;
    if (has_next && (field.running == 0 || clock_now_ns() >= field.next_ns)) {
      start_next(&field);
      continue;
    }
    if (field.running == 0) {
      break;
    }
    bool is_next_first = has_next && field.next_ns < deadline_ns;
    first =
        await_news(&field, cancel_fd, is_next_first ? field.next_ns : deadline_ns, &is_cancelled);
    is_late = clock_now_ns() >= deadline_ns;
  }
  end_race(&field, first);
  if (first == NULL) {
    errno = is_cancelled ? ECANCELED : field.running > 0 ? ETIMEDOUT : field.error;
    return -1;
  }
  *winner = first->idx;
  return first->fd;
}
