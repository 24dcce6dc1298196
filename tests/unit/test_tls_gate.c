/* The gate of TLS handshakes, over a socket in memory: who gets through, as whom, and what a reload of the
 * keys means for those who are in. */
#include "server/transport/tls_gate.h"

#include "proto/base/clock.h"
#include "proto/limits.h"
#include "server/transport/tls_stream.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define BYTES_MAX 16384
#define ADDRESS (UINT64_C(1) << 32 | 0x0a000009) /* 10.0.0.9 */

/* One connection at a time; its lock is for the client, here, and the gate's threads. */
static struct {
  pthread_mutex_t lock;
  uint8_t sent[BYTES_MAX], got[BYTES_MAX];
  size_t sent_len, read_len, got_len;
  bool is_awaited, is_closed;
  void *stream; /* the gate's */
  sem_t steps;  /* the gate waits for us, or is through with the stream */
  bool is_accepted, is_freed;
  struct transport_peer peer;
} sock;

static struct buffer_budget budget = {.bytes_max = (size_t)64 << 20};
static struct tls_gate *gate;
static struct key alice, bob;
static char alice_path[] = "/tmp/holdfast-gate-XXXXXX", bob_path[] = "/tmp/holdfast-gate-XXXXXX";

/* ---------------------------------------------------------------------------------- socket */

static bool socket_is_readable(void *self) {
  (void)self;
  pthread_mutex_lock(&sock.lock);
  bool is_readable = sock.read_len < sock.sent_len || sock.is_closed;
  pthread_mutex_unlock(&sock.lock);
  return is_readable;
}

static enum transport_result socket_read(void *self, void *data, size_t capacity, size_t *count) {
  (void)self;
  pthread_mutex_lock(&sock.lock);
  size_t left = sock.sent_len - sock.read_len;
  *count = left < capacity ? left : capacity;
  memcpy(data, sock.sent + sock.read_len, *count);
  sock.read_len += *count;
  enum transport_result ended = sock.is_closed ? TRANSPORT_LEFT : TRANSPORT_WAITS;
  pthread_mutex_unlock(&sock.lock);
  return *count > 0 ? TRANSPORT_OK : ended;
}

static bool socket_await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  (void)self, (void)data, (void)capacity, (void)deadline_ns;
  pthread_mutex_lock(&sock.lock);
  bool is_given = sock.read_len == sock.sent_len;
  sock.is_awaited = is_given;
  pthread_mutex_unlock(&sock.lock);
  if (is_given) {
    sem_post(&sock.steps);
  }
  return is_given;
}

static enum transport_result socket_write(void *self, const struct bytes *runs, size_t *count) {
  (void)self;
  pthread_mutex_lock(&sock.lock);
  assert_true(sock.got_len + runs[0].len <= BYTES_MAX && runs[1].len == 0);
  memcpy(sock.got + sock.got_len, runs[0].data, runs[0].len);
  sock.got_len += runs[0].len;
  pthread_mutex_unlock(&sock.lock);
  *count = runs[0].len;
  return TRANSPORT_OK;
}

/* Whether the gate waited for us. */
static bool take_awaited(void) {
  pthread_mutex_lock(&sock.lock);
  bool was_awaited = sock.is_awaited;
  sock.is_awaited = false;
  pthread_mutex_unlock(&sock.lock);
  return was_awaited;
}

static void *report_closed(void *stream) {
  tls_gate_acceptor(gate)->events->readable(stream);
  return NULL;
}

static void socket_close(void *self) {
  (void)self;
  pthread_t thread;
  pthread_mutex_lock(&sock.lock);
  sock.is_closed = true;
  pthread_mutex_unlock(&sock.lock);
  if (!sock.is_accepted && take_awaited()) {
    assert_int_equal(pthread_create(&thread, NULL, report_closed, sock.stream), 0);
    pthread_detach(thread);
  }
}

static void socket_free(void *self) {
  (void)self;
  sock.is_freed = true;
  sem_post(&sock.steps);
}

static const struct transport socket_table = {.name = "test",
                                              .is_readable = socket_is_readable,
                                              .read = socket_read,
                                              .await_readable = socket_await_readable,
                                              .write = socket_write,
                                              .close = socket_close,
                                              .free = socket_free};

/* ------------------------------------------------------------------- server, and connection */

static bool accept_stream(void *ctx, const struct transport *transport, void *stream,
                          const struct transport_peer *peer, void **connection) {
  (void)ctx;
  assert_ptr_equal(transport, &tls_transport);
  *connection = &sock;
  sock.stream = stream;
  sock.peer = *peer;
  sock.is_accepted = true;
  sem_post(&sock.steps);
  return true;
}

static const struct transport_acceptor acceptor = {.accept = accept_stream};

static uint64_t never_served(void *ctx) {
  (void)ctx;
  return 0;
}

static void ignore_crowds(void *ctx, bool is_crowded) {
  (void)ctx, (void)is_crowded;
}

static void use_keys(const char *path) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context =
      tls_context_new_server(&(struct tls_settings){.key_file = path}, error);
  assert_non_null(context);
  tls_gate_use(gate, context);
}

/* ---------------------------------------------------------------------------------- client */

static struct tls *client_of(const struct key *key) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context =
      tls_context_new_client(&(struct tls_client_settings){.key = key}, error);
  struct tls *client = tls_new(context, &budget, NULL);
  tls_context_release(context);
  assert_non_null(client);
  return client;
}

