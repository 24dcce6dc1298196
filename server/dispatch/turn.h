/* A turn: what one read brought, decoded, and what is to be sent for it.
 *
 * layer   dispatch
 * memory  Turns are kept in a pool and used again; a turn's arena is reset when it goes back.
 */
#ifndef HF_DISPATCH_TURN_H
#define HF_DISPATCH_TURN_H

#include "proto/base/arena.h"
#include "server/engine/engine.h"

#include <pthread.h>
#include <stddef.h>

#define TURN_REQUESTS_MAX 64

/* A reply on its way, or the end of a connection. */
struct turn_delivery {
  uint64_t connection;
  struct sp_route route;
  struct reply *reply; /* one count; NULL: close the connection */
};

struct turn {
  struct turn *next; /* in the pool */
  struct arena arena;
  size_t requests_count;
  struct engine_request requests[TURN_REQUESTS_MAX];
  size_t decoded_bytes; /* of the large ones, which have memory of their own */
  size_t reply_bytes;   /* of the deliveries, with the values they refer to */
  size_t deliveries_count, deliveries_capacity;
  struct turn_delivery *deliveries;
  char *deadlock; /* malloc: the one the engine saw in this turn, in words; or NULL */
};

struct turn_pool {
  pthread_mutex_t mutex;
  struct turn *free;
};

void turn_pool_init(struct turn_pool *pool);
void turn_pool_deinit(struct turn_pool *pool);
/* NULL: out of memory. */
struct turn *turn_acquire(struct turn_pool *pool);
void turn_release(struct turn_pool *pool, struct turn *turn);
/* reply is taken; dropped when there is no memory to remember it. */
void turn_add_delivery(struct turn *turn, uint64_t connection, const struct sp_route *route,
                       struct reply *reply);

#endif
