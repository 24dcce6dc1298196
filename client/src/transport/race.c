#include "client/src/transport/race.h"

#include <errno.h>
#include <unistd.h>

#include "proto/base/clock.h"

_Static_assert(RESOLVE_ADDRESSES_MAX < WAITS_MAX, "a race waits for all its racers");

void race_begin(struct race *race) {
  *race = (struct race){.error = ETIMEDOUT};
}

static void start_next(struct race *race, const struct addresses *addresses) {
  const struct address *address = &addresses->items[race->started];
  struct racer *racer = &race->racers[race->started];
  *racer = (struct racer){.idx = race->started++};
  racer->fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const struct sockaddr *socket_address = (const struct sockaddr *)&address->socket;
  bool is_under_way = racer->fd >= 0 && (connect(racer->fd, socket_address, address->len) == 0 ||
                                         errno == EINPROGRESS);
  if (is_under_way) {
    race->running++;
    race->next_ns = clock_deadline_ns(clock_now_ns(), RACE_NEXT_AFTER_MS);
    return;
  }
  race->error = errno;
  if (racer->fd >= 0) {
    close(racer->fd);
    racer->fd = -1;
  }
}

/* After a failure the next address is tried at once. */
static bool has_won(struct race *race, struct racer *racer) {
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
  race->running--;
  race->error = error;
  race->next_ns = 0;
  return false;
}

static struct racer *find_winner(struct race *race) {
  struct pollfd descriptors[RESOLVE_ADDRESSES_MAX];
  for (size_t i = 0; i < race->started; i++) {
    descriptors[i] = (struct pollfd){.fd = race->racers[i].fd, .events = POLLOUT};
  }
  if (poll(descriptors, race->started, 0) <= 0) {
    return NULL;
  }
  for (size_t i = 0; i < race->started; i++) {
    struct racer *racer = &race->racers[i];
    if (racer->fd >= 0 && descriptors[i].revents != 0 && has_won(race, racer)) {
      return racer;
    }
  }
  return NULL;
}

static void say_waits(const struct race *race, bool has_next, struct waits *waits) {
  for (size_t i = 0; i < race->started; i++) {
    if (race->racers[i].fd >= 0) {
      waits_add(waits, race->racers[i].fd, POLLOUT);
    }
  }
  if (has_next) {
    waits_until(waits, race->next_ns);
  }
}

int race_step(struct race *race, const struct addresses *addresses, int *fd, size_t *winner,
              struct waits *waits) {
  for (;;) {
    struct racer *first = find_winner(race);
    if (first != NULL) {
      *winner = first->idx;
      *fd = first->fd;
      first->fd = -1;
      race_end(race);
      return 0;
    }
    bool has_next = race->started < addresses->count;
    if (has_next && (race->running == 0 || clock_now_ns() >= race->next_ns)) {
      start_next(race, addresses);
    } else if (race->running > 0) {
      say_waits(race, has_next, waits);
      return STEP_WAITS;
    } else {
      return race->error;
    }
  }
}

void race_end(struct race *race) {
  for (size_t i = 0; i < race->started; i++) {
    if (race->racers[i].fd >= 0) {
      close(race->racers[i].fd);
    }
  }
  race->started = race->running = 0;
}
