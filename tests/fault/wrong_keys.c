/* Processes at one address try wrong keys, 3,000 a second, while a client that is in goes on.
 *
 * usage: fault_wrong_keys [ROUNDS [ATTEMPTS_PER_S [FLOOR]]]   3, 3,000, 0.3; FLOOR 0.7 on a machine that
 *                                                          nobody else uses
 *
 * An attempt is a connection and, once it is there, a whole ClientHello with a key that the server does not
 * know. It is offered when the connection is begun, on a schedule, however many are under way; what the
 * server leaves in the socket's queue, delays or closes without an answer is offered all the same. It has
 * reached the server when the hello is sent, and is answered when the alert has come. Attackers cost little:
 * the hello is made once, and a process has one thread.
 *
 * Which rate is fair? The attackers are on the machine of the server, and what they and the kernel's network
 * take of its processors would be elsewhere in an attack. So a round has three parts: nobody tries; the
 * attackers try at a stand-in, which accepts, reads the hello, answers seven bytes and closes, with no TLS
 * at all; they try at the server, until those that have to wait are worked on too. The client's share is its
 * rate beside the attack, of its rate beside the stand-in: the median of the rounds is FLOOR at least. Its
 * share of the rate when nobody tries, where the attackers' part of the processors is missing too, is
 * printed.
 *
 * The client comes as one from another host does, over TLS. One in shared memory, whose calls take a
 * hundredth of that and are waited for in a loop, is as fast as it and the server have a processor each; of
 * two, the attackers take one. So its share is LOCAL_FLOOR at least.
 *
 * On a busy machine these rates are mostly what the scheduler makes of them. The processor time that the
 * server takes for the attack is not: it is measured beside a client that does nearly nothing, and asserted
 * to be COST_MAX of one processor at most; and that it looks at no more keys than it lets wait at a time.
 * With no delay for an address that fails it looks at all 3,000 a second, which takes a whole processor.
 *
 * The server keeps its rate because it refuses to work: after five failures the address's next handshakes
 * wait, up to 2 s, only HF_HANDSHAKES_MAX wait at once, and the rest is refused.
 */
#define _GNU_SOURCE /* accept4 */
#include "proto/limits.h"
#include "proto/tls/tls.h"
#include "tests/fault/crowd.h"
#include "tests/fault/hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COST_MAX 0.6 /* of a processor */
#define LOCAL_FLOOR 0.3
#define REST_MS 10 /* between the calls of a client that does nearly nothing */
#define PROCESSES 4
/* Under way at once, of a process: the oldest makes room. All together are more than the server has in their
 * handshake and its socket in its queue. */
#define ATTEMPTS_MAX 4096
#define ROUNDS_MAX 50
#define SETTLE_MS 300
/* Until those who had to wait are worked on; the same when the attack is over. */
#define DELAYED_MS (HF_HANDSHAKE_DELAY_MS_MAX + 500)
#define PART_MS 500
#define ATTACK_MS HF_HANDSHAKE_DELAY_MS_MAX /* those who wait come in waves of that length */
#define BACKLOG 511
#define HELLO_BYTES_MAX 1024

static size_t rounds_count = 3;
static double floor_of_rate = 0.3;
static uint64_t attempts_per_s = 3000;
static uint8_t hello[HELLO_BYTES_MAX];
static size_t hello_len;
static uint16_t stand_in_port;

/* In memory of all processes. */
static struct board {
  atomic_uint port; /* that the attackers try; 0: none */
  atomic_uint_fast64_t offered, reached, answered;
} * board;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void sleep_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ------------------------------------------------------------------------------- attackers */

/* A process; `fds` is a ring of attempts, the oldest at `next`; -1: none. */
struct attackers {
  int epoll;
  unsigned port;
  uint32_t source; /* an address of loopback of its own, for enough ports */
  uint64_t began_ns, begun;
  size_t next;
  int fds[ATTEMPTS_MAX];
  bool is_sent[ATTEMPTS_MAX];
};

/* With a RST, so that no port waits for its end. */
static void give_up(struct attackers *attackers, size_t idx) {
  const struct linger linger = {.l_onoff = 1};
  int fd = attackers->fds[idx];
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
  }
  attackers->fds[idx] = -1;
}

static void watch(struct attackers *attackers, size_t idx, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = idx};
  epoll_ctl(attackers->epoll, how, attackers->fds[idx], &event);
}

