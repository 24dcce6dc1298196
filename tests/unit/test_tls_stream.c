/* A TLS stream of the server over a socket that takes and gives what the test says: no byte is lost,
 * repeated or sealed twice, whichever way the socket stalls. */
#include "server/transport/tls_gate.h"

#include "proto/base/clock.h"
#include "proto/tls/tls_parts.h"
#include "server/transport/failures.h"
#include "server/transport/tls_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define BYTES_MAX ((size_t)1 << 20)

/* The socket: what the client has sent, and what arrived there. */
static struct {
  uint8_t sent[BYTES_MAX], got[BYTES_MAX];
  size_t sent_len, read_len, got_len;
  size_t room;         /* bytes the socket takes */
  const uint8_t *kept; /* memory that await_writable was given */
  size_t kept_len;
  bool is_posted, is_awaited, is_closed, is_freed;
} sock;

static struct buffer_budget budget = {.bytes_max = (size_t)64 << 20};
static struct tls_stream *stream;
static struct tls *client;
static struct limited_log limited_log;
static char path[] = "/tmp/holdfast-stream-XXXXXX";
static struct key key;

/* ---------------------------------------------------------------------------------- socket */

static size_t min_of(size_t a, size_t b) {
  return a < b ? a : b;
}

static void socket_post(void *self, void *data, size_t capacity) {
  (void)self, (void)data;
  assert_true(capacity > 0 && !sock.is_posted);
  sock.is_posted = true;
}

static bool socket_is_readable(void *self) {
  (void)self;
  return sock.read_len < sock.sent_len || sock.is_closed;
}

static enum transport_result socket_read(void *self, void *data, size_t capacity, size_t *count) {
  (void)self;
  sock.is_posted = false;
  *count = min_of(capacity, sock.sent_len - sock.read_len);
  if (*count == 0) {
    return sock.is_closed ? TRANSPORT_LEFT : TRANSPORT_WAITS;
  }
  memcpy(data, sock.sent + sock.read_len, *count);
  sock.read_len += *count;
  return TRANSPORT_OK;
}

static bool socket_await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  (void)self, (void)data, (void)capacity, (void)deadline_ns;
  assert_false(sock.is_closed);
  sock.is_posted = false;
  sock.is_awaited = sock.read_len == sock.sent_len;
  return sock.is_awaited;
}

static enum transport_result socket_write(void *self, const struct bytes *runs, size_t *count) {
  const uint8_t *data = runs[0].data;
  size_t len = runs[0].len;
  (void)self;
  assert_int_equal(runs[1].len, 0);
  assert_true(len > 0 && !sock.is_closed);
  if (sock.kept != NULL) { /* the same bytes, as they were */
    assert_ptr_equal(sock.kept, data);
    assert_int_equal(sock.kept_len, len);
    sock.kept = NULL;
  }
  *count = min_of(len, sock.room);
  assert_true(sock.got_len + *count <= BYTES_MAX);
  memcpy(sock.got + sock.got_len, data, *count);
  sock.got_len += *count;
  sock.room -= *count;
  return *count > 0 ? TRANSPORT_OK : TRANSPORT_WAITS;
}

static bool socket_await_writable(void *self, const struct bytes *runs, uint64_t deadline_ns) {
  (void)self, (void)deadline_ns;
  assert_true(runs[0].len > 0 && runs[1].len == 0 && sock.kept == NULL && !sock.is_closed);
  sock.kept = runs[0].data;
  sock.kept_len = runs[0].len;
  return true;
}

static void socket_pause(void *self, uint32_t ms) {
  (void)self, (void)ms;
}

static void socket_close(void *self) {
  (void)self;
  assert_false(sock.is_closed);
  sock.is_closed = true;
}

static void socket_free(void *self) {
  (void)self;
  assert_true(sock.is_closed && !sock.is_freed);
  sock.is_freed = true;
}

static const struct transport socket_table = {.name = "test",
                                              .post = socket_post,
                                              .is_readable = socket_is_readable,
                                              .read = socket_read,
                                              .await_readable = socket_await_readable,
                                              .pause = socket_pause,
                                              .write = socket_write,
                                              .await_writable = socket_await_writable,
                                              .close = socket_close,
                                              .free = socket_free};

/* ---------------------------------------------------------------------------------- client */

/* Asks the server for new keys, too; leaves with what is written next. */
static bool tls_update_keys(struct tls *tls) {
  return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED) == 1;
}

