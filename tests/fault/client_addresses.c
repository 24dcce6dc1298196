/* Names, addresses and local handshakes that lead nowhere: a call reaches its server all the same,
 * or ends in time and says why. The resolver is this program's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/impostor.h"
#include "tests/support/daemon.h"

#define LATE_MS 1200
#define SILENT_MS 2500
#define DEAD "127.0.0.77"
#define LIVE "127.0.0.78"

/* ---------------------------------------------------------------- the resolver */

static atomic_uint searches;
static atomic_bool is_resolver_silent;

static struct addrinfo *make_address(const char *number, uint16_t port, struct addrinfo *next) {
  struct addrinfo *made = calloc(1, sizeof *made + sizeof(struct sockaddr_in));
  assert_non_null(made);
  struct sockaddr_in *address = (struct sockaddr_in *)(void *)(made + 1);
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, number, &address->sin_addr);
  *made = (struct addrinfo){.ai_family = AF_INET,
                            .ai_socktype = SOCK_STREAM,
                            .ai_addr = (struct sockaddr *)address,
                            .ai_addrlen = sizeof *address,
                            .ai_next = next};
  return made;
}

void freeaddrinfo(struct addrinfo *list) {
  while (list != NULL) {
    struct addrinfo *next = list->ai_next;
    free(list);
    list = next;
  }
}

static void sleep_ms(long ms) {
  const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list) {
  uint16_t port = (uint16_t)atoi(service);
  (void)hints;
  atomic_fetch_add(&searches, 1);
  if (atomic_load(&is_resolver_silent)) {
    sleep_ms(SILENT_MS);
  }
  if (strcmp(host, "two.test") != 0) {
    return EAI_NONAME;
  }
  *list = make_address(DEAD, port, make_address(LIVE, port, NULL));
  return 0;
}

/* ---------------------------------------------------------------- servers */

static bool answer_all(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  Holdfast__Response nothing = HOLDFAST__RESPONSE__INIT;
  return impostor_reply(peer, id, request->sequence, &nothing);
}

static bool hang_up(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)peer, (void)id, (void)request;
  return false;
}

/* Listens, and has all the connections that it will take: SYNs are dropped. */
struct blackhole {
  int listener, fillers[8];
};

static struct sockaddr_in address_of(const char *number, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  assert_int_equal(inet_pton(AF_INET, number, &address.sin_addr), 1);
  return address;
}

static void blackhole_open(struct blackhole *hole, uint16_t port) {
  struct sockaddr_in address = address_of(DEAD, port);
  hole->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(hole->listener, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(hole->listener, 0), 0);
  for (size_t i = 0; i < sizeof hole->fillers / sizeof *hole->fillers; i++) {
    hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fcntl(hole->fillers[i], F_SETFL, O_NONBLOCK);
    (void)connect(hole->fillers[i], (struct sockaddr *)&address, sizeof address);
  }
  sleep_ms(50);
}

static void blackhole_close(struct blackhole *hole) {
  for (size_t i = 0; i < sizeof hole->fillers / sizeof *hole->fillers; i++) {
    close(hole->fillers[i]);
  }
  close(hole->listener);
}

static hf_status connect_to(const char *host, uint16_t port, int64_t call_timeout_ms,
                            hf_conn **conn) {
  const struct hf_options options = {.call_timeout_ms = call_timeout_ms};
  char url[64];
  snprintf(url, sizeof url, "tcp://%s:%u", host, (unsigned)port);
  return hf_connect(url, &options, conn);
}

static void expect_ok(hf_status status) {
  if (status != HF_OK) {
    fail_msg("%s", hf_last_error()->message);
  }
}

static void expect_within(int64_t begun_ms, int64_t ms) {
  assert_in_range(attacker_now_ms() - begun_ms, 0, ms + LATE_MS);
}

/* ---------------------------------------------------------------- addresses */

static void test_addresses_a_dead_one_shares_the_attempt(void **state) {
  struct impostor live = {.answer = answer_all, .tcp_address = LIVE};
  struct blackhole hole;
  hf_conn *conn = NULL;
  (void)state;
  impostor_start(&live);
  blackhole_open(&hole, live.port);
  int64_t begun_ms = attacker_now_ms();
  expect_ok(connect_to("two.test", live.port, 2900, &conn)); /* less than one attempt may take */
  expect_within(begun_ms, 250);
  expect_ok(hf_ping(conn, NULL));
  hf_close(conn);
  blackhole_close(&hole);
  impostor_stop(&live);
}

static void test_addresses_one_that_refuses_costs_nothing(void **state) {
  struct impostor live = {.answer = answer_all, .tcp_address = LIVE};
  hf_conn *conn = NULL;
  (void)state;
  impostor_start(&live);
  expect_ok(connect_to("two.test", live.port, 2000, &conn));
  hf_close(conn);
  impostor_stop(&live);
}

