/* Life of a connection: made, closed, ended, freed; connection.h has the drawing. */
#include "server/net/connection.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/net/address.h"
#include "server/net/connection_parts.h"

#include <stdlib.h>

static void free_connection(struct connection *connection) {
  /* Often on a callback of one of these operations, so they are freed on nng's own thread. */
  nng_aio_reap(connection->receive);
  nng_aio_reap(connection->listen);
  nng_aio_reap(connection->send);
  nng_aio_reap(connection->drain);
  nng_stream_free(connection->stream);
  buffer_deinit(&connection->input);
  budget_forget(dispatch_budget(connection->table->dispatch), &connection->input_account);
  outbox_deinit(&connection->outbox);
  buffer_deinit(&connection->taken);
  pthread_mutex_destroy(&connection->lock);
  struct table *table = connection->id != 0 ? connection->table : NULL;
  free(connection);
  if (table != NULL) {
    table_forget(table);
  }
}

void connection_acquire(struct connection *connection) {
  atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
}

void connection_release(struct connection *connection) {
  if (atomic_fetch_sub(&connection->references, 1) == 1) {
    free_connection(connection);
  }
}

/* With one reference; NULL: out of memory. */
static struct connection *connection_new(struct table *table, nng_stream *stream,
                                         enum sp_transport transport) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) {
    nng_stream_free(stream);
    return NULL;
  }
  connection->table = table;
  connection->stream = stream;
  connection->split = (struct split){.transport = transport, .count_max = SPLIT_COUNT_FIRST};
  connection->reading = true;
  atomic_init(&connection->references, 1);
  pthread_mutex_init(&connection->lock, NULL);
  struct buffer_budget *buffers = &dispatch_budget(table->dispatch)->buffers;
  buffer_init(&connection->input, buffers);
  buffer_init(&connection->taken, buffers);
  dispatch_init_outbox(table->dispatch, &connection->outbox, 0, transport);
  if (nng_aio_alloc(&connection->receive, connection_received, connection) != 0 ||
      nng_aio_alloc(&connection->send, NULL, NULL) != 0 ||
      nng_aio_alloc(&connection->drain, connection_drained, connection) != 0) {
    connection_release(connection);
    return NULL;
  }
  nng_aio_set_timeout(connection->drain, HF_DRAIN_TIMEOUT_MS);
  return connection;
}

void connection_close_locked(struct connection *connection, const char *why) {
  if (connection->state == CONNECTION_CLOSING) {
    return;
  }
  connection->state = CONNECTION_CLOSING;
  connection->why = why;
  /* Completes what is under way; nothing is started on the stream from here on. */
  nng_stream_close(connection->stream);
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

void connection_end(struct connection *connection) {
  struct table *table = connection->table;
  log_line(LOG_DEBUG, "disconnected connection=%llu why=\"%s\"", (unsigned long long)connection->id,
           connection->why);
  if (connection->announced) {
    dispatch_disconnected(table->dispatch, connection->id);
  }
  table_leave(table, connection->id, connection->address);
  connection_release(connection);
}

void connection_start(struct table *table, nng_stream *stream, enum sp_transport transport) {
  struct connection *connection = connection_new(table, stream, transport);
  if (connection == NULL) {
    return;
  }
  connection->address = address_of_peer(stream);
  const char *why = table_join(table, connection, connection->address, &connection->id);
  if (why != NULL) {
    complaints_log(&table->complaints, "connection refused why=\"%s\"", why);
    connection_release(connection);
    return;
  }
  connection->input_account.connection = connection->id;
  connection->outbox.account.connection = connection->id;
  connection->hello_deadline_ns = clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS);
  connection_await_hello(connection);
}
