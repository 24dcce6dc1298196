#include "server/engine/memory.h"

#include "proto/limits.h"

size_t memory_admitted_bytes(const struct memory *memory) {
  size_t reclaimed = memory->used[MEMORY_RECLAIMED], allowance = memory->max / 8;
  return memory->total - (reclaimed < allowance ? reclaimed : allowance);
}

bool memory_has_room(const struct memory *memory, size_t more_bytes) {
  size_t used = memory_admitted_bytes(memory);
  return used < memory->max && more_bytes <= memory->max - used;
}

bool memory_is_exhausted(const struct memory *memory) {
  size_t share = memory->max / HF_WINDOWS_RESERVE_SHARE;
  size_t reserve = share > HF_WINDOWS_RESERVE_BYTES ? share : HF_WINDOWS_RESERVE_BYTES;
  return memory_admitted_bytes(memory) > memory->max + reserve;
}

size_t memory_waiters_max(const struct memory *memory) {
  size_t share = memory->max / HF_WAITERS_SHARE;
  return share > HF_WAITERS_RESERVE_BYTES ? share : HF_WAITERS_RESERVE_BYTES;
}

size_t memory_waiters_of_address_max(const struct memory *memory) {
  return memory_waiters_max(memory) / 2;
}

const char *memory_use_name(enum memory_use use) {
  static const char *const names[MEMORY_USES] = {
      [MEMORY_CONTAINERS] = "containers", [MEMORY_VALUES] = "values",
      [MEMORY_SHARED] = "shared",         [MEMORY_INDEX] = "index",
      [MEMORY_REFERENCES] = "references", [MEMORY_SESSIONS] = "sessions",
      [MEMORY_WAITERS] = "waiters",       [MEMORY_WINDOWS] = "windows",
      [MEMORY_SCRATCH] = "scratch",       [MEMORY_RECLAIMED] = "reclaimed",
  };
  return names[use];
}
