/* The incoming half of a connection: the hello, then requests, read after read.
 *
 * layer   net; connection.h says who may call
 */
#include "server/net/connection_parts.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/engine/addresses.h"
#include "server/net/address.h"
#include "server/net/nng_shim.h"

#define INPUT_IDLE_BYTES (4u << 10)  /* what a waiting connection holds */
#define INPUT_BUSY_BYTES (64u << 10) /* one that fills its reads */
#define SMALL_READS_MAX 64           /* in a row before a busy buffer is given back */
#define PAUSE_MS 10                  /* until memory is looked for again */

static void complain(struct connection *connection, const char *why) {
  complaints_log(&connection->table->complaints, "connection refused connection=%llu why=\"%s\"",
                 (unsigned long long)connection->id, why);
}

/* --------------------------------------------------------------------------------- requests */

/* Room for the next read: for an idle connection little, for an unfinished frame as much again as
 * has arrived of it - never what its length only claims. */
static bool make_room(struct connection *connection) {
  struct buffer *input = &connection->input;
  size_t room = INPUT_IDLE_BYTES;
  if (input->len == 0) {
    bool shrinks = input->capacity > INPUT_BUSY_BYTES || connection->small_reads >= SMALL_READS_MAX;
    buffer_trim(input, shrinks ? INPUT_IDLE_BYTES : INPUT_BUSY_BYTES);
    room = input->capacity > room ? input->capacity : room;
  } else if (connection->split.missing_bytes > room) {
    room =
        connection->split.missing_bytes < input->len ? connection->split.missing_bytes : input->len;
    room = room < INPUT_IDLE_BYTES ? INPUT_IDLE_BYTES : room;
  }
  bool has_room = buffer_reserve(input, room);
  budget_note(dispatch_budget(connection->table->dispatch), &connection->input_account,
              input->capacity, 0);
  return has_room;
}

/* How long the next receive may take, because a frame has begun. */
static nng_duration timeout_of(struct connection *connection) {
  uint64_t now_ns = connection->input.len > 0 ? clock_now_ns() : 0;
  uint64_t deadline_ns = split_deadline_ns(&connection->split, connection->input.len, now_ns);
  if (deadline_ns == CLOCK_NEVER) {
    return NNG_DURATION_INFINITE;
  }
  uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  return (nng_duration)(left_ns / CLOCK_NS_PER_MS) + 1;
}

/* `receive`, which has a callback, or `listen`, which has none. */
static void start_receive(struct connection *connection, nng_aio *operation) {
  struct buffer *input = &connection->input;
  if (connection->announced && operation == connection->receive) {
    nng_aio_set_timeout(operation, timeout_of(connection));
  }
  nng_shim_post_read(connection->stream, operation, buffer_end(input), buffer_room(input));
}

enum turn { TURN_MORE, TURN_WAITS, TURN_OVER, TURN_ENDED };

/* Sends the replies and decides how reading goes on. */
static enum turn end_turn(struct connection *connection, size_t count, const char *why) {
  enum turn turn = TURN_OVER;
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
    split_restart_time(&connection->split);
  } else if (connection->state != CONNECTION_CLOSING && connection->input.len > 0 &&
             connection->split.missing_bytes == 0) {
    turn = TURN_MORE;
  } else {
    turn = TURN_WAITS;
  }
  if (connection->state == CONNECTION_CLOSING) {
    connection->reading = false;
    turn = connection->draining ? TURN_OVER : TURN_ENDED;
  }
  pthread_mutex_unlock(&connection->lock);
  return turn;
}

/* Answers how many of the messages were applied. */
static size_t hand_over(struct connection *connection, const struct dispatch_message *messages,
                        size_t count) {
  pthread_mutex_lock(&connection->lock);
  connection->serving = true;
  pthread_mutex_unlock(&connection->lock);
  connection_batch_begin();
  size_t applied =
      dispatch_messages(connection->table->dispatch, connection, connection->id, messages, count);
  connection_batch_end();
  return applied;
}

static enum turn take_turn(struct connection *connection) {
  struct dispatch_message messages[SPLIT_COUNT_MAX];
  struct bytes input = bytes_of(buffer_first(&connection->input), connection->input.len);
  size_t count = split_messages(&connection->split, input, messages);
  if (count > 0) {
    size_t applied = hand_over(connection, messages, count);
    size_t used = split_take(&connection->split, input, messages, applied, count);
    buffer_consume(&connection->input, used);
    budget_note(dispatch_budget(connection->table->dispatch), &connection->input_account,
                connection->input.capacity, used);
  }
  const char *why = connection->split.why;
  if (why != NULL) {
    complain(connection, why);
  }
  return end_turn(connection, count, why);
}

