/* What locks and one-way puts cost, in round trips of the floor measured in the same round.
 *
 *   bench_sync [--rounds N] [--duration MS]          server and echo on this machine, tcp and ipc
 *   bench_sync --url URL --echo ADDRESS [...]        on another one; ADDRESS is of the echo there
 *   bench_sync --serve PORT                          is that echo
 *
 * hand-over    two processes acquire and release one lock as fast as they can: the time from one
 *              owner to the next, over an echo's round trip. The least is one: release to the
 *              server, grant to the next.
 * pair         acquire and release of a free lock, one call after the other, and pipelined, over
 * the
 *              time of a call: a dict's set
 * puts         a queue's puts per second, one at a time, 64 in flight, and one-way with a flush
 *
 * Ratios are of means within a round; the table shows the median round, the best and the worst.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/support/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_PER_CHECK 16
#define PUTS_PER_BATCH 4096

enum row { HAND_OVER, PAIR, PAIR_PIPELINED, PUTS_ONE_WAY, PUTS_ONE_AT_A_TIME, ROW_COUNT };

static const struct {
  const char *title, *unit;
  double target; /* at most; 0: at least `least` */
  double least;
} rows[ROW_COUNT] = {
    {"lock hand-over between two processes", "echo round trips", 1.5, 0},
    {"acquire and release, two calls", "calls", 2, 0},
    {"acquire and release, pipelined", "calls", 1, 0},
    {"one-way puts", "times the pipelined rate", 0, 1},
    {"one-way puts", "times the rate one at a time", 0, 1},
};

struct endpoint {
  enum bench_transport transport;
  const char *url, *echo;
  unsigned duration_ms;
};

static uint64_t deadline_of(const struct endpoint *endpoint) {
  return clock_now_ns() + endpoint->duration_ms * CLOCK_NS_PER_MS;
}

/* Runs `step` for the duration; nanoseconds a step. */
static double time_steps(const struct endpoint *endpoint, void (*step)(void *ctx), void *ctx) {
  uint64_t began_ns = clock_now_ns(), end_ns = deadline_of(endpoint), now_ns, count = 0;
  do {
    for (int i = 0; i < CALLS_PER_CHECK; i++)
      step(ctx);
    count += CALLS_PER_CHECK;
    now_ns = clock_now_ns();
  } while (now_ns < end_ns);
  return (double)(now_ns - began_ns) / (double)count;
}

/* ---- the floor */

static void step_echo(void *ctx) {
  char message[FLOOR_MESSAGE_BYTES] = {0};
  socket_send(*(int *)ctx, message, sizeof message);
  socket_receive(*(int *)ctx, message, sizeof message);
}

static double measure_echo(const struct endpoint *endpoint) {
  int fd = socket_connect(endpoint->transport, endpoint->echo);
  if (fd < 0)
    bench_fail("no echo at %s", endpoint->echo);
  double ns = time_steps(endpoint, step_echo, &fd);
  close(fd);
  return ns;
}

/* ---- locks */

struct held {
  hf_conn *conn;
  hf_lock *lock;
};

static struct held open_lock(const char *url) {
  struct held held;
  library_expect(hf_connect(url, NULL, &held.conn), url);
  library_expect(hf_lock_open(held.conn, "bench:lock", &held.lock), "lock");
  return held;
}

static void close_lock(struct held *held) {
  hf_lock_close(held->lock);
  hf_close(held->conn);
}

static void step_pair(void *ctx) {
  struct held *held = ctx;
  library_expect(hf_lock_acquire(held->lock, HF_FOREVER, NULL), "acquire");
  library_expect(hf_lock_release(held->lock), "release");
}

static void step_pair_pipelined(void *ctx) {
  struct held *held = ctx;
  library_expect(hf_pipeline_begin(held->conn, 2), "pipeline");
  step_pair(held);
  library_expect(hf_pipeline_end(held->conn, NULL), "pipeline");
}

static void step_set(void *ctx) {
  library_expect(hf_dict_set(ctx, hf_text("bench"), hf_int(LIBRARY_VALUE)), "set");
}

