/* The load generator: one thread, many connections, one request at a time on each, or some that are sent
 * together, the next when all are answered.
 *
 * As redis-benchmark does, requests are encoded beforehand and only patched; unlike it, every reply
 * is checked. With one connection it blocks in recv, with more it waits in epoll.
 */
#ifndef HF_TESTS_BENCH_LOADGEN_H
#define HF_TESTS_BENCH_LOADGEN_H

#include "tests/bench/bench.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOADGEN_REQUEST_BYTES_MAX 512
#define LOADGEN_REPLY_BYTES_MAX 4096
#define LOADGEN_IN_FLIGHT_MAX 16

/* What is spoken. One `dialog` belongs to one connection. */
struct loadgen_protocol {
  const char *name;
  size_t dialog_bytes; /* of the zeroed struct each connection gets */
  /* After connecting: handshake, and what the requests will need. Blocking. */
  void (*open)(void *dialog, int fd, enum bench_transport transport, enum bench_op op);
  /* The next request; borrowed until the next call. */
  const uint8_t *(*next)(void *dialog, size_t *len);
  /* Bytes of the reply at the start of data; 0: not complete; -1: wrong or refused. */
  ssize_t (*check)(void *dialog, const uint8_t *data, size_t len);
  /* Before the socket is closed; NULL: nothing to do. */
  void (*close)(void *dialog, int fd);
};

/* Fails the benchmark when a reply is wrong. */
struct bench_sample loadgen_run(const struct loadgen_protocol *protocol,
                                enum bench_transport transport, const char *address,
                                enum bench_op op, size_t connection_count, size_t in_flight,
                                unsigned duration_ms);
/* BENCH_PROCESS_COUNT processes, each with one connection. */
struct bench_sample loadgen_run_processes(const struct loadgen_protocol *protocol,
                                          enum bench_transport transport, const char *address,
                                          enum bench_op op, unsigned duration_ms);

#endif
