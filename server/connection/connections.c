#include "server/connection/connections.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/connection/connection.h"
#include "server/connection/ending.h"
#include "server/connection/flush_list.h"
#include "server/connection/large.h"
#include "server/connection/pollers.h"
#include "server/connection/reading.h"
#include "server/connection/sending.h"
#include "server/connection/set.h"
#include "server/dispatch/batch.h"
#include "server/users/users.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* Descriptors that the process needs beside connections: nng's, listeners, the journal's. */
#define DESCRIPTORS_SPARE 64
/* Of clients that no limit of connections counts: rings, handshakes, segments. Where there are not so many, these
 * share the spare ones: beyond, nothing is accepted for a moment (proto/base/descriptors.h). */
#define DESCRIPTORS_UNCOUNTED (2 * HF_RINGS_MAX + 2 * HF_HANDSHAKES_MAX + HF_SEGMENTS_MAX)
#define FLUSH_POLL_MS 5

struct connections {
  struct connection_set set;
  struct pollers pollers;
  struct large large;
  struct dispatch_sink sink;
  struct transport_acceptor acceptor;
};

/* ------------------------------------------------------------------------------------- sink */

static void sink_close(void *ctx, uint64_t id, const char *why) {
  struct connections *connections = ctx;
  struct connection *connection = set_acquire(&connections->set, id);
  if (connection != NULL) {
    connection_close(connection, why);
    connection_release(connection);
  }
}

/* The deliveries are of one connection, and have replies. */
static void deliver_to_other(struct connections *connections,
                             const struct batch_delivery *deliveries, size_t count,
                             struct flush_list *list) {
  struct connection *connection = set_acquire(&connections->set, deliveries->connection);
  if (connection != NULL) {
    (void)connection_deliver(connection, deliveries, count, list);
    connection_release(connection);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    reply_release(deliveries[i].reply);
  }
}

/* How many are of the same connection, from the first one on, and have replies. */
static size_t count_run(const struct batch_delivery *deliveries, size_t count) {
  size_t run = 0;
  while (run < count && deliveries[run].connection == deliveries->connection &&
         deliveries[run].reply != NULL) {
    run++;
  }
  return run;
}

static bool deliver_all(struct connections *connections, const struct batch_delivery *deliveries,
                        size_t count, struct flush_list *list) {
  bool has_room = true;
  for (size_t i = 0, run; i < count; i += run) {
    if (list->served == NULL && list->count == FLUSH_LIST_COUNT_MAX) {
      flush_list_end(list);
      flush_list_begin(list, NULL);
    }
    run = count_run(deliveries + i, count - i);
    if (run == 0) {
      sink_close(connections, deliveries[i].connection, DISPATCH_WHY_CLOSED);
      run = 1;
    } else if (list->served != NULL && list->served_id == deliveries[i].connection) {
      has_room = connection_deliver(list->served, deliveries + i, run, list);
    } else {
      deliver_to_other(connections, deliveries + i, run, list);
    }
  }
  return has_room;
}

static bool sink_deliver(void *ctx, void *self, const struct batch_delivery *deliveries,
                         size_t count) {
  struct flush_list own;
  if (self != NULL) {
    return deliver_all(ctx, deliveries, count, self);
  }
  flush_list_begin(&own, NULL);
  (void)deliver_all(ctx, deliveries, count, &own);
  flush_list_end(&own);
  return true;
}

/* ------------------------------------------------------------------------------------- life */

/* The number of connections that the limit on open descriptors allows: two thirds of the limit; the others
 * are for the processes of sessions. */
static uint32_t raise_descriptor_limit(uint32_t connections_max) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return connections_max;
  }
  rlim_t wanted = ((rlim_t)connections_max + DESCRIPTORS_SPARE + DESCRIPTORS_UNCOUNTED) * 3 / 2;
  if (limit.rlim_cur < wanted) {
    struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
      raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
      (void)setrlimit(RLIMIT_NOFILE, &raised);
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
  }
  rlim_t ours = limit.rlim_cur / 3 * 2;
  rlim_t left = ours > 2 * DESCRIPTORS_SPARE ? ours - DESCRIPTORS_SPARE : ours / 2;
  if (left >= connections_max) {
    return connections_max;
  }
  log_line(LOG_WARN,
           "connection limit lowered, since few files may be open (ulimit -n, LimitNOFILE) "
           "connections_max=%lu open_files_max=%lu",
           (unsigned long)left, (unsigned long)limit.rlim_cur);
  return (uint32_t)left;
}

