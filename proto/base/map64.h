/* A hash map from non-zero 64-bit numbers to pointers: ids to objects, sequences to replies.
 *
 * source  open addressing with linear probing; deletion shifts back, so there are no tombstones
 * cost    O(1); growing copies the table, so keep it for things counted in tens of thousands
 * threads one at a time
 */
#ifndef HF_BASE_MAP64_H
#define HF_BASE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/* NULL when there is none. */
void *map64_get(const struct map64 *map, uint64_t key);
/* Sets or replaces. false: out of memory, the map is as it was. */
bool map64_set(struct map64 *map, uint64_t key, void *value);
/* The value that was removed; NULL when there was none. */
void *map64_remove(struct map64 *map, uint64_t key);
/* Walks in no particular order: begin with *position = 0. The map may not change meanwhile. */
bool map64_next(const struct map64 *map, size_t *position, uint64_t *key, void **value);

#endif
