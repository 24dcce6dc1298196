/* The outgoing half of a connection: replies are framed into one buffer and leave with one write.
 *
 * layer   net; connection.h says who may call
 * source  nng completes an operation without a callback on the caller's thread. Waking another
 *         thread costs more than the write itself, so the first attempt is made that way, and only
 *         what the socket did not take is left to an operation with a callback.
 */
#include "server/net/connection_parts.h"

#include <assert.h>
#include <string.h>

/* A drained buffer larger than this is freed: most connections are idle most of the time. */
#define KEPT_BYTES_MAX (16u << 10)
/* Replies to one batch of requests may exceed what a peer may leave unread: they have not been
 * offered to it yet. Four of the largest. */
#define OWN_BYTES_MAX (4 * ((size_t)HF_FRAME_BYTES_MAX + HF_UNSENT_BYTES_MAX))
#define OTHERS_BYTES_MAX ((size_t)HF_FRAME_BYTES_MAX + HF_UNSENT_BYTES_MAX)
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
  struct buffer empty = connection->taken;
  connection->taken = connection->unsent;
  connection->unsent = empty;
  start_draining(connection);
}

void connection_flush_locked(struct connection *connection) {
  struct buffer *unsent = &connection->unsent;
  if (connection->state == CONNECTION_CLOSING || connection->draining || unsent->len == 0) {
    return;
  }
  nng_iov iov = {buffer_first(unsent), unsent->len};
  nng_aio_set_iov(connection->send, 1, &iov);
  nng_stream_send(connection->stream, connection->send);
  /* Either it is done and the cancellation finds nothing, or the socket was full and it is taken
   * back; both are over within the call, so the wait does not wait. */
  nng_aio_cancel(connection->send);
  nng_aio_wait(connection->send);
  int rv = nng_aio_result(connection->send);
  if (rv == 0) {
    buffer_consume(unsent, nng_aio_count(connection->send));
  } else if (rv != NNG_ECANCELED) {
    connection_close_locked(connection, "send failed");
    return;
  }
  if (unsent->len > 0) {
    leave_to_drain(connection);
  } else {
    buffer_trim(unsent, KEPT_BYTES_MAX);
  }
}

/* After a completed drain operation: the rest of it, or what has gathered meanwhile. */
static void drain_on(struct connection *connection) {
  buffer_consume(&connection->taken, nng_aio_count(connection->drain));
  if (connection->taken.len > 0) {
    start_draining(connection);
    return;
  }
  buffer_trim(&connection->taken, 0);
  connection_flush_locked(connection);
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
  if (connection->state == CONNECTION_DRAINING &&
      connection_unsent_bytes(connection) < HF_UNSENT_BYTES_MAX / 2) {
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

uint8_t *connection_reply_begin(struct connection *connection, const struct sp_route *route,
                                size_t body_len, bool own) {
  size_t prefix_len = sp_prefix_bytes(connection->split.transport);
  size_t reply_len = prefix_len + route->len + body_len;
  pthread_mutex_lock(&connection->lock);
  if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_HELLO) {
    pthread_mutex_unlock(&connection->lock);
    return NULL;
  }
  size_t bytes_max = own ? OWN_BYTES_MAX : OTHERS_BYTES_MAX;
  if (connection_unsent_bytes(connection) + reply_len > bytes_max ||
      !buffer_reserve(&connection->unsent, reply_len)) {
    connection_close_locked(connection, "too many unread replies");
    pthread_mutex_unlock(&connection->lock);
    return NULL;
  }
  uint8_t *at = buffer_end(&connection->unsent);
  at += sp_prefix_write(connection->split.transport, at, route->len + body_len);
  memcpy(at, route->words, route->len);
  connection->reply_len = reply_len;
  return at + route->len;
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

void connection_reply_commit(struct connection *connection, bool own) {
  connection->unsent.len += connection->reply_len;
  connection->reply_len = 0;
  /* While it is being served, the end of that flushes it. */
  if (!own && !connection->serving && !join_batch(connection)) {
    connection_flush_locked(connection);
  }
  pthread_mutex_unlock(&connection->lock);
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
