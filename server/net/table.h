/* What connections and listeners share: the table of connections, limits, complaints.
 *
 * layer   net, internal
 * threads any. Order of locks: table, then one connection, then nng's own. Nobody takes the table's
 *         lock, or a second connection's, while holding a connection's. The crew's is taken alone.
 */
#ifndef HF_NET_TABLE_H
#define HF_NET_TABLE_H

#include "proto/base/complaints.h"
#include "proto/base/map64.h"
#include "server/dispatch/dispatch.h"
#include "server/net/crew.h"

#include <pthread.h>
#include <stdatomic.h>

struct connection;

struct table {
  pthread_mutex_t lock;
  pthread_cond_t empty;     /* alive_count became 0 */
  struct map64 connections; /* by id; each holds a reference */
  uint64_t last_id;
  uint32_t alive_count; /* joined and not yet freed */
  uint32_t connections_max;
  struct map64 addresses; /* address -> how many connections it has */
  bool closed;            /* none may join */
  struct complaints complaints;
  struct crew crew;
  struct dispatch *dispatch; /* borrowed; set before the first connection */
};

void table_init(struct table *table, uint32_t connections_max);
void table_deinit(struct table *table);
/* Gives the connection its id and a reference to the table. Answers why not, static; NULL: it did. */
const char *table_join(struct table *table, struct connection *connection, uint64_t address,
                       uint64_t *id);
/* It can't be looked up any more; the table's reference goes to the caller. */
void table_leave(struct table *table, uint64_t id, uint64_t address);
/* A connection that had joined was freed. */
void table_forget(struct table *table);
/* Waits for that to be true of all. */
void table_wait_empty(struct table *table);
/* With a reference for the caller; NULL when it is gone. */
struct connection *table_acquire(struct table *table, uint64_t id);

#endif
