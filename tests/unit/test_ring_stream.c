/* Pauses of a stream in shared memory: they last to their deadline, whatever the client does, lose nothing,
 * and end at once with the stream. The test is the client, the rings' thread and the connection. */
#include "proto/base/clock.h"
#include "proto/limits.h"
#include "server/transport/ring_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PAUSE_MS 60000
#define RINGS 100

static struct ring_context context;
static struct ring_stream *stream;
static struct ring_end requests; /* the client's end */
static int client_socket;

/* The connection: reads all there is, then pauses if `pauses` is set. */
static struct {
  const struct transport *transport;
  bool pauses;
  unsigned polls, writables;
  char got[64];
  size_t got_len;
  enum transport_result last; /* of read */
} connection;

/* -------------------------------------------------------------------------------- connection */

static enum transport_poll poll_connection(void *self) {
  size_t count, got_before = connection.got_len;
  (void)self;
  connection.polls++;
  while ((connection.last = connection.transport->read(stream, connection.got + connection.got_len,
                                                       sizeof connection.got - connection.got_len,
                                                       &count)) == TRANSPORT_OK) {
    connection.got_len += count;
  }
  if (connection.last == TRANSPORT_LEFT) {
    return TRANSPORT_POLL_GONE;
  }
  if (connection.pauses) {
    connection.transport->pause(stream, PAUSE_MS);
    return TRANSPORT_POLL_GONE;
  }
  return connection.got_len > got_before ? TRANSPORT_POLL_SERVED : TRANSPORT_POLL_QUIET;
}

static void await_requests(void *self) {
  (void)self;
  assert_true(connection.transport->await_readable(stream, NULL, 0, CLOCK_NEVER));
}

static void note_writable(void *self) {
  (void)self;
  connection.writables++;
}

static bool accept_stream(void *ctx, const struct transport *transport, void *accepted,
                          const struct transport_peer *peer, void **made) {
  (void)ctx, (void)peer;
  stream = accepted;
  connection.transport = transport;
  *made = &connection;
  return transport->await_readable(accepted, NULL, 0, CLOCK_NEVER);
}

static const struct transport_events events = {
    .poll = poll_connection, .wait = await_requests, .writable = note_writable};
static const struct transport_acceptor acceptor = {.accept = accept_stream, .events = &events};

static int set_up(void **state) {
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = SP_REQ, .framing = SP_TCP};
  int sockets[2];
  (void)state;
  memset(&connection, 0, sizeof connection);
  memset(&context, 0, sizeof context);
  context.acceptor = &acceptor;
  context.wakeup = -1;
  limited_log_init(&context.limited_log);
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
  client_socket = sockets[1];
  assert_int_equal(send(client_socket, &hello, sizeof hello, 0), sizeof hello);
  ring_stream_read_socket(ring_stream_new(&context, 1, sockets[0], HANDSHAKE_WELCOME));
  ring_init_writer(&requests, &stream->segment->requests,
                   (uint8_t *)stream->segment + SEGMENT_DATA_OFFSET, HF_RING_BYTES);
  return 0;
}

/* Ends the stream, if the test has not. */
static int tear_down(void **state) {
  (void)state;
  if (!atomic_load(&stream->is_ended)) {
    connection.transport->close(stream);
    ring_stream_end(stream);
  }
  assert_int_equal(context.paused_count, 0);
  assert_int_equal(context.timed_count, 0);
  assert_int_equal(atomic_load(&context.awaiting_room_count), 0);
  connection.transport->free(stream);
  ring_stream_release(stream);
  close(client_socket);
  limited_log_deinit(&context.limited_log);
  return 0;
}

/* ------------------------------------------------------------------------ the rings' thread */

/* Its doorbell is rung, so often. */
static void ring_doorbell(unsigned times, uint64_t now_ns) {
  for (unsigned i = 0; i < times; i++) {
    ring_stream_poll_again(stream);
    (void)ring_stream_serve(stream, now_ns);
    (void)ring_stream_go_idle(stream);
  }
}

static void request_and_pause(void) {
  connection.pauses = true;
  assert_int_equal(ring_write(&requests, "a", 1), 1);
  ring_doorbell(1, clock_now_ns());
  assert_int_equal(connection.polls, 1);
  assert_int_equal(connection.got_len, 1);
  assert_int_equal(stream->reading, RING_PAUSED);
  assert_int_equal(context.paused_count, 1);
}

static void tick(uint64_t now_ns, bool is_polled) {
  assert_int_equal(ring_stream_check_times(stream, now_ns), is_polled);
  ring_doorbell(1, now_ns);
}

