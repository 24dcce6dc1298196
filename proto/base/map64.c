#include "proto/base/map64.h"

#include <stdlib.h>

#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)
/* Slots of the former table visited with each change: all are, long before the new table is full.
 * Of the insertions that fit, a growing table needs a 48th for that, a trimmed one an eighth. */
#define MOVED_AT_ONCE 64
/* Slots that a walk visits in one table before it continues in the other. */
#define WALKED_AT_ONCE 8

struct table {
  struct map64_slot *slots;
  size_t capacity;
};

static struct table current_of(const struct map64 *map) {
  return (struct table){map->slots, map->capacity};
}

static struct table former_of(const struct map64 *map) {
  return (struct table){map->former, map->former_capacity};
}

/* A bijection; 0 maps to 0. */
static uint64_t hash_of(const struct map64 *map, uint64_t key) {
  if (map->secret) {
    key = (key ^ key >> 32) * (map->secret | 1);
    key ^= key >> 29;
  }
  return key * MULTIPLIER;
}

/* The slot that a hash belongs to: its upper bits. */
static size_t home_of(struct table table, uint64_t hash) {
  return (size_t)(hash >> (__builtin_clzll(table.capacity) + 1));
}

static size_t next_of(struct table table, size_t idx) {
  return (idx + 1) & (table.capacity - 1);
}

/* The distance of a slot from the home of its entry. */
static size_t distance_of(struct table table, size_t idx, uint64_t hash) {
  return (idx - home_of(table, hash)) & (table.capacity - 1);
}

void map64_deinit(struct map64 *map) {
  free(map->slots);
  free(map->former);
  *map = (struct map64){.secret = map->secret};
}

/* The slot of the key, or the free slot after its probe sequence. */
static struct map64_slot *find_slot(const struct map64 *map, struct table table, uint64_t key) {
  size_t idx = home_of(table, hash_of(map, key));
  while (table.slots[idx].key != key && table.slots[idx].key != 0) {
    idx = next_of(table, idx);
  }
  return &table.slots[idx];
}

/* Inserts a missing key at the position of its hash; shifts the entries behind it by one. */
static void insert(const struct map64 *map, struct table table, struct map64_slot slot) {
  uint64_t hash = hash_of(map, slot.key);
  size_t idx = home_of(table, hash), distance = 0;
  for (; table.slots[idx].key; idx = next_of(table, idx), distance++) {
    uint64_t other = hash_of(map, table.slots[idx].key);
    size_t other_distance = distance_of(table, idx, other);
    if (other_distance < distance || (other_distance == distance && other > hash)) {
      break;
    }
  }
  while (slot.key) {
    struct map64_slot moved = table.slots[idx];
    table.slots[idx] = slot;
    slot = moved;
    idx = next_of(table, idx);
  }
}

/* The slot of the key in either table; NULL: none. */
static struct map64_slot *find(const struct map64 *map, uint64_t key, struct table *table) {
  if (map->count == 0) {
    return NULL;
  }
  *table = current_of(map);
  struct map64_slot *slot = find_slot(map, *table, key);
  if (slot->key != key && map->former) {
    *table = former_of(map);
    slot = find_slot(map, *table, key);
  }
  return slot->key == key ? slot : NULL;
}

void *map64_get(const struct map64 *map, uint64_t key) {
  struct table table;
  const struct map64_slot *slot = find(map, key, &table);
  return slot ? slot->value : NULL;
}

/* ---- from table to table */

/* Moves the entries of `count` slots of the former table, and the rest of the last run. */
static void move_on(struct map64 *map, size_t count) {
  struct table former = former_of(map);
  bool is_row = false;
  while (map->former_left > 0 && (count > 0 || is_row)) {
    struct map64_slot *slot = &former.slots[map->former_next];
    is_row = slot->key != 0;
    if (is_row) {
      insert(map, current_of(map), *slot);
      *slot = (struct map64_slot){0};
    }
    map->former_next = next_of(former, map->former_next);
    map->former_left--;
    count -= count > 0;
  }
  if (map->former_left == 0) {
    free(map->former);
    map->former = NULL;
    map->former_capacity = 0;
  }
}

/* Starts to move all entries to a table of that capacity; a small table is moved at once. false:
 * out of memory, the map is unchanged. */
static bool resize(struct map64 *map, size_t capacity) {
  move_on(map, SIZE_MAX);
  struct map64_slot *slots = calloc(capacity, sizeof *slots);
  if (!slots) {
    return false;
  }
  map->former = map->slots;
  map->former_capacity = map->former_left = map->capacity;
  map->former_next = 0;
  map->slots = slots;
  map->capacity = capacity;
  if (map->former_capacity <= MAP64_AT_ONCE) {
    move_on(map, SIZE_MAX);
    return true;
  }
  while (map->former[map->former_next].key) { /* to the beginning of a run */
    map->former_next++;
  }
  return true;
}

