/* bench_bulk: a range of an array by one call, over tcp.
 *
 * usage: bench_bulk [ROUNDS [COUNT]]; 7 rounds of 1,000,000 doubles each by default
 *
 * Each round writes and reads COUNT doubles of a RawArray: by hf_array_write and hf_array_read; one
 * by one in a pipeline, the quickest way for single values; and between two processes over a plain
 * socket, each of which copies what it sends or receives once more, as client and server have to.
 * Ratios are taken within a round; the table shows medians. Exits with 1 where a target is missed,
 * unless COUNT is too small for a target to mean anything.
 */
#define _GNU_SOURCE
#include "proto/base/clock.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/support/daemon.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS_MAX 100
#define SINGLE_COUNT 50000 /* of the values, one by one */
#define IN_FLIGHT 256
#define CHUNK_BYTES (256u << 10)
#define TARGET_FLOOR 0.5
#define TARGET_SINGLE 20.0
#define COUNT_JUDGED_MIN 100000

enum way { WRITE, READ, WAYS };

struct bench {
  struct daemon daemon;
  size_t count;
  double *sent, *received;
  int peer; /* the plain socket */
};

static double mb_per_s(size_t bytes, uint64_t began_ns) {
  return (double)bytes * 1000 / (double)(clock_now_ns() - began_ns);
}

/* ---------------------------------------------------------------- a plain socket */

static void send_copied(int fd, const void *data, size_t size, uint8_t *chunk) {
  for (size_t done = 0; done < size;) {
    size_t part = size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES;
    memcpy(chunk, (const uint8_t *)data + done, part);
    for (size_t at = 0; at < part;) {
      ssize_t sent = send(fd, chunk + at, part - at, MSG_NOSIGNAL);
      if (sent <= 0)
        bench_fail("the plain socket broke");
      at += (size_t)sent;
    }
    done += part;
  }
}

static void receive_copied(int fd, void *data, size_t size, uint8_t *chunk) {
  for (size_t done = 0; done < size;) {
    ssize_t got = recv(fd, chunk, size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES, 0);
    if (got <= 0)
      bench_fail("the plain socket broke");
    memcpy((uint8_t *)data + done, chunk, (size_t)got);
    done += (size_t)got;
  }
}

/* Does what each byte says: receives everything, or sends it. */
static _Noreturn void serve_plain(int fd, size_t size) {
  uint8_t *data = calloc(1, size), *chunk = malloc(CHUNK_BYTES), order;
  if (data == NULL || chunk == NULL)
    _exit(1);
  while (recv(fd, &order, 1, 0) == 1) {
    if (order == READ) {
      send_copied(fd, data, size, chunk);
    } else {
      receive_copied(fd, data, size, chunk);
      send(fd, &order, 1, MSG_NOSIGNAL);
    }
  }
  _exit(0);
}

static void start_plain(struct bench *bench) {
  const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &len) != 0)
    bench_fail("no plain socket");
  if (process_fork() == 0)
    serve_plain(accept(listener, NULL, NULL), bench->count * sizeof(double));
  bench->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(bench->peer, (struct sockaddr *)&address, len) != 0)
    bench_fail("no plain socket");
  setsockopt(bench->peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  close(listener);
}

static double measure_plain(struct bench *bench, enum way way, uint8_t *chunk) {
  size_t size = bench->count * sizeof(double);
  uint8_t order = (uint8_t)way;
  uint64_t began_ns = clock_now_ns();
  send_copied(bench->peer, &order, 1, chunk);
  if (way == READ) {
    receive_copied(bench->peer, bench->received, size, chunk);
  } else {
    send_copied(bench->peer, bench->sent, size, chunk);
    receive_copied(bench->peer, &order, 1, chunk);
  }
  return mb_per_s(size, began_ns);
}

/* ---------------------------------------------------------------- the library */

static double measure_range(struct bench *bench, enum way way, hf_array *array) {
  size_t size = bench->count * sizeof(double);
  uint64_t began_ns = clock_now_ns();
  if (way == WRITE) {
    library_expect(hf_array_write(array, 0, bench->count, bench->sent), "write");
    return mb_per_s(size, began_ns);
  }
  library_expect(hf_array_read(array, 0, bench->count, bench->received), "read");
  double rate = mb_per_s(size, began_ns);
  if (memcmp(bench->sent, bench->received, size) != 0)
    bench_fail("what was read is not what was written");
  return rate;
}

