/* The incoming half of a connection: the hello, then requests, read after read. */
#include "server/connection/reading.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/connection/ending.h"
#include "server/connection/flush_list.h"
#include "server/connection/large.h"
#include "server/connection/refusal.h"
#include "server/connection/sending.h"
#include "server/connection/set.h"

#define INPUT_IDLE_BYTES (4u << 10)  /* what an empty input may keep */
#define INPUT_WAITING_BYTES 1024u    /* the same while the connection waits and nothing is posted */
#define INPUT_BUSY_BYTES (64u << 10) /* of a connection that fills its reads */
#define SMALL_READS_MAX 64           /* in a row before a busy buffer is given back */
#define MEMORY_PAUSE_MS 10           /* before the next attempt to get memory */

static void log_refusal(struct connection *connection, const char *why) {
  limited_log_line(&connection->set->limited_log, "connection refused connection=%llu why=\"%s\"",
                   (unsigned long long)connection->id, why);
}

static void stop_reading(struct connection *connection, const char *why) {
  pthread_mutex_lock(&connection->lock);
  connection_close_locked(connection, why);
  connection->reading = false;
  bool ended = connection_has_ended_locked(connection);
  pthread_mutex_unlock(&connection->lock);
  if (ended) {
    connection_end(connection);
  }
}

static bool stop_if_closing(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  bool is_closing = connection->state == CONNECTION_CLOSING;
  pthread_mutex_unlock(&connection->lock);
  if (is_closing) {
    stop_reading(connection, "closing");
  }
  return is_closing;
}

/* ------------------------------------------------------------------------------------- room */

/* Room for the next read: as many bytes as are known to be pending, and for an incomplete frame as many
 * as have arrived. The length that a frame claims is never trusted. A large frame, which is moved when
 * its buffer grows, uses the room that there is first: growing with each read would move it each time. */
static size_t room_wanted(struct connection *connection) {
  struct buffer *input = &connection->input;
  size_t pending = connection->transport->pending(connection->stream);
  size_t room = connection->transport->posted_bytes;
  room = pending > room ? pending : room;
  room = room < INPUT_BUSY_BYTES ? room : INPUT_BUSY_BYTES;
  if (input->len == 0) {
    bool shrinks = input->capacity > INPUT_BUSY_BYTES || connection->small_reads >= SMALL_READS_MAX;
    buffer_trim(input, shrinks ? INPUT_IDLE_BYTES : INPUT_BUSY_BYTES);
    return input->capacity > room ? input->capacity : room;
  }
  size_t missing = connection->split.missing_bytes;
  size_t least = missing < room ? missing : room;
  if (input->len >= INPUT_BUSY_BYTES && least > 0 && buffer_room(input) >= least) {
    return least;
  }
  size_t again = missing < input->len ? missing : input->len;
  return again > room ? again : room;
}

static bool make_room(struct connection *connection) {
  struct dispatch *dispatch = connection->set->dispatch;
  bool has_room = buffer_reserve(&connection->input, room_wanted(connection));
  budget_update(dispatch_budget(dispatch), &connection->input_account, connection->input.capacity,
                0);
  if (!has_room) {
    dispatch_make_room(dispatch);
  }
  return has_room;
}

static void record_received(struct connection *connection, size_t count) {
  connection->small_reads = count < INPUT_IDLE_BYTES ? connection->small_reads + 1 : 0;
  bool filled = count == buffer_room(&connection->input) && connection->transport->posted_bytes > 0;
  connection->input.len += count;
  if (filled && connection->input.capacity < INPUT_BUSY_BYTES) {
    (void)buffer_reserve(&connection->input, INPUT_BUSY_BYTES - connection->input.len);
  }
}

/* Goes on later, except in CLOSING: the connection may be the one chosen to make room. */
static void pause_reading(struct connection *connection, uint32_t ms) {
  split_restart_time(&connection->split);
  pthread_mutex_lock(&connection->lock);
  bool closing = connection->state == CONNECTION_CLOSING;
  if (!closing) {
    connection->transport->pause(connection->stream, ms);
  }
  pthread_mutex_unlock(&connection->lock);
  if (closing) {
    stop_reading(connection, "closing");
  }
}

/* --------------------------------------------------------------------------------- requests */

enum progress {
  PROGRESS_MORE,
  PROGRESS_WAITS,
  PROGRESS_PAUSES,
  PROGRESS_LARGE,
  PROGRESS_OVER,
  PROGRESS_ENDED,
};

