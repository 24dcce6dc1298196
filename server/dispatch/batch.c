#include "server/dispatch/batch.h"

#include "proto/limits.h"
#include "server/engine/decoded.h"

#include <stdlib.h>

#define DELIVERIES_KEPT_MAX 1024

void batch_pool_init(struct batch_pool *pool) {
  pool->free = NULL;
  pthread_mutex_init(&pool->mutex, NULL);
}

void batch_pool_deinit(struct batch_pool *pool) {
  while (pool->free) {
    struct batch *batch = pool->free;
    pool->free = batch->next;
    arena_deinit(&batch->arena);
    free(batch->deliveries);
    free(batch);
  }
  pthread_mutex_destroy(&pool->mutex);
}

struct batch *batch_acquire(struct batch_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  struct batch *batch = pool->free;
  if (batch) {
    pool->free = batch->next;
  }
  pthread_mutex_unlock(&pool->mutex);
  if (!batch && (batch = calloc(1, sizeof *batch))) {
    arena_init(&batch->arena, HF_UNPACK_BYTES_MAX);
  }
  return batch;
}

/* One batch may deliver to all waiters; later batches don't keep memory for so many deliveries. */
static void trim_deliveries(struct batch *batch) {
  if (batch->deliveries_capacity > DELIVERIES_KEPT_MAX) {
    free(batch->deliveries);
    batch->deliveries = NULL;
    batch->deliveries_capacity = 0;
  }
}

static void free_requests(struct batch *batch) {
  for (size_t i = 0; i < batch->requests_count; i++) {
    decoded_free(batch->requests[i].decoded);
  }
  batch->requests_count = batch->decoded_bytes = 0;
}

void batch_release(struct batch_pool *pool, struct batch *batch) {
  trim_deliveries(batch);
  free_requests(batch);
  arena_reset(&batch->arena);
  pthread_mutex_lock(&pool->mutex);
  batch->next = pool->free;
  pool->free = batch;
  pthread_mutex_unlock(&pool->mutex);
}

void batch_add_delivery(struct batch *batch, uint64_t connection, const struct sp_route *route,
                        struct reply *reply) {
  if (batch->deliveries_count == batch->deliveries_capacity) {
    size_t capacity = batch->deliveries_capacity ? batch->deliveries_capacity * 2 : 64;
    struct batch_delivery *grown = realloc(batch->deliveries, capacity * sizeof *grown);
    if (!grown) {
      reply_release(reply);
      return;
    }
    batch->deliveries = grown;
    batch->deliveries_capacity = capacity;
  }
  if (reply) {
    batch->reply_bytes += reply_memory_bytes(reply);
  }
  batch->deliveries[batch->deliveries_count++] =
      (struct batch_delivery){connection, *route, reply, 0};
}
