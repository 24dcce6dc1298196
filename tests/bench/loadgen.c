/* See loadgen.h. */
#include "tests/bench/loadgen.h"

#include "proto/base/clock.h"
#include "tests/bench/process.h"
#include "tests/bench/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
  int fd;
  void *dialog;
  uint64_t sent_ns;
  size_t waiting; /* requests under way */
  size_t len;     /* of the replies so far */
  uint8_t reply[LOADGEN_REPLY_BYTES_MAX];
};

struct load {
  const struct loadgen_protocol *protocol;
  size_t count, in_flight;
  struct connection *connections;
  struct histogram *histogram;
};

static void send_next(struct load *load, struct connection *connection) {
  uint8_t requests[LOADGEN_IN_FLIGHT_MAX * LOADGEN_REQUEST_BYTES_MAX];
  size_t used = 0, len;
  for (size_t i = 0; i < load->in_flight; i++, used += len) {
    const uint8_t *request = load->protocol->next(connection->dialog, &len);
    memcpy(requests + used, request, len);
  }
  connection->waiting = load->in_flight;
  connection->sent_ns = clock_now_ns();
  socket_send(connection->fd, requests, used);
}

/* Counts the replies that are complete, and keeps the rest. */
static void count_replies(struct load *load, struct connection *connection) {
  size_t used = 0;
  while (used < connection->len) {
    ssize_t bytes =
        load->protocol->check(connection->dialog, connection->reply + used, connection->len - used);
    if (bytes < 0 || (bytes > 0 && connection->waiting == 0) ||
        (bytes == 0 && used == 0 && connection->len == sizeof(connection->reply)))
      bench_fail("%s: a reply that was not asked for, or says no", load->protocol->name);
    if (bytes == 0)
      break;
    used += (size_t)bytes;
    connection->waiting--;
    histogram_add(load->histogram, clock_now_ns() - connection->sent_ns);
  }
  connection->len -= used;
  memmove(connection->reply, connection->reply + used, connection->len);
}

/* true: all replies are there and counted. */
static bool receive_some(struct load *load, struct connection *connection) {
  ssize_t got = recv(connection->fd, connection->reply + connection->len,
                     sizeof(connection->reply) - connection->len, 0);
  if (got <= 0)
    bench_fail("%s: %s", load->protocol->name, got == 0 ? "closed by the server" : strerror(errno));
  connection->len += (size_t)got;
  count_replies(load, connection);
  return connection->waiting == 0;
}

static uint64_t run_one(struct load *load, uint64_t deadline_ns) {
  struct connection *connection = &load->connections[0];
  uint64_t now_ns;
  do {
    send_next(load, connection);
    while (!receive_some(load, connection))
      continue;
    now_ns = clock_now_ns();
  } while (now_ns < deadline_ns);
  return now_ns;
}

/* Goes on past the deadline until every request under way is answered. */
static uint64_t run_many(struct load *load, uint64_t deadline_ns) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  size_t open_count = load->count;
  for (size_t i = 0; i < load->count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load->connections[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, load->connections[i].fd, &event) != 0)
      bench_fail("epoll: %s", strerror(errno));
    send_next(load, &load->connections[i]);
  }
  struct epoll_event events[64];
  uint64_t now_ns = clock_now_ns();
  while (open_count > 0) {
    int ready = epoll_wait(epoll, events, 64, 5000);
    if (ready <= 0)
      bench_fail("%s: no reply within 5 seconds", load->protocol->name);
    now_ns = clock_now_ns();
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!receive_some(load, connection))
        continue;
      if (now_ns < deadline_ns)
        send_next(load, connection);
      else
        open_count--;
    }
  }
  close(epoll);
  return now_ns;
}

static void open_load(struct load *load, enum bench_transport transport, const char *address,
                      enum bench_op op) {
  const struct loadgen_protocol *protocol = load->protocol;
  load->connections = bench_alloc(load->count, sizeof(*load->connections));
  for (size_t i = 0; i < load->count; i++) {
    struct connection *connection = &load->connections[i];
    connection->fd = socket_connect(transport, address);
    if (connection->fd < 0)
      bench_fail("%s: can't connect to %s: %s", protocol->name, address, strerror(errno));
    connection->dialog = bench_alloc(1, protocol->dialog_bytes);
    protocol->open(connection->dialog, connection->fd, transport, op);
  }
}

static void close_load(void *opened) {
  struct load *load = opened;
  for (size_t i = 0; i < load->count; i++) {
    if (load->protocol->close != NULL)
      load->protocol->close(load->connections[i].dialog, load->connections[i].fd);
    close(load->connections[i].fd);
    free(load->connections[i].dialog);
  }
  free(load->connections);
  free(load);
}

static uint64_t run_load(void *opened, unsigned duration_ms, struct histogram *histogram) {
  struct load *load = opened;
  uint64_t start_ns = clock_now_ns();
  uint64_t deadline_ns = start_ns + duration_ms * CLOCK_NS_PER_MS;
  load->histogram = histogram;
  return (load->count == 1 ? run_one(load, deadline_ns) : run_many(load, deadline_ns)) - start_ns;
}

struct bench_sample loadgen_run(const struct loadgen_protocol *protocol,
                                enum bench_transport transport, const char *address,
                                enum bench_op op, size_t connection_count, size_t in_flight,
                                unsigned duration_ms) {
  struct load *load = bench_alloc(1, sizeof(*load));
  struct histogram *histogram = bench_alloc(1, sizeof(*histogram));
  *load = (struct load){.protocol = protocol, .count = connection_count, .in_flight = in_flight};
  open_load(load, transport, address, op);
  uint64_t elapsed_ns = run_load(load, duration_ms, histogram);
  struct bench_sample sample = histogram_sample(histogram, elapsed_ns);
  close_load(load);
  free(histogram);
  return sample;
}

struct worker {
  const struct loadgen_protocol *protocol;
  enum bench_transport transport;
  const char *address;
  enum bench_op op;
};

static void *open_worker(const void *ctx) {
  const struct worker *worker = ctx;
  struct load *load = bench_alloc(1, sizeof(*load));
  *load = (struct load){.protocol = worker->protocol, .count = 1, .in_flight = 1};
  open_load(load, worker->transport, worker->address, worker->op);
  return load;
}

struct bench_sample loadgen_run_processes(const struct loadgen_protocol *protocol,
                                          enum bench_transport transport, const char *address,
                                          enum bench_op op, unsigned duration_ms) {
  static const struct worker_calls work = {open_worker, run_load, close_load};
  const struct worker worker = {protocol, transport, address, op};
  return workers_run(&work, &worker, duration_ms);
}
