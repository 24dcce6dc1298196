/* A hash map from non-zero 64-bit keys to pointers: ids to objects, sequences to replies.
 *
 * source  open addressing with linear probing, each table sorted by hash (Robin Hood hashing;
 *         Celis, Larson, Munro 1985); deletion shifts entries back, so there are no tombstones
 * order   A walk is ordered by the hash of the keys. Maps with the same keys are walked in the same
 *         order, whatever their capacities and histories.
 * cost    O(1), also while a map grows or shrinks: a table of more than MAP64_AT_ONCE slots is moved
 *         to the new one incrementally, a few slots with each change
 *
 *   former [ . . . . | k k . k k k . k . ]   the rest of the move: a run of used slots moves as a
 *                    ^ former_next           whole, so that searches behind the run succeed
 *   slots  [ k . k . k k . . . . k . . . . . k . k . . . . . . . k . ]   new and moved keys
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
  size_t capacity; /* a power of two, or 0 */
  /* The table that is being emptied; NULL: none. A key is in exactly one table. */
  struct map64_slot *former;
  /* Of `former`: the next slot to be moved, and the number of slots left. */
  size_t former_capacity, former_next, former_left;
  /* The hash key, for maps whose keys peers choose, or the order in which they leave it: set while the
   * map is empty. Otherwise peers could make keys collide; or remove them in the order of their hashes,
   * and those that are left would lie close together in a table that is trimmed. 0: neither. */
  uint64_t secret;
};

/* Frees the tables; keeps the hash key. */
void map64_deinit(struct map64 *map);
/* The memory that the map counts for, a function of the number of keys, so that equal content
 * counts equally. The actual memory of an entry is at most a quarter more, 64 bytes, just before a
 * trimmed table is trimmed again, or while a former table is being emptied. */
#define MAP64_ENTRY_BYTES 52
static inline size_t map64_counted_bytes(const struct map64 *map) {
  return map->count ? 64 + map->count * MAP64_ENTRY_BYTES : 0;
}
/* Whether map64_trim frees memory. The threshold, a quarter full, is far enough from growing to
 * avoid oscillation. */
static inline bool map64_is_sparse(const struct map64 *map) {
  return map->capacity > MAP64_CAPACITY_MIN && map->count * 4 <= map->capacity;
}
/* NULL: no such key. */
void *map64_get(const struct map64 *map, uint64_t key);
/* Sets or replaces. false: out of memory, the map is unchanged. */
bool map64_set(struct map64 *map, uint64_t key, void *value);
/* Returns the removed value; NULL: no such key. */
void *map64_remove(struct map64 *map, uint64_t key);
/* Frees memory if most of the table is empty. Separate from map64_remove, so that the removed key
 * can be set again without an allocation. */
void map64_trim(struct map64 *map);
/* Walks in hash order: begin with *position = 0. The map may change meanwhile; each entry that
 * stays is visited once. */
bool map64_next(const struct map64 *map, uint64_t *position, uint64_t *key, void **value);

#endif
