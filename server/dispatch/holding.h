/* Replies that wait until what they show is durable.
 *
 *   batch --holding_take--> by index of the command log's batch --holding_commit--> the sink
 *
 * layer   dispatch
 * threads any
 * limits  HOLDING_BYTES_MAX of replies, beyond which requests wait in holding_await_room
 */
#ifndef HF_DISPATCH_HOLDING_H
#define HF_DISPATCH_HOLDING_H

#include "server/dispatch/batch.h"

#define HOLDING_BYTES_MAX ((size_t)64 << 20)
/* Batches that are not committed yet: one is filled, one is being committed. */
#define HOLDING_BATCHES 4

struct waiting_batch {
  uint64_t index; /* 0: nothing waits for it */
  size_t count, capacity, bytes;
  struct batch_delivery *deliveries; /* malloc */
};

struct holding {
  pthread_mutex_t mutex;
  pthread_cond_t has_room;
  uint64_t committed;
  size_t bytes;
  struct waiting_batch batches[HOLDING_BATCHES];
};

/* Batches through `committed` are durable. */
void holding_init(struct holding *holding, uint64_t committed);
/* Drops what waits. */
void holding_deinit(struct holding *holding);
/* Takes those deliveries that have to wait; leaves the others, in their order. false: out of memory, some were
 * dropped. */
bool holding_take(struct holding *holding, struct batch *batch);
/* Batches through this one are durable now: hands what waited for them to `release`, in order of batches,
 * without a lock. One call at a time. */
void holding_commit(struct holding *holding, uint64_t through,
                    void (*release)(void *ctx, struct batch_delivery *deliveries, size_t count),
                    void *ctx);
/* Back-pressure: waits while too much waits. */
void holding_await_room(struct holding *holding);

#endif
