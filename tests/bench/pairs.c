/* bench_pairs: what goes from one process to another of the same machine.
 *
 * usage: bench_pairs [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * queue  one process puts, the other gets, each one item at a time; the queue has an end. Time an
 *        item.
 * pipe   one process sends, the other sends it back, one item under way. Time there and back.
 *
 * Through shared memory, over the ipc socket, and by Python's multiprocessing.Queue and Pipe, which
 * need no server: their processes hold the two ends of one socket pair. Each round measures all of
 * them one after the other; ratios are taken within a round, of mean times.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/rounds.h"
#include "tests/support/daemon.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_COUNT 100
#define QUEUE_MAXSIZE 1000
#define QUEUE_NAME "bench:pair"
#define PIPE_NAME "bench:pipe"

struct bench {
  struct daemon daemon;
  unsigned duration_ms;
  FILE *to, *from; /* pairs.py; NULL: no Python */
};

static hf_conn *connect_by(const struct bench *bench, bool is_ring) {
  hf_conn *conn;
  setenv("HOLDFAST_LOCAL", is_ring ? "on" : "off", 1);
  library_expect(hf_connect(bench->daemon.ipc_url, NULL, &conn), "connect");
  if (is_ring != (strcmp(hf_conn_path(conn), "shared memory") == 0))
    bench_fail("calls go over %s: %s", hf_conn_path(conn), hf_conn_path_reason(conn));
  return conn;
}

/* Mean microseconds of a step. */
static double time_steps(const struct bench *bench, void (*step)(void *ctx), void *ctx) {
  uint64_t count = 0;
  for (int i = 0; i < WARM_COUNT; i++)
    step(ctx);
  uint64_t began_ns = clock_now_ns(), now_ns = began_ns;
  for (; now_ns < began_ns + bench->duration_ms * CLOCK_NS_PER_MS; count++) {
    step(ctx);
    now_ns = clock_now_ns();
  }
  return (double)(now_ns - began_ns) / 1000 / (double)count;
}

