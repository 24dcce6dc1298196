/* Replies that wait until what they show is durable.
 *
 *   batch --holding_take--> by index of the command log's batch --holding_commit--> the sink
 *                                             or, if one waits there, --holding_await--> the sink
 *
 * A thread that has nothing to do until a batch is durable waits for it in holding_await, and releases what
 * waited for it: it wakes anyway, and the log's thread can go on with the next batch.
 *
 * layer   dispatch
 * threads any; one at a time releases, in order of batches
 * limits  HOLDING_BYTES_MAX of replies, beyond which requests wait in holding_await_room
 */
#ifndef HF_DISPATCH_HOLDING_H
#define HF_DISPATCH_HOLDING_H

#include "server/dispatch/batch.h"

#include <stdatomic.h>

#define HOLDING_BYTES_MAX ((size_t)64 << 20)
/* Batches that are not committed yet: one is filled, one is being committed. */
#define HOLDING_BATCHES 4

struct waiting_batch {
  uint64_t index; /* 0: nothing waits for it */
  size_t count, capacity, bytes;
  struct batch_delivery *deliveries; /* malloc */
};

/* Sends the replies, which are given. */
struct holding_sink {
  void (*release)(void *ctx, struct batch_delivery *deliveries, size_t count);
  void *ctx;
};

struct holding {
  struct holding_sink sink;
  pthread_mutex_t mutex;
  pthread_cond_t has_room, news;
  _Atomic uint64_t committed; /* changed under the mutex */
  _Atomic unsigned waiting;   /* threads in holding_await; likewise */
  bool is_releasing;
  size_t bytes;
  struct waiting_batch batches[HOLDING_BATCHES];
};

/* Batches through `committed` are durable. The sink is called without a lock. */
void holding_init(struct holding *holding, uint64_t committed, const struct holding_sink *sink);
/* Drops what waits. */
void holding_deinit(struct holding *holding);
/* Takes those deliveries that have to wait, and sets batch->awaited; leaves the others, in their order. false:
 * out of memory, some were dropped. */
bool holding_take(struct holding *holding, struct batch *batch);
/* Batches through this one are durable now. One call at a time. */
void holding_commit(struct holding *holding, uint64_t through);
/* Releases what is durable until the batch is, `interrupted` is true, or the deadline. */
void holding_await(struct holding *holding, uint64_t index, uint64_t deadline_ns,
                   const atomic_bool *interrupted);
/* The flag of a thread that may wait there was set. */
void holding_interrupt(struct holding *holding);
static inline bool holding_is_durable(const struct holding *holding, uint64_t index) {
  return atomic_load_explicit(&holding->committed, memory_order_relaxed) >= index;
}
static inline bool holding_is_awaited(const struct holding *holding) {
  return atomic_load_explicit(&holding->waiting, memory_order_relaxed) > 0;
}

/* Back-pressure: waits while too much waits, for so long at most. Before, with the lock, the log is asked to hurry.
 * false: too much still waits. */
bool holding_await_room(struct holding *holding, uint64_t wait_ns, void (*hurry)(void *log),
                        void *log);

#endif