/* Sends the replies and decides how reading goes on. */
static enum progress finish_serving(struct connection *connection, size_t count, const char *why) {
  enum progress progress = PROGRESS_OVER;
  pthread_mutex_lock(&connection->lock);
  connection->serving = false;
  split_adapt(&connection->split, count, outbox_encoded_bytes(&connection->outbox));
  connection_flush_locked(connection);
  if (why != NULL || connection->close_wanted) {
    connection_close_locked(connection, why != NULL ? why : connection->why);
  }
  if (connection->state != CONNECTION_CLOSING && outbox_is_full(&connection->outbox)) {
    connection->state = CONNECTION_DRAINING;
    connection->reading = false;
    connection->has_unserved = true;
    split_restart_time(&connection->split);
  } else if (connection->state != CONNECTION_CLOSING && connection->pause_ms > 0) {
    progress = PROGRESS_PAUSES;
    connection->has_unserved = true;
  } else if (connection->state != CONNECTION_CLOSING && connection->input.len > 0 &&
             connection->split.missing_bytes == 0) {
    progress = PROGRESS_MORE;
  } else {
    progress = PROGRESS_WAITS;
  }
  if (connection->state == CONNECTION_CLOSING) {
    connection->reading = false;
    progress = connection->draining ? PROGRESS_OVER : PROGRESS_ENDED;
  }
  pthread_mutex_unlock(&connection->lock);
  return progress;
}

/* Answers the first message of a peer that is not admitted, and closes; waits for it if it is small. */
static enum progress refuse(struct connection *connection) {
  struct dispatch_message messages[SPLIT_COUNT_MAX];
  struct bytes input = bytes_of(buffer_first(&connection->input), connection->input.len);
  size_t count = split_messages(&connection->split, input, messages);
  const char *why = connection->split.why;
  if (count > 0 && messages[0].body.len <= HF_REFUSED_BYTES_MAX) {
    why = refusal_answer(connection, &messages[0]) ? "not admitted" : "no memory for its replies";
  } else if (count > 0 || input.len + connection->split.missing_bytes > 2 * HF_REFUSED_BYTES_MAX) {
    why = "not admitted";
  }
  return finish_serving(connection, 0, why);
}

bool connection_awaits_log(const struct connection *connection) {
  return connection->awaited > 0 &&
         !dispatch_is_durable(connection->set->dispatch, connection->awaited);
}