/* ------------------------------------------------------------------------------------- tests */

static void test_ring_pause_lasts_however_often_the_client_rings(void **state) {
  (void)state;
  request_and_pause();
  assert_int_equal(ring_write(&requests, "b", 1), 1);
  ring_doorbell(RINGS, stream->deadline_ns - 1);
  tick(stream->deadline_ns - 1, false);
  assert_int_equal(connection.polls, 1);
  assert_int_equal(stream->reading, RING_PAUSED);
}

static void test_ring_pause_loses_no_request(void **state) {
  (void)state;
  request_and_pause();
  assert_int_equal(ring_write(&requests, "bc", 2), 2);
  ring_doorbell(RINGS, stream->deadline_ns - 1);
  connection.pauses = false;
  tick(stream->deadline_ns, true);
  assert_int_equal(context.paused_count, 0);
  assert_memory_equal(connection.got, "abc", 3);
  assert_int_equal(stream->reading, RING_AWAITED);
  assert_int_equal(ring_write(&requests, "d", 1), 1); /* and the next rings again */
  assert_int_equal(ring_must_wake_reader(&requests), RING_WAKE_NOTIFY);
  ring_doorbell(1, stream->deadline_ns);
  assert_memory_equal(connection.got, "abcd", 4);
}

/* What is written goes on during a pause, which is of the reading alone. */
static void test_ring_pause_lets_writing_go_on(void **state) {
  static const uint8_t zeros[HF_RING_BYTES];
  struct ring_end replies;
  const struct bytes runs[TRANSPORT_RUNS] = {{zeros, sizeof zeros}};
  const struct bytes rest[TRANSPORT_RUNS] = {{zeros, 1}};
  uint8_t read[64];
  size_t count;
  (void)state;
  request_and_pause();
  ring_init_reader(&replies, &stream->segment->replies,
                   (uint8_t *)stream->segment + SEGMENT_DATA_OFFSET + HF_RING_BYTES, HF_RING_BYTES);
  assert_int_equal(connection.transport->write(stream, runs, &count), TRANSPORT_OK);
  assert_int_equal(count, sizeof zeros);
  assert_int_equal(connection.transport->write(stream, rest, &count), TRANSPORT_WAITS);
  assert_true(connection.transport->await_writable(stream, rest, CLOCK_NEVER));
  ring_doorbell(1, stream->deadline_ns - 1);
  assert_int_equal(connection.writables, 0);
  assert_int_equal(ring_read(&replies, read, sizeof read), sizeof read);
  assert_true(ring_must_wake_writer(&replies));
  ring_doorbell(1, stream->deadline_ns - 1);
  assert_int_equal(connection.writables, 1);
  assert_int_equal(connection.transport->write(stream, rest, &count), TRANSPORT_OK);
  assert_int_equal(connection.polls, 1);
}

/* As with a socket: the server sees it after the pause, behind the requests that came before. */
static void test_ring_pause_of_a_client_that_leaves(void **state) {
  (void)state;
  request_and_pause();
  assert_int_equal(ring_write(&requests, "b", 1), 1);
  assert_int_equal(shutdown(client_socket, SHUT_RDWR), 0);
  ring_stream_read_socket(stream);
  assert_true(stream->has_left);
  ring_doorbell(RINGS, stream->deadline_ns - 1);
  assert_int_equal(connection.polls, 1);
  connection.pauses = false;
  tick(stream->deadline_ns, true);
  assert_memory_equal(connection.got, "ab", 2);
  assert_int_equal(connection.last, TRANSPORT_LEFT);
}

static void test_ring_pause_ends_when_the_stream_is_closed(void **state) {
  (void)state;
  request_and_pause();
  connection.transport->close(stream);
  assert_true(ring_stream_is_over(stream));
  ring_stream_end(stream); /* the rings' thread does so at the next round */
  assert_int_equal(connection.polls, 2);
  assert_int_equal(connection.last, TRANSPORT_LEFT);
  assert_int_equal(context.paused_count, 0);
}

#define PAUSE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      PAUSE_TEST(test_ring_pause_lasts_however_often_the_client_rings),
      PAUSE_TEST(test_ring_pause_loses_no_request),
      PAUSE_TEST(test_ring_pause_lets_writing_go_on),
      PAUSE_TEST(test_ring_pause_of_a_client_that_leaves),
      PAUSE_TEST(test_ring_pause_ends_when_the_stream_is_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
