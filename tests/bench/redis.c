/* See redis.h. */
#define _GNU_SOURCE
#include "tests/bench/redis.h"

#include "tests/bench/library.h"
#include "tests/bench/process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 24
#define FILL_BATCH 1000

static size_t append_command(char *out, size_t size, const char *const *words, int count) {
  size_t len = (size_t)snprintf(out, size, "*%d\r\n", count);
  for (int i = 0; i < count; i++)
    len += (size_t)snprintf(out + len, size - len, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
  return len;
}

/* Sends `count` HSETs (SETs where hash is NULL) from key number `first` on and reads their replies:
 * ":1\r\n" each for new fields, "+OK\r\n" each for SET. */
static void fill_batch(int fd, const char *hash, int digits, uint64_t first, uint64_t count,
                       char *buffer, size_t size) {
  size_t len = 0;
  for (uint64_t i = first; i < first + count; i++) {
    char key[32], value[16];
    snprintf(key, sizeof(key), "key:%0*llu", digits, (unsigned long long)i);
    snprintf(value, sizeof(value), "%u", (unsigned)(i % 100000));
    const char *words[] = {hash == NULL ? "SET" : "HSET", hash == NULL ? key : hash,
                           hash == NULL ? value : key, value};
    len += append_command(buffer + len, size - len, words, hash == NULL ? 3 : 4);
  }
  socket_send(fd, buffer, len);
  socket_receive(fd, buffer, count * (hash == NULL ? 5 : 4));
  if (buffer[0] == '-')
    bench_fail("redis refused a command");
}

static void fill(const char *address, const char *hash, int digits, uint64_t entries) {
  size_t size = FILL_BATCH * 128;
  char *buffer = bench_alloc(1, size);
  int fd = socket_connect(BENCH_IPC, address);
  if (fd < 0)
    bench_fail("can't connect to redis");
  for (uint64_t done = 0; done < entries; done += FILL_BATCH) {
    uint64_t count = entries - done < FILL_BATCH ? entries - done : FILL_BATCH;
    fill_batch(fd, hash, digits, done, count, buffer, size);
  }
  close(fd);
  free(buffer);
}

pid_t redis_start(struct bench_servers *servers) {
  static unsigned instance;
  char port[8];
  snprintf(port, sizeof(port), "%u", port_find());
  snprintf(servers->redis[BENCH_TCP], sizeof(servers->redis[0]), "127.0.0.1:%s", port);
  snprintf(servers->redis[BENCH_IPC], sizeof(servers->redis[0]), "%s/redis%u.sock", servers->dir,
           instance++);
  const char *argv[] = {"redis-server",
                        "--port",
                        port,
                        "--bind",
                        "127.0.0.1",
                        "--unixsocket",
                        servers->redis[BENCH_IPC],
                        "--save",
                        "",
                        "--appendonly",
                        "no",
                        "--dir",
                        servers->dir,
                        NULL};
  pid_t pid = process_start(argv);
  servers->redis_pid = pid;
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++)
    socket_wait((enum bench_transport)i, servers->redis[i]);
  fill(servers->redis[BENCH_IPC], library_object_name(BENCH_GET), 12, BENCH_KEY_COUNT);
  fill(servers->redis[BENCH_IPC], NULL, 12, BENCH_KEY_COUNT);
  return pid;
}

/* A number of INFO's output, such as used_memory. */
static uint64_t info_number(const char *address, const char *field) {
  char output[16384], pattern[64];
  const char *argv[] = {"redis-cli", "-s", address, "INFO", "memory", NULL};
  snprintf(pattern, sizeof(pattern), "\n%s:", field);
  const char *line = process_output(argv, output, sizeof(output)) ? strstr(output, pattern) : NULL;
  if (line == NULL)
    bench_fail("redis tells no %s", field);
  return strtoull(line + strlen(pattern), NULL, 10);
}

void redis_fill_hash(const struct bench_servers *servers, uint64_t entries, uint64_t *used_bytes) {
  uint64_t before = info_number(servers->redis[BENCH_IPC], "used_memory");
  fill(servers->redis[BENCH_IPC], "bench:big", 9, entries);
  *used_bytes = info_number(servers->redis[BENCH_IPC], "used_memory") - before;
}

/* ---------------------------------------------------------------- redis-benchmark */

struct command {
  const char *words[4]; /* NULL-terminated */
};

/* The idx-th of a line's quoted fields; NULL beyond the last. */
static const char *csv_field(const char *line, unsigned idx) {
  for (; *line == '"'; idx--) {
    if (idx == 0)
      return line + 1;
    line += 1 + strcspn(line + 1, "\"");
    line += strspn(line, "\"") + 1;
  }
  return NULL;
}

/* The number in the column of that name, in a --csv output of two lines; NAN when there is none. */
static double csv_number(const char *output, const char *column) {
  const char *values = strchr(output, '\n'), *name;
  size_t len = strlen(column);
  for (unsigned idx = 0; values != NULL && (name = csv_field(output, idx)) != NULL; idx++) {
    const char *value = csv_field(values + 1, idx);
    if (strncmp(name, column, len) == 0 && name[len] == '"' && value != NULL)
      return strtod(value, NULL);
  }
  return NAN;
}