static void begin_attempt(struct attackers *attackers) {
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(attackers->source)};
  struct sockaddr_in server = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)attackers->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int on = 1;
  size_t idx = attackers->next++ % ATTEMPTS_MAX;
  give_up(attackers, idx);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&source, sizeof source) != 0 ||
      (connect(fd, (const struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)) {
    close(fd);
    return; /* not offered */
  }
  attackers->fds[idx] = fd;
  attackers->is_sent[idx] = false;
  watch(attackers, idx, EPOLL_CTL_ADD, EPOLLOUT);
  atomic_fetch_add(&board->offered, 1);
}

static void go_on(struct attackers *attackers, size_t idx) {
  uint8_t answer[256];
  int fd = attackers->fds[idx];
  if (fd < 0) {
    return;
  }
  if (!attackers->is_sent[idx]) {
    if (send(fd, hello, hello_len, MSG_NOSIGNAL) != (ssize_t)hello_len) {
      give_up(attackers, idx);
      return;
    }
    attackers->is_sent[idx] = true;
    watch(attackers, idx, EPOLL_CTL_MOD, EPOLLIN);
    atomic_fetch_add(&board->reached, 1);
    return;
  }
  if (recv(fd, answer, sizeof answer, 0) > 0) {
    atomic_fetch_add(&board->answered, 1);
  }
  give_up(attackers, idx);
}

static void begin_part(struct attackers *attackers, unsigned port) {
  for (size_t i = 0; i < ATTEMPTS_MAX; i++) {
    give_up(attackers, i);
  }
  attackers->port = port;
  attackers->began_ns = now_ns();
  attackers->begun = 0;
}

static void attack_once(struct attackers *attackers) {
  struct epoll_event events[256];
  unsigned port = atomic_load(&board->port);
  if (port != attackers->port) {
    begin_part(attackers, port);
  }
  if (port == 0) {
    sleep_ms(5);
    return;
  }
  uint64_t due = (now_ns() - attackers->began_ns) * (attempts_per_s / PROCESSES) / 1000000000;
  while (attackers->begun < due) {
    begin_attempt(attackers);
    attackers->begun++;
  }
  int ready = epoll_wait(attackers->epoll, events, 256, 1);
  for (int i = 0; i < ready; i++) {
    go_on(attackers, events[i].data.u64);
  }
}

static int attack(const char *url, int idx, void *arg) {
  static struct attackers attackers;
  (void)url, (void)arg;
  attackers.epoll = epoll_create1(EPOLL_CLOEXEC);
  attackers.source = INADDR_LOOPBACK + 1 + (uint32_t)idx;
  memset(attackers.fds, -1, sizeof attackers.fds);
  for (;;) {
    attack_once(&attackers);
  }
  return CROWD_FAILED; /* it is killed */
}

/* The stand-in: whatever a server has to do for a refusal but TLS. */
static int stand_in(const char *url, int listener, void *arg) {
  static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 47};
  struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = listener};
  uint8_t data[4096];
  int epoll = epoll_create1(EPOLL_CLOEXEC), ready;
  (void)url, (void)arg;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  while ((ready = epoll_wait(epoll, events, 256, -1)) > 0) {
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      if (recv(fd, data, sizeof data, 0) > 0) {
        (void)send(fd, alert, sizeof alert, MSG_NOSIGNAL);
      }
      close(fd);
    }
  }
  return CROWD_FAILED;
}

/* -------------------------------------------------------------------------- who is served */

struct client {
  hf_conn *conn;
  hf_dict *dict;
};

static struct client remote, local;

struct served {
  struct client *client;
  pthread_t thread;
  enum { RESTS, ONE_BY_ONE, PIPELINED } way;
  atomic_bool stops;
  atomic_uint_fast64_t calls;
};

static struct served served;

#define IN_FLIGHT 64

static bool call_some(struct served *caller, size_t count) {
  uint64_t len;
  bool done =
      caller->way != PIPELINED || hf_pipeline_begin(caller->client->conn, IN_FLIGHT) == HF_OK;
  for (size_t i = 0; i < count && done; i++) {
    done = hf_dict_len(caller->client->dict, &len) == HF_OK;
  }
  done = done && (caller->way != PIPELINED || hf_pipeline_end(caller->client->conn, NULL) == HF_OK);
  atomic_fetch_add(&caller->calls, count);
  if (caller->way == RESTS) {
    sleep_ms(REST_MS);
  }
  return done;
}

