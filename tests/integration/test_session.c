/* Sessions: addresses, lost servers, restarted servers, cut connections. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/integration/world.h"

static void test_session_bad_addresses_are_refused(void **state) {
  static const char *const bad[] = {"http://x:1",  "tcp://", "tcp://host",      "tcp://host:99999",
                                    "tcp://:4653", "ipc://", "tcp://host:port", "127.0.0.1:4653"};
  hf_conn *conn;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    expect_fails(hf_connect(bad[i], NULL, &conn), INVALID_ARGUMENT, BAD_ADDRESS);
  }
}

static void test_session_nobody_there_is_unavailable_in_time(void **state) {
  const struct hf_options options = {.call_timeout_ms = 200};
  uint64_t start_ms = now_ms();
  hf_conn *conn;
  (void)state;
  expect_fails(hf_connect("ipc:///nowhere/holdfast.sock", &options, &conn), UNAVAILABLE,
               NOT_CONNECTED);
  assert_in_range(now_ms() - start_ms, 190, 2000);
  assert_non_null(strstr(hf_last_error()->message, "ipc:///nowhere/holdfast.sock"));
}

static void test_session_answers_ping_and_info(void **state) {
  struct hf_server_info info;
  uint64_t round_trip_ns = 0;
  (void)state;
  expect_ok(hf_ping(world.conn, &round_trip_ns));
  assert_true(round_trip_ns > 0);
  expect_ok(hf_server_info(world.conn, &info));
  assert_true(info.sessions >= 1 && info.connections >= 1);
  assert_true(info.version[0] != '\0');
}

static void test_session_environment_names_the_server(void **state) {
  hf_conn *conn;
  (void)state;
  setenv("HOLDFAST_URL", world.url, 1);
  expect_ok(hf_connect(NULL, NULL, &conn));
  unsetenv("HOLDFAST_URL");
  hf_close(conn);
}

static void test_session_of_a_stopped_server_gives_up_and_stays_in_step(void **state) {
  hf_conn *conn = connect_again(500);
  int stopped;
  uint64_t start_ms;
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(conn, "step", &dict));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_text("one")));
  expect_ok(hf_dict_set(dict, hf_int(2), hf_text("two")));
  kill(world.daemon.pid, SIGSTOP);
  waitpid(world.daemon.pid, &stopped, WUNTRACED); /* its threads may still run when kill returns */
  assert_true(WIFSTOPPED(stopped));
  start_ms = now_ms();
  expect_fails(hf_dict_get(dict, hf_int(1), &value), UNAVAILABLE, NOT_CONNECTED);
  assert_in_range(now_ms() - start_ms, 490, 5000);
  kill(world.daemon.pid, SIGCONT);
  expect_ok(hf_dict_get(dict, hf_int(2), &value));
  expect_equal(value, hf_text("two"));
  expect_ok(hf_object_delete(HF_AS_OBJECT(dict)));
  hf_dict_close(dict);
  hf_close(conn);
}

struct parked {
  hf_queue *queue;
  hf_status status;
  uint64_t took_ms;
};

static void *get_parked(void *argument) {
  struct parked *parked = argument;
  hf_value value;
  uint64_t start_ms = now_ms();
  parked->status = hf_queue_get(parked->queue, HF_FOREVER, &value);
  parked->took_ms = now_ms() - start_ms;
  return NULL;
}

static void test_session_killed_server_is_unavailable_then_ended(void **state) {
  hf_conn *conn = connect_again(500);
  struct parked parked;
  pthread_t thread;
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(conn, "gone", &dict));
  expect_ok(hf_queue_open(conn, NULL, 0, &parked.queue));
  assert_int_equal(pthread_create(&thread, NULL, get_parked, &parked), 0);
  await_waiting(1);
  daemon_kill(&world.daemon);
  uint64_t start_ms = now_ms();
  expect_fails(hf_dict_set(dict, hf_int(1), hf_int(1)), UNAVAILABLE, NOT_CONNECTED);
  assert_in_range(now_ms() - start_ms, 400, 5000);
  pthread_join(thread, NULL);
  assert_int_equal(parked.status, HF_UNAVAILABLE);
  daemon_restart(&world.daemon, NULL);
  expect_fails(hf_dict_set(dict, hf_int(1), hf_int(1)), FAILED_PRECONDITION, SESSION_ENDED);
  expect_fails(hf_ping(conn, NULL), FAILED_PRECONDITION, SESSION_ENDED);
  hf_dict_close(dict);
  hf_queue_close(parked.queue);
  hf_close(conn);
  conn = connect_again(0);
  expect_ok(hf_ping(conn, NULL));
  hf_close(conn);
  expect_fails(hf_ping(world.conn, NULL), FAILED_PRECONDITION, SESSION_ENDED);
  hf_close(world.conn);
  expect_ok(hf_connect(world.url, NULL, &world.conn));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_session_bad_addresses_are_refused),
    cmocka_unit_test(test_session_nobody_there_is_unavailable_in_time),
    cmocka_unit_test(test_session_answers_ping_and_info),
    cmocka_unit_test(test_session_environment_names_the_server),
    cmocka_unit_test(test_session_of_a_stopped_server_gives_up_and_stays_in_step),
    cmocka_unit_test(test_session_killed_server_is_unavailable_then_ended),
};

WORLD_MAIN("session", tests)
