#include "server/connection/sending.h"

#include "proto/base/clock.h"
#include "server/connection/ending.h"
#include "server/connection/flush_list.h"

/* A drained buffer larger than this is freed: most connections are idle most of the time. */
#define KEPT_BYTES_MAX (16u << 10)
/* Writes in a row to a peer that takes all bytes at once; then the transport waits for room, and the
 * thread serves others. */
#define WRITES_MAX 16

/* ---------------------------------------------------------------------------------- writing */

static const char *why_of(enum transport_result result) {
  switch (result) {
    case TRANSPORT_LATE:
      return "replies not read in time";
    case TRANSPORT_BROKEN:
      return "its memory makes no sense";
    default:
      return "send failed";
  }
}

/* Writes from the start of `buffer`, which is `taken` or the outbox's. false: the connection
 * closes. */
static bool write_some(struct connection *connection, struct buffer *buffer) {
  size_t sent = 0;
  enum transport_result result =
      connection->transport->write(connection->stream, buffer_first(buffer), buffer->len, &sent);
  if (result == TRANSPORT_OK) {
    buffer_consume(buffer, sent);
    connection->outbox.under_way = connection->taken.len;
    outbox_sent(&connection->outbox, sent);
  } else if (result != TRANSPORT_WAITS) {
    connection_close_locked(connection, why_of(result));
    return false;
  }
  return true;
}

/* Whether `writable` will come. */
static bool await_room(struct connection *connection) {
  struct buffer *taken = &connection->taken;
  connection->draining = true; /* before: the event may come at once */
  connection->draining =
      connection->transport->await_writable(connection->stream, buffer_first(taken), taken->len,
                                            clock_deadline_ns(clock_now_ns(), HF_DRAIN_TIMEOUT_MS));
  return connection->draining;
}

static void take_encoded(struct connection *connection) {
  struct outbox *outbox = &connection->outbox;
  struct buffer empty = connection->taken;
  connection->taken = outbox->encoded;
  outbox->encoded = empty;
  outbox->under_way = connection->taken.len;
}

/* false: the connection waits for room, or closes. */
static bool write_taken(struct connection *connection) {
  while (connection->taken.len > 0) {
    if (await_room(connection) || !write_some(connection, &connection->taken)) {
      return false;
    }
  }
  buffer_trim(&connection->taken, 0);
  return true;
}

/* false: the connection closes. */
static bool encode_more(struct connection *connection) {
  if (connection->outbox.count > 0 && !outbox_fill(&connection->outbox)) {
    connection_close_locked(connection, "no memory for its replies");
    return false;
  }
  return true;
}

void connection_flush_locked(struct connection *connection) {
  struct buffer *encoded = &connection->outbox.encoded;
  if (connection->state == CONNECTION_CLOSING || connection->draining) {
    return;
  }
  for (int writes = 0; encoded->len > 0; writes++) {
    if (writes < WRITES_MAX && !write_some(connection, encoded)) {
      return;
    }
    if (encoded->len > 0) {
      take_encoded(connection);
      if (!write_taken(connection)) {
        return;
      }
    }
    if (!encode_more(connection)) {
      return;
    }
  }
  buffer_trim(encoded, KEPT_BYTES_MAX);
}

/* Writes the rest of `taken`, then the bytes that were encoded meanwhile. */
static void drain_on(struct connection *connection) {
  if (write_some(connection, &connection->taken) && write_taken(connection) &&
      encode_more(connection)) {
    connection_flush_locked(connection);
  }
}

void connection_drained(struct connection *connection) {
  bool resumes = false;
  pthread_mutex_lock(&connection->lock);
  connection->draining = false;
  if (connection->state != CONNECTION_CLOSING) {
    drain_on(connection);
  }
  if (connection->state == CONNECTION_DRAINING && outbox_has_room(&connection->outbox)) {
    connection->state = CONNECTION_OPEN;
    connection->reading = true;
    resumes = true;
  }
  bool ended = connection_has_ended_locked(connection);
  pthread_mutex_unlock(&connection->lock);
  if (resumes) {
    connection->transport->resume(connection->stream);
  } else if (ended) {
    connection_end(connection);
  }
}

/* --------------------------------------------------------------------------------- delivery */

/* Whether the end of the list flushes the connection. */
static bool join_flush_list(struct connection *connection, struct flush_list *list) {
  if (connection->flush_queued) {
    return true;
  }
  if (list == NULL || list->count == FLUSH_LIST_COUNT_MAX) {
    return false;
  }
  connection_acquire(connection);
  list->connections[list->count++] = connection;
  connection->flush_queued = true;
  return true;
}

bool connection_deliver(struct connection *connection, const struct sp_route *route,
                        struct reply *reply, struct flush_list *list) {
  bool has_room = false;
  pthread_mutex_lock(&connection->lock);
  if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_HELLO) {
    reply_release(reply);
  } else if (!outbox_add(&connection->outbox, route, reply)) {
    connection_close_locked(connection, "no memory for its replies");
  } else {
    /* While the connection is being served, finish_serving flushes. */
    if (!connection->serving && !join_flush_list(connection, list)) {
      connection_flush_locked(connection);
    }
    has_room = !outbox_is_full(&connection->outbox);
  }
  pthread_mutex_unlock(&connection->lock);
  return has_room;
}

void flush_list_begin(struct flush_list *list, struct connection *served) {
  list->served = served;
  list->served_id = served->id;
  list->count = 0;
}

void flush_list_end(struct flush_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    struct connection *connection = list->connections[i];
    pthread_mutex_lock(&connection->lock);
    connection->flush_queued = false;
    connection_flush_locked(connection);
    pthread_mutex_unlock(&connection->lock);
    connection_release(connection);
  }
}
