#include "server/net/table.h"

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
  crew_deinit(&table->crew);
  complaints_deinit(&table->complaints);
  pthread_cond_destroy(&table->empty);
  pthread_mutex_destroy(&table->lock);
}

bool table_join(struct table *table, struct connection *connection, uint64_t *id) {
  pthread_mutex_lock(&table->lock);
  bool joined = !table->closed && table->connections.count < table->connections_max &&
                map64_set(&table->connections, table->last_id + 1, connection);
  if (joined) {
    *id = ++table->last_id;
    table->alive_count++;
  }
  pthread_mutex_unlock(&table->lock);
  return joined;
}

void table_leave(struct table *table, uint64_t id) {
  pthread_mutex_lock(&table->lock);
  map64_remove(&table->connections, id);
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