/* It takes the connection, and never says hello. */
static void test_addresses_a_silent_one_leaves_time_for_the_others(void **state) {
  struct impostor live = {.answer = answer_all, .tcp_address = LIVE};
  struct impostor silent = {.is_silent = true, .tcp_address = DEAD};
  hf_conn *conn = NULL;
  (void)state;
  impostor_start(&live);
  silent.port = live.port;
  impostor_start(&silent);
  int64_t begun_ms = attacker_now_ms();
  expect_ok(connect_to("two.test", live.port, 1000, &conn));
  expect_within(begun_ms, 1000);
  hf_close(conn);
  impostor_stop(&silent);
  impostor_stop(&live);
}

static bool hang_up_once(struct impostor_peer *peer, uint32_t id,
                         const Holdfast__Request *request) {
  atomic_bool *has_hung_up = peer->impostor->ctx;
  return atomic_exchange(has_hung_up, true) ? answer_all(peer, id, request) : false;
}

/* Neither the dead address nor the resolver is waited for. */
static void test_addresses_the_one_that_worked_goes_first(void **state) {
  atomic_bool has_hung_up = false;
  struct impostor live = {.answer = hang_up_once, .ctx = &has_hung_up, .tcp_address = LIVE};
  struct blackhole hole;
  hf_conn *conn = NULL;
  (void)state;
  impostor_start(&live);
  blackhole_open(&hole, live.port);
  expect_ok(connect_to("two.test", live.port, 2000, &conn));
  atomic_store(&is_resolver_silent, true);
  expect_ok(hf_ping(conn, NULL));
  assert_int_equal(atomic_load(&live.resumes), 1);
  atomic_store(&is_resolver_silent, false);
  hf_close(conn);
  blackhole_close(&hole);
  impostor_stop(&live);
}

/* ---------------------------------------------------------------- names */

static void expect_no_server(hf_status status, const char *why) {
  assert_int_equal(status, HF_UNAVAILABLE);
  if (strstr(hf_last_error()->message, why) == NULL) {
    fail_msg("\"%s\" does not say \"%s\"", hf_last_error()->message, why);
  }
}

static void test_names_an_unknown_host_is_called_so(void **state) {
  hf_conn *conn = NULL;
  (void)state;
  int64_t begun_ms = attacker_now_ms();
  expect_no_server(connect_to("nobody.test", 4653, 200, &conn), "unknown host");
  expect_within(begun_ms, 200);
}

static void test_names_a_silent_resolver_takes_no_more_than_the_call_may(void **state) {
  hf_conn *conn = NULL;
  (void)state;
  atomic_store(&is_resolver_silent, true);
  unsigned before = atomic_load(&searches);
  for (int i = 0; i < 5; i++) {
    int64_t begun_ms = attacker_now_ms();
    expect_no_server(connect_to("slow.test", 4653, 100, &conn), "resolver");
    expect_within(begun_ms, 100);
  }
  assert_int_equal(atomic_load(&searches) - before, 1); /* they share one search */
  atomic_store(&is_resolver_silent, false);
  sleep_ms(SILENT_MS); /* the search ends now, without a waiting connection */
}

static void test_names_numbers_and_localhost_need_no_resolver(void **state) {
  const char *const hosts[] = {"127.0.0.1", "localhost", "LocalHost"};
  struct impostor live = {.answer = answer_all};
  (void)state;
  impostor_start(&live);
  atomic_store(&is_resolver_silent, true);
  unsigned before = atomic_load(&searches);
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    hf_conn *conn = NULL;
    expect_ok(connect_to(hosts[i], live.port, 2000, &conn));
    hf_close(conn);
  }
  assert_int_equal(atomic_load(&searches), before);
  atomic_store(&is_resolver_silent, false);
  impostor_stop(&live);
}

static void *cancel_soon(void *conn) {
  sleep_ms(300);
  hf_cancel(conn);
  return NULL;
}

/* No server, and no address to find one at. */
static void test_names_cancel_ends_a_search_at_once(void **state) {
  struct impostor live = {.answer = hang_up, .tcp_address = LIVE};
  hf_conn *conn = NULL;
  pthread_t thread;
  (void)state;
  impostor_start(&live);
  expect_ok(connect_to("two.test", live.port, 60000, &conn));
  atomic_store(&is_resolver_silent, true);
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, conn), 0);
  int64_t begun_ms = attacker_now_ms();
  assert_int_equal(hf_ping(conn, NULL), HF_CANCELLED);
  expect_within(begun_ms, 300);
  pthread_join(thread, NULL);
  atomic_store(&is_resolver_silent, false);
  hf_close(conn);
  impostor_stop(&live);
  sleep_ms(SILENT_MS);
}

