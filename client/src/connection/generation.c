#include "client/src/connection/generation.h"

#include <stdatomic.h>

static atomic_uint generation;

uint32_t fork_generation(void) {
  return atomic_load_explicit(&generation, memory_order_relaxed);
}

void fork_generation_next(void) {
  atomic_fetch_add(&generation, 1);
}
