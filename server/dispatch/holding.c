#include "server/dispatch/holding.h"

#include "server/engine/reply.h"

#include <stdlib.h>

void holding_init(struct holding *holding, uint64_t committed) {
  *holding = (struct holding){.committed = committed};
  pthread_mutex_init(&holding->mutex, NULL);
  pthread_cond_init(&holding->has_room, NULL);
}

void holding_deinit(struct holding *holding) {
  for (size_t i = 0; i < HOLDING_BATCHES; i++) {
    struct waiting_batch *waiting = &holding->batches[i];
    for (size_t j = 0; j < waiting->count; j++) {
      reply_release(waiting->deliveries[j].reply);
    }
    free(waiting->deliveries);
  }
  pthread_cond_destroy(&holding->has_room);
  pthread_mutex_destroy(&holding->mutex);
}

/* With the mutex. There are never more batches under way than places. */
static struct waiting_batch *find_batch(struct holding *holding, uint64_t index) {
  struct waiting_batch *waiting = &holding->batches[index % HOLDING_BATCHES];
  waiting->index = index > waiting->index ? index : waiting->index;
  return waiting;
}

/* With the mutex. false: out of memory. */
static bool hold(struct holding *holding, const struct batch_delivery *delivery) {
  struct waiting_batch *waiting = find_batch(holding, delivery->index);
  if (waiting->count == waiting->capacity) {
    size_t capacity = waiting->capacity ? waiting->capacity * 2 : 64;
    struct batch_delivery *grown = realloc(waiting->deliveries, capacity * sizeof *grown);
    if (!grown) {
      return false;
    }
    waiting->deliveries = grown;
    waiting->capacity = capacity;
  }
  size_t bytes = delivery->reply ? reply_memory_bytes(delivery->reply) : 0;
  waiting->bytes += bytes;
  holding->bytes += bytes;
  waiting->deliveries[waiting->count++] = *delivery;
  return true;
}

bool holding_take(struct holding *holding, struct batch *batch) {
  size_t left = 0;
  bool is_whole = true;
  pthread_mutex_lock(&holding->mutex);
  for (size_t i = 0; i < batch->deliveries_count; i++) {
    struct batch_delivery *delivery = &batch->deliveries[i];
    if (delivery->index <= holding->committed) {
      batch->deliveries[left++] = *delivery;
    } else if (!hold(holding, delivery)) {
      reply_release(delivery->reply);
      is_whole = false;
    }
  }
  batch->deliveries_count = left;
  pthread_mutex_unlock(&holding->mutex);
  return is_whole;
}

/* Takes the first batch that is durable. false: there is none. */
static bool take_committed(struct holding *holding, struct waiting_batch *taken) {
  struct waiting_batch *first = NULL;
  for (size_t i = 0; i < HOLDING_BATCHES; i++) {
    struct waiting_batch *waiting = &holding->batches[i];
    if (waiting->count > 0 && waiting->index <= holding->committed &&
        (!first || waiting->index < first->index)) {
      first = waiting;
    }
  }
  if (first) {
    *taken = *first;
    *first = (struct waiting_batch){0};
  }
  return first != NULL;
}

void holding_commit(struct holding *holding, uint64_t through,
                    void (*release)(void *ctx, struct batch_delivery *deliveries, size_t count),
                    void *ctx) {
  struct waiting_batch taken;
  pthread_mutex_lock(&holding->mutex);
  holding->committed = through;
  while (take_committed(holding, &taken)) {
    pthread_mutex_unlock(&holding->mutex);
    release(ctx, taken.deliveries, taken.count);
    free(taken.deliveries);
    pthread_mutex_lock(&holding->mutex);
    holding->bytes -= taken.bytes;
    pthread_cond_broadcast(&holding->has_room);
  }
  pthread_mutex_unlock(&holding->mutex);
}

void holding_await_room(struct holding *holding) {
  pthread_mutex_lock(&holding->mutex);
  while (holding->bytes > HOLDING_BYTES_MAX) {
    pthread_cond_wait(&holding->has_room, &holding->mutex);
  }
  pthread_mutex_unlock(&holding->mutex);
}
