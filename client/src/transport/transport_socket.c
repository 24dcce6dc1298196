/* tcp:// and ipc:// over plain sockets, without threads, and usable after a fork. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/src/transport/descriptor.h"
#include "client/src/transport/dial_error.h"
#include "client/src/transport/race.h"
#include "client/src/transport/transport.h"
#include "proto/base/clock.h"

/* ---------------------------------------------------------------- tcp */

static bool is_tcp_address(const char *address) {
  char host[RESOLVE_HOST_BYTES_MAX];
  const char *port;
  char *end;
  if (!resolve_split(address, host, &port) || *port < '0' || *port > '9') {
    return false;
  }
  unsigned long number = strtoul(port, &end, 10);
  return *end == '\0' && number > 0 && number <= 65535;
}

/* Keepalive and user timeout: the kernel detects a peer that no longer acknowledges. */
static void notice_dead_peer(int fd, int64_t dead_after_ms) {
  const int on = 1;
  const int idle_s = 5, interval_s = 2, probe_count = 3;
  const unsigned int unacknowledged_ms =
      dead_after_ms < 60000 ? (unsigned int)dead_after_ms : 60000;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probe_count, sizeof probe_count);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static void swap(struct address *a, struct address *b) {
  struct address kept = *a;
  *a = *b;
  *b = kept;
}

static bool is_address(const struct address *a, const struct address *b) {
  return a->len > 0 && a->len == b->len && memcmp(&a->socket, &b->socket, a->len) == 0;
}

bool dialling_is_sure(const struct dialling *dialling) {
  return !dialling->has_others || is_address(&dialling->chosen, &dialling->worked);
}

/* Moves the address that worked to the front and the shunned one to the end. */
static void put_in_order(struct addresses *found, const struct dialling *dialling) {
  size_t last = found->count - 1;
  for (size_t i = 0; i <= last; i++) {
    if (is_address(&found->items[i], &dialling->worked)) {
      swap(&found->items[i], &found->items[0]);
    }
  }
  for (size_t i = 0; i < last; i++) {
    if (is_address(&found->items[i], &dialling->shunned)) {
      swap(&found->items[i], &found->items[last]);
    }
  }
}

/* When the resolver is silent, the address that worked before is tried. */
static int give_up_resolver(struct dial *dial) {
  const struct address *worked = &dial->dialling->worked;
  if (worked->len == 0) {
    return DIAL_RESOLVER_SILENT;
  }
  dial->found = (struct addresses){.count = 1, .items = {*worked}};
  return 0;
}

static int begin_resolving(struct dial *dial) {
  char host[RESOLVE_HOST_BYTES_MAX];
  const char *port;
  uint64_t short_ns = clock_deadline_ns(clock_now_ns(), RACE_NEXT_AFTER_MS);
  bool is_short = dial->dialling->worked.len > 0 && short_ns < dial->deadline_ns;
  dial->resolve_until_ns = is_short ? short_ns : dial->deadline_ns;
  return resolve_split(dial->address, host, &port)
             ? resolve_begin(host, port, &dial->found, &dial->search)
             : EHOSTUNREACH;
}

static int find_addresses(struct dial *dial, struct waits *waits) {
  int error = dial->search == NULL ? begin_resolving(dial) : STEP_WAITS;
  if (error == STEP_WAITS) {
    error = resolve_step(dial->search, &dial->found, waits);
  }
  if (error == STEP_WAITS && clock_now_ns() >= dial->resolve_until_ns) {
    return give_up_resolver(dial);
  }
  if (error == STEP_WAITS) {
    waits_until(waits, dial->resolve_until_ns);
  }
  return error;
}

static int dial_tcp(struct dial *dial, int *fd, struct waits *waits) {
  struct dialling *dialling = dial->dialling;
  size_t winner = 0;
  if (dial->found.count == 0) {
    int error = find_addresses(dial, waits);
    if (error != 0) {
      return error;
    }
    put_in_order(&dial->found, dialling);
  }
  int error = race_step(&dial->race, &dial->found, fd, &winner, waits);
  if (error == 0) {
    dialling->chosen = dial->found.items[winner];
    dialling->has_others = dial->found.count > 1;
    notice_dead_peer(*fd, dialling->dead_after_ms);
  }
  return error;
}

static int explain_tcp(const struct link *link, const struct dial *dial, int error) {
  struct dialling *dialling = dial->dialling;
  (void)link;
  if (error == DIAL_WANTS_TLS) {
    snprintf(dialling->refusal, sizeof dialling->refusal,
             "tcp://%s wants TLS; use tls+tcp:// there, with a key or a certificate",
             dial->address);
  }
  return error;
}

/* ---------------------------------------------------------------- ipc */

static bool is_ipc_address(const char *address) {
  struct sockaddr_un socket_address;
  return *address != '\0' && strlen(address) < sizeof socket_address.sun_path;
}

static int dial_ipc(struct dial *dial, int *fd, struct waits *waits) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)waits;
  snprintf(address.sun_path, sizeof address.sun_path, "%s", dial->address);
  *fd = connect_local((const struct sockaddr *)&address, sizeof address, SOCK_STREAM);
  return *fd < 0 ? errno : 0;
}

/* ---------------------------------------------------------------- both */

static ssize_t send_parts(const struct link *link, struct iovec *parts, int part_count) {
  ssize_t sent;
  do {
    if (part_count == 1) {
      sent = send(link->fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
      sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (sent < 0 && errno == EINTR);
  return sent;
}

static ssize_t receive(const struct link *link, void *data, size_t capacity) {
  ssize_t received;
  do {
    received = recv(link->fd, data, capacity, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received;
}

/* A socket needs no announcement. */
static short arm(const struct link *link, short events) {
  (void)link;
  (void)events;
  return 0;
}

static void disarm(const struct link *link) {
  (void)link;
}

static short poll_events(const struct link *link, short events) {
  (void)link;
  return events;
}

static short await(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns) {
  return descriptor_wait_or(link->fd, events, other, is_other, deadline_ns);
}

static void cut(const struct link *link) {
  shutdown(link->fd, SHUT_RDWR);
}

static void close_socket(const struct link *link) {
  close(link->fd);
}

#define SOCKET_FUNCTIONS                                                                      \
  .send = send_parts, .recv = receive, .wait = await, .arm = arm, .poll_events = poll_events, \
  .disarm = disarm, .cut = cut, .close = close_socket

const struct transport transport_tcp = {.scheme = "tcp://",
                                        .name = "tcp",
                                        .framing = SP_TCP,
                                        .is_address = is_tcp_address,
                                        .dial = dial_tcp,
                                        .explain = explain_tcp,
                                        SOCKET_FUNCTIONS};
const struct transport transport_ipc = {.scheme = "ipc://",
                                        .name = "ipc",
                                        .framing = SP_IPC,
                                        .is_address = is_ipc_address,
                                        .dial = dial_ipc,
                                        SOCKET_FUNCTIONS};
