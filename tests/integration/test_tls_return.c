/* Coming back to a server over TLS through something that is slow, or that answers in its place. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define URL_BYTES 64
#define CALL_TIMEOUT_MS 20000
/* Longer than an attempt to connect may take that has not reached anything. */
#define LINE_MS 4000
#define POLL_MS 20

static struct daemon server;

/* In front of the server, on a port of its own; one connection at a time. */
static struct {
  int listener;
  char url[URL_BYTES];
  pthread_t thread;
  atomic_bool stops, cuts; /* `cuts`: the connection, once */
  atomic_uint line_ms;     /* each connection waits for so long before it is served */
  atomic_uint clear_count; /* so many further connections are answered in clear */
  atomic_uint accepted;
} front;

static int dial_server(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server.tcp_port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail_msg("the server is not there");
  }
  return fd;
}

/* false: the end of the stream. */
static bool forward(int from, int to) {
  char data[4096];
  ssize_t count = recv(from, data, sizeof data, 0);
  return count > 0 && send(to, data, (size_t)count, MSG_NOSIGNAL) == count;
}

static void relay(int client) {
  int fd = dial_server();
  struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  bool is_open = true;
  while (is_open && !atomic_load(&front.stops) && !atomic_exchange(&front.cuts, false)) {
    if (poll(both, 2, POLL_MS) <= 0) {
      continue;
    }
    is_open = (both[0].revents == 0 || forward(client, fd)) &&
              (both[1].revents == 0 || forward(fd, client));
  }
  close(fd);
}

static void serve(int client) {
  static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
  char hello[4096];
  atomic_fetch_add(&front.accepted, 1);
  sleep_ms((long)atomic_load(&front.line_ms));
  if (atomic_load(&front.clear_count) > 0) {
    atomic_fetch_sub(&front.clear_count, 1);
    (void)recv(client, hello, sizeof hello, 0);
    (void)send(client, answer, sizeof answer - 1, MSG_NOSIGNAL);
  } else {
    relay(client);
  }
  close(client);
}

static void *run(void *arg) {
  struct pollfd listener = {.fd = front.listener, .events = POLLIN};
  (void)arg;
  while (!atomic_load(&front.stops)) {
    if (poll(&listener, 1, POLL_MS) == 1) {
      serve(accept(front.listener, NULL, NULL));
    }
  }
  return NULL;
}

static int start(void **state) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  (void)state;
  setenv("HOLDFAST_LOCAL", "off", 1);
  daemon_use_tls();
  daemon_start(&server, NULL);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  front.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(front.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(front.listener, 16) != 0 ||
      getsockname(front.listener, (struct sockaddr *)&address, &len) != 0) {
    return -1;
  }
  snprintf(front.url, sizeof front.url, "tls+tcp://127.0.0.1:%u", ntohs(address.sin_port));
  return pthread_create(&front.thread, NULL, run, NULL);
}

static int stop(void **state) {
  (void)state;
  atomic_store(&front.stops, true);
  pthread_join(front.thread, NULL);
  close(front.listener);
  daemon_stop(&server);
  return 0;
}

static hf_conn *connect_through(void) {
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS, .grace_ms = 60000};
  hf_conn *conn;
  expect_ok(hf_connect(front.url, &options, &conn));
  return conn;
}

/* A place in the line is not given up: a client that begins anew stands behind all others again. */
static void test_tls_return_waits_in_a_slow_line(void **state) {
  hf_conn *conn = connect_through();
  (void)state;
  unsigned before = atomic_load(&front.accepted);
  atomic_store(&front.line_ms, LINE_MS);
  atomic_store(&front.cuts, true);
  uint64_t began_ms = now_ms();
  sleep_ms(5 * POLL_MS); /* cut */
  expect_ok(hf_ping(conn, NULL));
  assert_true(now_ms() - began_ms >= LINE_MS);
  assert_int_equal(atomic_load(&front.accepted), before + 1);
  atomic_store(&front.line_ms, 0);
  hf_close(conn);
}

/* Also for the next call, when the first has given up; which it does in time. */
static void test_tls_return_keeps_its_place_for_the_next_call(void **state) {
  const struct hf_options options = {.call_timeout_ms = LINE_MS / 4, .grace_ms = 60000};
  hf_conn *conn;
  unsigned failed = 0;
  (void)state;
  expect_ok(hf_connect(front.url, &options, &conn));
  unsigned before = atomic_load(&front.accepted);
  atomic_store(&front.line_ms, LINE_MS);
  atomic_store(&front.cuts, true);
  sleep_ms(5 * POLL_MS);
  uint64_t began_ms = now_ms();
  expect_fails(hf_ping(conn, NULL), UNAVAILABLE, NOT_CONNECTED);
  assert_true(now_ms() - began_ms < LINE_MS / 2);
  while (hf_ping(conn, NULL) != HF_OK && failed < 10) {
    failed++;
  }
  assert_in_range(failed, 1, 4);
  assert_int_equal(atomic_load(&front.accepted), before + 1);
  atomic_store(&front.line_ms, 0);
  hf_close(conn);
}

/* A load balancer, say, whose server is away. */
static void test_tls_return_tries_again_after_an_answer_in_clear(void **state) {
  hf_conn *conn = connect_through();
  hf_lock *lock;
  struct hf_grant grant;
  (void)state;
  expect_ok(hf_lock_open(conn, "kept", &lock));
  expect_ok(hf_lock_acquire(lock, 0, &grant));
  atomic_store(&front.clear_count, 2);
  atomic_store(&front.cuts, true);
  sleep_ms(5 * POLL_MS);
  expect_ok(hf_lock_release_token(lock, grant.token)); /* of the same session */
  assert_int_equal(atomic_load(&front.clear_count), 0);
  hf_lock_close(lock);
  hf_close(conn);
}

/* Who never was in has the wrong address. */
static void test_tls_first_answer_in_clear_is_final(void **state) {
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS};
  char sentence[256];
  hf_conn *conn;
  (void)state;
  atomic_store(&front.clear_count, 1);
  expect_fails(hf_connect(front.url, &options, &conn), UNAUTHENTICATED, SERVER_NOT_TRUSTED);
  snprintf(sentence, sizeof sentence, "%s answers in clear; use tcp:// there", front.url);
  assert_string_equal(hf_last_error()->message, sentence);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tls_return_waits_in_a_slow_line),
      cmocka_unit_test(test_tls_return_keeps_its_place_for_the_next_call),
      cmocka_unit_test(test_tls_return_tries_again_after_an_answer_in_clear),
      cmocka_unit_test(test_tls_first_answer_in_clear_is_final),
  };
  return cmocka_run_group_tests_name("integration.tls_return", tests, start, stop);
}