static double measure_call(const struct endpoint *endpoint, hf_conn *conn) {
  hf_dict *dict;
  library_expect(hf_dict_open(conn, NULL, &dict), "dict");
  double ns = time_steps(endpoint, step_set, dict);
  hf_dict_close(dict);
  return ns;
}

/* The other side of the hand-over: until it is stopped. */
static _Noreturn void contend(const char *url, const volatile bool *stop) {
  struct held held = open_lock(url);
  while (!*stop)
    step_pair(&held);
  close_lock(&held);
  _exit(0);
}

static uint64_t hold_once(const struct held *held) {
  struct hf_grant grant;
  library_expect(hf_lock_acquire(held->lock, HF_FOREVER, &grant), "acquire");
  library_expect(hf_lock_release(held->lock), "release");
  return grant.token;
}

/* Nanoseconds from one owner to the other, and what was between: a turn that was taken twice in a
 * row is no hand-over, but its time counts. */
static double measure_hand_over(const struct endpoint *endpoint) {
  volatile bool *stop = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t other = process_fork();
  if (other == 0)
    contend(endpoint->url, stop);
  struct held held = open_lock(endpoint->url);
  uint64_t token, last = hold_once(&held), hand_overs = 0;
  while ((token = hold_once(&held)) == last + 1) /* until the other process is there */
    last = token;
  uint64_t began_ns = clock_now_ns(), end_ns = deadline_of(endpoint), now_ns;
  do {
    last = token;
    token = hold_once(&held);
    hand_overs += token > last + 1 ? 2 : 0; /* to the other process, and back */
    now_ns = clock_now_ns();
  } while (now_ns < end_ns || hand_overs == 0);
  *stop = true;
  waitpid(other, NULL, 0);
  close_lock(&held);
  munmap((void *)stop, 1);
  return (double)(now_ns - began_ns) / (double)hand_overs;
}

/* ---- puts */

struct putter {
  hf_conn *conn;
  hf_queue *queue;
};

static void put_once(struct putter *putter) {
  library_expect(hf_queue_put(putter->queue, hf_int(LIBRARY_VALUE), HF_FOREVER), "put");
}

static void step_put(void *ctx) {
  put_once(ctx);
}

static void step_pipelined(void *ctx) {
  struct putter *putter = ctx;
  library_expect(hf_pipeline_begin(putter->conn, BENCH_PIPELINE_COUNT), "pipeline");
  for (int i = 0; i < PUTS_PER_BATCH; i++)
    put_once(putter);
  library_expect(hf_pipeline_end(putter->conn, NULL), "pipeline");
}

static void step_one_way(void *ctx) {
  struct putter *putter = ctx;
  library_expect(hf_oneway_begin(putter->conn), "one-way");
  for (int i = 0; i < PUTS_PER_BATCH; i++)
    put_once(putter);
  library_expect(hf_oneway_end(putter->conn), "one-way");
}

static void step_one_way_batches(void *ctx) {
  struct putter *putter = ctx;
  step_one_way(ctx);
  library_expect(hf_flush(putter->conn, HF_FOREVER, NULL), "flush");
}

/* Nanoseconds a put. The queue is thrown away afterwards. */
static double measure_puts(const struct endpoint *endpoint, void (*step)(void *ctx), int puts) {
  struct putter putter;
  library_expect(hf_connect(endpoint->url, NULL, &putter.conn), endpoint->url);
  library_expect(hf_queue_open(putter.conn, NULL, 0, &putter.queue), "queue");
  double ns = time_steps(endpoint, step, &putter) / puts;
  hf_queue_close(putter.queue);
  hf_close(putter.conn);
  return ns;
}

/* ---- rounds and table */

