/* A connection is made, hears of its transport's events, is closed; connection.h has the drawing. */
#include "server/connection/connection.h"

#include "proto/base/clock.h"
#include "server/connection/ending.h"
#include "server/connection/pollers.h"
#include "server/connection/reading.h"
#include "server/connection/sending.h"
#include "server/connection/set.h"
#include "server/engine/addresses.h"
#include "server/users/users.h"

#include <stdlib.h>
#include <string.h>

/* Local clients are one address, whichever way they come. */
_Static_assert(TRANSPORT_ADDRESS_LOCAL == ADDRESS_LOCAL, "the engine knows the same number");

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

const struct identity *connection_identity(const struct connection *connection) {
  return connection->identity;
}

bool connection_is_unsent(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  bool unsent = connection->state != CONNECTION_CLOSING && !outbox_is_empty(&connection->outbox);
  pthread_mutex_unlock(&connection->lock);
  return unsent;
}

/* ------------------------------------------------------------------------------- accepting */

/* With one reference; NULL: out of memory. */
static struct connection *connection_new(struct connection_set *set,
                                         const struct transport *transport, void *stream,
                                         const struct transport_peer *peer) {
  struct connection *connection = calloc(1, sizeof *connection);
  size_t bytes = identity_bytes(&peer->identity);
  struct identity *identity = malloc(bytes);
  if (connection == NULL || identity == NULL) {
    free(connection);
    free(identity);
    return NULL;
  }
  memcpy(identity, &peer->identity, bytes);
  connection->identity = identity;
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
    connection_discard(connection);
    return false;
  }
  *accepted = connection;
  connection->hello_deadline_ns = peer->hello_deadline_ns;
  if (connection->hello_deadline_ns == 0) {
    connection->hello_deadline_ns = clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS);
  }
  if (peer->protocol != 0 && !connection_open(connection, peer->protocol)) {
    connection_leave_set(connection);
    connection_discard(connection);
    set_forget(set);
    return false;
  }
  connection_wait(connection);
  return true;
}

/* ----------------------------------------------------------------------------------- events */

static void event_readable(void *connection) {
  struct connection *readable = connection;
  pollers_serve(readable->set->pollers, readable);
}

static enum transport_poll event_poll(void *connection) {
  return connection_poll(connection);
}

static void event_wait(void *connection) {
  connection_wait(connection);
}

static void event_writable(void *connection) {
  connection_drained(connection);
}

const struct transport_events connection_events = {
    .readable = event_readable,
    .poll = event_poll,
    .wait = event_wait,
    .writable = event_writable,
};
