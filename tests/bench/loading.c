/* bench_loading: how soon a server with a large state is back, and what its clients see of a snapshot.
 *
 * usage: bench_loading [ENTRIES]; 10,000,000 by default, for which 5 GiB of memory are needed
 *
 * A dict and a hash of Redis get the same entries, one by one. Both servers are killed, and started again until
 * they answer: from the journal and from the append only file, then from a snapshot and from Redis's. While the
 * snapshot is made another client pings each millisecond; beside it stands what the machine's floor took in the
 * same time, a byte over tcp to a process that only echoes.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/library.h"
#include "tests/bench/pings.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/support/daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 10000000
#define FILL_BATCH 512
#define WAIT_MS 1200000
#define AOF_TARGET 1.5
#define RDB_TARGET 1.0
#define PING_TARGET_MS 10

struct bench {
  uint64_t entries;
  char data[96];
  struct daemon daemon;
  struct bench_servers servers;
};

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static double seconds_since(uint64_t start_ns) {
  return (double)(clock_now_ns() - start_ns) / 1e9;
}

/* ---------------------------------------------------------------- ours */

static hf_conn *connect_to(const struct daemon *daemon) {
  const struct hf_options options = {.call_timeout_ms = WAIT_MS};
  hf_conn *conn;
  library_expect(hf_connect(daemon->tcp_url, &options, &conn), "a connection");
  return conn;
}

static void fill_some(hf_conn *conn, hf_dict *dict, uint64_t first, uint64_t count) {
  static char texts[FILL_BATCH][32];
  library_expect(hf_pipeline_begin(conn, BENCH_PIPELINE_COUNT), "a pipeline");
  for (uint64_t i = 0; i < count; i++) {
    snprintf(texts[i], sizeof texts[i], "key:%09" PRIu64, first + i);
    hf_value number = hf_int((int64_t)((first + i) % 100000));
    library_expect(hf_dict_set(dict, hf_text(texts[i]), number), "a set");
  }
  library_expect(hf_pipeline_end(conn, NULL), "a pipeline");
}

static void fill(const struct bench *bench) {
  hf_conn *conn = connect_to(&bench->daemon);
  hf_dict *dict;
  library_expect(hf_dict_open(conn, "big", &dict), "a dict");
  for (uint64_t done = 0; done < bench->entries; done += FILL_BATCH) {
    uint64_t left = bench->entries - done;
    fill_some(conn, dict, done, left < FILL_BATCH ? left : FILL_BATCH);
  }
  hf_dict_close(dict);
  hf_close(conn);
}

static void expect_filled(const struct bench *bench, hf_conn *conn) {
  hf_dict *dict;
  uint64_t count;
  library_expect(hf_dict_open(conn, "big", &dict), "a dict");
  library_expect(hf_dict_len(dict, &count), "its length");
  if (count != bench->entries) {
    bench_fail("%llu entries are left", (unsigned long long)count);
  }
  hf_dict_close(dict);
}

static void options_of(const struct bench *bench, const char *options[7]) {
  const char *const all[] = {"--data",         bench->data, "--fsync", "never",
                             "--snapshot-min", "1000G",     NULL};
  memcpy(options, all, sizeof all);
}

/* Seconds until it answers. */
static double reload(struct bench *bench) {
  const char *options[7];
  options_of(bench, options);
  daemon_kill(&bench->daemon);
  uint64_t start_ns = clock_now_ns();
  daemon_restart(&bench->daemon, options);
  hf_conn *conn = connect_to(&bench->daemon);
  double seconds = seconds_since(start_ns);
  expect_filled(bench, conn);
  hf_close(conn);
  return seconds;
}

static struct hf_journal_info journal_of(hf_conn *conn) {
  struct hf_server_info info;
  library_expect(hf_server_info(conn, &info), "the server's information");
  return info.journal;
}

/* Seconds that it takes. */
static double snapshot(const struct bench *bench) {
  hf_conn *conn = connect_to(&bench->daemon);
  uint64_t start_ns = clock_now_ns(), committed = journal_of(conn).committed;
  library_expect(hf_server_snapshot(conn), "a snapshot");
  while (journal_of(conn).snapshot_index < committed) {
    pause_ms(100);
  }
  double seconds = seconds_since(start_ns);
  hf_close(conn);
  return seconds;
}

/* ---------------------------------------------------------------- Redis */

static void redis_begin(struct bench *bench, const char *appendonly) {
  const char *argv[] = {"redis-server",
                        "--port",
                        "0",
                        "--unixsocket",
                        bench->servers.redis[BENCH_IPC],
                        "--dir",
                        bench->servers.dir,
                        "--save",
                        "",
                        "--appendonly",
                        appendonly,
                        "--appendfsync",
                        "no",
                        "--aof-use-rdb-preamble",
                        "no",
                        "--auto-aof-rewrite-percentage",
                        "0",
                        NULL};
  snprintf(bench->servers.redis[BENCH_IPC], sizeof bench->servers.redis[0], "%s/redis.sock",
           bench->servers.dir);
  unlink(bench->servers.redis[BENCH_IPC]);
  bench->servers.redis_pid = process_start(argv);
}

