/* See workers.h. */
#define _GNU_SOURCE
#include "tests/bench/workers.h"

#include "tests/bench/process.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child leaves behind in shared memory. */
struct result {
  uint64_t elapsed_ns;
  struct histogram histogram;
};

static _Noreturn void run_child(const struct worker_calls *work, const void *ctx,
                                unsigned duration_ms, int ready, int go, struct result *result) {
  char byte = 0;
  void *opened = work->open(ctx);
  if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
    _exit(1);
  result->elapsed_ns = work->run(opened, duration_ms, &result->histogram);
  work->close(opened);
  _exit(0);
}

static void wait_for_child(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    bench_fail("a client process failed");
}

struct bench_sample workers_run(const struct worker_calls *work, const void *ctx,
                                unsigned duration_ms) {
  size_t size = BENCH_PROCESS_COUNT * sizeof(struct result);
  struct result *results =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ready[2], go[2];
  pid_t pids[BENCH_PROCESS_COUNT];
  char bytes[BENCH_PROCESS_COUNT] = {0};
  if (results == MAP_FAILED || pipe(ready) != 0 || pipe(go) != 0)
    bench_fail("out of memory or descriptors");
  for (unsigned i = 0; i < BENCH_PROCESS_COUNT; i++) {
    pids[i] = process_fork();
    if (pids[i] == 0)
      run_child(work, ctx, duration_ms, ready[1], go[0], &results[i]);
  }
  close(ready[1]);
  for (unsigned i = 0; i < BENCH_PROCESS_COUNT; i++)
    if (read(ready[0], bytes, 1) != 1)
      bench_fail("a client process failed");
  if (write(go[1], bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
    bench_fail("pipe");
  struct histogram *all = bench_alloc(1, sizeof(*all));
  uint64_t elapsed_ns = 0;
  for (unsigned i = 0; i < BENCH_PROCESS_COUNT; i++) {
    wait_for_child(pids[i]);
    histogram_merge(all, &results[i].histogram);
    if (results[i].elapsed_ns > elapsed_ns)
      elapsed_ns = results[i].elapsed_ns;
  }
  struct bench_sample sample = histogram_sample(all, elapsed_ns);
  free(all);
  close(ready[0]), close(go[0]), close(go[1]);
  munmap(results, size);
  return sample;
}
