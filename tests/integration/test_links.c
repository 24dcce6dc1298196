/* Links in shared memory that are cut, or that there are too few descriptors for. */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define SHARED "shared memory"

static hf_conn *connect_to(const char *url) {
  const struct hf_options options = {.call_timeout_ms = 3000};
  hf_conn *conn = NULL;
  expect_ok(hf_connect(url, &options, &conn));
  return conn;
}

static void expect_rings(unsigned count) {
  uint64_t until_ms = now_ms() + 2000;
  while (daemon_rings(&world.daemon) != count && now_ms() < until_ms) {
    sleep_ms(2);
  }
  assert_int_equal(daemon_rings(&world.daemon), count);
}

/* Which descriptors below 64 are sockets of a local handshake, as bits. */
static uint64_t handshake_sockets(void) {
  uint64_t found = 0;
  for (int fd = 3; fd < 64; fd++) {
    int type = 0;
    socklen_t len = sizeof type;
    bool is_one = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
    found |= (uint64_t)is_one << fd;
  }
  return found;
}

static void append_one_way(hf_conn *conn, hf_list *list) {
  expect_ok(hf_oneway_begin(conn));
  expect_ok(hf_list_append(list, hf_int(1)));
  expect_ok(hf_oneway_end(conn));
}

/* Without a flush: the sender notices that the link is cut, and opens another. */
static void test_links_one_way_goes_on_over_another_link(void **state) {
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  struct hf_flush_result result;
  uint64_t length = 0, before = handshake_sockets();
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(conn, NULL, &list));
  append_one_way(conn, list);
  expect_ok(hf_flush(conn, 3000, &result));
  sleep_ms(50); /* the server's thread goes to sleep */
  assert_int_equal(shutdown(__builtin_ctzll(handshake_sockets() & ~before), SHUT_RDWR), 0);
  expect_rings(2); /* the world's, and this one's */
  append_one_way(conn, list);
  for (uint64_t until_ms = now_ms() + 3000; length < 2 && now_ms() < until_ms;) {
    sleep_ms(5);
    expect_ok(hf_list_len(list, &length));
  }
  assert_int_equal(length, 2);
  expect_ok(hf_flush(conn, 3000, &result));
  assert_int_equal(result.failed, 0);
  hf_list_close(list);
  hf_close(conn);
}

static unsigned count_descriptors(void) {
  unsigned count = 0;
  for (int fd = 0; fd < 256; fd++) {
    count += fcntl(fd, F_GETFD) >= 0;
  }
  return count;
}

static int ping_over(hf_conn *conn, bool *is_shared) {
  *is_shared = strcmp(hf_conn_path(conn), SHARED) == 0;
  int failed = hf_ping(conn, NULL) != HF_OK;
  hf_close(conn);
  return failed;
}

/* One more may be open each time, so each step of a connection is the one that fails. */
static int connect_with_few(void *unused) {
  const struct hf_options options = {.call_timeout_ms = 100};
  unsigned before = count_descriptors(), over_socket = 0;
  bool is_shared = false;
  (void)unused;
  for (rlim_t count = 3; count < 256 && !is_shared; count++) {
    const struct rlimit limit = {count, 256};
    hf_conn *conn;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return 1;
    }
    if (hf_connect(world.daemon.ipc_url, &options, &conn) == HF_OK) {
      if (ping_over(conn, &is_shared) != 0) {
        return 2;
      }
      over_socket += !is_shared;
    }
    if (count_descriptors() != before) {
      return 3;
    }
  }
  return is_shared && over_socket >= 2 ? 0 : 4;
}

/* Over a socket where the local handshake's descriptors are too many, one of the two too. */
static void test_links_few_descriptors_are_enough_for_a_socket(void **state) {
  (void)state;
  assert_int_equal(child_end(child_start(connect_with_few, NULL)), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_links_one_way_goes_on_over_another_link),
    cmocka_unit_test(test_links_few_descriptors_are_enough_for_a_socket),
};
WORLD_MAIN("integration.links", tests)