/* false: it is not there yet, or still loads. */
static bool redis_answers(const char *path) {
  static const char ping[] = "PING\r\n";
  char reply[5] = "";
  int fd = socket_connect(BENCH_IPC, path);
  if (fd < 0) {
    return false;
  }
  bool is_there =
      write(fd, ping, sizeof ping - 1) > 0 && read(fd, reply, sizeof reply) == sizeof reply;
  close(fd);
  return is_there && memcmp(reply, "+PONG", sizeof reply) == 0;
}

static void redis_wait(const struct bench *bench) {
  while (!redis_answers(bench->servers.redis[BENCH_IPC])) {
    pause_ms(5);
  }
}

static void redis_call(const struct bench *bench, const char *command, const char *expected) {
  char output[256];
  const char *argv[] = {"redis-cli", "-s",        bench->servers.redis[BENCH_IPC],
                        command,     "bench:big", NULL};
  if (strcmp(command, "SAVE") == 0) {
    argv[4] = NULL;
  }
  if (!process_output(argv, output, sizeof output) || strstr(output, expected) != output) {
    bench_fail("redis: %s: %s", command, output);
  }
}

/* Seconds until it answers. */
static double redis_reload(struct bench *bench, const char *appendonly) {
  char count[24];
  kill(bench->servers.redis_pid, SIGKILL);
  waitpid(bench->servers.redis_pid, NULL, 0);
  uint64_t start_ns = clock_now_ns();
  redis_begin(bench, appendonly);
  redis_wait(bench);
  double seconds = seconds_since(start_ns);
  snprintf(count, sizeof count, "%llu", (unsigned long long)bench->entries);
  redis_call(bench, "HLEN", count);
  return seconds;
}

/* ---------------------------------------------------------------- the table */

static void print_loads(const char *what, double ours, const char *theirs_what, double theirs,
                        double target) {
  double ratio = theirs / ours;
  printf("%-10s %8.2f s   %s %8.2f s   ratio %.2f, at least %.1f: %s\n", what, ours, theirs_what,
         theirs, ratio, target, ratio >= target ? "met" : "missed");
  fflush(stdout);
}

static void measure_snapshot(const struct bench *bench) {
  struct pings pings, echo;
  pid_t pinger = pings_start(bench->daemon.tcp_port);
  pause_ms(200);
  pings_begin();
  double seconds = snapshot(bench);
  pings_end(&pings, &echo);
  process_stop(pinger);
  printf(
      "a snapshot %7.2f s   pings meanwhile: max %.2f ms, p99 %.2f; the machine's floor: max %.2f, "
      "p99 %.2f; at "
      "most %d ms: %s\n",
      seconds, pings.max_ms, pings.p99_ms, echo.max_ms, echo.p99_ms, PING_TARGET_MS,
      pings.max_ms <= PING_TARGET_MS ? "met" : "missed");
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct bench bench = {.entries = argc > 1 ? strtoull(argv[1], NULL, 10) : ENTRIES};
  const char *options[7];
  bool has_redis = process_installed("redis-server") && process_installed("redis-cli");
  if (bench.entries == 0 || argc > 2) {
    bench_fail("usage: bench_loading [ENTRIES]");
  }
  uint64_t used_bytes;
  double aof = 0, rdb = 0;
  directory_make(bench.servers.dir);
  snprintf(bench.data, sizeof bench.data, "%s/data", bench.servers.dir);
  pings_init(bench.servers.dir);
  setenv("HOLDFAST_LOCAL", "off", 1);
  options_of(&bench, options);
  daemon_start(&bench.daemon, options);
  fill(&bench);
  if (has_redis) {
    redis_begin(&bench, "yes");
    redis_wait(&bench);
    redis_fill_hash(&bench.servers, bench.entries, &used_bytes);
    aof = redis_reload(&bench, "yes");
    redis_call(&bench, "SAVE", "OK");
    rdb = redis_reload(&bench, "no");
    process_stop(bench.servers.redis_pid);
  }
  printf("%llu entries, until the server answers\n", (unsigned long long)bench.entries);
  print_loads("journal", reload(&bench), "Redis's append only file", aof, AOF_TARGET);
  measure_snapshot(&bench);
  print_loads("snapshot", reload(&bench), "Redis's snapshot", rdb, RDB_TARGET);
  daemon_discard(&bench.daemon);
  return 0;
}