/* NULL: all calls were answered. */
static void *call_on(void *arg) {
  struct served *caller = arg;
  bool done = true;
  while (done && !atomic_load(&caller->stops)) {
    done = call_some(caller, caller->way == PIPELINED ? 4 * IN_FLIGHT : 1);
  }
  return done ? NULL : arg;
}

/* ---------------------------------------------------------------------------------- rounds */

enum part { ALONE, STAND_IN, ATTACKED, PARTS };

struct sample {
  double busy; /* the server: processors */
  double rate; /* of the client's calls, and of attempts, a second */
  double offered, reached, answered;
};

/* Of the server's process, in seconds. */
static double processor_time(void) {
  char path[32], line[1024];
  unsigned long user = 0, kernel = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)hostile_server.pid);
  FILE *stat = fopen(path, "re");
  assert_non_null(stat);
  assert_non_null(fgets(line, sizeof line, stat));
  fclose(stat);
  assert_int_equal(sscanf(strrchr(line, ')'), /* NOLINT(cert-err34-c): the kernel's */
                          ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel),
                   2);
  return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static struct sample run_part(unsigned port, long settle_ms, long part_ms) {
  atomic_store(&board->port, port);
  sleep_ms(settle_ms);
  uint64_t calls = atomic_load(&served.calls), offered = atomic_load(&board->offered),
           reached = atomic_load(&board->reached), answered = atomic_load(&board->answered);
  double busy_s = processor_time();
  uint64_t began_ns = now_ns();
  sleep_ms(part_ms);
  double took_s = (double)(now_ns() - began_ns) / 1e9;
  return (struct sample){
      .busy = (processor_time() - busy_s) / took_s,
      .rate = (double)(atomic_load(&served.calls) - calls) / took_s,
      .offered = (double)(atomic_load(&board->offered) - offered) / took_s,
      .reached = (double)(atomic_load(&board->reached) - reached) / took_s,
      .answered = (double)(atomic_load(&board->answered) - answered) / took_s,
  };
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_of(double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  return values[count / 2];
}

static void print_part(const char *name, const struct sample *samples) {
  double values[5][ROUNDS_MAX];
  for (size_t i = 0; i < rounds_count; i++) {
    values[0][i] = samples[i].rate;
    values[1][i] = samples[i].offered;
    values[2][i] = samples[i].reached;
    values[3][i] = samples[i].answered;
    values[4][i] = samples[i].busy;
  }
  print_message(
      "  %-9s %8.0f calls/s, server busy %.2f; attempts/s: %5.0f offered, %5.0f reached, "
      "%5.0f answered\n",
      name, median_of(values[0], rounds_count), median_of(values[4], rounds_count),
      median_of(values[1], rounds_count), median_of(values[2], rounds_count),
      median_of(values[3], rounds_count));
}

/* In the median of the rounds. */
static double ratio_of(const struct sample *samples, const struct sample *to) {
  double ratios[ROUNDS_MAX];
  for (size_t i = 0; i < rounds_count; i++) {
    ratios[i] = samples[i].rate / to[i].rate;
  }
  return median_of(ratios, rounds_count);
}

static struct sample samples[PARTS][ROUNDS_MAX];

static void run_rounds(struct client *client, int way) {
  void *failure;
  served.client = client;
  served.way = way;
  atomic_store(&served.stops, false);
  assert_int_equal(pthread_create(&served.thread, NULL, call_on, &served), 0);
  for (size_t i = 0; i < rounds_count; i++) {
    samples[ALONE][i] = run_part(0, DELAYED_MS, PART_MS);
    samples[STAND_IN][i] = run_part(stand_in_port, SETTLE_MS, PART_MS);
    samples[ATTACKED][i] = run_part(hostile_server.tcp_port, DELAYED_MS, ATTACK_MS);
  }
  atomic_store(&board->port, 0);
  atomic_store(&served.stops, true);
  pthread_join(served.thread, &failure);
  assert_null(failure);
  print_part("alone", samples[ALONE]);
  print_part("stand-in", samples[STAND_IN]);
  print_part("attacked", samples[ATTACKED]);
}

static void test_what_the_server_pays(void **state) {
  const double answered_max = 2.0 * HF_HANDSHAKES_MAX * 1000 / HF_HANDSHAKE_DELAY_MS_MAX;
  double busy[ROUNDS_MAX];
  (void)state;
  run_rounds(&remote, RESTS);
  for (size_t i = 0; i < rounds_count; i++) {
    assert_true(samples[ATTACKED][i].answered <= answered_max);
    busy[i] = samples[ATTACKED][i].busy - samples[ALONE][i].busy;
  }
  double cost = median_of(busy, rounds_count);
  print_message("  the attack takes %.2f of a processor\n", cost);
  assert_true(cost <= COST_MAX);
}

static void expect_rate_kept(struct client *client, int way, double floor) {
  run_rounds(client, way);
  double share = ratio_of(samples[ATTACKED], samples[STAND_IN]);
  print_message("  keeps %.2f of its rate beside the stand-in, %.2f of its rate alone\n", share,
                ratio_of(samples[ATTACKED], samples[ALONE]));
  assert_true(share >= floor);
}

static void test_one_call_at_a_time(void **state) {
  (void)state;
  expect_rate_kept(&remote, ONE_BY_ONE, floor_of_rate);
}

static void test_many_calls_in_flight(void **state) {
  (void)state;
  expect_rate_kept(&remote, PIPELINED, floor_of_rate);
}

static void test_one_call_at_a_time_in_shared_memory(void **state) {
  (void)state;
  expect_rate_kept(&local, ONE_BY_ONE, LOCAL_FLOOR);
}

/* ----------------------------------------------------------------------------------- setup */

static pid_t pids[PROCESSES + 1];

static bool make_hello(void) {
  struct buffer_budget budget = {.bytes_max = SIZE_MAX};
  char line[KEY_LINE_BYTES], error[TLS_ERROR_BYTES];
  struct key key;
  struct tls_client_settings settings = {.key = &key};
  if (!key_make("mallory", line) || key_read(bytes_of_text(line), &key) != NULL) {
    return false;
  }
  struct tls_context *context = tls_context_new_client(&settings, error);
  struct tls *tls = context != NULL ? tls_new(context, &budget, NULL) : NULL;
  if (tls == NULL || tls_handshake(tls) != TLS_WAITS || tls_output(tls)->len > sizeof hello) {
    return false;
  }
  hello_len = tls_output(tls)->len;
  memcpy(hello, buffer_first(tls_output(tls)), hello_len);
  tls_free(tls);
  tls_context_release(context);
  return true;
}

/* The descriptor, or -1. */
static int listen_for_attackers(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    return -1;
  }
  stand_in_port = ntohs(address.sin_port);
  return fd;
}