/* What the client has sealed is in the socket. */
static void client_sends(void) {
  struct buffer *output = tls_output(client);
  assert_true(sock.sent_len + output->len <= BYTES_MAX);
  memcpy(sock.sent + sock.sent_len, buffer_first(output), output->len);
  sock.sent_len += output->len;
  buffer_consume(output, output->len);
}

static void client_receives(void) {
  struct buffer *input = tls_input(client);
  assert_true(buffer_reserve(input, sock.got_len + 1));
  memcpy(buffer_end(input), sock.got, sock.got_len);
  input->len += sock.got_len;
  sock.got_len = 0;
}

/* What the server wrote, all of it, arrives as it was. */
static void assert_received(const uint8_t *data, size_t len) {
  static uint8_t got[BYTES_MAX];
  size_t total = 0, count;
  client_receives();
  while (tls_read(client, got + total, sizeof got - total, &count) == TLS_OK) {
    total += count;
  }
  assert_int_equal(total, len);
  assert_memory_equal(got, data, len);
}

static void fill(uint8_t *data, size_t len) {
  for (size_t i = 0; i < len; i++) {
    data[i] = (uint8_t)(i * 7 + i / 253);
  }
}

/* Writes as a connection does, in two runs: what was not taken again, after waiting for room. A socket that
 * takes `room` bytes each time. Answers how often it had to wait. */
static size_t write_all(uint8_t *data, size_t len, size_t room) {
  size_t waits = 0, count, first = len / 3;
  while (len > 0) {
    size_t part = first < len ? first : len;
    const struct bytes runs[TRANSPORT_RUNS] = {bytes_of(data, part),
                                               bytes_of(data + part, len - part)};
    enum transport_result result = tls_transport.write(stream, runs, &count);
    if (result == TRANSPORT_OK) {
      data += count;
      len -= count;
      first -= count < first ? count : first;
      continue;
    }
    assert_int_equal(result, TRANSPORT_WAITS);
    assert_true(tls_transport.await_writable(stream, runs, CLOCK_NEVER));
    sock.room = room;
    waits++;
  }
  return waits;
}

static enum transport_result read_some(uint8_t *data, size_t capacity, size_t *count) {
  *count = 0;
  return tls_transport.read(stream, data, capacity, count);
}

/* ------------------------------------------------------------------------------------ setup */

static struct tls_context *server_context(void) {
  char error[TLS_ERROR_BYTES];
  struct tls_settings settings = {.key_file = path};
  struct tls_context *context = tls_context_new_server(&settings, error);
  assert_non_null(context);
  return context;
}

static int begin(void **state) {
  (void)state;
  char error[TLS_ERROR_BYTES];
  struct tls_client_settings settings = {.key = &key};
  struct tls_context *context = tls_context_new_client(&settings, error);
  memset(&sock, 0, sizeof sock);
  sock.room = SIZE_MAX;
  client = tls_new(context, &budget, NULL);
  tls_context_release(context);
  context = server_context();
  stream = tls_stream_new(context, &budget, &socket_table, &sock);
  tls_context_release(context);
  stream->limited_log = &limited_log;
  while (tls_handshake(client) != TLS_OK || tls_handshake(stream->tls) != TLS_OK) {
    client_sends();
    tls_stream_receive(stream);
    (void)tls_handshake(stream->tls);
    assert_int_equal(tls_stream_flush_locked(stream), TRANSPORT_OK);
    client_receives();
  }
  client_sends();
  stream->has_more = false;
  return 0;
}

static int end(void **state) {
  (void)state;
  if (!stream->is_closed) {
    tls_transport.close(stream);
  }
  tls_transport.free(stream);
  tls_free(client);
  assert_true(sock.is_freed);
  assert_int_equal(budget.used_bytes, 0);
  return 0;
}

/* -------------------------------------------------------------------------------- the tests */

static void bytes_come_and_go(void **state) {
  (void)state;
  uint8_t data[64];
  size_t count;
  assert_false(tls_transport.is_readable(stream));
  assert_true(sock.is_posted); /* so that the next look finds bytes without a wait */
  assert_true(tls_write(client, "request", 7));
  client_sends();
  assert_true(tls_transport.is_readable(stream));
  assert_true(tls_transport.pending(stream) >= 7);
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_OK);
  assert_int_equal(count, 7);
  assert_memory_equal(data, "request", 7);
  assert_false(tls_transport.is_readable(stream));
  assert_int_equal(tls_transport.pending(stream), 0);
  assert_int_equal(write_all((uint8_t *)"reply", 5, 0), 0);
  assert_received((const uint8_t *)"reply", 5);
}

