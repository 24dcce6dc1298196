/* bench_async: an epoll loop with 1,000 calls under way against a pipeline of as many.
 *
 * usage: bench_async [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * Both call dict get on one connection. The loop submits a call for each completion that it
 * collects; the pipeline is begun anew for every 4,096 calls. Over tcp, the ipc socket and shared
 * memory; a round measures both one after the other, every other round the other way round; ratios
 * are taken within a round. The table says which targets are missed.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/rounds.h"
#include "tests/support/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_FLIGHT 1000
#define PIPELINE_CALLS 4096
#define TARGET 0.9

static const char *const path_names[] = {"tcp", "ipc", "shared memory"};
enum { PATHS = 3 };

struct bench {
  struct library library;
  hf_value values[PIPELINE_CALLS];
  unsigned duration_ms;
};

static hf_status get(struct bench *bench, hf_value *value) {
  const char *key = bench_key(bench_random(&bench->library.random) % BENCH_KEY_COUNT);
  return hf_dict_get(bench->library.dict, hf_text_n(key, BENCH_KEY_BYTES), value);
}

static void check(hf_value *value) {
  if (value->type != HF_TYPE_INT || value->integer != LIBRARY_VALUE)
    bench_fail("what was got was never set");
  *value = hf_none();
}

/* ---------------------------------------------------------------- both; calls a second */

static double measure_pipeline(struct bench *bench) {
  uint64_t began_ns = clock_now_ns(), now_ns = began_ns, count = 0;
  while (now_ns < began_ns + bench->duration_ms * CLOCK_NS_PER_MS) {
    library_expect(hf_pipeline_begin(bench->library.conn, IN_FLIGHT), "pipeline");
    for (unsigned i = 0; i < PIPELINE_CALLS; i++)
      library_expect(get(bench, &bench->values[i]), "get");
    library_expect(hf_pipeline_end(bench->library.conn, NULL), "pipeline");
    for (unsigned i = 0; i < PIPELINE_CALLS; i++)
      check(&bench->values[i]);
    count += PIPELINE_CALLS;
    now_ns = clock_now_ns();
  }
  return (double)count * 1e9 / (double)(now_ns - began_ns);
}

static void submit(struct bench *bench, hf_async *async, hf_value *value) {
  library_expect(hf_async_begin(async, value), "begin");
  library_expect(get(bench, value), "get");
}

/* Collects what is there; submits as many, unless it is over. Answers how many. */
static unsigned collect(struct bench *bench, hf_async *async, bool is_over) {
  struct hf_completion done = {0};
  unsigned count = 0;
  while (hf_async_collect(async, &done)) {
    library_expect(done.status, "get");
    check(done.data);
    count++;
    if (!is_over)
      submit(bench, async, done.data);
  }
  hf_async_end(async);
  return count;
}

static double measure_loop(struct bench *bench) {
  struct epoll_event event = {.events = EPOLLIN};
  hf_async *async;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  uint64_t count = 0;
  unsigned under_way = IN_FLIGHT;
  library_expect(hf_async_open(bench->library.conn, &async), "async");
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, hf_async_descriptor(async), &event) != 0)
    bench_fail("epoll: %s", strerror(errno));
  uint64_t began_ns = clock_now_ns(), now_ns = began_ns;
  for (unsigned i = 0; i < IN_FLIGHT; i++)
    submit(bench, async, &bench->values[i]);
  hf_async_end(async);
  while (under_way > 0) {
    bool is_over = now_ns >= began_ns + bench->duration_ms * CLOCK_NS_PER_MS;
    epoll_wait(epoll, &event, 1, -1);
    unsigned collected = collect(bench, async, is_over);
    under_way -= is_over ? collected : 0;
    count += collected;
    now_ns = clock_now_ns();
  }
  hf_async_close(async);
  close(epoll);
  return (double)count * 1e9 / (double)(now_ns - began_ns);
}

/* ---------------------------------------------------------------- rounds */

static void measure_path(struct bench *bench, const struct daemon *daemon, int path, bool backwards,
                         double *row) {
  setenv("HOLDFAST_LOCAL", path == 2 ? "on" : "off", 1);
  library_open(&bench->library, path == 0 ? daemon->tcp_url : daemon->ipc_url);
  if (strcmp(hf_conn_path(bench->library.conn), path_names[path]) != 0)
    bench_fail("calls go over %s", hf_conn_path(bench->library.conn));
  library_fill(&bench->library);
  double loop = backwards ? measure_loop(bench) : 0;
  double pipeline = measure_pipeline(bench);
  loop = backwards ? loop : measure_loop(bench);
  row[0] = pipeline / 1000;
  row[1] = loop / 1000;
  row[2] = loop / pipeline;
  library_close(&bench->library);
}

int main(int argc, char **argv) {
  static const struct rounds_row rows[] = {
      {"tcp, pipeline", "thousand/s", 0, false},
      {"tcp, epoll loop", "thousand/s", 0, false},
      {"tcp, epoll loop / pipeline", "", TARGET, false},
      {"ipc, pipeline", "thousand/s", 0, false},
      {"ipc, epoll loop", "thousand/s", 0, false},
      {"ipc, epoll loop / pipeline", "", TARGET, false},
      {"shared memory, pipeline", "thousand/s", 0, false},
      {"shared memory, epoll loop", "thousand/s", 0, false},
      {"shared memory, epoll loop / pipeline", "", TARGET, false},
  };
  enum { ROWS = sizeof rows / sizeof *rows };
  static struct bench bench;
  struct rounds_options options = rounds_parse(argc, argv, "bench_async");
  struct daemon daemon;
  double *results = bench_alloc(options.rounds * ROWS, sizeof *results);
  bench.duration_ms = options.duration_ms;
  daemon_start(&daemon, NULL);
  for (unsigned round = 0; round < options.rounds; round++)
    for (int path = 0; path < PATHS; path++)
      measure_path(&bench, &daemon, path, round % 2 == 1, results + round * ROWS + path * PATHS);
  rounds_report(rows, ROWS, results, options.rounds);
  free(results);
  daemon_stop(&daemon);
  return 0;
}