static bool grow(struct map64 *map) {
  return resize(map, map->capacity ? map->capacity * 2 : MAP64_CAPACITY_MIN);
}

void map64_trim(struct map64 *map) {
  if (map->former || !map64_is_sparse(map)) {
    return;
  }
  size_t capacity = MAP64_CAPACITY_MIN;
  while (capacity < map->count * 2) {
    capacity *= 2;
  }
  (void)resize(map, capacity); /* out of memory: keeps the capacity */
}

/* ---- changes */

/* Whether inserting a missing key doubles the table. */
static bool grows_next(const struct map64 *map) {
  return (map->count + 1) * 4 > map->capacity * 3;
}

bool map64_set(struct map64 *map, uint64_t key, void *value) {
  struct table table;
  struct map64_slot *slot = find(map, key, &table);
  if (slot) { /* needs no room */
    slot->value = value;
    return true;
  }
  if (grows_next(map) && !grow(map)) {
    return false;
  }
  insert(map, current_of(map), (struct map64_slot){key, value});
  map->count++;
  if (map->former) {
    move_on(map, MOVED_AT_ONCE);
  }
  return true;
}

/* Empties a slot: entries behind it move back by one, until one is at its home. */
static void empty_slot(const struct map64 *map, struct table table, struct map64_slot *slot) {
  size_t hole = (size_t)(slot - table.slots), idx = next_of(table, hole);
  while (table.slots[idx].key && distance_of(table, idx, hash_of(map, table.slots[idx].key)) > 0) {
    table.slots[hole] = table.slots[idx];
    hole = idx;
    idx = next_of(table, idx);
  }
  table.slots[hole] = (struct map64_slot){0};
}

void *map64_remove(struct map64 *map, uint64_t key) {
  struct table table;
  struct map64_slot *slot = find(map, key, &table);
  if (!slot) {
    return NULL;
  }
  void *value = slot->value;
  empty_slot(map, table, slot);
  map->count--;
  if (map->former) {
    move_on(map, MOVED_AT_ONCE);
  }
  return value;
}

/* ---- walking */

/* The first entry with a hash beyond that; NULL: none up to the limit. A run that wraps around
 * comes last. */
static const struct map64_slot *beyond(const struct map64 *map, struct table table, uint64_t hash,
                                       uint64_t limit) {
  size_t end = home_of(table, limit);
  for (size_t idx = home_of(table, hash); idx < table.capacity; idx++) {
    const struct map64_slot *slot = &table.slots[idx];
    uint64_t other = slot->key ? hash_of(map, slot->key) : 0;
    if (other > hash && home_of(table, other) <= idx) {
      return slot;
    }
    if (idx >= end && !slot->key && limit != UINT64_MAX) {
      return NULL;
    }
  }
  for (size_t idx = 0; table.slots[idx].key; idx++) {
    uint64_t other = hash_of(map, table.slots[idx].key);
    if (home_of(table, other) <= idx) {
      break;
    }
    if (other > hash) {
      return &table.slots[idx];
    }
  }
  return NULL;
}

/* The first entry of both tables, searched a few slots at a time alternately: one table may be
 * nearly empty, because all entries have moved, or none. */
static const struct map64_slot *beyond_in_both(const struct map64 *map, uint64_t hash) {
  struct table current = current_of(map), former = former_of(map);
  size_t larger = current.capacity > former.capacity ? current.capacity : former.capacity;
  uint64_t window = UINT64_MAX / larger * WALKED_AT_ONCE;
  for (;;) {
    uint64_t limit = hash > UINT64_MAX - window ? UINT64_MAX : hash + window;
    const struct map64_slot *one = beyond(map, current, hash, limit);
    const struct map64_slot *other = beyond(map, former, hash, limit);
    if (one && other) {
      return hash_of(map, one->key) < hash_of(map, other->key) ? one : other;
    }
    const struct map64_slot *found = one ? one : other;
    if (limit == UINT64_MAX || (found && hash_of(map, found->key) <= limit)) {
      return found;
    }
    hash = limit; /* there is no entry up to `limit` */
  }
}

bool map64_next(const struct map64 *map, uint64_t *position, uint64_t *key, void **value) {
  const struct map64_slot *slot = NULL;
  if (map->former) {
    slot = beyond_in_both(map, *position);
  } else if (map->count > 0) {
    slot = beyond(map, current_of(map), *position, UINT64_MAX);
  }
  if (slot) {
    *position = hash_of(map, slot->key);
    *key = slot->key;
    *value = slot->value;
  }
  return slot != NULL;
}
