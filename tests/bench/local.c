/* bench_local: calls through shared memory, against what the machine and others need.
 *
 * usage: bench_local [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * Each round measures everything once, one after the other; ratios are taken within a round and
 * their median told. Times are medians of dict get on one connection.
 */
#include "proto/base/clock.h"
#include "tests/bench/histogram.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/support/daemon.h"

#include <linux/futex.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 1000000

/* ---------------------------------------------------------------- futex ping-pong */

struct table {
  _Atomic uint32_t ball; /* odd: the other's */
};

static void await_ball(struct table *table, uint32_t seen) {
  while (atomic_load(&table->ball) == seen) {
    syscall(SYS_futex, &table->ball, FUTEX_WAIT, seen, NULL, NULL, 0);
  }
}

static void hit_ball(struct table *table) {
  atomic_fetch_add(&table->ball, 1);
  syscall(SYS_futex, &table->ball, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static _Noreturn void play(struct table *table) {
  for (;;) {
    uint32_t seen = atomic_load(&table->ball);
    if (seen % 2 == 1) {
      hit_ball(table);
    } else {
      await_ball(table, seen);
    }
  }
}

static void pause_a_moment(void) {
  nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

static double ping_pong_us(struct table *table, unsigned duration_ms) {
  struct histogram *times = bench_alloc(1, sizeof *times);
  uint64_t until_ns = clock_now_ns() + duration_ms * CLOCK_NS_PER_MS;
  while (clock_now_ns() < until_ns) {
    pause_a_moment();
    uint64_t began_ns = clock_now_ns();
    hit_ball(table);
    for (uint32_t seen; (seen = atomic_load(&table->ball)) % 2 == 1;) {
      await_ball(table, seen);
    }
    histogram_add(times, clock_now_ns() - began_ns);
  }
  double median_us = (double)histogram_quantile_ns(times, 0.5) / 1e3;
  free(times);
  return median_us;
}

/* ---------------------------------------------------------------- holdfast */

static double paused_gets_us(struct library *library, unsigned duration_ms) {
  struct histogram *times = bench_alloc(1, sizeof *times);
  uint64_t until_ns = clock_now_ns() + duration_ms * CLOCK_NS_PER_MS;
  while (clock_now_ns() < until_ns) {
    hf_value value;
    pause_a_moment();
    uint64_t began_ns = clock_now_ns();
    library_expect(hf_dict_get(library->dict, hf_text_n(bench_key(7), BENCH_KEY_BYTES), &value),
                   "get");
    histogram_add(times, clock_now_ns() - began_ns);
    hf_value_clear(&value);
  }
  double median_us = (double)histogram_quantile_ns(times, 0.5) / 1e3;
  free(times);
  return median_us;
}

/* ---------------------------------------------------------------- rounds */

enum row { BUSY, SOCKET, PAUSED, REDIS_ONE, REDIS_MANY, ROW_COUNT };

static const struct {
  const char *title, *unit;
  double limit;
  bool at_most;
} rows[ROW_COUNT] = {
    [BUSY] = {"one at a time", "us", 3, true},
    [SOCKET] = {"one at a time, ipc socket / ring", "x", 2, false},
    [PAUSED] = {"after 1 ms of rest / futex ping-pong", "x", 1.3, true},
    [REDIS_ONE] = {"one at a time, Redis / ring", "x", 10, false},
    [REDIS_MANY] = {"8 processes, rate / Redis, 8 clients", "x", 3, false},
};

struct bench {
  struct daemon daemon;
  struct bench_servers servers;
  struct library ring, socket;
  struct table *table;
  unsigned duration_ms;
};

static void measure_round(struct bench *bench, double results[ROW_COUNT]) {
  unsigned duration_ms = bench->duration_ms;
  const char *redis = bench->servers.redis[BENCH_IPC];
  double one = library_run_one(&bench->ring, BENCH_GET, duration_ms).p50;
  results[BUSY] = one;
  results[SOCKET] = library_run_one(&bench->socket, BENCH_GET, duration_ms).p50 / one;
  results[PAUSED] =
      paused_gets_us(&bench->ring, duration_ms) / ping_pong_us(bench->table, duration_ms);
  results[REDIS_ONE] = results[REDIS_MANY] = NAN;
  if (*redis != '\0') {
    results[REDIS_ONE] =
        loadgen_run(&redis_raw_protocol, BENCH_IPC, redis, BENCH_GET, 1, duration_ms).p50 / one;
    results[REDIS_MANY] =
        library_run_processes(bench->daemon.ipc_url, BENCH_GET, duration_ms).rate /
        loadgen_run(&redis_raw_protocol, BENCH_IPC, redis, BENCH_GET, BENCH_PROCESS_COUNT,
                    duration_ms)
            .rate;
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report(double results[BENCH_ROUNDS_MAX][ROW_COUNT], unsigned rounds) {
  for (int row = 0; row < ROW_COUNT; row++) {
    double sorted[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
      sorted[i] = results[i][row];
    }
    if (isnan(sorted[0])) {
      printf("%-38s not measured: no redis-server\n", rows[row].title);
      continue;
    }
    qsort(sorted, rounds, sizeof *sorted, compare);
    double median = sorted[rounds / 2];
    bool is_met = rows[row].at_most ? median <= rows[row].limit : median >= rows[row].limit;
    printf("%-38s %6.2f %-2s [%.2f %.2f]  %s %.1f: %s\n", rows[row].title, median, rows[row].unit,
           sorted[0], sorted[rounds - 1], rows[row].at_most ? "at most" : "at least",
           rows[row].limit, is_met ? "met" : "missed");
  }
}

static void start(struct bench *bench) {
  directory_make(bench->servers.dir);
  bench->table =
      mmap(NULL, sizeof *bench->table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (bench->table == MAP_FAILED)
    bench_fail("no memory");
  if (process_fork() == 0)
    play(bench->table);
  daemon_start(&bench->daemon, NULL);
  if (process_installed("redis-server") && process_installed("redis-benchmark"))
    redis_start(&bench->servers);
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
  unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 7;
  struct bench bench = {.duration_ms = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 300};
  if (argc > 3 || rounds < 1 || rounds > BENCH_ROUNDS_MAX || bench.duration_ms < 1)
    bench_fail("usage: bench_local [ROUNDS [DURATION_MS]]; 1 to %d rounds", BENCH_ROUNDS_MAX);
  start(&bench);
  for (unsigned i = 0; i < rounds; i++) {
    measure_round(&bench, results[i]);
  }
  report(results, rounds);
  library_close(&bench.ring);
  library_close(&bench.socket);
  process_stop(bench.servers.redis_pid);
  daemon_stop(&bench.daemon);
  return 0;
}
