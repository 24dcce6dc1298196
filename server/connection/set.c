#include "server/connection/set.h"

#include "server/connection/connection_parts.h"
#include "server/engine/addresses.h"
#include "server/users/users.h"

void set_init(struct connection_set *set, uint32_t connections_max, struct users *users) {
  *set = (struct connection_set){.connections_max = connections_max, .users = users_share(users)};
  pthread_mutex_init(&set->lock, NULL);
  pthread_cond_init(&set->empty, NULL);
  limited_log_init(&set->limited_log);
}

void set_deinit(struct connection_set *set) {
  users_release(set->users);
  map64_deinit(&set->connections);
  map64_deinit(&set->addresses);
  limited_log_deinit(&set->limited_log);
  pthread_cond_destroy(&set->empty);
  pthread_mutex_destroy(&set->lock);
}

/* The limit for one address, in proportion to connections_max. */
static size_t share_of_one(const struct connection_set *set) {
  size_t share = set->connections_max / (HF_CONNECTIONS_MAX / HF_CONNECTIONS_PER_ADDRESS_MAX);
  return share > 0 ? share : 1;
}

static size_t kept_for_ipc(const struct connection_set *set) {
  return set->connections_max / (HF_CONNECTIONS_MAX / HF_CONNECTIONS_IPC_KEPT);
}

/* NULL: there is room for a counted connection of that address | why not */
static const char *check_room(const struct connection_set *set, uint64_t address) {
  size_t kept = address == ADDRESS_LOCAL ? 0 : kept_for_ipc(set);
  if ((uintptr_t)map64_get(&set->addresses, address) >= share_of_one(set)) {
    return "too many connections of its address";
  }
  return set->counted_count + kept >= set->connections_max ? "too many connections" : NULL;
}

static bool count_address(struct connection_set *set, uint64_t address) {
  uintptr_t count = (uintptr_t)map64_get(&set->addresses, address);
  return map64_set(&set->addresses, address, (void *)(count + 1));
}

static void uncount_address(struct connection_set *set, uint64_t address) {
  uintptr_t count = (uintptr_t)map64_get(&set->addresses, address);
  if (count > 1) {
    map64_set(&set->addresses, address, (void *)(count - 1)); /* is there: can't fail */
  } else {
    map64_remove(&set->addresses, address);
  }
}

static const char *join(struct connection_set *set, struct connection *connection, uint64_t address,
                        bool is_counted) {
  const char *why = is_counted ? check_room(set, address) : NULL;
  if (set->closed || why != NULL) {
    return set->closed ? "stopping" : why;
  }
  if (is_counted && !count_address(set, address)) {
    return "no memory";
  }
  if (!map64_set(&set->connections, set->last_id + 1, connection)) {
    if (is_counted) {
      uncount_address(set, address);
    }
    return "no memory";
  }
  set->counted_count += is_counted;
  return NULL;
}

const char *set_join(struct connection_set *set, struct connection *connection, uint64_t address,
                     bool is_counted, uint64_t *id) {
  pthread_mutex_lock(&set->lock);
  const char *why = join(set, connection, address, is_counted);
  if (why == NULL) {
    *id = ++set->last_id;
    set->alive_count++;
  }
  pthread_mutex_unlock(&set->lock);
  return why;
}

void set_close(struct connection_set *set) {
  pthread_mutex_lock(&set->lock);
  set->closed = true;
  pthread_mutex_unlock(&set->lock);
}

void set_leave(struct connection_set *set, uint64_t id, uint64_t address, bool is_counted) {
  pthread_mutex_lock(&set->lock);
  map64_remove(&set->connections, id);
  if (is_counted) {
    uncount_address(set, address);
    set->counted_count--;
  }
  pthread_mutex_unlock(&set->lock);
}

void set_forget(struct connection_set *set) {
  pthread_mutex_lock(&set->lock);
  if (--set->alive_count == 0) {
    pthread_cond_broadcast(&set->empty);
  }
  pthread_mutex_unlock(&set->lock);
}

void set_wait_empty(struct connection_set *set) {
  pthread_mutex_lock(&set->lock);
  while (set->alive_count > 0) {
    pthread_cond_wait(&set->empty, &set->lock);
  }
  pthread_mutex_unlock(&set->lock);
}

struct users *set_users(struct connection_set *set) {
  pthread_mutex_lock(&set->lock);
  struct users *users = users_share(set->users);
  pthread_mutex_unlock(&set->lock);
  return users;
}

struct connection *set_acquire(struct connection_set *set, uint64_t id) {
  pthread_mutex_lock(&set->lock);
  struct connection *connection = map64_get(&set->connections, id);
  if (connection != NULL) {
    connection_acquire(connection);
  }
  pthread_mutex_unlock(&set->lock);
  return connection;
}
