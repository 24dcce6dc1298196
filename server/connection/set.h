/* All connections, and what they share: limits, pollers, the limited log.
 *
 * layer   connection, internal
 * threads any. Order of locks: set, then one connection, then its transport's own. The set's lock and
 *         a second connection's are never taken under a connection's. The pollers' is taken alone.
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

struct connection_set {
  pthread_mutex_t lock;
  pthread_cond_t empty;     /* alive_count became 0 */
  struct map64 connections; /* by id; each holds a reference */
  uint64_t last_id;
  uint32_t alive_count;   /* joined and not yet freed */
  uint32_t counted_count; /* of those in `connections`, the set bounds so many */
  uint32_t connections_max;
  struct map64 addresses; /* address -> how many connections it has */
  bool closed;            /* none may join */
  struct limited_log limited_log;
  /* Borrowed; set before the first connection. */
  struct pollers *pollers;
  struct large *large;
  struct dispatch *dispatch;
};

void set_init(struct connection_set *set, uint32_t connections_max);
void set_deinit(struct connection_set *set);
/* Gives the connection its id and a reference to the set. is_counted: within the limits for all and
 * for its address. Answers why not, static; NULL: it did. */
const char *set_join(struct connection_set *set, struct connection *connection, uint64_t address,
                     bool is_counted, uint64_t *id);
/* It can't be looked up any more; the set's reference goes to the caller. */
void set_leave(struct connection_set *set, uint64_t id, uint64_t address, bool is_counted);
/* A connection that had joined was freed. */
void set_forget(struct connection_set *set);
/* Waits for that to be true of all. */
void set_wait_empty(struct connection_set *set);
/* With a reference for the caller; NULL when it is gone. */
struct connection *set_acquire(struct connection_set *set, uint64_t id);

#endif
