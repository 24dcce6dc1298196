/* The outgoing half of a connection: replies are framed into one buffer and leave with one write.
 *
 * layer   net; connection.h says who may call
 * source  nng_shim.h: the first attempt has no callback, and only what the socket did not take is left
 *         to an operation that has one
 */
#include "server/net/connection_parts.h"
#include "server/net/nng_shim.h"

#include <assert.h>

/* A drained buffer larger than this is freed: most connections are idle most of the time. */
#define KEPT_BYTES_MAX (16u << 10)
/* Writes in a row for a peer that takes all at once; then it is left to the operation, so that the
 * thread is somebody else's. */
#define WRITES_MAX 16
#define BATCH_COUNT_MAX 64

struct batch {
  bool is_open;
  size_t count;
  struct connection *connections[BATCH_COUNT_MAX]; /* each referenced */
};
static _Thread_local struct batch batch;

static void start_draining(struct connection *connection) {
  nng_iov iov = {buffer_first(&connection->taken), connection->taken.len};
  nng_aio_set_iov(connection->drain, 1, &iov);
  connection->draining = true;
  nng_stream_send(connection->stream, connection->drain);
}

static void leave_to_drain(struct connection *connection) {
  struct outbox *outbox = &connection->outbox;
  struct buffer empty = connection->taken;
  connection->taken = outbox->encoded;
  outbox->encoded = empty;
  outbox->under_way = connection->taken.len;
  start_draining(connection);
}

/* false: it closes. */
static bool write_once(struct connection *connection) {
  struct buffer *encoded = &connection->outbox.encoded;
  size_t sent;
  if (nng_shim_try_send(connection->stream, connection->send, buffer_first(encoded), encoded->len,
                        &sent) != 0) {
    connection_close_locked(connection, "send failed");
    return false;
  }
  buffer_consume(encoded, sent);
  outbox_note_sent(&connection->outbox, sent);
  return true;
}

/* false: it closes. */
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
    if (writes < WRITES_MAX && !write_once(connection)) {
      return;
    }
    if (encoded->len > 0) {
      leave_to_drain(connection);
      return;
    }
    if (!encode_more(connection)) {
      return;
    }
  }
  buffer_trim(encoded, KEPT_BYTES_MAX);
}

/* After a completed drain operation: the rest of it, or what has gathered meanwhile. */
static void drain_on(struct connection *connection) {
  size_t sent = nng_aio_count(connection->drain);
  buffer_consume(&connection->taken, sent);
  connection->outbox.under_way = connection->taken.len;
  outbox_note_sent(&connection->outbox, sent);
  if (connection->taken.len > 0) {
    start_draining(connection);
    return;
  }
  buffer_trim(&connection->taken, 0);
  if (encode_more(connection)) {
    connection_flush_locked(connection);
  }
}

void connection_drained(void *arg) {
  struct connection *connection = arg;
  bool resumes = false;
  pthread_mutex_lock(&connection->lock);
  connection->draining = false;
  int rv = nng_aio_result(connection->drain);
  if (connection->state != CONNECTION_CLOSING) {
    if (rv == 0) {
      drain_on(connection);
    } else {
      connection_close_locked(connection,
                              rv == NNG_ETIMEDOUT ? "replies not read in time" : "send failed");
    }
  }
  if (connection->state == CONNECTION_DRAINING && outbox_has_room(&connection->outbox)) {
    connection->state = CONNECTION_OPEN;
    connection->reading = true;
    resumes = true;
  }
  bool ended = connection_has_ended_locked(connection);
  pthread_mutex_unlock(&connection->lock);
  if (resumes) {
    crew_serve(&connection->table->crew, connection);
  } else if (ended) {
    connection_end(connection);
  }
}

/* Whether the batch of this thread takes care of it. */
static bool join_batch(struct connection *connection) {
  if (connection->flush_queued) {
    return true;
  }
  if (!batch.is_open || batch.count == BATCH_COUNT_MAX) {
    return false;
  }
  connection_acquire(connection);
  batch.connections[batch.count++] = connection;
  connection->flush_queued = true;
  return true;
}

bool connection_deliver(struct connection *connection, const struct sp_route *route,
                        struct reply *reply, bool own) {
  bool has_room = false;
  pthread_mutex_lock(&connection->lock);
  if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_HELLO) {
    reply_release(reply);
  } else if (!outbox_add(&connection->outbox, route, reply)) {
    connection_close_locked(connection, "no memory for its replies");
  } else {
    /* While it is being served, the end of that flushes it. */
    if (!own && !connection->serving && !join_batch(connection)) {
      connection_flush_locked(connection);
    }
    has_room = !outbox_is_full(&connection->outbox);
  }
  pthread_mutex_unlock(&connection->lock);
  return has_room;
}

void connection_batch_begin(void) {
  assert(!batch.is_open);
  batch.is_open = true;
}

void connection_batch_end(void) {
  for (size_t i = 0; i < batch.count; i++) {
    struct connection *connection = batch.connections[i];
    pthread_mutex_lock(&connection->lock);
    connection->flush_queued = false;
    connection_flush_locked(connection);
    pthread_mutex_unlock(&connection->lock);
    connection_release(connection);
  }
  batch.count = 0;
  batch.is_open = false;
}