/* A record may come in two parts, and bytes that were decrypted may not fit: they are pending. */
static void what_is_decrypted_is_pending(void **state) {
  (void)state;
  static uint8_t data[40000], got[40000];
  size_t count, total = 0;
  fill(data, sizeof data);
  assert_true(tls_write(client, data, sizeof data));
  client_sends();
  while (total < sizeof got) {
    assert_true(tls_transport.is_readable(stream));
    assert_true(tls_transport.pending(stream) > 0);
    enum transport_result result = read_some(got + total, min_of(1000, sizeof got - total), &count);
    assert_true(result == TRANSPORT_OK || result == TRANSPORT_WAITS); /* half a record */
    total += count;
  }
  assert_memory_equal(got, data, sizeof data);
  assert_false(tls_transport.is_readable(stream));
}

static void half_a_record_waits(void **state) {
  (void)state;
  uint8_t data[64];
  size_t count;
  assert_true(tls_write(client, "request", 7));
  client_sends();
  sock.sent_len--;
  assert_true(tls_transport.is_readable(stream)); /* a hint */
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_WAITS);
  assert_true(tls_transport.await_readable(stream, NULL, 0, CLOCK_NEVER));
  sock.sent_len++;
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_OK);
  assert_int_equal(count, 7);
}

/* The socket takes all, nothing, one byte, half a record, and whatever there is room for. */
static void replies_arrive_however_the_socket_stalls(void **state) {
  (void)state;
  static uint8_t data[200000];
  static const size_t rooms[] = {1 << 19, 20000, 16384, 4097, 333};
  static const size_t lens[] = {1, 2, 500, 16384, 16385, 70000, sizeof data};
  fill(data, sizeof data);
  for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
    for (size_t j = 0; j < sizeof lens / sizeof *lens; j++) {
      sock.room = 0;
      assert_true(write_all(data, lens[j], rooms[i]) > 0);
      assert_received(data, lens[j]);
    }
  }
  sock.room = 0;
  assert_true(write_all(data, 300, 1) > 300); /* byte by byte: each is in the socket once */
  assert_received(data, 300);
}

static enum transport_result write_run(void *to, const void *data, size_t len, size_t *count) {
  const struct bytes runs[TRANSPORT_RUNS] = {bytes_of(data, len)};
  return tls_transport.write(to, runs, count);
}

/* While the socket is full, somebody must wait for room, also for what is sealed already. */
static void a_byte_is_owed_while_the_socket_is_full(void **state) {
  (void)state;
  uint8_t data[100];
  size_t count = 0;
  fill(data, sizeof data);
  sock.room = 10;
  assert_int_equal(write_run(stream, data, sizeof data, &count), TRANSPORT_OK);
  assert_int_equal(count, sizeof data - 1);
  assert_int_equal(write_run(stream, data + count, 1, &count), TRANSPORT_WAITS);
  sock.room = SIZE_MAX;
  assert_int_equal(write_run(stream, data + sizeof data - 1, 1, &count), TRANSPORT_OK);
  assert_int_equal(count, 1);
  assert_received(data, sizeof data);
}

/* The answer to a key update is made while the socket has our memory. */
static void key_updates_do_not_move_what_is_on_its_way(void **state) {
  (void)state;
  static uint8_t data[60000];
  uint8_t got[64];
  size_t count = 0;
  fill(data, sizeof data);
  sock.room = 100;
  assert_int_equal(write_run(stream, data, sizeof data, &count), TRANSPORT_OK);
  assert_true(count == sizeof data - 1);
  const struct bytes owed[TRANSPORT_RUNS] = {bytes_of(data + count, 1)};
  assert_true(tls_transport.await_writable(stream, owed, CLOCK_NEVER));
  uint8_t *copy = malloc(sock.kept_len);
  memcpy(copy, sock.kept, sock.kept_len);
  for (int i = 0; i < 50; i++) {
    assert_true(tls_update_keys(client));
    assert_true(tls_write(client, "x", 1));
    client_sends();
    assert_int_equal(read_some(got, sizeof got, &count), TRANSPORT_OK);
  }
  assert_memory_equal(sock.kept, copy, sock.kept_len);
  free(copy);
  sock.room = SIZE_MAX;
  assert_int_equal(write_all(data + sizeof data - 1, 1, SIZE_MAX), 0);
  assert_received(data, sizeof data);
}

