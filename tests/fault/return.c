/* A server goes away under its clients and comes back with their sessions: it refuses connections for
 * a while, or answers LOADING. Sessions are resumed, and calls under way are sent again with their
 * numbers; each ends at its deadline.
 *
 * usage: return [tcp | ipc]
 */
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/impostor.h"

#define AWAY_MS 500
#define BACKOFF_MS 2000 /* the longest pause of the client between attempts */
#define LONG_MS 20000
#define SHORT_MS 300
/* A busy machine may be late by that much. */
#define LATE_MS 1200

static bool is_ipc;
static char ipc_path[108];

static struct {
  struct impostor impostor;
  pthread_t comes_back;
  enum { STAYS, LOADS, REFUSES } next; /* what it does when the next request arrives */
  uint64_t first_sequence, last_sequence;
} server;

static void sleep_ms(long ms) {
  const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

/* After a time without a server, or with one that loads. */
static void *come_back(void *is_away) {
  sleep_ms(AWAY_MS);
  if (is_away != NULL) {
    impostor_stop(&server.impostor);
    impostor_start(&server.impostor);
    sleep_ms(AWAY_MS);
  }
  atomic_store(&server.impostor.is_loading, false);
  return NULL;
}

static bool answer(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  Holdfast__Response reply = HOLDFAST__RESPONSE__INIT;
  if (server.next == STAYS) {
    bool is_call = request->operation_case == HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
    server.last_sequence = is_call ? request->sequence : server.last_sequence;
    return impostor_reply(peer, id, request->sequence, &reply);
  }
  bool is_away = server.next == REFUSES;
  server.first_sequence = request->sequence;
  server.next = STAYS;
  atomic_store(&server.impostor.is_loading, true);
  if (is_away) {
    shutdown(server.impostor.listener, SHUT_RDWR);
  }
  pthread_create(&server.comes_back, NULL, come_back, is_away ? &server : NULL);
  return false;
}

static hf_status connect_within(int64_t call_timeout_ms, hf_conn **conn) {
  const struct hf_options options = {.call_timeout_ms = call_timeout_ms};
  char url[160];
  if (is_ipc) {
    snprintf(url, sizeof url, "ipc://%s", ipc_path);
  } else {
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)server.impostor.port);
  }
  return hf_connect(url, &options, conn);
}

static void start_server(void) {
  memset(&server, 0, sizeof server);
  server.impostor.answer = answer;
  server.impostor.ipc_path = is_ipc ? ipc_path : NULL;
  impostor_start(&server.impostor);
}

static void expect_loading(hf_status status, int64_t begun_ms) {
  int64_t took_ms = attacker_now_ms() - begun_ms;
  assert_int_equal(status, HF_UNAVAILABLE);
  assert_string_equal(hf_last_error()->reason, "LOADING");
  assert_non_null(strstr(hf_last_error()->message, "try again"));
  assert_in_range(took_ms, SHORT_MS - 1, SHORT_MS + LATE_MS);
}

static void expect_same_call(unsigned put_off_min) {
  pthread_join(server.comes_back, NULL);
  print_message("put off %u times\n", atomic_load(&server.impostor.put_off));
  assert_in_range(atomic_load(&server.impostor.put_off), put_off_min, 200);
  assert_int_equal(atomic_load(&server.impostor.sessions), 1);
  assert_int_equal(atomic_load(&server.impostor.resumes), 1);
  assert_int_equal(atomic_load(&server.impostor.process), getpid());
  assert_true(server.first_sequence > 0);
  assert_int_equal(server.last_sequence, server.first_sequence);
}

static void call_through(int next, unsigned put_off_min) {
  hf_conn *conn;
  start_server();
  assert_int_equal(connect_within(LONG_MS, &conn), HF_OK);
  server.next = next;
  int64_t begun_ms = attacker_now_ms();
  /* A call that may not be performed twice. */
  if (hf_delete(conn, "x") != HF_OK) {
    fail_msg("%s", hf_last_error()->message);
  }
  assert_in_range(attacker_now_ms() - begun_ms, AWAY_MS - 1, 2 * AWAY_MS + BACKOFF_MS + LATE_MS);
  expect_same_call(put_off_min);
  hf_close(conn);
  impostor_stop(&server.impostor);
}

static void test_return_a_call_outlasts_a_server_that_loads(void **state) {
  (void)state;
  call_through(LOADS, 3);
}

static void test_return_a_call_outlasts_a_server_that_is_away(void **state) {
  (void)state;
  call_through(REFUSES, 0); /* it may be put off, or come later */
}

/* Each call ends at its deadline; the session is there when the server is. */
static void test_return_a_deadline_passes_while_it_loads(void **state) {
  hf_conn *conn;
  (void)state;
  start_server();
  assert_int_equal(connect_within(SHORT_MS, &conn), HF_OK);
  server.next = LOADS;
  int64_t begun_ms = attacker_now_ms();
  expect_loading(hf_delete(conn, "x"), begun_ms);
  pthread_join(server.comes_back, NULL);
  atomic_store(&server.impostor.is_loading, true);
  begun_ms = attacker_now_ms();
  expect_loading(hf_delete(conn, "y"), begun_ms);
  atomic_store(&server.impostor.is_loading, false);
  assert_int_equal(hf_delete(conn, "z"), HF_OK);
  assert_int_equal(atomic_load(&server.impostor.sessions), 1);
  assert_int_equal(atomic_load(&server.impostor.resumes), 1);
  hf_close(conn);
  impostor_stop(&server.impostor);
}

static void test_return_connecting_ends_in_time_while_it_loads(void **state) {
  hf_conn *conn;
  (void)state;
  start_server();
  atomic_store(&server.impostor.is_loading, true);
  int64_t begun_ms = attacker_now_ms();
  expect_loading(connect_within(SHORT_MS, &conn), begun_ms);
  impostor_stop(&server.impostor);
}

int main(int argc, char **argv) {
  is_ipc = argc > 1 && strcmp(argv[1], "ipc") == 0;
  snprintf(ipc_path, sizeof ipc_path, "/tmp/hf-return-%ld.sock", (long)getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_return_a_call_outlasts_a_server_that_loads),
      cmocka_unit_test(test_return_a_call_outlasts_a_server_that_is_away),
      cmocka_unit_test(test_return_a_deadline_passes_while_it_loads),
      cmocka_unit_test(test_return_connecting_ends_in_time_while_it_loads),
  };
  return cmocka_run_group_tests_name("fault.return", tests, NULL, NULL);
}
