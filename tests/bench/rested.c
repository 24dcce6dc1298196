#define _GNU_SOURCE /* for sets of processors */
#include "tests/bench/rested.h"

#include "proto/base/clock.h"
#include "tests/bench/histogram.h"
#include "tests/bench/process.h"

#include <dirent.h>
#include <linux/futex.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

static void play_once(struct table *table) {
  hit_ball(table);
  for (uint32_t seen; (seen = atomic_load(&table->ball)) % 2 == 1;) {
    await_ball(table, seen);
  }
}

/* ---------------------------------------------------------------- after a rest */

static void get_once(struct library *library) {
  hf_value value;
  library_expect(hf_dict_get(library->dict, hf_text_n(bench_key(7), BENCH_KEY_BYTES), &value),
                 "get");
  hf_value_clear(&value);
}

/* ---------------------------------------------------------------- processors */

/* All threads that the process has. */
static void pin(pid_t process, const cpu_set_t *where) {
  char path[64];
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/%ld/task", (long)process);
  DIR *directory = opendir(path);
  if (directory == NULL) {
    bench_fail("%s: not there", path);
  }
  while ((entry = readdir(directory)) != NULL) {
    pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10); /* 0: "." or ".." */
    if (thread > 0) {
      sched_setaffinity(thread, sizeof *where, where);
    }
  }
  closedir(directory);
}

/* The first usable one, or the last. */
static cpu_set_t one_of(const cpu_set_t *usable, bool last) {
  cpu_set_t one;
  int found = -1;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET(cpu, usable) && (found < 0 || last)) {
      found = cpu;
    }
  }
  CPU_SET(found, &one);
  return one;
}

static void pin_sides(const struct rested *rested, bool apart) {
  const cpu_set_t here = one_of(&rested->usable, false), there = one_of(&rested->usable, apart);
  pin(getpid(), &here);
  pin(rested->partner, &there);
  pin(rested->server, &there);
}

static void unpin(const struct rested *rested) {
  pin(getpid(), &rested->usable);
  pin(rested->partner, &rested->usable);
  pin(rested->server, &rested->usable);
}

/* ---------------------------------------------------------------- both */

void rested_start(struct rested *rested, pid_t server) {
  rested->server = server;
  rested->table =
      mmap(NULL, sizeof *rested->table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (rested->table == MAP_FAILED) {
    bench_fail("no memory");
  }
  if (sched_getaffinity(0, sizeof rested->usable, &rested->usable) != 0) {
    bench_fail("more processors than are counted here");
  }
  rested->partner = process_fork();
  if (rested->partner == 0) {
    play(rested->table);
  }
}

double rested_ratio(const struct rested *rested, struct library *library, bool apart,
                    unsigned duration_ms) {
  if (apart && CPU_COUNT(&rested->usable) < 2) {
    return NAN;
  }
  struct histogram *calls = bench_alloc(1, sizeof *calls), *floor = bench_alloc(1, sizeof *floor);
  pin_sides(rested, apart);
  uint64_t until_ns = clock_now_ns() + 2 * duration_ms * CLOCK_NS_PER_MS;
  while (clock_now_ns() < until_ns) {
    pause_a_moment();
    uint64_t began_ns = clock_now_ns();
    play_once(rested->table);
    histogram_add(floor, clock_now_ns() - began_ns);
    pause_a_moment();
    began_ns = clock_now_ns();
    get_once(library);
    histogram_add(calls, clock_now_ns() - began_ns);
  }
  unpin(rested);
  double ratio =
      (double)histogram_quantile_ns(calls, 0.5) / (double)histogram_quantile_ns(floor, 0.5);
  free(calls);
  free(floor);
  return ratio;
}
