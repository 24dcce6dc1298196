/* bench_durable: what it costs that nothing is lost, next to Redis with "appendfsync always".
 *
 * usage: bench_durable [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * Everybody sets or gets a field of a hash of 10,000, over loopback, driven by the same loop. Each round
 * measures everything once and takes the ratio of the two rates; their median is reported. All files are on the
 * file system of TMPDIR; the commits of that file are the floor: how often one page is written in place and
 * brought to the disk.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/holdfast_raw.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/bench/rounds.h"
#include "tests/support/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT 16
#define PAGE_BYTES 4096

enum row { SET_ONE, SET_MANY, SET_IN_FLIGHT, GET_ONE, GET_MANY, FLOOR_ONE, ROW_COUNT };

static const struct rounds_row rows[ROW_COUNT] = {
    [SET_ONE] = {"durable set, 1 client / Redis", "x", 0.8, false},
    [SET_MANY] = {"durable set, 50 clients / Redis", "x", 1.1, false},
    [SET_IN_FLIGHT] = {"durable set, 50 clients, 16 in flight / Redis", "x", 2, false},
    [GET_ONE] = {"get at rest, 1 client, with --data / without", "x", 0.95, false},
    [GET_MANY] = {"get at rest, 50 clients, with --data / without", "x", 0.95, false},
    [FLOOR_ONE] = {"(durable set, 1 client / writes of a page to the disk)", "x", 0, false},
};

struct bench {
  struct daemon durable, plain;
  char dir[64], data[96];
  char redis_address[32];
  pid_t redis; /* 0: there is none */
  unsigned duration_ms;
};

/* ---------------------------------------------------------------- rates */

static double run(const struct loadgen_protocol *protocol, const char *address, enum bench_op op,
                  size_t clients, size_t in_flight, unsigned duration_ms) {
  return loadgen_run(protocol, BENCH_TCP, address, op, clients, in_flight, duration_ms).rate;
}

static double holdfast_rate(const struct bench *bench, const struct daemon *daemon,
                            enum bench_op op, size_t clients, size_t in_flight) {
  return run(&holdfast_raw_protocol, holdfast_raw_address(daemon->tcp_url), op, clients, in_flight,
             bench->duration_ms);
}

static double set_ratio(const struct bench *bench, double rate, size_t clients, size_t in_flight) {
  return bench->redis == 0 ? NAN
                           : rate / run(&redis_raw_protocol, bench->redis_address, BENCH_SET,
                                        clients, in_flight, bench->duration_ms);
}

static double get_ratio(const struct bench *bench, size_t clients) {
  double durable = holdfast_rate(bench, &bench->durable, BENCH_GET, clients, 1);
  return durable / holdfast_rate(bench, &bench->plain, BENCH_GET, clients, 1);
}

static double page_rate(const struct bench *bench) {
  char path[128], page[PAGE_BYTES] = {1};
  snprintf(path, sizeof path, "%s/page", bench->dir);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  uint64_t start_ns = clock_now_ns(), now_ns;
  uint64_t deadline_ns = start_ns + bench->duration_ms * CLOCK_NS_PER_MS, count = 0;
  do {
    if (pwrite(fd, page, sizeof page, 0) != (ssize_t)sizeof page || fdatasync(fd) != 0) {
      bench_fail("%s: %s", path, strerror(errno));
    }
    count++;
    now_ns = clock_now_ns();
  } while (now_ns < deadline_ns);
  close(fd);
  return (double)count * 1e9 / (double)(now_ns - start_ns);
}

static void measure_round(const struct bench *bench, double results[ROW_COUNT]) {
  double one = holdfast_rate(bench, &bench->durable, BENCH_SET, 1, 1);
  results[SET_ONE] = set_ratio(bench, one, 1, 1);
  results[FLOOR_ONE] = one / page_rate(bench);
  double many = holdfast_rate(bench, &bench->durable, BENCH_SET, BENCH_CLIENT_COUNT, 1);
  results[SET_MANY] = set_ratio(bench, many, BENCH_CLIENT_COUNT, 1);
  double in_flight =
      holdfast_rate(bench, &bench->durable, BENCH_SET, BENCH_CLIENT_COUNT, IN_FLIGHT);
  results[SET_IN_FLIGHT] = set_ratio(bench, in_flight, BENCH_CLIENT_COUNT, IN_FLIGHT);
  results[GET_ONE] = get_ratio(bench, 1);
  results[GET_MANY] = get_ratio(bench, BENCH_CLIENT_COUNT);
}

/* ---------------------------------------------------------------- life */

static void start_redis(struct bench *bench) {
  char port[8];
  snprintf(port, sizeof port, "%u", port_find());
  snprintf(bench->redis_address, sizeof bench->redis_address, "127.0.0.1:%s", port);
  const char *argv[] = {"redis-server",
                        "--port",
                        port,
                        "--bind",
                        "127.0.0.1",
                        "--save",
                        "",
                        "--dir",
                        bench->dir,
                        "--appendonly",
                        "yes",
                        "--appendfsync",
                        "always",
                        "--aof-use-rdb-preamble",
                        "no",
                        NULL};
  bench->redis = process_start(argv);
  socket_wait(BENCH_TCP, bench->redis_address);
}

static void fill(const struct daemon *daemon) {
  struct library library;
  library_open(&library, daemon->tcp_url);
  library_fill(&library);
  library_close(&library);
}

static void start(struct bench *bench) {
  directory_make(bench->dir);
  snprintf(bench->data, sizeof bench->data, "%s/data", bench->dir);
  const char *durable[] = {"--data", bench->data, NULL};
  setenv("HOLDFAST_LOCAL", "off", 1);
  daemon_start(&bench->durable, durable);
  daemon_start(&bench->plain, NULL);
  fill(&bench->durable);
  fill(&bench->plain);
  if (process_installed("redis-server")) {
    start_redis(bench);
  }
}

static void stop(struct bench *bench) {
  process_stop(bench->redis);
  daemon_stop(&bench->durable);
  daemon_stop(&bench->plain);
}

int main(int argc, char **argv) {
  static double results[BENCH_ROUNDS_MAX][ROW_COUNT];
  struct rounds_options options = rounds_parse(argc, argv, "bench_durable");
  struct bench bench = {.duration_ms = options.duration_ms};
  start(&bench);
  for (unsigned i = 0; i < options.rounds; i++) {
    measure_round(&bench, results[i]);
  }
  rounds_report(rows, ROW_COUNT, results[0], options.rounds);
  stop(&bench);
  return 0;
}