/* Moves what both have written. */
static void exchange(struct tls *client) {
  struct buffer *output = tls_output(client), *input = tls_input(client);
  pthread_mutex_lock(&sock.lock);
  memcpy(sock.sent + sock.sent_len, buffer_first(output), output->len);
  sock.sent_len += output->len;
  buffer_consume(output, output->len);
  assert_true(buffer_reserve(input, sock.got_len));
  if (sock.got_len > 0) {
    memcpy(buffer_end(input), sock.got, sock.got_len);
  }
  input->len += sock.got_len;
  sock.got_len = 0;
  pthread_mutex_unlock(&sock.lock);
}

static void begin_socket(void) {
  sock.sent_len = sock.read_len = sock.got_len = 0;
  sock.is_awaited = sock.is_closed = sock.is_accepted = sock.is_freed = false;
}

static bool offer(void) {
  const struct transport_acceptor *own = tls_gate_acceptor(gate);
  const struct transport_peer peer = {.address = ADDRESS, .framing = SP_TCP};
  return own->accept(own->ctx, &socket_table, &sock, &peer, &sock.stream);
}

/* Runs a handshake to its end. Whether the gate has let it through. */
static bool shake(struct tls *client) {
  begin_socket();
  assert_int_equal(tls_handshake(client), TLS_WAITS);
  exchange(client);
  assert_true(offer());
  for (;;) {
    sem_wait(&sock.steps);
    if (sock.is_accepted || sock.is_freed) {
      return sock.is_accepted;
    }
    exchange(client);
    (void)tls_handshake(client);
    exchange(client);
    if (take_awaited()) {
      tls_gate_acceptor(gate)->events->readable(sock.stream);
    }
  }
}

static void end_stream(void) {
  tls_transport.close(sock.stream);
  tls_transport.free(sock.stream);
  sem_wait(&sock.steps);
  assert_true(sock.is_freed);
}

/* -------------------------------------------------------------------------------- the tests */

static void a_key_is_its_users_identity(void **state) {
  (void)state;
  struct tls *client = client_of(&alice);
  uint64_t now_ns = clock_now_ns();
  assert_true(shake(client));
  assert_int_equal(sock.peer.identity.kind, IDENTITY_KEY);
  assert_string_equal(sock.peer.identity.key.user, "alice");
  assert_memory_equal(sock.peer.identity.key.id, alice.id, sizeof alice.id);
  assert_true(sock.peer.address == ADDRESS);
  assert_int_equal(sock.peer.protocol, 0); /* its hello is still to come */
  assert_in_range(sock.peer.hello_deadline_ns, now_ns,
                  clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS));
  end_stream();
  tls_free(client);
}

static void an_unknown_key_gets_nowhere(void **state) {
  (void)state;
  struct tls *client = client_of(&bob);
  assert_false(shake(client));
  exchange(client);
  assert_int_equal(tls_handshake(client), TLS_FAILED);
  assert_int_equal(tls_failure(client), TLS_FAILURE_KEY);
  tls_free(client);
}

/* New handshakes need the new keys; the connections that are open go on. */
static void keys_are_replaced_under_open_connections(void **state) {
  (void)state;
  struct tls *client = client_of(&alice), *late = client_of(&alice), *other = client_of(&bob);
  assert_true(shake(client));
  void *open = sock.stream;
  use_keys(bob_path);
  assert_false(shake(late));
  assert_true(shake(other));
  assert_string_equal(sock.peer.identity.key.user, "bob");
  end_stream();
  begin_socket();
  size_t count;
  uint8_t data[16];
  const struct bytes runs[TRANSPORT_RUNS] = {bytes_of("reply", 5)};
  assert_int_equal(tls_transport.write(open, runs, &count), TRANSPORT_OK);
  exchange(client);
  assert_int_equal(tls_read(client, data, sizeof data, &count), TLS_OK);
  assert_memory_equal(data, "reply", 5);
  sock.stream = open;
  end_stream();
  use_keys(alice_path);
  tls_free(client);
  tls_free(late);
  tls_free(other);
}

/* A handshake that is under way is ended, and nothing is left of it. */
static void stopping_ends_handshakes(void **state) {
  (void)state;
  begin_socket();
  assert_true(offer());
  sem_wait(&sock.steps);
  tls_gate_stop(gate);
  assert_true(sock.is_freed);
  sem_wait(&sock.steps);
  begin_socket();
  assert_false(offer());
}

/* ------------------------------------------------------------------------------------ setup */

static bool write_key(const char *user, char *path, struct key *key) {
  char line[KEY_LINE_BYTES];
  int fd = mkstemp(path);
  return fd >= 0 && key_make(user, line) && dprintf(fd, "%s\n", line) > 0 && close(fd) == 0 &&
         key_read(bytes_of_text(line), key) == NULL;
}

static int set_up(void **state) {
  (void)state;
  const struct tls_gate_host host = {NULL, never_served, ignore_crowds};
  if (!write_key("alice", alice_path, &alice) || !write_key("bob", bob_path, &bob)) {
    return -1;
  }
  pthread_mutex_init(&sock.lock, NULL);
  sem_init(&sock.steps, 0, 0);
  gate = tls_gate_new(&acceptor, &budget, &host);
  use_keys(alice_path);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tls_gate_free(gate);
  assert_int_equal(budget.used_bytes, 0);
  return unlink(alice_path) + unlink(bob_path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_key_is_its_users_identity),
      cmocka_unit_test(an_unknown_key_gets_nowhere),
      cmocka_unit_test(keys_are_replaced_under_open_connections),
      cmocka_unit_test(stopping_ends_handshakes),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