/* ---------------------------------------------------------------- local handshakes */

/* Listens there, and says nothing. */
static int listen_at_handshake(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 16), 0);
  return fd;
}

static void test_local_a_silent_handshake_leaves_time_for_ipc(void **state) {
  const struct hf_options options = {.call_timeout_ms = 600};
  char path[64], handshake[80], url[80];
  hf_conn *conn = NULL;
  (void)state;
  snprintf(path, sizeof path, "/tmp/hf-addresses-%ld", (long)getpid());
  snprintf(handshake, sizeof handshake, "%s.shm", path);
  snprintf(url, sizeof url, "ipc://%s", path);
  struct impostor live = {.answer = answer_all, .ipc_path = path};
  impostor_start(&live);
  int silent = listen_at_handshake(handshake);
  expect_ok(hf_connect(url, &options, &conn));
  assert_string_equal(hf_conn_path(conn), "ipc");
  hf_close(conn);
  close(silent);
  unlink(handshake);
  impostor_stop(&live);
}

static bool name_a_segment(struct impostor_peer *peer, uint32_t id,
                           const Holdfast__Request *request) {
  Holdfast__Object object = HOLDFAST__OBJECT__INIT;
  Holdfast__Response reply = HOLDFAST__RESPONSE__INIT;
  if (request->operation_case == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN) {
    object.id = 5;
    object.kind = HOLDFAST__KIND__RAW_VALUE;
    object.typecode = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "q"};
    object.length = 1;
    object.segment = 2;
    object.offset = 64;
    object.bytes = 256;
    reply.result_case = HOLDFAST__RESPONSE__RESULT_OBJECT;
    reply.object = &object;
  }
  return impostor_reply(peer, id, request->sequence, &reply);
}

static void expect_not_mapped(const char *local_handshake) {
  Holdfast__Session session = HOLDFAST__SESSION__INIT;
  uint8_t name[HF_SESSION_BYTES] = "a stranger's";
  struct impostor stranger = {.answer = name_a_segment, .session = &session};
  hf_conn *conn = NULL;
  hf_cell *cell;
  session.id = (ProtobufCBinaryData){sizeof name, name};
  session.local_handshake =
      (ProtobufCBinaryData){strlen(local_handshake), (uint8_t *)(uintptr_t)local_handshake};
  impostor_start(&stranger);
  expect_ok(connect_to("127.0.0.1", stranger.port, 3000, &conn));
  assert_string_equal(hf_conn_path(conn), "tcp");
  expect_ok(hf_raw_cell_open(conn, NULL, 'q', hf_int(1), &cell));
  assert_null(hf_cell_data(cell));
  hf_cell_close(cell);
  hf_close(conn);
  impostor_stop(&stranger);
}

/* A server names the socket of another server, whose memory is not its to give. */
static void test_local_a_server_can_name_only_its_own_handshake(void **state) {
  struct daemon daemon;
  char handshake[200];
  hf_conn *conn = NULL;
  hf_cell *cell;
  (void)state;
  daemon_start(&daemon, NULL);
  expect_ok(hf_connect(daemon.ipc_url, NULL, &conn)); /* has a segment */
  expect_ok(hf_raw_cell_open(conn, NULL, 'q', hf_int(7), &cell));
  assert_non_null(hf_cell_data(cell));
  snprintf(handshake, sizeof handshake, "%s.shm", daemon.ipc_url + strlen("ipc://"));
  expect_not_mapped(handshake);
  expect_not_mapped("/etc/passwd");
  expect_not_mapped("relative.shm");
  hf_cell_close(cell);
  hf_close(conn);
  daemon_stop(&daemon);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_addresses_a_dead_one_shares_the_attempt),
      cmocka_unit_test(test_addresses_one_that_refuses_costs_nothing),
      cmocka_unit_test(test_addresses_a_silent_one_leaves_time_for_the_others),
      cmocka_unit_test(test_addresses_the_one_that_worked_goes_first),
      cmocka_unit_test(test_names_an_unknown_host_is_called_so),
      cmocka_unit_test(test_names_a_silent_resolver_takes_no_more_than_the_call_may),
      cmocka_unit_test(test_names_numbers_and_localhost_need_no_resolver),
      cmocka_unit_test(test_names_cancel_ends_a_search_at_once),
      cmocka_unit_test(test_local_a_silent_handshake_leaves_time_for_ipc),
      cmocka_unit_test(test_local_a_server_can_name_only_its_own_handshake),
  };
  return cmocka_run_group_tests_name("fault.client_addresses", tests, NULL, NULL);
}
