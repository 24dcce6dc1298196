#include "server/dispatch/turn.h"

#include "proto/limits.h"
#include "server/engine/decoded.h"

#include <stdlib.h>

#define DELIVERIES_KEPT_MAX 1024

void turn_pool_init(struct turn_pool *pool) {
  pool->free = NULL;
  pthread_mutex_init(&pool->mutex, NULL);
}

void turn_pool_deinit(struct turn_pool *pool) {
  while (pool->free) {
    struct turn *turn = pool->free;
    pool->free = turn->next;
    arena_deinit(&turn->arena);
    free(turn->deliveries);
    free(turn);
  }
  pthread_mutex_destroy(&pool->mutex);
}

struct turn *turn_acquire(struct turn_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  struct turn *turn = pool->free;
  if (turn) {
    pool->free = turn->next;
  }
  pthread_mutex_unlock(&pool->mutex);
  if (!turn && (turn = calloc(1, sizeof *turn))) {
    arena_init(&turn->arena, HF_UNPACK_BYTES_MAX);
  }
  return turn;
}

/* One turn may deliver to all who wait; the next ones need not keep what that took. */
static void trim_deliveries(struct turn *turn) {
  if (turn->deliveries_capacity > DELIVERIES_KEPT_MAX) {
    free(turn->deliveries);
    turn->deliveries = NULL;
    turn->deliveries_capacity = 0;
  }
}

static void free_requests(struct turn *turn) {
  for (size_t i = 0; i < turn->requests_count; i++) {
    decoded_free(turn->requests[i].decoded);
  }
  turn->requests_count = turn->decoded_bytes = 0;
}

void turn_release(struct turn_pool *pool, struct turn *turn) {
  trim_deliveries(turn);
  free_requests(turn);
  arena_reset(&turn->arena);
  pthread_mutex_lock(&pool->mutex);
  turn->next = pool->free;
  pool->free = turn;
  pthread_mutex_unlock(&pool->mutex);
}

void turn_add_delivery(struct turn *turn, uint64_t connection, const struct sp_route *route,
                       struct reply *reply) {
  if (turn->deliveries_count == turn->deliveries_capacity) {
    size_t capacity = turn->deliveries_capacity ? turn->deliveries_capacity * 2 : 64;
    struct turn_delivery *grown = realloc(turn->deliveries, capacity * sizeof *grown);
    if (!grown) {
      reply_release(reply);
      return;
    }
    turn->deliveries = grown;
    turn->deliveries_capacity = capacity;
  }
  if (reply) {
    turn->reply_bytes += reply_memory_bytes(reply);
  }
  turn->deliveries[turn->deliveries_count++] = (struct turn_delivery){connection, *route, reply};
}