static void await_partner(pid_t partner) {
  int status = 0;
  waitpid(partner, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    bench_fail("the other process failed");
}

/* ---------------------------------------------------------------- queue */

static hf_queue *open_queue(hf_conn *conn) {
  hf_queue *queue;
  library_expect(hf_queue_open(conn, QUEUE_NAME, QUEUE_MAXSIZE, &queue), "queue");
  return queue;
}

static _Noreturn void put_on(const struct bench *bench, bool is_ring, atomic_bool *is_over) {
  hf_conn *conn = connect_by(bench, is_ring);
  hf_queue *queue = open_queue(conn);
  while (!atomic_load(is_over))
    library_expect(hf_queue_put(queue, hf_int(LIBRARY_VALUE), HF_FOREVER), "put");
  library_expect(hf_queue_put(queue, hf_none(), HF_FOREVER), "put");
  hf_queue_close(queue);
  hf_close(conn);
  _exit(0);
}

static void get_one(void *queue) {
  hf_value value;
  library_expect(hf_queue_get(queue, HF_FOREVER, &value), "get");
  if (value.type != HF_TYPE_INT || value.integer != LIBRARY_VALUE)
    bench_fail("what came out was never put");
}

static void drain(hf_queue *queue) {
  hf_value value = hf_int(0);
  while (value.type != HF_TYPE_NONE)
    library_expect(hf_queue_get(queue, HF_FOREVER, &value), "get");
}

static double measure_queue(const struct bench *bench, bool is_ring) {
  atomic_bool *is_over =
      mmap(NULL, sizeof *is_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (is_over == MAP_FAILED)
    bench_fail("no memory");
  pid_t partner = process_fork();
  if (partner == 0)
    put_on(bench, is_ring, is_over);
  hf_conn *conn = connect_by(bench, is_ring);
  hf_queue *queue = open_queue(conn);
  double item_us = time_steps(bench, get_one, queue);
  atomic_store(is_over, true);
  drain(queue);
  await_partner(partner);
  hf_queue_close(queue);
  library_expect(hf_delete(conn, QUEUE_NAME), "delete");
  hf_close(conn);
  munmap(is_over, sizeof *is_over);
  return item_us;
}

/* ---------------------------------------------------------------- pipe */

static hf_pipe *open_pipe(hf_conn *conn, int end) {
  hf_pipe *pipe;
  library_expect(hf_pipe_open(conn, PIPE_NAME, end, &pipe), "pipe");
  return pipe;
}

static _Noreturn void send_back(const struct bench *bench, bool is_ring) {
  hf_conn *conn = connect_by(bench, is_ring);
  hf_pipe *pipe = open_pipe(conn, 1);
  hf_value value = hf_int(0);
  while (value.type != HF_TYPE_NONE) {
    library_expect(hf_pipe_recv(pipe, HF_FOREVER, &value), "recv");
    library_expect(hf_pipe_send(pipe, value, HF_FOREVER), "send");
  }
  hf_pipe_close(pipe);
  hf_close(conn);
  _exit(0);
}

static void exchange(hf_pipe *pipe, hf_value value) {
  hf_value back;
  library_expect(hf_pipe_send(pipe, value, HF_FOREVER), "send");
  library_expect(hf_pipe_recv(pipe, HF_FOREVER, &back), "recv");
  if (back.type != value.type)
    bench_fail("what came back was never sent");
}

static void go_there_and_back(void *pipe) {
  exchange(pipe, hf_int(LIBRARY_VALUE));
}

static double measure_pipe(const struct bench *bench, bool is_ring) {
  pid_t partner = process_fork();
  if (partner == 0)
    send_back(bench, is_ring);
  hf_conn *conn = connect_by(bench, is_ring);
  hf_pipe *pipe = open_pipe(conn, 0);
  double way_us = time_steps(bench, go_there_and_back, pipe);
  exchange(pipe, hf_none());
  await_partner(partner);
  hf_pipe_close(pipe);
  library_expect(hf_delete(conn, PIPE_NAME), "delete");
  hf_close(conn);
  return way_us;
}

/* ---------------------------------------------------------------- Python */

static double measure_python(const struct bench *bench, const char *what) {
  double rate;
  if (bench->to == NULL)
    return NAN;
  fprintf(bench->to, "%s %u\n", what, bench->duration_ms);
  fflush(bench->to);
  if (fscanf(bench->from, "%lf", &rate) != 1 || rate <= 0)
    bench_fail("%s answered no number", BENCH_PAIRS_SCRIPT);
  return 1e6 / rate;
}

/* ---------------------------------------------------------------- rounds */

enum row { QUEUE, QUEUE_SOCKET, QUEUE_PYTHON, PIPE, PIPE_SOCKET, PIPE_PYTHON, ROW_COUNT };

static const struct rounds_row rows[ROW_COUNT] = {
    [QUEUE] = {"queue, an item from one to the other", "us"},
    [QUEUE_SOCKET] = {"queue, ipc socket / shared memory", "x"},
    [QUEUE_PYTHON] = {"queue, multiprocessing.Queue / shared memory", "x"},
    [PIPE] = {"pipe, there and back", "us"},
    [PIPE_SOCKET] = {"pipe, ipc socket / shared memory", "x"},
    [PIPE_PYTHON] = {"pipe, multiprocessing.Pipe / shared memory", "x"},
};

static void measure_round(const struct bench *bench, double results[ROW_COUNT]) {
  results[QUEUE] = measure_queue(bench, true);
  results[QUEUE_SOCKET] = measure_queue(bench, false) / results[QUEUE];
  results[QUEUE_PYTHON] = measure_python(bench, "queue") / results[QUEUE];
  results[PIPE] = measure_pipe(bench, true);
  results[PIPE_SOCKET] = measure_pipe(bench, false) / results[PIPE];
  results[PIPE_PYTHON] = measure_python(bench, "pipe") / results[PIPE];
}

static pid_t start_python(struct bench *bench) {
  const char *argv[] = {"python3", BENCH_PAIRS_SCRIPT, NULL};
  int to, from;
  if (!process_installed("python3"))
    return 0;
  pid_t pid = process_start_piped(argv, &to, &from);
  bench->to = fdopen(to, "w");
  bench->from = fdopen(from, "r");
  if (bench->to == NULL || bench->from == NULL)
    bench_fail("no memory");
  return pid;
}

int main(int argc, char **argv) {
  static double results[BENCH_ROUNDS_MAX][ROW_COUNT];
  struct rounds_options options = rounds_parse(argc, argv, "bench_pairs");
  struct bench bench = {.duration_ms = options.duration_ms};
  daemon_start(&bench.daemon, NULL);
  pid_t python = start_python(&bench);
  for (unsigned i = 0; i < options.rounds; i++)
    measure_round(&bench, results[i]);
  rounds_report(rows, ROW_COUNT, results[0], options.rounds);
  if (python > 0) {
    fclose(bench.to);
    await_partner(python);
    fclose(bench.from);
  }
  daemon_stop(&bench.daemon);
  return 0;
}
