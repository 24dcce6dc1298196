/* A hash map from non-zero 64-bit numbers to pointers: ids to objects, sequences to replies.
 *
 * source  open addressing with linear probing, each table sorted by hash (Robin Hood hashing; Celis,
 *         Larson, Munro 1985); deletion shifts back, so there are no tombstones
 * order   A walk goes by the hash of the key. Where the same keys are, it meets them in the same order,
 *         whatever capacity the tables have and whatever was there before.
 * cost    O(1), also while it grows or is trimmed: a table of more than MAP64_AT_ONCE slots is moved
 *         to another step by step, with each change
 *
 *   former [ . . . . | k k . k k k . k . ]   what is left of the move: rows of slots in use move as a
 *                    ^ former_next           whole, so that searches behind it find what they look for
 *   slots  [ k . k . k k . . . . k . . . . . k . k . . . . . . . k . ]   new keys, and what has moved
 *
 * threads one at a time
 */
#ifndef HF_BASE_MAP64_H
#define HF_BASE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP64_CAPACITY_MIN 8
#define MAP64_AT_ONCE 4096

struct map64_slot {
  uint64_t key; /* 0: free */
  void *value;
};

struct map64 {
  struct map64_slot *slots;
  size_t count;
  size_t capacity;           /* a power of two, or 0 */
  struct map64_slot *former; /* the table that is being left; NULL: none. A key is in one of them */
  size_t former_capacity, former_next,
      former_left; /* slots; where to go on, and how many are left */
  /* Where strangers choose the keys: set while it is empty, so that they can't choose keys that
   * meet in one place. 0: they don't. */
  uint64_t secret;
};

/* Keeps the secret. */
void map64_deinit(struct map64 *map);
/* What it counts for: by its keys alone, so that the same content counts the same. An entry takes 64
 * bytes at most, when a trimmed table is about to be trimmed again, or one that has just grown is
 * still being left: a quarter more than it counts for. */
#define MAP64_ENTRY_BYTES 52
static inline size_t map64_counted_bytes(const struct map64 *map) {
  return map->count ? 64 + map->count * MAP64_ENTRY_BYTES : 0;
}
/* Whether map64_trim gives memory back: a quarter full is far enough from growing that the table does
 * not go to and fro. */
static inline bool map64_is_sparse(const struct map64 *map) {
  return map->capacity > MAP64_CAPACITY_MIN && map->count * 4 <= map->capacity;
}
/* NULL when there is none. */
void *map64_get(const struct map64 *map, uint64_t key);
/* Sets or replaces. false: out of memory, the map is as it was. */
bool map64_set(struct map64 *map, uint64_t key, void *value);
/* The value that was removed; NULL when there was none. */
void *map64_remove(struct map64 *map, uint64_t key);
/* Gives memory back when most of the table is empty. Apart from map64_remove, after which the same
 * key can be set without memory. */
void map64_trim(struct map64 *map);
/* Walks by hash: begin with *position = 0. The map may change meanwhile: what stays is met once. */
bool map64_next(const struct map64 *map, uint64_t *position, uint64_t *key, void **value);

#endif