/* Answers how many of the messages were applied. */
static size_t hand_over(struct connection *connection, const struct dispatch_message *messages,
                        size_t count) {
  pthread_mutex_lock(&connection->lock);
  connection->serving = true;
  pthread_mutex_unlock(&connection->lock);
  connection->is_beyond_quota = false; /* dispatch closes it, unless it may stay */
  connection->alternations = connection_awaits_log(connection) ? 0 : connection->alternations + 1;
  struct flush_list list;
  uint64_t pause_ns;
  flush_list_begin(&list, connection);
  size_t applied = dispatch_messages(connection->set->dispatch, &list, connection->id, messages,
                                     count, &pause_ns, &connection->awaited);
  flush_list_end(&list);
  connection->pause_ms = (uint32_t)((pause_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
  return applied;
}

/* The index of the first large message; count: there is none. */
static size_t find_large(const struct dispatch_message *messages, size_t count) {
  size_t idx = 0;
  while (idx < count && messages[idx].body.len <= LARGE_BODY_BYTES) {
    idx++;
  }
  return idx;
}

/* Replies to other connections leave when the messages that caused them are applied: so messages are
 * handed over up to the first large one, and the rest is found again.
 * PROGRESS_LARGE: nothing was taken; a thread of large.h has to serve the connection. */
static enum progress serve_messages(struct connection *connection, bool takes_large) {
  struct dispatch_message messages[SPLIT_COUNT_MAX];
  struct bytes input = bytes_of(buffer_first(&connection->input), connection->input.len);
  size_t count = split_messages(&connection->split, input, messages);
  size_t large = find_large(messages, count);
  if (!takes_large && large < count) {
    return PROGRESS_LARGE;
  }
  size_t handed = large < count ? large + 1 : count;
  if (count > 0) {
    size_t applied = hand_over(connection, messages, handed);
    size_t used = split_take(&connection->split, input, messages, applied, count);
    buffer_consume(&connection->input, used);
    budget_update(dispatch_budget(connection->set->dispatch), &connection->input_account,
                  connection->input.capacity, used);
  }
  const char *why = connection->split.why;
  if (why != NULL) {
    log_refusal(connection, why);
  }
  return finish_serving(connection, handed, why);
}

/* Back-pressure: the peer is not read from until its user may be within its rate again, or the log has room. */
static enum transport_poll keep_pace(struct connection *connection) {
  uint32_t ms = connection->pause_ms;
  connection->pause_ms = 0;
  pause_reading(connection, ms);
  return TRANSPORT_POLL_GONE;
}

static enum transport_poll serve_input(struct connection *connection, bool takes_large) {
  enum progress progress = PROGRESS_MORE;
  connection->has_unserved = false;
  while (progress == PROGRESS_MORE) {
    progress =
        connection->refusal != NULL ? refuse(connection) : serve_messages(connection, takes_large);
  }
  if (progress == PROGRESS_LARGE) {
    /* The time in the queue is the server's, not the peer's. */
    budget_forget(dispatch_budget(connection->set->dispatch), &connection->input_account);
    large_add_request(connection->set->large, connection);
  } else if (progress == PROGRESS_PAUSES && !takes_large) {
    return keep_pace(connection);
  } else if (progress == PROGRESS_ENDED) {
    connection_end(connection);
  }
  return progress == PROGRESS_WAITS || progress == PROGRESS_PAUSES ? TRANSPORT_POLL_SERVED
                                                                   : TRANSPORT_POLL_GONE;
}

static enum transport_poll serve(struct connection *connection) {
  return serve_input(connection, false);
}

void connection_serve_large(struct connection *connection) {
  if (!stop_if_closing(connection) && serve_input(connection, true) == TRANSPORT_POLL_SERVED) {
    connection->is_slow = true; /* this thread does not become a poller */
    connection->transport->resume(connection->stream);
  }
}

/* ------------------------------------------------------------------------------------ hello */

static enum admission announce(struct connection *connection, uint16_t protocol) {
  connection->split.one_way = protocol == SP_PUSH;
  enum admission admission = refusal_admit(connection);
  if (admission == ADMISSION_GRANTED) {
    log_line(LOG_DEBUG, "connected connection=%llu one_way=%d", (unsigned long long)connection->id,
             connection->split.one_way);
  }
  return admission;
}

bool connection_open(struct connection *connection, uint16_t protocol) {
  bool announced = announce(connection, protocol) == ADMISSION_GRANTED;
  pthread_mutex_lock(&connection->lock);
  if (announced && connection->state == CONNECTION_HELLO) {
    connection->state = CONNECTION_OPEN;
  }
  pthread_mutex_unlock(&connection->lock);
  return announced;
}

/* Sends the hello alone to a TLS client, which learns from it that this address answers in clear. */
static bool answer_tls(struct connection *connection) {
  static const uint8_t handshake[] = {22, 3}; /* how a TLS connection begins */
  uint8_t hello[SP_HELLO_BYTES];
  size_t sent;
  if (memcmp(buffer_first(&connection->input), handshake, sizeof handshake) != 0) {
    return false;
  }
  sp_hello_write(hello, SP_REP);
  const struct bytes runs[TRANSPORT_RUNS] = {bytes_of(hello, sizeof hello)};
  (void)connection->transport->write(connection->stream, runs, &sent);
  return true;
}

/* Reads the peer's hello before the server's is sent, which names the counterpart of the peer's
 * protocol. nng's sockets send their hello without waiting for the server's. */
static const char *answer_hello(struct connection *connection) {
  uint16_t protocol;
  if (sp_hello_read(buffer_first(&connection->input), &protocol) != SP_OK) {
    return answer_tls(connection) ? "tls client at an address in clear"
                                  : "not the scalability protocols";
  }
  if (protocol != SP_REQ && protocol != SP_PUSH) {
    return "neither a req nor a push socket";
  }
  buffer_consume(&connection->input, SP_HELLO_BYTES);
  enum admission admission = announce(connection, protocol);
  if (admission == ADMISSION_FAILED || (connection->split.one_way && connection->refusal != NULL)) {
    return admission == ADMISSION_FAILED ? "no memory, or its user is gone" : "not admitted";
  }
  connection->hello_deadline_ns = clock_deadline_ns(clock_now_ns(), HF_REFUSED_TIMEOUT_MS);
  struct buffer *hello = &connection->outbox.encoded;
  pthread_mutex_lock(&connection->lock);
  bool open = connection->state == CONNECTION_HELLO && buffer_reserve(hello, SP_HELLO_BYTES);
  if (open) {
    connection->state = CONNECTION_OPEN;
    sp_hello_write(buffer_end(hello), connection->split.one_way ? SP_PULL : SP_REP);
    hello->len += SP_HELLO_BYTES;
    connection_flush_locked(connection);
  }
  pthread_mutex_unlock(&connection->lock);
  return open ? NULL : "closed meanwhile, or no memory";
}

static enum transport_poll read_hello(struct connection *connection) {
  if (connection->input.len < SP_HELLO_BYTES) {
    return TRANSPORT_POLL_QUIET;
  }
  const char *why = answer_hello(connection);
  if (why != NULL) {
    if (connection->refusal == NULL) { /* else it is logged already */
      log_refusal(connection, why);
    }
    stop_reading(connection, why);
    return TRANSPORT_POLL_GONE;
  }
  return serve(connection);
}

/* ---------------------------------------------------------------------------------- reading */

/* Whether the hello, or the first request of one that may have to go, has a deadline. */
static bool has_to_begin(const struct connection *connection) {
  return !connection->announced || connection->is_beyond_quota;
}

/* The deadline of the beginning, or of the rest of a frame. */
static uint64_t deadline_of(struct connection *connection) {
  if (has_to_begin(connection)) {
    return connection->hello_deadline_ns;
  }
  uint64_t now_ns = connection->input.len > 0 ? clock_now_ns() : 0;
  return split_deadline_ns(&connection->split, connection->input.len, now_ns);
}

static enum transport_poll end_late(struct connection *connection) {
  if (!has_to_begin(connection) && connection->input.len == 0) {
    return TRANSPORT_POLL_QUIET; /* the hello's deadline, come too late */
  }
  stop_reading(connection, "nothing more in time");
  return TRANSPORT_POLL_GONE;
}

/* Whether the hello is over. */
static bool is_greeted(const struct connection *connection) {
  return connection->announced || connection->refusal != NULL;
}

/* Acts on the result of a read. */
static enum transport_poll take_result(struct connection *connection, enum transport_result result,
                                       size_t count) {
  switch (result) {
    case TRANSPORT_OK:
      connection->is_posted = false;
      record_received(connection, count);
      return is_greeted(connection) ? serve(connection) : read_hello(connection);
    case TRANSPORT_WAITS: /* what came were records without content */
      if (has_to_begin(connection) && clock_now_ns() >= connection->hello_deadline_ns) {
        return end_late(connection);
      }
      return TRANSPORT_POLL_QUIET;
    case TRANSPORT_LATE:
      connection->is_posted = false;
      return end_late(connection);
    case TRANSPORT_BROKEN:
      log_refusal(connection, "what it sent makes no sense");
      stop_reading(connection, "what it sent makes no sense");
      return TRANSPORT_POLL_GONE;
    case TRANSPORT_LEFT:
      break;
  }
  stop_reading(connection, "peer left");
  return TRANSPORT_POLL_GONE;
}

/* false: there is no memory, and reading is the transport's. */
static bool post_input(struct connection *connection) {
  if (!make_room(connection)) {
    pause_reading(connection, MEMORY_PAUSE_MS);
    return false;
  }
  connection->is_posted = true;
  return true;
}

static enum transport_poll read_now(struct connection *connection) {
  bool has_bytes = connection->transport->pending(connection->stream) > 0;
  if (has_bytes && !connection->is_posted && !post_input(connection)) {
    return TRANSPORT_POLL_GONE;
  }
  struct buffer *input = &connection->input;
  size_t count = 0;
  enum transport_result result = connection->transport->read(connection->stream, buffer_end(input),
                                                             buffer_room(input), &count);
  return take_result(connection, result, count);
}

enum transport_poll connection_poll(struct connection *connection) {
  const struct transport *transport = connection->transport;
  struct buffer *input = &connection->input;
  if (connection->pause_ms > 0) {
    return keep_pace(connection);
  }
  if (connection->has_unserved) {
    return stop_if_closing(connection) ? TRANSPORT_POLL_GONE : serve(connection);
  }
  if (!connection->is_posted && transport->posted_bytes > 0) {
    if (!post_input(connection)) {
      return TRANSPORT_POLL_GONE;
    }
    transport->post(connection->stream, buffer_end(input), buffer_room(input));
  }
  if (transport->is_readable(connection->stream)) {
    return read_now(connection);
  }
  bool is_late = input->len > 0 && clock_now_ns() >= deadline_of(connection);
  return is_late ? end_late(connection) : TRANSPORT_POLL_QUIET;
}

/* Prepares the buffer for await_readable. false: there is no memory. */
static bool prepare_wait(struct connection *connection) {
  if (connection->is_posted) {
    return true;
  }
  if (connection->transport->posted_bytes == 0) {
    buffer_trim(&connection->input, INPUT_WAITING_BYTES);
    return true;
  }
  connection->is_posted = make_room(connection);
  return connection->is_posted;
}

/* false: bytes are there. */
static bool give_to_transport(struct connection *connection) {
  const struct transport *transport = connection->transport;
  struct buffer *input = &connection->input;
  uint64_t deadline_ns = deadline_of(connection);
  pthread_mutex_lock(&connection->lock);
  bool closing = connection->state == CONNECTION_CLOSING;
  bool given = !closing && transport->await_readable(connection->stream, buffer_end(input),
                                                     buffer_room(input), deadline_ns);
  pthread_mutex_unlock(&connection->lock);
  if (closing) {
    stop_reading(connection, "closing");
  }
  return given || closing;
}

void connection_wait(struct connection *connection) {
  do {
    if (!prepare_wait(connection)) {
      pause_reading(connection, MEMORY_PAUSE_MS);
      return;
    }
    if (give_to_transport(connection)) {
      return;
    }
  } while (connection_poll(connection) != TRANSPORT_POLL_GONE);
}
