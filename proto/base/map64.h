/* A hash map from non-zero 64-bit numbers to pointers: ids to objects, sequences to replies.
 *
 * source  open addressing with linear probing; deletion shifts back, so there are no tombstones
 * cost    O(1); growing and trimming copy the table, so keep it for things counted in tens of thousands
 * threads one at a time
 */
#ifndef HF_BASE_MAP64_H
#define HF_BASE_MAP64_H

#include "proto/base/chunk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP64_CAPACITY_MIN 8

struct map64_slot {
  uint64_t key; /* 0: free */
  void *value;
};

struct map64 {
  struct map64_slot *slots;
  size_t count;
  size_t capacity; /* a power of two, or 0 */
  /* Where strangers choose the keys: set while it is empty, so that they can't choose keys that
   * meet in one place. 0: they don't. */
  uint64_t secret;
};

/* Keeps the secret. */
void map64_deinit(struct map64 *map);
/* Bytes of memory its table takes. */
static inline size_t map64_bytes(const struct map64 *map) {
  return map->capacity ? chunk_bytes(map->capacity * sizeof *map->slots) : 0;
}
/* Whether map64_trim gives memory back: an eighth full is far enough from growing that the table does
 * not go to and fro. */
static inline bool map64_is_sparse(const struct map64 *map) {
  return map->capacity > MAP64_CAPACITY_MIN && map->count * 8 <= map->capacity;
}
/* Whether a key that is not there makes the table twice as large. */
bool map64_grows_next(const struct map64 *map);
/* NULL when there is none. */
void *map64_get(const struct map64 *map, uint64_t key);
/* Sets or replaces. false: out of memory, the map is as it was. */
bool map64_set(struct map64 *map, uint64_t key, void *value);
/* The value that was removed; NULL when there was none. */
void *map64_remove(struct map64 *map, uint64_t key);
/* Gives memory back when most of the table is empty. Apart from map64_remove, after which the same
 * key can be set without memory. */
void map64_trim(struct map64 *map);
/* Walks in no particular order: begin with *position = 0. The map may not change meanwhile. */
bool map64_next(const struct map64 *map, size_t *position, uint64_t *key, void **value);

#endif
