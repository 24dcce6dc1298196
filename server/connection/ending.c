#include "server/connection/ending.h"

#include "proto/base/log.h"
#include "server/connection/set.h"

#include <stdlib.h>

void connection_discard(struct connection *connection) {
  buffer_deinit(&connection->input);
  budget_forget(dispatch_budget(connection->set->dispatch), &connection->input_account);
  outbox_deinit(&connection->outbox);
  buffer_deinit(&connection->taken);
  pthread_mutex_destroy(&connection->lock);
  free(connection->identity);
  free(connection->refusal);
  free(connection);
}

static void free_connection(struct connection *connection) {
  struct connection_set *set = connection->set;
  connection->transport->free(connection->stream);
  connection_discard(connection);
  set_forget(set);
}

void connection_release(struct connection *connection) {
  if (atomic_fetch_sub(&connection->references, 1) == 1) {
    free_connection(connection);
  }
}

void connection_close_locked(struct connection *connection, const char *why) {
  if (connection->state == CONNECTION_CLOSING) {
    return;
  }
  connection->state = CONNECTION_CLOSING;
  connection->why = why;
  connection->transport->close(connection->stream);
}

bool connection_has_ended_locked(const struct connection *connection) {
  return connection->state == CONNECTION_CLOSING && !connection->reading && !connection->draining;
}

void connection_leave_set(struct connection *connection) {
  set_leave(connection->set, connection->id, connection->address,
            !connection->transport->has_own_limit);
}

void connection_end(struct connection *connection) {
  struct connection_set *set = connection->set;
  log_line(LOG_DEBUG, "disconnected connection=%llu why=\"%s\"", (unsigned long long)connection->id,
           connection->why);
  if (connection->announced) {
    dispatch_disconnected(set->dispatch, connection->id);
  }
  connection_leave_set(connection);
  connection_release(connection);
}
