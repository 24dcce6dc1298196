/* bench_local: calls through shared memory, against what the machine and others need.
 *
 * usage: bench_local [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * Each round measures everything once, one after the other; ratios are taken within a round and
 * their median reported. Everybody does dict get, or what is closest to it, one at a time on each
 * connection. Others are compared by mean times, that is by rates, because a round trip over a
 * socket is short or long as the other side happens to be awake, and its median jumps between the
 * two; rows in brackets have no target.
 */
#include "tests/bench/histogram.h"
#include "tests/bench/library.h"
#include "tests/bench/loadgen.h"
#include "tests/bench/manager.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/bench/rested.h"
#include "tests/bench/rounds.h"
#include "tests/support/daemon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- rounds */

enum row {
  BUSY,
  RESTED_APART,
  RESTED_TOGETHER,
  SOCKET,
  REDIS_ONE,
  REDIS_ONE_MEDIAN,
  MANAGER_ONE,
  REDIS_PROCESSES,
  REDIS_LOOP,
  ROW_COUNT
};

static const struct rounds_row rows[ROW_COUNT] = {
    [BUSY] = {"one at a time", "us", 3, true},
    [RESTED_APART] = {"after 1 ms / ping-pong, two processors", "x", 1.3, true},
    [RESTED_TOGETHER] = {"after 1 ms / ping-pong, one processor", "x", 1.3, true},
    [SOCKET] = {"one at a time, ipc socket / ring", "x", 2, false},
    [REDIS_ONE] = {"one at a time, Redis / ring", "x", 10, false},
    [REDIS_ONE_MEDIAN] = {"(the same, medians)", "x", 0, false},
    [MANAGER_ONE] = {"one at a time, Python's Manager / ring", "x", 20, false},
    [REDIS_PROCESSES] = {"8 processes, rate / Redis, 8 processes", "x", 3, false},
    [REDIS_LOOP] = {"(8 processes, rate / Redis, one epoll loop)", "x", 0, false},
};

struct bench {
  struct daemon daemon;
  struct bench_servers servers;
  struct manager manager;
  struct library ring, socket;
  struct rested rested;
  unsigned duration_ms;
};

static void measure_redis(struct bench *bench, struct bench_sample one, struct bench_sample eight,
                          double results[ROW_COUNT]) {
  const char *address = bench->servers.redis[BENCH_IPC];
  unsigned duration_ms = bench->duration_ms;
  struct bench_sample redis =
      loadgen_run(&redis_raw_protocol, BENCH_IPC, address, BENCH_GET, 1, 1, duration_ms);
  results[REDIS_ONE] = one.rate / redis.rate;
  results[REDIS_ONE_MEDIAN] = redis.p50 / one.p50;
  results[REDIS_PROCESSES] =
      eight.rate /
      loadgen_run_processes(&redis_raw_protocol, BENCH_IPC, address, BENCH_GET, duration_ms).rate;
  results[REDIS_LOOP] = eight.rate / loadgen_run(&redis_raw_protocol, BENCH_IPC, address, BENCH_GET,
                                                 BENCH_PROCESS_COUNT, 1, duration_ms)
                                         .rate;
}

static void measure_round(struct bench *bench, double results[ROW_COUNT]) {
  unsigned duration_ms = bench->duration_ms;
  struct bench_sample one = library_run_one(&bench->ring, BENCH_GET, duration_ms);
  struct bench_sample eight = library_run_processes(bench->daemon.ipc_url, BENCH_GET, duration_ms);
  for (int row = 0; row < ROW_COUNT; row++) {
    results[row] = NAN;
  }
  results[BUSY] = one.p50;
  results[RESTED_APART] = rested_ratio(&bench->rested, &bench->ring, true, duration_ms);
  results[RESTED_TOGETHER] = rested_ratio(&bench->rested, &bench->ring, false, duration_ms);
  results[SOCKET] = one.rate / library_run_one(&bench->socket, BENCH_GET, duration_ms).rate;
  if (bench->servers.redis_pid > 0) {
    measure_redis(bench, one, eight, results);
  }
  if (bench->manager.pid > 0) {
    results[MANAGER_ONE] = one.rate / manager_run(&bench->manager, BENCH_GET, 1, duration_ms).rate;
  }
}

static void start(struct bench *bench) {
  directory_make(bench->servers.dir);
  daemon_start(&bench->daemon, NULL);
  rested_start(&bench->rested, bench->daemon.pid);
  if (process_installed("redis-server") && process_installed("redis-benchmark"))
    redis_start(&bench->servers);
  if (process_installed("python3"))
    manager_start(&bench->manager, BENCH_IPC);
  setenv("HOLDFAST_LOCAL", "off", 1);
  library_open(&bench->socket, bench->daemon.ipc_url);
  setenv("HOLDFAST_LOCAL", "on", 1);
  library_open(&bench->ring, bench->daemon.ipc_url);
  if (strcmp(hf_conn_path(bench->ring.conn), "shared memory") != 0)
    bench_fail("no shared memory: %s", hf_conn_path_reason(bench->ring.conn));
  library_fill(&bench->ring);
}

int main(int argc, char **argv) {
  static double results[BENCH_ROUNDS_MAX][ROW_COUNT];
  struct rounds_options options = rounds_parse(argc, argv, "bench_local");
  struct bench bench = {.duration_ms = options.duration_ms};
  start(&bench);
  for (unsigned i = 0; i < options.rounds; i++) {
    measure_round(&bench, results[i]);
  }
  rounds_report(rows, ROW_COUNT, results[0], options.rounds);
  library_close(&bench.ring);
  library_close(&bench.socket);
  manager_stop(&bench.manager);
  process_stop(bench.servers.redis_pid);
  daemon_stop(&bench.daemon);
  return 0;
}
