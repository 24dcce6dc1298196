#include "server/net/net.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/net/connection.h"
#include "server/net/listener.h"
#include "server/net/table.h"

#include <nng/supplemental/util/platform.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LISTENERS_MAX 16
/* Descriptors the process needs beside its connections: nng's, listeners, shared segments' doors.
 */
#define DESCRIPTORS_SPARE 64
#define FLUSH_POLL_MS 5

struct net {
  struct table table;
  struct dispatch_sink sink;
  struct listener *listeners[LISTENERS_MAX];
  size_t listener_count;
};

static bool sink_deliver(void *ctx, void *self, uint64_t id, const struct sp_route *route,
                         struct reply *reply) {
  struct net *net = ctx;
  struct connection *connection = self != NULL ? self : table_acquire(&net->table, id);
  if (connection == NULL) {
    reply_release(reply);
    return false;
  }
  bool has_room = connection_deliver(connection, route, reply, self != NULL);
  if (self == NULL) {
    connection_release(connection);
  }
  return has_room;
}

static void sink_close(void *ctx, uint64_t id, const char *why) {
  struct net *net = ctx;
  struct connection *connection = table_acquire(&net->table, id);
  if (connection != NULL) {
    connection_close(connection, why);
    connection_release(connection);
  }
}

/* How many connections the limit on open descriptors leaves room for; half of it is for the
 * processes behind them. */
static uint32_t raise_descriptor_limit(uint32_t connections_max) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return connections_max;
  }
  rlim_t wanted = 2 * ((rlim_t)connections_max + DESCRIPTORS_SPARE);
  if (limit.rlim_cur < wanted) {
    struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
      raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
      (void)setrlimit(RLIMIT_NOFILE, &raised);
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) {
    return connections_max;
  }
  rlim_t half = limit.rlim_cur / 2;
  rlim_t left = half > 2 * DESCRIPTORS_SPARE ? half - DESCRIPTORS_SPARE : half / 2;
  log_line(LOG_WARN, "connection limit lowered connections_max=%lu open_files_max=%lu",
           (unsigned long)left, (unsigned long)limit.rlim_cur);
  return (uint32_t)left;
}

struct net *net_new(uint32_t connections_max) {
  struct net *net = calloc(1, sizeof *net);
  if (net == NULL) {
    return NULL;
  }
  table_init(&net->table, raise_descriptor_limit(connections_max));
  net->sink = (struct dispatch_sink){.ctx = net, .deliver = sink_deliver, .close = sink_close};
  return net;
}

const struct dispatch_sink *net_sink(struct net *net) {
  return &net->sink;
}

enum net_result net_listen(struct net *net, struct dispatch *dispatch, const char *url,
                           char bound_url[NET_URL_BYTES_MAX]) {
  if (net->listener_count == LISTENERS_MAX) {
    return NET_FAILED;
  }
  if (net->listener_count == 0) { /* connections of the first read it while others are opened */
    net->table.dispatch = dispatch;
  }
  struct listener *listener;
  enum net_result result = listener_open(&net->table, url, bound_url, &listener);
  if (result == NET_OK) {
    net->listeners[net->listener_count++] = listener;
  }
  return result;
}

const char *net_result_sentence(enum net_result result) {
  switch (result) {
    case NET_OK:
      return "fine";
    case NET_BAD_ADDRESS:
      return "not an address of this machine; use tcp://HOST:PORT or ipc:///PATH";
    case NET_IN_USE:
      return "the address is in use; stop the server that has it, or choose another --listen";
    case NET_NOT_ALLOWED:
      return "not permitted; choose a port above 1023 or a directory this user may write to";
    case NET_NOT_A_SOCKET:
      return "the path exists and is not a socket; remove it, or choose another --listen";
    case NET_NO_DIRECTORY:
      return "the directory does not exist; create it, or choose another --listen";
    case NET_PATH_TOO_LONG:
      return "the path of a socket has 107 bytes at most; choose a shorter one";
    case NET_LOCKED:
      return "another process keeps the directory locked; end it, or choose another --listen";
    case NET_FAILED:
      break;
  }
  return "the system refused; see the line before";
}

void net_stop_accepting(struct net *net) {
  for (size_t i = 0; i < net->listener_count; i++) {
    listener_stop(net->listeners[i]);
  }
}

static bool has_unsent(struct net *net) {
  bool unsent = false;
  size_t position = 0;
  uint64_t id;
  void *connection;
  pthread_mutex_lock(&net->table.lock);
  while (!unsent && map64_next(&net->table.connections, &position, &id, &connection)) {
    unsent = connection_is_unsent(connection);
  }
  pthread_mutex_unlock(&net->table.lock);
  return unsent;
}

static void close_connections(struct net *net) {
  size_t position = 0;
  uint64_t id;
  void *connection;
  pthread_mutex_lock(&net->table.lock);
  net->table.closed = true;
  while (map64_next(&net->table.connections, &position, &id, &connection)) {
    connection_close(connection, "stopping");
  }
  pthread_mutex_unlock(&net->table.lock);
  table_wait_empty(&net->table);
}

void net_close(struct net *net, uint32_t flush_ms) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), flush_ms);
  while (has_unsent(net) && clock_now_ns() < deadline_ns) {
    nng_msleep(FLUSH_POLL_MS);
  }
  close_connections(net);
  for (size_t i = 0; i < net->listener_count; i++) {
    listener_free(net->listeners[i]);
  }
  net->listener_count = 0;
}

void net_free(struct net *net) {
  /* nng frees streams and operations on a thread of its own, and waits for it here. */
  nng_fini();
  table_deinit(&net->table);
  free(net);
}
