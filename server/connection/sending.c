#include "server/connection/sending.h"

#include "proto/base/clock.h"
#include "server/connection/ending.h"
#include "server/connection/flush_list.h"
#include "server/connection/large.h"
#include "server/connection/set.h"
#include "server/dispatch/batch.h"

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
      return "what it sent makes no sense";
    default:
      return "send failed";
  }
}

/* What leaves next: `buffer`, which is `taken` or the outbox's, then what is lent, unless bytes are
 * encoded between the two. false: nothing. */
static bool find_next(const struct connection *connection, const struct buffer *buffer,
                      struct bytes runs[TRANSPORT_RUNS]) {
  const struct outbox *outbox = &connection->outbox;
  bool is_lent_next = buffer == &outbox->encoded || outbox->encoded.len == 0;
  runs[0] = bytes_of(buffer_first(buffer), buffer->len);
  runs[1] = is_lent_next ? outbox->lent : bytes_of(NULL, 0);
  return runs[0].len > 0 || runs[1].len > 0;
}

/* Writes what leaves next. false: the connection closes. */
static bool write_some(struct connection *connection, struct buffer *buffer) {
  struct bytes runs[TRANSPORT_RUNS];
  size_t sent = 0;
  (void)find_next(connection, buffer, runs);
  enum transport_result result = connection->transport->write(connection->stream, runs, &sent);
  if (result == TRANSPORT_OK) {
    size_t lent = sent > buffer->len ? sent - buffer->len : 0;
    buffer_consume(buffer, sent - lent);
    connection->outbox.under_way = connection->taken.len;
    outbox_sent(&connection->outbox, sent, lent);
  } else if (result != TRANSPORT_WAITS) {
    connection_close_locked(connection, why_of(result));
    return false;
  }
  return true;
}

/* Whether `writable` will come. */
static bool await_room(struct connection *connection, const struct bytes runs[TRANSPORT_RUNS]) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), HF_DRAIN_TIMEOUT_MS);
  connection->draining = true; /* before: the event may come at once */
  connection->draining =
      connection->transport->await_writable(connection->stream, runs, deadline_ns);
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
  struct bytes runs[TRANSPORT_RUNS];
  while (find_next(connection, &connection->taken, runs)) {
    if (await_room(connection, runs) || !write_some(connection, &connection->taken)) {
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

/* Passes the activity "draining" on to a thread that encodes the large reply that is next. */
static void pass_on_large(struct connection *connection) {
  if (outbox_first_large(&connection->outbox) != NULL) {
    connection->draining = true;
    large_add_reply(connection->set->large, connection);
  }
}

void connection_flush_locked(struct connection *connection) {
  struct buffer *encoded = &connection->outbox.encoded;
  if (connection->state == CONNECTION_CLOSING || connection->draining) {
    return;
  }
  struct bytes runs[TRANSPORT_RUNS];
  for (int writes = 0; find_next(connection, encoded, runs); writes++) {
    if (writes < WRITES_MAX && !write_some(connection, encoded)) {
      return;
    }
    if (find_next(connection, encoded, runs)) {
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
  pass_on_large(connection);
}

/* Writes the rest of `taken`, then the bytes that were encoded meanwhile. */
static void drain_on(struct connection *connection) {
  if (write_some(connection, &connection->taken) && write_taken(connection) &&
      encode_more(connection)) {
    connection_flush_locked(connection);
  }
}

/* With the lock; without it afterwards. The activity "draining" is over, or the transport's again. A thread that is
 * not to become a poller is_slow. */
static void finish_draining(struct connection *connection, bool is_slow) {
  bool resumes = false;
  if (connection->state == CONNECTION_DRAINING && outbox_has_room(&connection->outbox)) {
    connection->state = CONNECTION_OPEN;
    connection->reading = true;
    connection->is_slow |= is_slow;
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

void connection_drained(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  connection->draining = false;
  if (connection->state != CONNECTION_CLOSING) {
    drain_on(connection);
  }
  finish_draining(connection, false);
}

/* Encodes a part into `taken`, without the lock meanwhile, and writes it. false: the connection waits
 * for room, or closes. */
static bool send_part(struct connection *connection, struct outbox_item item) {
  struct outbox *outbox = &connection->outbox;
  connection->draining = true;
  pthread_mutex_unlock(&connection->lock);
  bool has_memory = outbox_encode_part(outbox, &item, &connection->taken);
  pthread_mutex_lock(&connection->lock);
  connection->draining = false;
  outbox_end_part(outbox, &item, connection->taken.len);
  if (!has_memory) {
    connection_close_locked(connection, "no memory for its replies");
  }
  return connection->state != CONNECTION_CLOSING && write_taken(connection);
}

void connection_send_large(struct connection *connection) {
  const struct outbox_item *large;
  bool goes_on = true;
  pthread_mutex_lock(&connection->lock);
  connection->draining = false;
  while (goes_on && connection->state != CONNECTION_CLOSING &&
         (large = outbox_first_large(&connection->outbox)) != NULL) {
    goes_on = send_part(connection, *large);
  }
  if (goes_on && connection->state != CONNECTION_CLOSING && encode_more(connection)) {
    connection_flush_locked(connection);
  }
  finish_draining(connection, true);
}

/* --------------------------------------------------------------------------------- delivery */

/* Whether the end of the list flushes the connection. */
static bool join_flush_list(struct connection *connection, struct flush_list *list) {
  if (connection->flush_queued) {
    return true;
  }
  if (list->count == FLUSH_LIST_COUNT_MAX) {
    return false;
  }
  connection_acquire(connection);
  list->connections[list->count++] = connection;
  connection->flush_queued = true;
  return true;
}

static bool takes_replies(const struct connection *connection) {
  return connection->state != CONNECTION_CLOSING && connection->state != CONNECTION_HELLO;
}

static void add_locked(struct connection *connection, const struct batch_delivery *delivery) {
  if (!takes_replies(connection)) {
    reply_release(delivery->reply);
  } else if (!outbox_add(&connection->outbox, &delivery->route, delivery->reply)) {
    connection_close_locked(connection, "no memory for its replies");
  }
}

bool connection_deliver(struct connection *connection, const struct batch_delivery *deliveries,
                        size_t count, struct flush_list *list) {
  pthread_mutex_lock(&connection->lock);
  for (size_t i = 0; i < count; i++) {
    add_locked(connection, &deliveries[i]);
  }
  bool takes_more = takes_replies(connection);
  /* While the connection is being served, finish_serving flushes. */
  if (takes_more && !connection->serving && !join_flush_list(connection, list)) {
    connection_flush_locked(connection);
  }
  bool has_room = takes_more && !outbox_is_full(&connection->outbox);
  pthread_mutex_unlock(&connection->lock);
  return has_room;
}

void flush_list_begin(struct flush_list *list, struct connection *served) {
  list->served = served;
  list->served_id = served ? served->id : 0;
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