static struct bench_sample run_command(const struct bench_servers *servers,
                                       enum bench_transport transport, enum bench_mode mode,
                                       const struct command *command, uint64_t requests) {
  char count[24], keys[24], output[4096];
  const char *port = strchr(servers->redis[BENCH_TCP], ':') + 1;
  snprintf(count, sizeof(count), "%llu", (unsigned long long)requests);
  snprintf(keys, sizeof(keys), "%d", BENCH_KEY_COUNT);
  const char *argv[ARGUMENTS_MAX] = {"redis-benchmark",
                                     transport == BENCH_TCP ? "-p" : "-s",
                                     transport == BENCH_TCP ? port : servers->redis[BENCH_IPC],
                                     "--csv",
                                     "-r",
                                     keys,
                                     "-n",
                                     count,
                                     "-c",
                                     mode == BENCH_MANY ? "50" : "1",
                                     "-P",
                                     mode == BENCH_PIPELINE ? "64" : "1"};
  _Static_assert(BENCH_CLIENT_COUNT == 50 && BENCH_PIPELINE_COUNT == 64,
                 "as given to redis-benchmark");
  for (unsigned i = 0, to = 12; i < 4 && command->words[i] != NULL; i++)
    argv[to++] = command->words[i];
  double cpu_us = process_cpu_us(servers->redis_pid);
  if (!process_output(argv, output, sizeof(output)))
    bench_fail("redis-benchmark failed");
  cpu_us = process_cpu_us(servers->redis_pid) - cpu_us;
  struct bench_sample sample = {.rate = csv_number(output, "rps"),
                                .p50 = csv_number(output, "p50_latency_ms") * 1e3,
                                .p90 = NAN,
                                .p99 = csv_number(output, "p99_latency_ms") * 1e3,
                                .p999 = NAN,
                                .max = csv_number(output, "max_latency_ms") * 1e3,
                                .cpu = cpu_us / (double)requests,
                                .count = (double)requests};
  if (!(sample.rate > 0))
    bench_fail("redis-benchmark --csv is not understood: %.200s", output);
  return sample;
}

/* redis-benchmark takes a number of requests, not a time: a short run measures how many fit. */
static uint64_t requests_for(const struct bench_servers *servers, enum bench_transport transport,
                             enum bench_mode mode, const struct command *command,
                             unsigned duration_ms) {
  struct bench_sample trial =
      run_command(servers, transport, mode, command, mode == BENCH_ONE ? 1000 : 10000);
  uint64_t requests = (uint64_t)(trial.rate * duration_ms / 1000);
  return requests < 1000 ? 1000 : requests;
}

static void forget(const struct bench_servers *servers) {
  char output[64];
  const char *argv[] = {"redis-cli",
                        "-s",
                        servers->redis[BENCH_IPC],
                        "DEL",
                        library_object_name(BENCH_APPEND),
                        library_object_name(BENCH_QUEUE),
                        NULL};
  process_output(argv, output, sizeof(output));
}

struct bench_sample redis_run_benchmark(const struct bench_servers *servers,
                                        enum bench_transport transport, enum bench_mode mode,
                                        enum bench_op op, bool keys, unsigned duration_ms) {
  static const char any_key[] = "key:__rand_int__";
  static const struct command hash[BENCH_OP_COUNT] = {{{"HGET", "bench:hash", any_key}},
                                                      {{"HSET", "bench:hash", any_key, "12345"}},
                                                      {{"LPUSH", "bench:list", "12345"}},
                                                      {{"RPUSH", "bench:queue", "12345"}}};
  static const struct command plain[2] = {{{"GET", any_key}}, {{"SET", any_key, "12345"}}};
  static const struct command pop = {{"LPOP", "bench:queue"}};
  static uint64_t requests[BENCH_TRANSPORT_COUNT][BENCH_MODE_COUNT][BENCH_OP_COUNT];
  const struct command *command = keys ? &plain[op] : &hash[op];
  if (op == BENCH_QUEUE)
    duration_ms /= 2;
  uint64_t *count = &requests[transport][mode][op];
  if (*count == 0)
    *count = requests_for(servers, transport, mode, command, duration_ms);
  struct bench_sample sample = run_command(servers, transport, mode, command, *count);
  if (op == BENCH_QUEUE) {
    struct bench_sample other = run_command(servers, transport, mode, &pop, *count);
    sample = (struct bench_sample){2 / (1 / sample.rate + 1 / other.rate),
                                   fmax(sample.p50, other.p50),
                                   NAN,
                                   fmax(sample.p99, other.p99),
                                   NAN,
                                   fmax(sample.max, other.max),
                                   (sample.cpu + other.cpu) / 2,
                                   2 * sample.count};
  }
  forget(servers);
  return sample;
}