static void measure_round(const struct endpoint *endpoint, double ratios[ROW_COUNT]) {
  struct held held = open_lock(endpoint->url);
  double echo_ns = measure_echo(endpoint);
  ratios[HAND_OVER] = measure_hand_over(endpoint) / echo_ns;
  double call_ns = measure_call(endpoint, held.conn);
  ratios[PAIR] = time_steps(endpoint, step_pair, &held) / call_ns;
  ratios[PAIR_PIPELINED] = time_steps(endpoint, step_pair_pipelined, &held) / call_ns;
  double one_way_ns = measure_puts(endpoint, step_one_way_batches, PUTS_PER_BATCH);
  ratios[PUTS_ONE_WAY] = measure_puts(endpoint, step_pipelined, PUTS_PER_BATCH) / one_way_ns;
  ratios[PUTS_ONE_AT_A_TIME] = measure_puts(endpoint, step_put, 1) / one_way_ns;
  close_lock(&held);
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

static void report(const struct endpoint *endpoint, unsigned rounds,
                   double ratios[BENCH_ROUNDS_MAX][ROW_COUNT]) {
  for (int row = 0; row < ROW_COUNT; row++) {
    double sorted[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
      sorted[i] = ratios[i][row];
    qsort(sorted, rounds, sizeof *sorted, compare);
    double median = sorted[rounds / 2];
    bool met = rows[row].target > 0 ? median <= rows[row].target : median >= rows[row].least;
    printf("%-4s %-38s %6.2f %-30s [%.2f %.2f]  %s %.1f: %s\n",
           bench_transport_name(endpoint->transport), rows[row].title, median, rows[row].unit,
           sorted[0], sorted[rounds - 1], rows[row].target > 0 ? "at most" : "at least",
           rows[row].target > 0 ? rows[row].target : rows[row].least, met ? "met" : "missed");
  }
}

static void run(const struct endpoint *endpoint, unsigned rounds) {
  static double ratios[BENCH_ROUNDS_MAX][ROW_COUNT];
  for (unsigned i = 0; i < rounds; i++)
    measure_round(endpoint, ratios[i]);
  report(endpoint, rounds, ratios);
}

/* ---- the echo on another machine */

static _Noreturn void serve(uint16_t port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(listener, (struct sockaddr *)&in, sizeof in) != 0 || listen(listener, 8) != 0)
    bench_fail("echo: %s", strerror(errno));
  for (;;) {
    char buffer[4096];
    ssize_t got;
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
      socket_send(fd, buffer, (size_t)got);
    close(fd);
  }
}

static void run_here(unsigned rounds, unsigned duration_ms) {
  struct bench_servers servers = {0};
  struct daemon daemon;
  directory_make(servers.dir);
  pid_t echo = floor_start(&servers);
  daemon_start(&daemon, NULL);
  const char *const urls[BENCH_TRANSPORT_COUNT] = {daemon.tcp_url, daemon.ipc_url};
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++) {
    struct endpoint endpoint = {(enum bench_transport)i, urls[i], servers.echo[i], duration_ms};
    run(&endpoint, rounds);
  }
  daemon_stop(&daemon);
  process_stop(echo);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"rounds", required_argument, NULL, 'r'}, {"duration", required_argument, NULL, 'd'},
      {"url", required_argument, NULL, 'u'},    {"echo", required_argument, NULL, 'e'},
      {"serve", required_argument, NULL, 's'},  {NULL, 0, NULL, 0}};
  setenv("HOLDFAST_LOCAL", "off", 1);
  unsigned rounds = 7, duration_ms = 300;
  struct endpoint endpoint = {.transport = BENCH_TCP};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
      case 'r':
        rounds = (unsigned)strtoul(optarg, NULL, 10);
        break;
      case 'd':
        duration_ms = (unsigned)strtoul(optarg, NULL, 10);
        break;
      case 'u':
        endpoint.url = optarg;
        break;
      case 'e':
        endpoint.echo = optarg;
        break;
      case 's':
        serve((uint16_t)strtoul(optarg, NULL, 10));
      default:
        bench_fail(
            "usage: bench_sync [--rounds N] [--duration MS] [--url URL --echo HOST:PORT] "
            "| --serve PORT");
    }
  }
  if (rounds < 1 || rounds > BENCH_ROUNDS_MAX || duration_ms < 1 || !endpoint.url != !endpoint.echo)
    bench_fail("1 to %d rounds of at least 1 ms; --url and --echo go together", BENCH_ROUNDS_MAX);
  if (endpoint.url) {
    endpoint.duration_ms = duration_ms;
    run(&endpoint, rounds);
  } else {
    run_here(rounds, duration_ms);
  }
  return 0;
}
