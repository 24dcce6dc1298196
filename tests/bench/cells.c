/* Values in shared memory beside what they are made of: plain accesses, a bare robust mutex, a bare
 * atomic addition. Each pair runs alternately; the smallest time of each counts, and their ratio.
 *
 * usage: bench_cells [ROUNDS]
 */
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/process.h"
#include "tests/support/daemon.h"

#define LOOPS 2000000
#define ROW 64 /* elements */

struct bare {
  pthread_mutex_t mutex;
  volatile int64_t number;
};

static struct bare *bare;
static hf_cell *value, *raw;
static hf_array *raws;
static volatile int64_t *plain, *plain_row;
static volatile int64_t sink;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void check(hf_status status) {
  if (status != HF_OK) {
    fprintf(stderr, "%s\n", hf_last_error()->message);
    exit(EXIT_FAILURE);
  }
}

/* ---- the loops */

static void plain_reads(void) {
  volatile int64_t *number = plain;
  int64_t sum = 0;
  for (int i = 0; i < LOOPS; i++) {
    sum += *number;
  }
  sink = sum;
}

static void cell_reads(void) {
  hf_cell *cell = raw;
  int64_t sum = 0, number = 0;
  for (int i = 0; i < LOOPS; i++) {
    check(hf_cell_load_i64(cell, &number));
    sum += number;
  }
  sink = sum;
}

static void plain_writes(void) {
  volatile int64_t *number = plain;
  for (int i = 0; i < LOOPS; i++) {
    *number = *number + 1;
  }
}

static void cell_writes(void) {
  hf_cell *cell = raw;
  int64_t number = 0;
  for (int i = 0; i < LOOPS; i++) {
    check(hf_cell_load_i64(cell, &number));
    check(hf_cell_store_i64(cell, number + 1));
  }
}

static void plain_row_reads(void) {
  volatile int64_t *numbers = plain_row;
  int64_t sum = 0;
  for (size_t i = 0; i < LOOPS; i++) {
    sum += numbers[i % ROW];
  }
  sink = sum;
}

static void array_reads(void) {
  hf_array *array = raws;
  int64_t sum = 0, number = 0;
  for (size_t i = 0; i < LOOPS; i++) {
    check(hf_array_load_i64(array, i % ROW, &number));
    sum += number;
  }
  sink = sum;
}

static void pointer_reads(void) {
  volatile int64_t *numbers = hf_array_data(raws);
  int64_t sum = 0;
  for (size_t i = 0; i < LOOPS; i++) {
    sum += numbers[i % ROW];
  }
  sink = sum;
}

static void plain_row_writes(void) {
  volatile int64_t *numbers = plain_row;
  for (size_t i = 0; i < LOOPS; i++) {
    numbers[i % ROW] = numbers[i % ROW] + 1;
  }
}

static void array_writes(void) {
  hf_array *array = raws;
  int64_t number = 0;
  for (size_t i = 0; i < LOOPS; i++) {
    check(hf_array_load_i64(array, i % ROW, &number));
    check(hf_array_store_i64(array, i % ROW, number + 1));
  }
}

static void bare_sums(void) {
  for (int i = 0; i < LOOPS; i++) {
    sink = __atomic_add_fetch(plain, 1, __ATOMIC_SEQ_CST);
  }
}

static void cell_sums(void) {
  int64_t sum = 0;
  for (int i = 0; i < LOOPS; i++) {
    check(hf_cell_add_i64(raw, 1, &sum));
    sink = sum;
  }
}

static void bare_locked(void) {
  for (int i = 0; i < LOOPS; i++) {
    pthread_mutex_lock(&bare->mutex);
    bare->number++;
    pthread_mutex_unlock(&bare->mutex);
  }
}

static void cell_locked(void) {
  for (int i = 0; i < LOOPS; i++) {
    check(hf_cell_add_int(value, 1, NULL));
  }
}

/* ---- taking times */

static uint64_t time_alone(void (*loop)(void)) {
  uint64_t began_ns = now_ns();
  loop();
  return now_ns() - began_ns;
}

/* With another process that does the same. */
static uint64_t time_together(void (*loop)(void)) {
  uint64_t began_ns = now_ns();
  pid_t child = fork();
  if (child == 0) {
    loop();
    _exit(0);
  }
  loop();
  waitpid(child, NULL, 0);
  return (now_ns() - began_ns) / 2;
}

