/* All connections, and what they share: limits, pollers, the limited log.
 *
 * layer   connection, internal
 * threads any. Order of locks: set, then one connection, then its transport's own. The set's lock and
 *         a second connection's are never taken under a connection's. Inside the pollers' only that of
 *         replies that wait for the log is taken (dispatch_interrupt).
 */
#ifndef HF_CONNECTION_SET_H
#define HF_CONNECTION_SET_H

#include "proto/base/limited_log.h"
#include "proto/base/map64.h"
#include "server/dispatch/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>

struct connection;
struct large;
struct pollers;
struct users;

struct connection_set {
  pthread_mutex_t lock;
  pthread_cond_t empty;     /* alive_count became 0 */
  struct map64 connections; /* by id; with a reference to each */
  uint64_t last_id;
  uint32_t alive_count;   /* joined and not yet freed */
  uint32_t counted_count; /* connections within the set's limit */
  uint32_t connections_max;
  struct map64 addresses; /* address -> number of its connections */
  bool closed;            /* no connection may join */
  struct users *users;    /* a reference */
  struct limited_log limited_log;
  /* Borrowed; set before the first connection. */
  struct pollers *pollers;
  struct large *large;
  struct dispatch *dispatch;
};

/* users are shared. */
void set_init(struct connection_set *set, uint32_t connections_max, struct users *users);
void set_deinit(struct connection_set *set);
/* Adds the connection and gives it an id; the set has a reference. is_counted: within the limits for
 * all connections and for its address. NULL: added | why not, static */
const char *set_join(struct connection_set *set, struct connection *connection, uint64_t address,
                     bool is_counted, uint64_t *id);
/* None may join any more. */
void set_close(struct connection_set *set);
/* Removes the connection; the set's reference goes to the caller. */
void set_leave(struct connection_set *set, uint64_t id, uint64_t address, bool is_counted);
/* A connection that had joined was freed. */
void set_forget(struct connection_set *set);
/* Waits until all connections that had joined were freed. */
void set_wait_empty(struct connection_set *set);
/* With a reference for the caller. */
struct users *set_users(struct connection_set *set);
/* With a reference for the caller; NULL when the connection is gone. */
struct connection *set_acquire(struct connection_set *set, uint64_t id);

#endif
