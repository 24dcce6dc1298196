/* A network that fails for a moment: all clients lose their connections to a TLS server at once, and come
 * back together, and keep their sessions.
 *
 * usage: return_tls [CLIENTS]   400; the server has room for 10,000
 *
 * The clients are in eight processes, each with an event loop of asynchronous calls. As one address may have
 * only half of the server's connections, thousands are at several addresses of a network of their own.
 */
#define _GNU_SOURCE /* unshare */
#include "proto/limits.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PROCESSES 8
#define CALL_TIMEOUT_MS 90000
#define EVENTS 64
/* So many clients are at the loopback address. */
#define ONE_ADDRESS_MAX 4000
#define NETWORK_PORT 4653
/* Of clients; whose address is that of the server they connect to. */
#define ADDRESSES 4
#define ADDRESS "1%d.77.0.1" /* each in a network of class A, of which it is the first */

static size_t clients_count = 400;
static struct daemon server;
static bool has_network; /* of its own */

/* In memory of all processes. */
static struct board {
  atomic_uint connected; /* processes */
  atomic_bool is_cut;
  atomic_uint returned, lost; /* clients */
  atomic_uint slowest_ms;
} * board;

struct client {
  hf_conn *conn;
  hf_dict *dict;
  hf_async *async;
  uint64_t length;
};

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of this process to the server; as when a router on the way fails. */
static void cut_all_links(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int fd = 3; fd < (int)limit.rlim_cur; fd++) {
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
        ntohs(peer.sin_port) == (has_network ? NETWORK_PORT : server.tcp_port)) {
      shutdown(fd, SHUT_RDWR);
    }
  }
}

static bool open_client(struct client *client, const char *url, int epoll) {
  client->conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  if (hf_dict_open(client->conn, "meeting point", &client->dict) != HF_OK ||
      hf_async_open(client->conn, &client->async) != HF_OK) {
    return false;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, hf_async_descriptor(client->async), &event) == 0;
}

static bool submit(struct client *client) {
  if (hf_async_begin(client->async, client) != HF_OK) {
    return false;
  }
  hf_status status = hf_dict_len(client->dict, &client->length);
  hf_async_end(client->async);
  return status == HF_OK;
}

static void finish(const struct hf_completion *done, uint64_t began_ms) {
  unsigned took_ms = (unsigned)(now_ms() - began_ms);
  atomic_fetch_add(&board->returned, 1);
  if (done->status != HF_OK && atomic_fetch_add(&board->lost, 1) == 0) {
    fprintf(stderr, "a client after %u ms: %s\n", took_ms, done->message);
  }
  unsigned slowest = atomic_load(&board->slowest_ms);
  while (took_ms > slowest &&
         !atomic_compare_exchange_weak(&board->slowest_ms, &slowest, took_ms)) {
  }
}

static int collect_all(int epoll, size_t count, uint64_t began_ms) {
  struct epoll_event events[EVENTS];
  struct hf_completion done;
  while (count > 0) {
    int ready = epoll_wait(epoll, events, EVENTS, CALL_TIMEOUT_MS);
    if (ready <= 0) {
      return CROWD_FAILED;
    }
    for (int i = 0; i < ready; i++) {
      struct client *client = events[i].data.ptr;
      while (hf_async_collect(client->async, &done)) {
        finish(&done, began_ms);
        count--;
      }
    }
  }
  return CROWD_DONE;
}

static int lose_and_return(const char *loopback_url, int idx, void *arg) {
  char network_url[64];
  snprintf(network_url, sizeof network_url, "tls+tcp://" ADDRESS ":%d", idx % ADDRESSES + 1,
           NETWORK_PORT);
  const char *url = has_network ? network_url : loopback_url;
  size_t count = clients_count / PROCESSES;
  struct client *clients = calloc(count, sizeof *clients);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  (void)arg;
  for (size_t i = 0; i < count; i++) {
    if (!open_client(&clients[i], url, epoll)) {
      return crowd_fail("open", idx);
    }
  }
  atomic_fetch_add(&board->connected, 1);
  while (!atomic_load(&board->is_cut)) {
    usleep(1000);
  }
  uint64_t began_ms = now_ms();
  cut_all_links();
  for (size_t i = 0; i < count; i++) {
    if (!submit(&clients[i])) {
      return crowd_fail("submit", idx);
    }
  }
  return collect_all(epoll, count, began_ms); /* its end is the clients' */
}

static void test_clients_that_return_together_keep_their_sessions(void **state) {
  pid_t pids[PROCESSES];
  (void)state;
  for (int i = 0; i < PROCESSES; i++) {
    pids[i] = crowd_start(lose_and_return, server.tcp_url, i, NULL);
  }
  for (uint64_t end_ms = now_ms() + 120000; atomic_load(&board->connected) < PROCESSES;) {
    assert_true(now_ms() < end_ms);
    for (int i = 0; i < PROCESSES; i++) {
      crowd_expect_running(pids[i]);
    }
    usleep(10000);
  }
  atomic_store(&board->is_cut, true);
  for (int i = 0; i < PROCESSES; i++) {
    assert_int_equal(crowd_wait(pids[i], 2 * CALL_TIMEOUT_MS), CROWD_DONE);
  }
  print_message("  %zu clients: %u returned, the last after %u ms; grace %u ms; %u lost\n",
                clients_count, atomic_load(&board->returned), atomic_load(&board->slowest_ms),
                (unsigned)HF_GRACE_MS_DEFAULT, atomic_load(&board->lost));
  assert_int_equal(atomic_load(&board->returned), clients_count);
  assert_int_equal(atomic_load(&board->lost), 0);
}

static bool set_address(int sock, const char *interface, const char *text) {
  struct ifreq request = {0};
  struct sockaddr_in address = {.sin_family = AF_INET};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
  inet_pton(AF_INET, text, &address.sin_addr);
  memcpy(&request.ifr_addr, &address, sizeof address);
  if (ioctl(sock, SIOCSIFADDR, &request) != 0) {
    return false;
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(sock, SIOCSIFFLAGS, &request) == 0;
}

/* Of root, or of a user in a namespace of its own. */
static bool enter_network(void) {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return false;
  }
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool is_set = set_address(sock, "lo", "127.0.0.1");
  for (int i = 1; i <= ADDRESSES && is_set; i++) {
    char interface[IFNAMSIZ], address[32];
    snprintf(interface, sizeof interface, "lo:%d", i);
    snprintf(address, sizeof address, ADDRESS, i);
    is_set = set_address(sock, interface, address);
  }
  close(sock);
  return is_set;
}

static int start(void **state) {
  char network_url[64];
  (void)state;
  has_network = clients_count > ONE_ADDRESS_MAX;
  if (has_network && !enter_network()) {
    print_error("no network of its own for so many clients: this user may not make one\n");
    return -1;
  }
  snprintf(network_url, sizeof network_url, "tls+tcp://0.0.0.0:%d", NETWORK_PORT);
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  daemon_use_tls();
  daemon_start(&server, (const char *const[]){has_network ? "--listen" : NULL, network_url, NULL});
  return board == MAP_FAILED ? -1 : 0;
}

static int stop(void **state) {
  (void)state;
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_clients_that_return_together_keep_their_sessions),
  };
  setenv("HOLDFAST_LOCAL", "off", 1);
  clients_count = argc > 1 ? strtoul(argv[1], NULL, 0) : clients_count;
  clients_count -= clients_count % PROCESSES;
  return cmocka_run_group_tests(tests, start, stop);
}
