/* A batch: what one read brought, decoded, and what is to be sent for it.
 *
 * layer   dispatch
 * memory  Batches are kept in a pool and used again; a batch's arena is reset on release.
 */
#ifndef HF_DISPATCH_BATCH_H
#define HF_DISPATCH_BATCH_H

#include "proto/base/arena.h"
#include "server/engine/engine.h"

#include <pthread.h>
#include <stddef.h>

#define BATCH_REQUESTS_MAX 64

/* A reply on its way, or the end of a connection. */
struct batch_delivery {
  uint64_t connection;
  struct sp_route route;
  struct reply *reply; /* one count; NULL: close the connection */
  uint64_t index;      /* of the batch of the command log that it waits for; 0: for none */
};

struct batch {
  struct batch *next; /* in the pool */
  struct arena arena;
  size_t requests_count;
  struct engine_request requests[BATCH_REQUESTS_MAX];
  size_t decoded_bytes; /* of large requests, which have memory of their own */
  size_t reply_bytes;   /* of the deliveries, with the values they refer to */
  size_t deliveries_count, deliveries_capacity;
  struct batch_delivery *deliveries;
  uint64_t awaited; /* the last batch of the log that replies of this one wait for; 0: none do */
  char *deadlock; /* malloc: describes the deadlock that the engine found in this batch; or NULL */
};

struct batch_pool {
  pthread_mutex_t mutex;
  struct batch *free;
};

void batch_pool_init(struct batch_pool *pool);
void batch_pool_deinit(struct batch_pool *pool);
/* NULL: out of memory. */
struct batch *batch_acquire(struct batch_pool *pool);
void batch_release(struct batch_pool *pool, struct batch *batch);
/* reply is taken; dropped without memory for the delivery. */
void batch_add_delivery(struct batch *batch, uint64_t connection, const struct sp_route *route,
                        struct reply *reply);

#endif