static void note_received(struct connection *connection, size_t count) {
  connection->small_reads = count < INPUT_IDLE_BYTES ? connection->small_reads + 1 : 0;
  bool filled = count == buffer_room(&connection->input);
  connection->input.len += count;
  if (filled && connection->input.capacity < INPUT_BUSY_BYTES) {
    (void)buffer_reserve(&connection->input, INPUT_BUSY_BYTES - connection->input.len);
  }
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

bool connection_serve(struct connection *connection) {
  enum turn turn = TURN_MORE;
  while (turn == TURN_MORE) {
    turn = take_turn(connection);
  }
  if (turn == TURN_ENDED) {
    connection_end(connection);
  }
  return turn == TURN_WAITS;
}

/* With the lock: memory may be there a moment later. */
static void pause_reading(struct connection *connection) {
  connection->pausing = true;
  nng_sleep_aio(PAUSE_MS, connection->receive);
}

/* false: closed meanwhile, or without memory, and the connection is not the caller's any more. */
static bool receive_with(struct connection *connection, nng_aio *operation) {
  bool has_room = make_room(connection);
  if (!has_room) {
    dispatch_make_room(connection->table->dispatch);
  }
  pthread_mutex_lock(&connection->lock);
  if (connection->state != CONNECTION_CLOSING && has_room) {
    start_receive(connection, operation);
  } else if (connection->state != CONNECTION_CLOSING) {
    pause_reading(connection);
  }
  bool closing = connection->state == CONNECTION_CLOSING;
  connection->reading = !closing;
  bool ended = connection_has_ended_locked(connection);
  pthread_mutex_unlock(&connection->lock);
  if (ended) {
    connection_end(connection);
  }
  return !closing && has_room;
}

void connection_receive(struct connection *connection) {
  (void)receive_with(connection, connection->receive);
}

bool connection_listen(struct connection *connection) {
  return receive_with(connection, connection->listen);
}

bool connection_has_news(const struct connection *connection) {
  return nng_shim_is_done(connection->listen);
}

bool connection_take_news(struct connection *connection, bool is_wanted) {
  size_t count;
  int rv = is_wanted ? nng_shim_take(connection->listen, &count)
                     : nng_shim_withdraw(connection->listen, &count);
  if (rv != 0) {
    stop_reading(connection, "peer left");
    return false;
  }
  if (count == 0) {
    return true;
  }
  note_received(connection, count);
  return connection_serve(connection);
}

/* ------------------------------------------------------------------------------------ hello */

/* The rest of the hello must come within what is left of its time, however it is cut up. */
void connection_await_hello(struct connection *connection) {
  uint64_t now_ns = clock_now_ns();
  uint64_t left_ns =
      connection->hello_deadline_ns > now_ns ? connection->hello_deadline_ns - now_ns : 0;
  nng_aio_set_timeout(connection->receive, (nng_duration)(left_ns / CLOCK_NS_PER_MS) + 1);
  connection_receive(connection);
}

/* Local clients are one address, whichever way they come. */
_Static_assert(ADDRESS_IPC == ADDRESS_LOCAL, "the engine knows ipc as local");

/* Our hello names the peer's counterpart, so theirs is read first; nng's sockets send theirs
 * without waiting for ours. */
static const char *answer_hello(struct connection *connection) {
  uint16_t protocol;
  if (sp_hello_read(buffer_first(&connection->input), &protocol) != SP_OK) {
    return "not the scalability protocols";
  }
  if (protocol != SP_REQ && protocol != SP_PUSH) {
    return "neither a req nor a push socket";
  }
  connection->split.one_way = protocol == SP_PUSH;
  buffer_consume(&connection->input, SP_HELLO_BYTES);
  if (!dispatch_connected(connection->table->dispatch, connection->id, connection->address,
                          connection->split.one_way)) {
    return "no memory";
  }
  connection->announced = true;
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

static void read_hello(struct connection *connection) {
  if (connection->input.len < SP_HELLO_BYTES) {
    connection_await_hello(connection);
    return;
  }
  const char *why = answer_hello(connection);
  if (why != NULL) {
    complain(connection, why);
    stop_reading(connection, why);
    return;
  }
  log_line(LOG_DEBUG, "connected connection=%llu one_way=%d", (unsigned long long)connection->id,
           connection->split.one_way);
  crew_serve(&connection->table->crew, connection);
}

void connection_received(void *arg) {
  struct connection *connection = arg;
  int rv = nng_aio_result(connection->receive);
  bool in_hello = !connection->announced;
  if (connection->pausing) {
    connection->pausing = false;
    connection_receive(connection);
    return;
  }
  if (rv == NNG_ETIMEDOUT && !in_hello && connection->input.len == 0) {
    /* The hello's, come too late. */
    crew_serve(&connection->table->crew, connection);
    return;
  }
  if (rv != 0) {
    stop_reading(connection, rv == NNG_ETIMEDOUT ? "nothing more in time" : "peer left");
    return;
  }
  note_received(connection, nng_aio_count(connection->receive));
  if (in_hello) {
    read_hello(connection);
  } else {
    crew_serve(&connection->table->crew, connection);
  }
}
