#include "tests/support/user_sums.h"

#include "server/engine/cells.h"

#include <inttypes.h>
#include <stdio.h>

/* Shares that are counted already; stories have few. */
#define SHARES_MAX 64

struct sums {
  const struct user *user;
  uint64_t memory_bytes, objects, sessions, connections, waiting;
  const struct cell_share *shares[SHARES_MAX];
  size_t shares_count;
};

static void add_share(struct sums *sums, const struct cell_share *share) {
  for (size_t i = 0; i < sums->shares_count; i++) {
    if (sums->shares[i] == share) {
      return;
    }
  }
  if (share && share->user == sums->user && sums->shares_count < SHARES_MAX) {
    sums->shares[sums->shares_count++] = share;
    sums->memory_bytes += share->location.bytes;
  }
}

static void add_object(struct sums *sums, struct object *object) {
  const struct cells *cells = core_cells(object);
  if (object->user == sums->user) {
    sums->objects++;
    sums->memory_bytes += object->memory_bytes;
  }
  if (cells) {
    add_share(sums, cells->share);
  }
}

static void add_session(struct sums *sums, const struct session *session) {
  uint64_t position = 0, id;
  void *share;
  if (session->user == sums->user) {
    sums->sessions++;
    sums->waiting += session->waiters_count;
  }
  while (map64_next(&session->cells, &position, &id, &share)) {
    add_share(sums, share);
  }
}

static void add_peer(struct sums *sums, const struct peer *peer) {
  const struct waiter *waiter;
  if (peer->user == sums->user) {
    sums->connections += !peer->exceeds;
    TAILQ_FOREACH(waiter, &peer->waiters, owner_link) {
      sums->waiting++;
    }
  }
}

static struct sums sums_of(const struct engine *engine, const struct user *user) {
  struct sums sums = {.user = user};
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->registry.by_id, &position, &id, &item)) {
    add_object(&sums, item);
  }
  position = 0;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    add_session(&sums, item);
  }
  position = 0;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    add_peer(&sums, item);
  }
  return sums;
}

static bool is_equal(const struct user *user, const char *what, uint64_t used, uint64_t sum) {
  if (used != sum) {
    printf("user %.*s uses %" PRIu64 " %s, of %" PRIu64 "\n", (int)user->name_len, user->name, used,
           what, sum);
  }
  return used == sum;
}

bool user_sums_are_right(const struct engine *engine) {
  bool are_right = true;
  for (size_t i = 0; i < engine->users.count; i++) {
    const struct user *user = engine->users.users[i];
    struct sums sums = sums_of(engine, user);
    are_right = is_equal(user, "bytes", user->memory_bytes, sums.memory_bytes) && are_right;
    are_right = is_equal(user, "objects", user->objects, sums.objects) && are_right;
    are_right = is_equal(user, "sessions", user->sessions, sums.sessions) && are_right;
    are_right = is_equal(user, "connections", user->connections, sums.connections) && are_right;
    are_right = is_equal(user, "waiting requests", user->waiting, sums.waiting) && are_right;
  }
  return are_right;
}