/* A peer that asks for new keys and never reads our answers gets no more memory. */
static void unread_answers_are_bounded(void **state) {
  (void)state;
  uint8_t got[64];
  size_t count, rounds = 0;
  enum transport_result result = TRANSPORT_OK;
  sock.room = 0;
  while (result == TRANSPORT_OK && rounds++ < 100000) {
    assert_true(tls_update_keys(client));
    assert_true(tls_write(client, "x", 1));
    sock.sent_len = sock.read_len = 0;
    client_sends();
    result = read_some(got, sizeof got, &count);
  }
  assert_int_equal(result, TRANSPORT_BROKEN);
  assert_true(budget.used_bytes < (size_t)1 << 20);
}

static void goodbye_is_said_once_and_heard(void **state) {
  (void)state;
  uint8_t data[64];
  size_t count;
  assert_true(tls_write(client, "last", 4));
  tls_goodbye(client);
  client_sends();
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_OK);
  assert_int_equal(count, 4);
  assert_true(tls_transport.is_readable(stream));
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_LEFT);
  tls_transport.close(stream);
  client_receives();
  assert_int_equal(tls_read(client, data, sizeof data, &count), TLS_ENDED);
}

static void changed_bytes_break_the_stream(void **state) {
  (void)state;
  uint8_t data[64];
  size_t count;
  assert_true(tls_write(client, "text", 4));
  client_sends();
  sock.sent[sock.sent_len - 1] ^= 1;
  assert_int_equal(read_some(data, sizeof data, &count), TRANSPORT_BROKEN);
}

static void failures_make_an_address_wait(void **state) {
  (void)state;
  static struct failures failures;
  const uint64_t one = UINT64_C(1) << 32 | 1, other = one + 1, second = 1000 * CLOCK_NS_PER_MS;
  uint64_t now = 5 * second;
  static const uint32_t delays[] = {0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000};
  for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
    failures_add(&failures, one, now);
    assert_int_equal(failures_delay_ms(&failures, one, now), delays[i]);
  }
  for (int i = 0; i < 1000; i++) {
    failures_add(&failures, one, now);
  }
  assert_int_equal(failures_delay_ms(&failures, one, now + second), 2000);
  assert_int_equal(failures_delay_ms(&failures, other, now), 0);
  assert_int_equal(failures_delay_ms(&failures, one, now + 61 * second), 0);
  failures_add(&failures, one, now + 61 * second); /* the first again */
  assert_int_equal(failures_delay_ms(&failures, one, now + 61 * second), 0);
  for (int i = 0; i < 6; i++) {
    failures_add(&failures, one, now + 61 * second);
  }
  failures_forget(&failures, other);
  assert_true(failures_delay_ms(&failures, one, now + 61 * second) > 0);
  failures_forget(&failures, one);
  assert_int_equal(failures_delay_ms(&failures, one, now + 61 * second), 0);
}

static int make_key(void **state) {
  (void)state;
  char line[KEY_LINE_BYTES];
  int fd = mkstemp(path);
  limited_log_init(&limited_log);
  return fd >= 0 && key_make("alice", line) && dprintf(fd, "%s\n", line) > 0 && close(fd) == 0 &&
                 key_read(bytes_of_text(line), &key) == NULL
             ? 0
             : -1;
}

static int remove_key(void **state) {
  (void)state;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(bytes_come_and_go, begin, end),
      cmocka_unit_test_setup_teardown(what_is_decrypted_is_pending, begin, end),
      cmocka_unit_test_setup_teardown(half_a_record_waits, begin, end),
      cmocka_unit_test_setup_teardown(replies_arrive_however_the_socket_stalls, begin, end),
      cmocka_unit_test_setup_teardown(a_byte_is_owed_while_the_socket_is_full, begin, end),
      cmocka_unit_test_setup_teardown(key_updates_do_not_move_what_is_on_its_way, begin, end),
      cmocka_unit_test_setup_teardown(unread_answers_are_bounded, begin, end),
      cmocka_unit_test_setup_teardown(goodbye_is_said_once_and_heard, begin, end),
      cmocka_unit_test_setup_teardown(changed_bytes_break_the_stream, begin, end),
      cmocka_unit_test(failures_make_an_address_wait),
  };
  return cmocka_run_group_tests(tests, make_key, remove_key);
}
