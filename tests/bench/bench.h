/* The benchmark's vocabulary: what is measured, of which system, and where the numbers are kept.
 *
 * layer   tests/bench; uses the public client API, proto, and the server's objects for one
 *         measurement
 * shapes  a cell is one bar of the chart: (transport, mode, operation, system). Every round
 *         measures every cell once; systems that are compared run next to each other in time.
 * units   latencies in microseconds, rates in requests a second; a put and a get are two requests
 * threads none: one process per system, and this one
 */
#ifndef HF_TESTS_BENCH_BENCH_H
#define HF_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_ROUNDS_MAX 64
#define BENCH_CELLS_MAX 256
#define BENCH_PIPELINE_COUNT 64 /* requests in flight in pipelined mode */
#define BENCH_CLIENT_COUNT 50   /* connections in many-clients mode */
#define BENCH_PROCESS_COUNT 8
#define BENCH_KEY_COUNT 10000 /* different keys that get and set touch */
#define BENCH_KEY_BYTES \
  16 /* "key:000000000123", what redis-benchmark makes of key:__rand_int__ \
      */

enum bench_transport { BENCH_TCP, BENCH_IPC, BENCH_TRANSPORT_COUNT };
enum bench_mode { BENCH_ONE, BENCH_PROCESSES, BENCH_PIPELINE, BENCH_MANY, BENCH_MODE_COUNT };
enum bench_op { BENCH_GET, BENCH_SET, BENCH_APPEND, BENCH_QUEUE, BENCH_OP_COUNT };
enum bench_system {
  BENCH_ECHO,         /* a bare epoll server that sends back what it gets: the floor */
  BENCH_HOLDFAST,     /* through the C client library; many clients: raw sockets */
  BENCH_HOLDFAST_RAW, /* pre-encoded requests on a raw socket: the server without the library */
  BENCH_REDIS,        /* hash and list commands, driven by redis-benchmark */
  BENCH_REDIS_KEYS,   /* plain GET and SET, driven by redis-benchmark */
  BENCH_REDIS_RAW,    /* hash and list commands, driven by the same loop as holdfast */
  BENCH_MANAGER,      /* Python's multiprocessing.Manager */
  BENCH_SYSTEM_COUNT
};

/* One cell in one round; NAN where a system does not say. */
struct bench_sample {
  double rate;
  double p50, p90, p99, p999, max;
  double cpu;   /* microseconds of processor time the server used for a request */
  double count; /* requests */
};

struct bench_cell {
  enum bench_transport transport;
  enum bench_mode mode;
  enum bench_op op;
  enum bench_system system;
  size_t round_count;
  struct bench_sample rounds[BENCH_ROUNDS_MAX];
};

/* What a million entries cost; 0 where not measured. */
struct bench_memory {
  uint64_t entries;
  double holdfast_counted,
      holdfast_resident;                /* bytes per entry: what the server counts, what it maps */
  double redis_counted, redis_resident; /* INFO used_memory; resident set */
};

/* How long single insertions take while a dict grows, microseconds. */
struct bench_growth {
  uint64_t entries;
  double p50, p9999, worst; /* in process; each insertion's fastest of several fresh dicts, so that
                               what the machine did meanwhile is not counted as the dict's */
  double worst_raw;         /* in process, the slowest of all, preemption included */
  double ping_worst, ping_p9999; /* another client's round trips during the same growth over tcp */
  double rest_worst, rest_p9999; /* and during the same load without growth */
};

struct bench_options {
  unsigned rounds;
  unsigned duration_ms; /* of one cell in one round */
  uint64_t memory_entries;
  uint64_t growth_entries;
  bool peers;
  unsigned transports, modes, ops; /* bit sets of the enums */
  bool memory, growth;
  const char *json_path, *svg_path; /* NULL: none */
};

struct bench_report {
  const struct bench_options *options;
  size_t cell_count;
  struct bench_cell cells[BENCH_CELLS_MAX];
  struct bench_memory memory;
  struct bench_growth growth;
};

/* Servers under measurement and where to find them. */
struct bench_servers {
  char dir[64];                           /* of our own, removed at the end */
  char url[BENCH_TRANSPORT_COUNT][160];   /* holdfastd */
  char redis[BENCH_TRANSPORT_COUNT][160]; /* "127.0.0.1:PORT" and a path; "" without redis */
  char echo[BENCH_TRANSPORT_COUNT][160];
  pid_t redis_pid;
};

/* Ends the process on --help and on a bad command line. */
void bench_options_parse(int argc, char **argv, struct bench_options *options);

/* "tcp", "one", "get", "holdfast": for options and JSON; the title is for people. */
const char *bench_transport_name(enum bench_transport transport);
const char *bench_mode_name(enum bench_mode mode);
const char *bench_mode_title(enum bench_mode mode);
const char *bench_op_name(enum bench_op op);
const char *bench_system_name(enum bench_system system);
const char *bench_system_title(enum bench_system system);

/* Key number idx of BENCH_KEY_COUNT, NUL-terminated. */
const char *bench_key(uint32_t idx);
/* A cheap pseudo-random number from *state, which is never 0. */
uint32_t bench_random(uint32_t *state);

#endif
