#include "server/dispatch/holding.h"

#include "proto/base/clock.h"
#include "server/engine/reply.h"

#include <stdlib.h>

void holding_init(struct holding *holding, uint64_t committed, const struct holding_sink *sink) {
  pthread_condattr_t monotonic;
  *holding = (struct holding){.committed = committed, .sink = *sink};
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&holding->mutex, NULL);
  pthread_cond_init(&holding->has_room, &monotonic);
  pthread_cond_init(&holding->news, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

void holding_deinit(struct holding *holding) {
  for (size_t i = 0; i < HOLDING_BATCHES; i++) {
    struct waiting_batch *waiting = &holding->batches[i];
    for (size_t j = 0; j < waiting->count; j++) {
      reply_release(waiting->deliveries[j].reply);
    }
    free(waiting->deliveries);
  }
  pthread_cond_destroy(&holding->news);
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
      continue;
    }
    batch->awaited = delivery->index;
    if (!hold(holding, delivery)) {
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

/* With the mutex, which is not held meanwhile. A second thread leaves it to the first, which looks again. */
static void release_durable(struct holding *holding) {
  struct waiting_batch taken;
  while (!holding->is_releasing && take_committed(holding, &taken)) {
    holding->is_releasing = true;
    pthread_mutex_unlock(&holding->mutex);
    holding->sink.release(holding->sink.ctx, taken.deliveries, taken.count);
    free(taken.deliveries);
    pthread_mutex_lock(&holding->mutex);
    holding->is_releasing = false;
    holding->bytes -= taken.bytes;
    pthread_cond_broadcast(&holding->has_room);
  }
}

void holding_commit(struct holding *holding, uint64_t through) {
  pthread_mutex_lock(&holding->mutex);
  holding->committed = through;
  if (holding->waiting > 0) {
    pthread_cond_broadcast(&holding->news);
  } else {
    release_durable(holding);
  }
  pthread_mutex_unlock(&holding->mutex);
}

void holding_await(struct holding *holding, uint64_t index, uint64_t deadline_ns,
                   const atomic_bool *interrupted) {
  const struct timespec deadline = clock_timespec(deadline_ns);
  int result = 0;
  pthread_mutex_lock(&holding->mutex);
  holding->waiting++;
  release_durable(holding);
  while (holding->committed < index && !*interrupted && result == 0) {
    result = pthread_cond_timedwait(&holding->news, &holding->mutex, &deadline);
    release_durable(holding); /* also of batches before that */
  }
  holding->waiting--;
  pthread_mutex_unlock(&holding->mutex);
}

/* With the lock: a thread that has seen the flag as it was waits already. */
void holding_interrupt(struct holding *holding) {
  pthread_mutex_lock(&holding->mutex);
  pthread_cond_broadcast(&holding->news);
  pthread_mutex_unlock(&holding->mutex);
}

bool holding_await_room(struct holding *holding, uint64_t wait_ns, void (*hurry)(void *log),
                        void *log) {
  int result = 0;
  pthread_mutex_lock(&holding->mutex);
  if (holding->bytes > HOLDING_BYTES_MAX) {
    const struct timespec deadline = clock_timespec(clock_now_ns() + wait_ns);
    while (holding->bytes > HOLDING_BYTES_MAX && result == 0) {
      hurry(log);
      result = pthread_cond_timedwait(&holding->has_room, &holding->mutex, &deadline);
    }
  }
  bool has_room = holding->bytes <= HOLDING_BYTES_MAX;
  pthread_mutex_unlock(&holding->mutex);
  return has_room;
}
