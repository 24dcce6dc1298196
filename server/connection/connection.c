/* Life of a connection: made, closed, ended, freed; connection.h has the drawing. */
#include "server/connection/connection.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/connection/connection_parts.h"
#include "server/engine/addresses.h"

#include <stdlib.h>

/* Local clients are one address, whichever way they come. */
_Static_assert(TRANSPORT_ADDRESS_LOCAL == ADDRESS_LOCAL, "the engine knows the same number");

/* But for its stream. */
static void discard(struct connection *connection) {
  buffer_deinit(&connection->input);
  budget_forget(dispatch_budget(connection->set->dispatch), &connection->input_account);
  outbox_deinit(&connection->outbox);
  buffer_deinit(&connection->taken);
  pthread_mutex_destroy(&connection->lock);
  free(connection);
}

static void free_connection(struct connection *connection) {
  struct connection_set *set = connection->set;
  connection->transport->free(connection->stream);
  discard(connection);
  set_forget(set);
}

void connection_acquire(struct connection *connection) {
  atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
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

void connection_close(struct connection *connection, const char *why) {
  pthread_mutex_lock(&connection->lock);
  if (connection->serving) {
    connection->close_wanted = true;
    connection->why = why;
  } else {
    connection_flush_locked(connection);
    connection_close_locked(connection, why);
  }
  pthread_mutex_unlock(&connection->lock);
}

bool connection_is_unsent(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  bool unsent = connection->state != CONNECTION_CLOSING && !outbox_is_empty(&connection->outbox);
  pthread_mutex_unlock(&connection->lock);
  return unsent;
}

bool connection_has_ended_locked(const struct connection *connection) {
  return connection->state == CONNECTION_CLOSING && !connection->reading && !connection->draining;
}

static void leave_set(struct connection *connection) {
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
  leave_set(connection);
  connection_release(connection);
}

/* ------------------------------------------------------------------------------- accepting */

/* With one reference; NULL: out of memory. */
static struct connection *connection_new(struct connection_set *set,
                                         const struct transport *transport, void *stream,
                                         const struct transport_peer *peer) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) {
    return NULL;
  }
  struct buffer_budget *buffers = &dispatch_budget(set->dispatch)->buffers;
  connection->set = set;
  connection->transport = transport;
  connection->stream = stream;
  connection->address = peer->address;
  connection->split = (struct split){.transport = peer->framing, .count_max = SPLIT_COUNT_FIRST};
  connection->reading = true;
  atomic_init(&connection->references, 1);
  pthread_mutex_init(&connection->lock, NULL);
  buffer_init(&connection->input, buffers);
  buffer_init(&connection->taken, buffers);
  dispatch_init_outbox(set->dispatch, &connection->outbox, 0, peer->framing);
  return connection;
}

static const char *join_set(struct connection *connection) {
  struct connection_set *set = connection->set;
  const char *why = set_join(set, connection, connection->address,
                             !connection->transport->has_own_limit, &connection->id);
  connection->input_account.connection = connection->id;
  connection->outbox.account.connection = connection->id;
  return why;
}

bool connection_accept(void *ctx, const struct transport *transport, void *stream,
                       const struct transport_peer *peer, void **accepted) {
  struct connection_set *set = ctx;
  struct connection *connection = connection_new(set, transport, stream, peer);
  if (connection == NULL) {
    return false;
  }
  const char *why = join_set(connection);
  if (why != NULL) {
    limited_log_line(&set->limited_log, "connection refused why=\"%s\"", why);
    discard(connection);
    return false;
  }
  *accepted = connection;
  connection->hello_deadline_ns = clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS);
  if (peer->protocol != 0 && !connection_open(connection, peer->protocol)) {
    leave_set(connection);
    discard(connection);
    set_forget(set);
    return false;
  }
  connection_wait(connection);
  return true;
}