struct connections *connections_new(uint32_t connections_max, struct users *users) {
  struct connections *connections = calloc(1, sizeof *connections);
  if (connections == NULL) {
    return NULL;
  }
  set_init(&connections->set, raise_descriptor_limit(connections_max), users);
  pollers_init(&connections->pollers);
  connections->set.pollers = &connections->pollers;
  connections->set.large = &connections->large;
  if (!large_start(&connections->large, connection_serve_large, connection_send_large)) {
    connections_free(connections);
    return NULL;
  }
  connections->sink = (struct dispatch_sink){connections, sink_deliver, sink_close};
  connections->acceptor = (struct transport_acceptor){
      .ctx = &connections->set, .accept = connection_accept, .events = &connection_events};
  return connections;
}

const struct dispatch_sink *connections_sink(const struct connections *connections) {
  return &connections->sink;
}

const struct transport_acceptor *connections_acceptor(struct connections *connections,
                                                      struct dispatch *dispatch) {
  connections->set.dispatch = dispatch;
  return &connections->acceptor;
}

/* ------------------------------------------------------------------------------------ users */

static bool is_same_user(const struct users *old, const struct users *users,
                         const struct identity *identity) {
  char sentence[USERS_SENTENCE_BYTES];
  struct bytes was, is;
  return users_find(old, identity, &was, sentence) && users_find(users, identity, &is, sentence) &&
         bytes_equal(was, is);
}

/* A connection that finds its user meanwhile is in the set already, with its identity: so it is seen
 * here, whichever users it has found. */
void connections_set_users(struct connections *connections, struct users *users,
                           bool is_verified_alike) {
  struct connection_set *set = &connections->set;
  uint64_t position = 0;
  uint64_t id;
  void *connection;
  pthread_mutex_lock(&set->lock);
  struct users *old = set->users;
  set->users = users_share(users);
  while (map64_next(&set->connections, &position, &id, &connection)) {
    const struct identity *identity = connection_identity(connection);
    if (!is_same_user(old, users, identity)) {
      connection_close(connection, "not admitted any more");
    } else if (identity->kind == IDENTITY_CERTIFICATE && !is_verified_alike) {
      connection_close(connection, "its certificate has to be verified again");
    }
  }
  pthread_mutex_unlock(&set->lock);
  users_release(old);
}

/* ------------------------------------------------------------------------------------- end */

static bool has_unsent(struct connections *connections) {
  bool unsent = false;
  uint64_t position = 0;
  uint64_t id;
  void *connection;
  pthread_mutex_lock(&connections->set.lock);
  while (!unsent && map64_next(&connections->set.connections, &position, &id, &connection)) {
    unsent = connection_is_unsent(connection);
  }
  pthread_mutex_unlock(&connections->set.lock);
  return unsent;
}

void connections_drop(struct connections *connections, const char *why) {
  uint64_t position = 0;
  uint64_t id;
  void *connection;
  pthread_mutex_lock(&connections->set.lock);
  while (map64_next(&connections->set.connections, &position, &id, &connection)) {
    connection_close(connection, why);
  }
  pthread_mutex_unlock(&connections->set.lock);
}

static void close_all(struct connections *connections) {
  connections_drop(connections, "stopping");
  set_wait_empty(&connections->set);
  pollers_await_none(&connections->pollers);
}

void connections_close(struct connections *connections, uint32_t flush_ms) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), flush_ms);
  set_close(&connections->set);
  while (has_unsent(connections) && clock_now_ns() < deadline_ns) {
    nanosleep(&(struct timespec){.tv_nsec = FLUSH_POLL_MS * CLOCK_NS_PER_MS}, NULL);
  }
  close_all(connections);
  large_stop(&connections->large); /* while its threads may use transports */
}

void connections_free(struct connections *connections) {
  large_deinit(&connections->large);
  pollers_deinit(&connections->pollers);
  set_deinit(&connections->set);
  free(connections);
}
