/* See pings.h. */
#include "tests/bench/pings.h"

#include "proto/base/clock.h"
#include "tests/bench/floor.h"
#include "tests/bench/histogram.h"
#include "tests/bench/process.h"
#include "tests/fault/attacker.h"
#include "tests/support/messages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 1800000
#define PAUSE_NS 1000000

/* What a pinging process has seen. */
struct probe {
  _Atomic uint64_t pinged;        /* the round the ping in flight belongs to */
  uint64_t counted;               /* the round the last one belonged to */
  struct histogram histograms[2]; /* of odd rounds, which are measured, and of those between */
};

/* Shared with the pinging processes. */
static struct board {
  _Atomic uint64_t round;
  struct probe server, echo;
} * board;

static void count_ping(struct probe *probe, uint64_t round, uint64_t took_ns) {
  struct histogram *histogram = &probe->histograms[round % 2];
  if (round != probe->counted) {
    memset(histogram, 0, sizeof *histogram);
    probe->counted = round;
  }
  histogram_add(histogram, took_ns);
}

static void pause_once(void) {
  nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

/* One ping a millisecond until one fails. */
static void ping(struct probe *probe, bool (*once)(void *ctx), void *ctx) {
  for (;;) {
    uint64_t round = atomic_load(&board->round);
    atomic_store(&probe->pinged, round);
    uint64_t sent_ns = clock_now_ns();
    if (!once(ctx)) {
      return;
    }
    count_ping(probe, round, clock_now_ns() - sent_ns);
    pause_once();
  }
}

static bool ping_server(void *ctx) {
  struct attacker *attacker = ctx;
  uint32_t id;
  Holdfast__Response *response;
  attacker_send_request(attacker, REQUEST(PING, Ping, ping));
  if (!attacker_receive(attacker, ANSWER_TIMEOUT_MS, &id, &response)) {
    return false; /* the server was stopped */
  }
  holdfast__response__free_unpacked(response, NULL);
  return true;
}

static bool ping_echo(void *ctx) {
  const int *fd = ctx;
  char byte = 0;
  return write(*fd, &byte, 1) == 1 && read(*fd, &byte, 1) == 1;
}

void pings_init(char dir[64]) {
  struct bench_servers servers = {0};
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED) {
    bench_fail("out of memory");
  }
  memcpy(servers.dir, dir, sizeof servers.dir);
  (void)floor_start(&servers);
  if (process_fork() == 0) {
    int fd = socket_connect(BENCH_TCP, servers.echo[BENCH_TCP]);
    if (fd < 0) {
      bench_fail("the echo server refuses a client");
    }
    ping(&board->echo, ping_echo, &fd);
    _exit(0);
  }
}

pid_t pings_start(uint16_t tcp_port) {
  struct attacker attacker;
  pid_t pid = process_fork();
  if (pid != 0) {
    return pid;
  }
  if (!attacker_open(&attacker, tcp_port, 0x30)) {
    bench_fail("the server refuses a client");
  }
  ping(&board->server, ping_server, &attacker);
  _exit(0);
}

void pings_begin(void) {
  atomic_fetch_add(&board->round, 1);
}

/* When its last ping of the round is over. */
static struct pings read_probe(struct probe *probe, uint64_t round) {
  while (atomic_load(&probe->pinged) == round) {
    pause_once();
  }
  const struct histogram *histogram = &probe->histograms[round % 2];
  return (struct pings){(double)histogram->max_ns / 1e6,
                        (double)histogram_quantile_ns(histogram, 0.99) / 1e6};
}

void pings_end(struct pings *server, struct pings *echo) {
  uint64_t round = atomic_fetch_add(&board->round, 1);
  *server = read_probe(&board->server, round);
  *echo = read_probe(&board->echo, round);
}
