#include "server/net/table.h"

#include "server/net/address.h"
#include "server/net/connection.h"

void table_init(struct table *table, uint32_t connections_max) {
  *table = (struct table){.connections_max = connections_max};
  pthread_mutex_init(&table->lock, NULL);
  pthread_cond_init(&table->empty, NULL);
  complaints_init(&table->complaints);
  crew_init(&table->crew);
}

void table_deinit(struct table *table) {
  map64_deinit(&table->connections);
  map64_deinit(&table->addresses);
  crew_deinit(&table->crew);
  complaints_deinit(&table->complaints);
  pthread_cond_destroy(&table->empty);
  pthread_mutex_destroy(&table->lock);
}

/* In proportion, where the process may not have so many descriptors. */
static size_t share_of_one(const struct table *table) {
  size_t share = table->connections_max / (HF_CONNECTIONS_MAX / HF_CONNECTIONS_PER_ADDRESS_MAX);
  return share > 0 ? share : 1;
}

static size_t kept_for_ipc(const struct table *table) {
  return table->connections_max / (HF_CONNECTIONS_MAX / HF_CONNECTIONS_IPC_KEPT);
}

static const char *check_place(const struct table *table, uint64_t address) {
  size_t kept = address == ADDRESS_IPC ? 0 : kept_for_ipc(table);
  if (table->closed) {
    return "stopping";
  }
  if ((uintptr_t)map64_get(&table->addresses, address) >= share_of_one(table)) {
    return "too many connections of its address";
  }
  return table->connections.count + kept >= table->connections_max ? "too many connections" : NULL;
}

static bool count_address(struct table *table, uint64_t address) {
  uintptr_t count = (uintptr_t)map64_get(&table->addresses, address);
  return map64_set(&table->addresses, address, (void *)(count + 1));
}

static void uncount_address(struct table *table, uint64_t address) {
  uintptr_t count = (uintptr_t)map64_get(&table->addresses, address);
  if (count > 1) {
    map64_set(&table->addresses, address, (void *)(count - 1)); /* is there: can't fail */
  } else {
    map64_remove(&table->addresses, address);
  }
}

static const char *join(struct table *table, struct connection *connection, uint64_t address) {
  const char *why = check_place(table, address);
  if (why == NULL && !count_address(table, address)) {
    why = "no memory";
  } else if (why == NULL && !map64_set(&table->connections, table->last_id + 1, connection)) {
    uncount_address(table, address);
    why = "no memory";
  }
  return why;
}

const char *table_join(struct table *table, struct connection *connection, uint64_t address,
                       uint64_t *id) {
  pthread_mutex_lock(&table->lock);
  const char *why = join(table, connection, address);
  if (why == NULL) {
    *id = ++table->last_id;
    table->alive_count++;
  }
  pthread_mutex_unlock(&table->lock);
  return why;
}

void table_leave(struct table *table, uint64_t id, uint64_t address) {
  pthread_mutex_lock(&table->lock);
  map64_remove(&table->connections, id);
  uncount_address(table, address);
  pthread_mutex_unlock(&table->lock);
}

void table_forget(struct table *table) {
  pthread_mutex_lock(&table->lock);
  if (--table->alive_count == 0) {
    pthread_cond_broadcast(&table->empty);
  }
  pthread_mutex_unlock(&table->lock);
}

void table_wait_empty(struct table *table) {
  pthread_mutex_lock(&table->lock);
  while (table->alive_count > 0) {
    pthread_cond_wait(&table->empty, &table->lock);
  }
  pthread_mutex_unlock(&table->lock);
}

struct connection *table_acquire(struct table *table, uint64_t id) {
  pthread_mutex_lock(&table->lock);
  struct connection *connection = map64_get(&table->connections, id);
  if (connection != NULL) {
    connection_acquire(connection);
  }
  pthread_mutex_unlock(&table->lock);
  return connection;
}
