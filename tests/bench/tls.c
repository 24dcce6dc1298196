/* bench_tls: what encryption costs, next to what it costs Redis.
 *
 * usage: bench_tls [ROUNDS [DURATION_MS]]; 7 rounds of 300 ms each by default
 *
 * Everybody gets a field of a hash, over loopback. Each round measures everything once, in clear and over
 * TLS 1.3 (AES-128-GCM), and takes the ratio of the two rates; their median is reported. Memory: what the
 * server's resident memory grows by for each connection that has opened a session and does nothing more.
 */
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/rounds.h"
#include "tests/support/certificates.h"
#include "tests/support/daemon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_COUNT 1000
#define URL_BYTES 64

enum row {
  KEY_ONE,
  KEY_PIPELINE,
  CERTIFICATE_ONE,
  CERTIFICATE_PIPELINE,
  REDIS_ONE,
  REDIS_PIPELINE,
  IDLE,
  IDLE_PLAIN,
  ROW_COUNT
};

static const struct rounds_row rows[ROW_COUNT] = {
    [KEY_ONE] = {"one at a time, key / in clear", "x", 0.75, false},
    [KEY_PIPELINE] = {"64 in flight, key / in clear", "x", 0.8, false},
    [CERTIFICATE_ONE] = {"one at a time, certificate / in clear", "x", 0.75, false},
    [CERTIFICATE_PIPELINE] = {"64 in flight, certificate / in clear", "x", 0.8, false},
    [REDIS_ONE] = {"(Redis, one at a time, TLS / in clear)", "x", 0, false},
    [REDIS_PIPELINE] = {"(Redis, 64 in flight, TLS / in clear)", "x", 0, false},
    [IDLE] = {"idle connection, key", "KiB", 30, true},
    [IDLE_PLAIN] = {"(idle connection, in clear)", "KiB", 0, false},
};

struct bench {
  struct daemon daemon;
  struct library plain, key, certificate;
  char dir[64], tls_url[URL_BYTES];
  char redis_port[8], redis_tls_port[8];
  pid_t redis; /* 0: there is none */
  unsigned duration_ms;
};

static void path_of(const struct bench *bench, const char *name, char path[128]) {
  snprintf(path, 128, "%s/%s", bench->dir, name);
}

/* ---------------------------------------------------------------- Redis */

static void start_redis(struct bench *bench) {
  char certificate[128], key[128], output[256];
  path_of(bench, "server.crt", certificate);
  path_of(bench, "server.key", key);
  snprintf(bench->redis_port, sizeof bench->redis_port, "%u", port_find());
  do {
    snprintf(bench->redis_tls_port, sizeof bench->redis_tls_port, "%u", port_find());
  } while (strcmp(bench->redis_port, bench->redis_tls_port) == 0);
  const char *argv[] = {"redis-server",
                        "--port",
                        bench->redis_port,
                        "--bind",
                        "127.0.0.1",
                        "--save",
                        "",
                        "--appendonly",
                        "no",
                        "--dir",
                        bench->dir,
                        "--tls-port",
                        bench->redis_tls_port,
                        "--tls-cert-file",
                        certificate,
                        "--tls-key-file",
                        key,
                        "--tls-auth-clients",
                        "no",
                        "--tls-protocols",
                        "TLSv1.3",
                        "--tls-ciphersuites",
                        "TLS_AES_128_GCM_SHA256",
                        NULL};
  char address[32];
  bench->redis = process_start(argv);
  snprintf(address, sizeof address, "127.0.0.1:%s", bench->redis_tls_port);
  socket_wait(BENCH_TCP, address);
  const char *fill[] = {"redis-benchmark",
                        "-p",
                        bench->redis_port,
                        "-n",
                        "20000",
                        "-P",
                        "64",
                        "-q",
                        "-r",
                        "10000",
                        "HSET",
                        "bench:hash",
                        "key:__rand_int__",
                        "12345",
                        NULL};
  if (!process_output(fill, output, sizeof output)) {
    bench_fail("redis-benchmark failed");
  }
}

static double redis_rate(const struct bench *bench, bool is_tls, const char *in_flight,
                         unsigned long count) {
  char text[24], authority[128], output[4096];
  path_of(bench, "ca.crt", authority);
  snprintf(text, sizeof text, "%lu", count);
  const char *argv[24] = {"redis-benchmark",
                          "-p",
                          is_tls ? bench->redis_tls_port : bench->redis_port,
                          "-n",
                          text,
                          "-c",
                          "1",
                          "-P",
                          in_flight,
                          "-q",
                          "-r",
                          "10000"};
  int used = 12;
  if (is_tls) {
    argv[used++] = "--tls";
    argv[used++] = "--cacert";
    argv[used++] = authority;
  }
  argv[used++] = "HGET";
  argv[used++] = "bench:hash";
  argv[used++] = "key:__rand_int__";
  if (!process_output(argv, output, sizeof output)) {
    bench_fail("redis-benchmark failed: %.200s", output);
  }
  char *end = strstr(output, " requests per second");
  while (end != NULL && strstr(end + 1, " requests per second") != NULL) {
    end = strstr(end + 1, " requests per second"); /* earlier ones are of its progress */
  }
  while (end != NULL && end > output && end[-1] != ' ') {
    end--;
  }
  double rate = end == NULL ? 0 : strtod(end, NULL);
  if (!(rate > 0)) {
    bench_fail("redis-benchmark is not understood: %.200s", output);
  }
  return rate;
}