static double measure_single(struct bench *bench, enum way way, hf_array *array) {
  size_t count = bench->count < SINGLE_COUNT ? bench->count : SINGLE_COUNT;
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(array));
  hf_value *values = calloc(count, sizeof *values);
  if (values == NULL)
    bench_fail("no memory");
  uint64_t began_ns = clock_now_ns();
  library_expect(hf_pipeline_begin(conn, IN_FLIGHT), "pipeline");
  for (size_t i = 0; i < count; i++) {
    hf_status status = way == WRITE ? hf_array_set(array, (int64_t)i, hf_float(bench->sent[i]))
                                    : hf_array_get(array, (int64_t)i, &values[i]);
    library_expect(status, "single value");
  }
  library_expect(hf_pipeline_end(conn, NULL), "pipeline");
  double rate = mb_per_s(count * sizeof(double), began_ns);
  free(values);
  return rate;
}

/* ---------------------------------------------------------------- rounds */

static int compare_doubles(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double median(double *numbers, unsigned count) {
  qsort(numbers, count, sizeof *numbers, compare_doubles);
  return numbers[count / 2];
}

struct rates {
  double plain[ROUNDS_MAX], range[ROUNDS_MAX], single[ROUNDS_MAX];
  double of_plain[ROUNDS_MAX], of_single[ROUNDS_MAX];
};

static void run_round(struct bench *bench, enum way way, hf_array *array, struct rates *rates,
                      unsigned round, uint8_t *chunk) {
  for (int i = 0; i < 2; i++) /* the first fills caches, buffers and windows */
    rates->plain[round] = measure_plain(bench, way, chunk);
  for (int i = 0; i < 2; i++)
    rates->range[round] = measure_range(bench, way, array);
  rates->single[round] = measure_single(bench, way, array);
  rates->of_plain[round] = rates->range[round] / rates->plain[round];
  rates->of_single[round] = rates->range[round] / rates->single[round];
}

static bool report(const char *name, struct rates *rates, unsigned rounds) {
  double of_plain = median(rates->of_plain, rounds), of_single = median(rates->of_single, rounds);
  printf("%-6s %10.0f %10.0f %10.1f %9.2f %9.0f\n", name, median(rates->range, rounds),
         median(rates->plain, rounds), median(rates->single, rounds), of_plain, of_single);
  return of_plain >= TARGET_FLOOR && of_single >= TARGET_SINGLE;
}

int main(int argc, char **argv) {
  static struct rates rates[WAYS];
  unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 7;
  struct bench bench = {.count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000};
  size_t size = bench.count * sizeof(double);
  uint8_t *chunk = malloc(CHUNK_BYTES);
  hf_conn *conn;
  hf_array *array;
  if (rounds == 0 || rounds > ROUNDS_MAX || bench.count == 0)
    bench_fail("usage: bench_bulk [ROUNDS [COUNT]]");
  bench.sent = malloc(size);
  bench.received = malloc(size);
  if (bench.sent == NULL || bench.received == NULL || chunk == NULL)
    bench_fail("no memory");
  for (size_t i = 0; i < bench.count; i++)
    bench.sent[i] = (double)i / 3;
  start_plain(&bench);
  daemon_start(&bench.daemon, NULL);
  setenv("HOLDFAST_LOCAL", "off", 1);
  library_expect(hf_connect(bench.daemon.tcp_url, NULL, &conn), "connect");
  library_expect(hf_raw_array_open(conn, NULL, 'd', bench.count, NULL, &array), "array");
  for (unsigned round = 0; round < rounds; round++)
    for (enum way way = WRITE; way < WAYS; way++)
      run_round(&bench, way, array, &rates[way], round, chunk);
  printf("%zu doubles over tcp, medians of %u rounds, MB/s\n\n", bench.count, rounds);
  printf("%-6s %10s %10s %10s %9s %9s\n", "", "range", "plain", "singles", "/plain", "/singles");
  bool is_met = report("write", &rates[WRITE], rounds);
  is_met &= report("read", &rates[READ], rounds);
  printf("\ntarget: at least %.1f x the plain socket, %.0f x single values: %s\n", TARGET_FLOOR,
         TARGET_SINGLE, is_met ? "met" : "missed");
  hf_array_close(array);
  hf_close(conn);
  close(bench.peer);
  daemon_stop(&bench.daemon);
  return is_met || bench.count < COUNT_JUDGED_MIN ? 0 : 1;
}
