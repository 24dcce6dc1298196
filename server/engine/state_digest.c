#include "server/engine/state_digest.h"

#include "server/engine/core.h"

static uint64_t mix(uint64_t hash, uint64_t number) {
  hash = (hash ^ number) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ (hash >> 29);
}

/* Without what requests that only read change: counts of requests, and what sessions keep. */
uint64_t engine_digest(const struct engine *engine) {
  const uint64_t numbers[] = {
      engine->registry.next_id,
      engine->registry.by_id.count,
      engine->next_ticket,
      engine->next_token,
      engine->next_session_number,
      engine->next_job,
      engine->timers.next_order,
      engine->timers.count,
      engine->sessions.count,
      engine->peers.count,
      engine->waiting,
      engine->deadlocks,
      engine->crowding.total_ns,
      engine->users.count,
      engine->is_disk_full,
      engine->dropped_values.len,
  };
  uint64_t hash = 1;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    hash = mix(hash, numbers[i]);
  }
  return hash;
}

uint64_t engine_memory_digest(const struct engine *engine) {
  uint64_t hash = 1;
  for (int use = 0; use < MEMORY_USES; use++) {
    bool is_read = use == MEMORY_WINDOWS || use == MEMORY_SESSIONS;
    hash = mix(hash, is_read ? 0 : engine->memory.used[use]);
  }
  return hash;
}