static double redis_ratio(const struct bench *bench, const char *in_flight, unsigned long trial) {
  double rate = redis_rate(bench, false, in_flight, trial);
  unsigned long count = (unsigned long)(rate * bench->duration_ms / 1000);
  count = count < trial ? trial : count;
  double plain = redis_rate(bench, false, in_flight, count);
  return redis_rate(bench, true, in_flight, count) / plain;
}

/* ---------------------------------------------------------------- rounds */

static void measure_round(struct bench *bench, double results[ROW_COUNT]) {
  unsigned ms = bench->duration_ms;
  double one = library_run_one(&bench->plain, BENCH_GET, ms).rate;
  double pipeline = library_run_pipeline(&bench->plain, BENCH_GET, ms).rate;
  results[KEY_ONE] = library_run_one(&bench->key, BENCH_GET, ms).rate / one;
  results[KEY_PIPELINE] = library_run_pipeline(&bench->key, BENCH_GET, ms).rate / pipeline;
  results[CERTIFICATE_ONE] = library_run_one(&bench->certificate, BENCH_GET, ms).rate / one;
  results[CERTIFICATE_PIPELINE] =
      library_run_pipeline(&bench->certificate, BENCH_GET, ms).rate / pipeline;
  results[REDIS_ONE] = results[REDIS_PIPELINE] = NAN;
  if (bench->redis > 0) {
    results[REDIS_ONE] = redis_ratio(bench, "1", 1000);
    results[REDIS_PIPELINE] = redis_ratio(bench, "64", 10000);
  }
  results[IDLE] = results[IDLE_PLAIN] = NAN;
}

/* KiB for each of so many. */
static double measure_idle(const struct bench *bench, const char *url, unsigned count) {
  hf_conn **conns = bench_alloc(count, sizeof *conns);
  hf_conn *first;
  library_expect(hf_connect(url, NULL, &first), url); /* what is made once is there */
  uint64_t before = daemon_resident_bytes(&bench->daemon);
  for (unsigned i = 0; i < count; i++) {
    library_expect(hf_connect(url, NULL, &conns[i]), url);
  }
  uint64_t after = daemon_resident_bytes(&bench->daemon);
  for (unsigned i = 0; i < count; i++) {
    hf_close(conns[i]);
  }
  hf_close(first);
  free(conns);
  return after > before ? (double)(after - before) / 1024 / count : 0;
}

/* ---------------------------------------------------------------- life */

static void write_key(const struct bench *bench, char path[128]) {
  char line[HF_KEY_LINE_BYTES];
  path_of(bench, "alice.key", path);
  library_expect(hf_key_new("alice", line), "a key");
  FILE *file = fopen(path, "w");
  if (file == NULL || fprintf(file, "%s\n", line) < 0 || fclose(file) != 0) {
    bench_fail("can't write %s", path);
  }
}

static void open_with(struct library *library, const char *url, const char *variable,
                      const char *path) {
  unsetenv("HOLDFAST_KEY_FILE");
  unsetenv("HOLDFAST_CA_FILE");
  if (variable != NULL) {
    setenv(variable, path, 1);
  }
  library_open(library, url);
}

static void start(struct bench *bench) {
  char key[128], certificate[128], private_key[128], authority[128];
  umask(0077);
  directory_make(bench->dir);
  certificate_make(bench->dir, &(struct certificate){.name = "ca"});
  certificate_make(bench->dir, &(struct certificate){.authority = "ca",
                                                     .name = "server",
                                                     .alternatives = "DNS:localhost,IP:127.0.0.1"});
  write_key(bench, key);
  path_of(bench, "server.crt", certificate);
  path_of(bench, "server.key", private_key);
  path_of(bench, "ca.crt", authority);
  snprintf(bench->tls_url, sizeof bench->tls_url, "tls+tcp://127.0.0.1:%u", port_find());
  const char *options[] = {
      "--insecure-no-auth", "--listen",  bench->tls_url,      "--key-file", key,
      "--tls-certificate",  certificate, "--tls-private-key", private_key,  NULL};
  daemon_start(&bench->daemon, options);
  if (process_installed("redis-server") && process_installed("redis-benchmark")) {
    start_redis(bench);
  }
  setenv("HOLDFAST_LOCAL", "off", 1);
  open_with(&bench->plain, bench->daemon.tcp_url, NULL, NULL);
  open_with(&bench->certificate, bench->tls_url, "HOLDFAST_CA_FILE", authority);
  open_with(&bench->key, bench->tls_url, "HOLDFAST_KEY_FILE", key);
  library_fill(&bench->plain);
}

int main(int argc, char **argv) {
  static double results[BENCH_ROUNDS_MAX][ROW_COUNT];
  struct rounds_options options = rounds_parse(argc, argv, "bench_tls");
  struct bench bench = {.duration_ms = options.duration_ms};
  unsigned idle_count = options.duration_ms < 100 ? 20 : IDLE_COUNT;
  start(&bench);
  for (unsigned i = 0; i < options.rounds; i++) {
    measure_round(&bench, results[i]);
  }
  double plain = measure_idle(&bench, bench.daemon.tcp_url, idle_count);
  double key = measure_idle(&bench, bench.tls_url, idle_count); /* the key is set */
  for (unsigned i = 0; i < options.rounds; i++) {               /* once for all */
    results[i][IDLE_PLAIN] = plain;
    results[i][IDLE] = key;
  }
  rounds_report(rows, ROW_COUNT, results[0], options.rounds);
  library_close(&bench.plain);
  library_close(&bench.certificate);
  library_close(&bench.key);
  process_stop(bench.redis);
  daemon_stop(&bench.daemon);
  return 0;
}
