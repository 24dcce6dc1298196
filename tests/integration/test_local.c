/* Which way calls go: shared memory where it may be, a socket where not, and nobody notices. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define SHARED "shared memory"
#define IDLE_CLIENTS 100
#define IDLE_MS 2000
/* A clock tick, which is what /proc counts in, and what asking costs. */
#define IDLE_TICKS_MAX 1

static void expect_path(hf_conn *conn, const char *path) {
  if (strcmp(hf_conn_path(conn), path) != 0) {
    print_error("path %s instead of %s: %s\n", hf_conn_path(conn), path, hf_conn_path_reason(conn));
    fail();
  }
  assert_int_equal(*hf_conn_path_reason(conn) == '\0', strcmp(path, SHARED) == 0);
}

static hf_conn *connect_to(const char *url) {
  const struct hf_options options = {.call_timeout_ms = 3000};
  hf_conn *conn = NULL;
  expect_ok(hf_connect(url, &options, &conn));
  return conn;
}

static void door_path(char path[256]) {
  snprintf(path, 256, "%s.door", world.daemon.ipc_url + strlen("ipc://"));
}

static uint64_t connection_count(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(world.conn, &info));
  return info.connections;
}

static void test_local_is_taken_over_ipc_and_tcp(void **state) {
  const char *urls[] = {world.daemon.ipc_url, world.daemon.tcp_url};
  (void)state;
  uint64_t before = connection_count(); /* later the first of the two may not have gone yet */
  for (int i = 0; i < 2; i++) {
    hf_conn *conn = connect_to(urls[i]);
    expect_path(conn, SHARED);
    expect_ok(hf_ping(conn, NULL));
    uint64_t until_ms = now_ms() + 2000;
    while (connection_count() != before + 1 && now_ms() < until_ms) {
      sleep_ms(2); /* the tcp connection it came by closes */
    }
    assert_int_equal(connection_count(), before + 1);
    hf_close(conn);
  }
}

static void test_local_off_stays_on_sockets(void **state) {
  (void)state;
  setenv("HOLDFAST_LOCAL", "off", 1);
  hf_conn *tcp = connect_to(world.daemon.tcp_url), *ipc = connect_to(world.daemon.ipc_url);
  setenv("HOLDFAST_LOCAL", "on", 1);
  expect_path(tcp, "tcp");
  expect_path(ipc, "ipc");
  assert_non_null(strstr(hf_conn_path_reason(ipc), "HOLDFAST_LOCAL"));
  hf_close(tcp);
  hf_close(ipc);
}

static void test_local_without_a_door_falls_back(void **state) {
  char path[256], aside[300];
  const char *urls[] = {world.daemon.ipc_url, world.daemon.tcp_url};
  const char *paths[] = {"ipc", "tcp"};
  (void)state;
  door_path(path);
  snprintf(aside, sizeof aside, "%s.aside", path);
  assert_int_equal(rename(path, aside), 0);
  for (int i = 0; i < 2; i++) {
    hf_conn *conn = connect_to(urls[i]);
    expect_path(conn, paths[i]);
    assert_non_null(strstr(hf_conn_path_reason(conn), "door"));
    expect_ok(hf_ping(conn, NULL));
    hf_close(conn);
  }
  assert_int_equal(rename(aside, path), 0);
}

static void test_local_door_is_its_owners(void **state) {
  char path[256];
  struct stat status;
  (void)state;
  door_path(path);
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
}

/* Both directions fill up and drain many times over. */
static void test_local_carries_more_than_a_ring_holds(void **state) {
  const size_t size = 5 << 20;
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  hf_dict *dict;
  hf_value value;
  uint8_t *bytes = malloc(size);
  (void)state;
  assert_non_null(bytes);
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (uint8_t)(i * 2654435761u >> 13);
  }
  expect_ok(hf_dict_open(conn, "large", &dict));
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_bytes(bytes, size)));
    expect_ok(hf_dict_get(dict, hf_int(i), &value));
    assert_int_equal(value.size, size);
    assert_memory_equal(value.bytes, bytes, size);
    hf_value_clear(&value);
  }
  expect_ok(hf_dict_clear(dict));
  hf_dict_close(dict);
  free(bytes);
  hf_close(conn);
}

static int use_in_child(void *argument) {
  hf_dict *dict = argument;
  hf_value value;
  for (int i = 0; i < 1000; i++) {
    if (hf_dict_add(dict, hf_text("child"), hf_int(1), &value) != HF_OK || value.integer != i + 1) {
      return 1;
    }
  }
  return 0;
}

static void test_local_forked_child_has_its_own(void **state) {
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(conn, "forked", &dict));
  expect_ok(hf_dict_set(dict, hf_text("child"), hf_int(0)));
  pid_t child = child_start(use_in_child, dict);
  for (int i = 0; i < 1000; i++) {
    expect_ok(hf_dict_add(dict, hf_text("parent"), hf_int(1), &value));
    assert_int_equal(value.integer, i + 1);
  }
  assert_int_equal(child_end(child), 0);
  expect_path(conn, SHARED);
  hf_dict_close(dict);
  hf_close(conn);
}

static int connect_unheard(void *unused) {
  int ends[2];
  hf_conn *conn = NULL;
  (void)unused;
  if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0) {
    return 1;
  }
  close(ends[0]);
  close(ends[1]);
  signal(SIGPIPE, SIG_DFL);
  setenv("HOLDFAST_LOG", "connect", 1);
  return hf_connect(world.daemon.ipc_url, NULL, &conn) == HF_OK ? 0 : 2;
}

/* As of `worker 2>&1 | head`. */
static void test_local_nobody_has_to_read_the_log(void **state) {
  (void)state;
  assert_int_equal(child_end(child_start(connect_unheard, NULL)), 0);
}

static uint64_t server_ticks(void) {
  char path[64];
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)world.daemon.pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(
      fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
      2);
  fclose(file);
  return user + system;
}

static void test_local_idle_clients_cost_no_time(void **state) {
  hf_conn *conns[IDLE_CLIENTS];
  (void)state;
  for (int i = 0; i < IDLE_CLIENTS; i++) {
    conns[i] = connect_to(world.daemon.ipc_url);
    expect_path(conns[i], SHARED);
  }
  sleep_ms(50); /* the last of them goes quiet */
  uint64_t before = server_ticks();
  sleep_ms(IDLE_MS);
  uint64_t used = server_ticks() - before;
  print_message("%d idle clients: %llu ticks in %d ms\n", IDLE_CLIENTS, (unsigned long long)used,
                IDLE_MS);
  assert_true(used <= IDLE_TICKS_MAX);
  for (int i = 0; i < IDLE_CLIENTS; i++) {
    expect_ok(hf_ping(conns[i], NULL));
    hf_close(conns[i]);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_local_is_taken_over_ipc_and_tcp),
    cmocka_unit_test(test_local_off_stays_on_sockets),
    cmocka_unit_test(test_local_without_a_door_falls_back),
    cmocka_unit_test(test_local_door_is_its_owners),
    cmocka_unit_test(test_local_carries_more_than_a_ring_holds),
    cmocka_unit_test(test_local_forked_child_has_its_own),
    cmocka_unit_test(test_local_nobody_has_to_read_the_log),
    cmocka_unit_test(test_local_idle_clients_cost_no_time),
};
WORLD_MAIN("integration.local", tests)