static bool connect_client(struct client *client, const char *uses_shared_memory) {
  setenv("HOLDFAST_LOCAL", uses_shared_memory, 1);
  client->conn = crowd_connect(hostile_server.tcp_url, 0, 10000);
  return hf_dict_open(client->conn, "dict", &client->dict) == HF_OK;
}

static void close_client(struct client *client) {
  hf_dict_close(client->dict);
  hf_close(client->conn);
}

static int start(void **state) {
  struct rlimit limit;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
  setrlimit(RLIMIT_NOFILE, &limit);
  daemon_use_tls();
  int listener = listen_for_attackers();
  if (board == MAP_FAILED || listener < 0 || !make_hello() || hostile_start(state) != 0) {
    return -1;
  }
  for (int i = 0; i < PROCESSES; i++) {
    pids[i] = crowd_start(attack, NULL, i, NULL);
  }
  pids[PROCESSES] = crowd_start(stand_in, NULL, listener, NULL);
  close(listener);
  return connect_client(&local, "on") && connect_client(&remote, "off") ? 0 : -1;
}

static int stop(void **state) {
  for (size_t i = 0; i <= PROCESSES; i++) {
    crowd_kill(pids[i]);
  }
  close_client(&remote);
  close_client(&local);
  return hostile_stop(state);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_the_server_pays),
      cmocka_unit_test(test_one_call_at_a_time),
      cmocka_unit_test(test_many_calls_in_flight),
      cmocka_unit_test(test_one_call_at_a_time_in_shared_memory),
  };
  rounds_count = argc > 1 ? strtoul(argv[1], NULL, 0) : rounds_count;
  attempts_per_s = argc > 2 ? strtoul(argv[2], NULL, 0) : attempts_per_s;
  floor_of_rate = argc > 3 ? strtod(argv[3], NULL) : floor_of_rate;
  if (rounds_count == 0 || rounds_count > ROUNDS_MAX) {
    return EXIT_FAILURE;
  }
  return cmocka_run_group_tests(tests, start, stop);
}