static void compare(const char *what, double limit, int rounds, uint64_t (*take)(void (*)(void)),
                    void (*bare_loop)(void), void (*cell_loop)(void)) {
  uint64_t bare_ns = UINT64_MAX, cell_ns = UINT64_MAX;
  for (int i = 0; i < rounds; i++) {
    uint64_t one_ns = take(bare_loop), other_ns = take(cell_loop);
    bare_ns = one_ns < bare_ns ? one_ns : bare_ns;
    cell_ns = other_ns < cell_ns ? other_ns : cell_ns;
  }
  double ratio = (double)cell_ns / (double)bare_ns;
  printf("%-40s %6.2f ns  %6.2f ns  %5.2f  at most %.1f: %s\n", what, (double)bare_ns / LOOPS,
         (double)cell_ns / LOOPS, ratio, limit, ratio <= limit ? "met" : "missed");
}

/* What others need for the same, beside. Each program prints nanoseconds. */
static void run_other(const char *what, const char *const *argv) {
  char ns[64];
  if (process_output(argv, ns, sizeof ns)) {
    ns[strcspn(ns, "\n")] = '\0';
    printf("%-40s            %8s ns\n", what, ns);
  } else {
    printf("%-40s not measured: not installed\n", what);
  }
}

static void run_others(void) {
  static const char python[] =
      "import multiprocessing as m, time\n"
      "v = m.Value('q', 0); n = 200000; t = time.perf_counter()\n"
      "for i in range(n):\n"
      "    with v.get_lock(): v.value += 1\n"
      "print('%.2f' % ((time.perf_counter() - t) / n * 1e9))";
  static const char boost[] =
      "dir=$(mktemp -d) && trap 'rm -rf \"$dir\"' EXIT && "
      "c++ -O2 -o \"$dir/boost\" \"$0\" 2>/dev/null && \"$dir/boost\"";
  const char *const python_argv[] = {"python3", "-c", python, NULL};
  const char *const boost_argv[] = {"bash", "-c", boost, BENCH_BOOST_SOURCE, NULL};
  run_other("multiprocessing.Value under its lock", python_argv);
  run_other("Boost.Interprocess under its mutex", boost_argv);
}

static void make_bare(void) {
  pthread_mutexattr_t attributes;
  bare = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&bare->mutex, &attributes);
  plain = (volatile int64_t *)((char *)bare + 1024);
  plain_row = plain + 64;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 5;
  struct daemon daemon;
  hf_conn *conn;
  daemon_start(&daemon, NULL);
  make_bare();
  check(hf_connect(daemon.ipc_url, NULL, &conn));
  check(hf_cell_open(conn, NULL, 'q', hf_int(0), &value));
  check(hf_raw_cell_open(conn, NULL, 'q', hf_int(0), &raw));
  check(hf_raw_array_open(conn, NULL, 'q', ROW, NULL, &raws));
  if (hf_cell_data(raw) == NULL || hf_array_data(raws) == NULL) {
    fprintf(stderr, "no shared memory: %s\n", hf_conn_path_reason(conn));
    return EXIT_FAILURE;
  }
  printf("%-40s %9s  %9s  %5s\n", "", "bare", "holdfast", "ratio");
  compare("read a volatile number", 1.2, rounds, time_alone, plain_reads, cell_reads);
  compare("read and write it", 1.2, rounds, time_alone, plain_writes, cell_writes);
  compare("read elements", 1.2, rounds, time_alone, plain_row_reads, array_reads);
  compare("read and write elements", 1.2, rounds, time_alone, plain_row_writes, array_writes);
  compare("read elements through hf_array_data", 1.2, rounds, time_alone, plain_row_reads,
          pointer_reads);
  compare("add atomically", 1.5, rounds, time_alone, bare_sums, cell_sums);
  compare("add under a robust mutex", 1.3, rounds, time_alone, bare_locked, cell_locked);
  compare("add under a robust mutex, two processes", 1.5, rounds, time_together, bare_locked,
          cell_locked);
  run_others();
  hf_cell_close(value);
  hf_cell_close(raw);
  hf_array_close(raws);
  hf_close(conn);
  daemon_stop(&daemon);
  return 0;
}
