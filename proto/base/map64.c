#include "proto/base/map64.h"

#include <stdlib.h>

#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)
/* Slots of the former table that are visited with each change: all are, long before the new one is
 * full. Of the insertions that fit, a growing table needs a 48th for that, a trimmed one a 16th. */
#define MOVED_AT_ONCE 64

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

static size_t home_of(const struct map64 *map, struct table table, uint64_t key) {
  if (map->secret) {
    key ^= map->secret;
    key = (key ^ key >> 32) * (map->secret | 1);
    key ^= key >> 29;
  }
  return (size_t)((key * MULTIPLIER) >> 32) & (table.capacity - 1);
}

static size_t next_of(struct table table, size_t idx) {
  return (idx + 1) & (table.capacity - 1);
}

void map64_deinit(struct map64 *map) {
  free(map->slots);
  free(map->former);
  *map = (struct map64){.secret = map->secret};
}

/* The slot of the key, or the free one where it belongs. */
static struct map64_slot *find_slot(const struct map64 *map, struct table table, uint64_t key) {
  size_t idx = home_of(map, table, key);
  while (table.slots[idx].key != key && table.slots[idx].key != 0) {
    idx = next_of(table, idx);
  }
  return &table.slots[idx];
}

/* The slot that has the key; NULL: none. */
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

/* Visits so many slots of the former table, and those that follow in the same row. */
static void move_on(struct map64 *map, size_t count) {
  struct table former = former_of(map);
  bool is_row = false;
  while (map->former_left > 0 && (count > 0 || is_row)) {
    struct map64_slot *slot = &former.slots[map->former_next];
    is_row = slot->key != 0;
    if (is_row) {
      *find_slot(map, current_of(map), slot->key) = *slot;
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

/* Begins to move all to a table of that capacity; a small one is moved at once. false: out of memory,
 * the map is as it was. */
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
  while (map->former[map->former_next].key) { /* to where a row begins */
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
  while (capacity < map->count * 4) {
    capacity *= 2;
  }
  (void)resize(map, capacity); /* without memory it stays as large as it is */
}

/* ---- changes */

bool map64_grows_next(const struct map64 *map) {
  return (map->count + 1) * 4 > map->capacity * 3;
}

bool map64_set(struct map64 *map, uint64_t key, void *value) {
  struct table table;
  struct map64_slot *slot = find(map, key, &table);
  if (slot) { /* needs no room */
    slot->value = value;
    return true;
  }
  if (map64_grows_next(map) && !grow(map)) {
    return false;
  }
  *find_slot(map, current_of(map), key) = (struct map64_slot){key, value};
  map->count++;
  if (map->former) {
    move_on(map, MOVED_AT_ONCE);
  }
  return true;
}

static void empty_slot(struct map64 *map, struct table table, struct map64_slot *slot) {
  size_t hole = (size_t)(slot - table.slots);
  for (size_t idx = next_of(table, hole); table.slots[idx].key; idx = next_of(table, idx)) {
    size_t home = home_of(map, table, table.slots[idx].key);
    /* May move into the hole only what the probe from its home would still find there. */
    if (((idx - home) & (table.capacity - 1)) >= ((idx - hole) & (table.capacity - 1))) {
      table.slots[hole] = table.slots[idx];
      hole = idx;
    }
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

bool map64_next(const struct map64 *map, size_t *position, uint64_t *key, void **value) {
  while (*position < map64_slots(map)) {
    size_t idx = (*position)++;
    const struct map64_slot *slot =
        idx < map->capacity ? &map->slots[idx] : &map->former[idx - map->capacity];
    if (slot->key) {
      *key = slot->key;
      *value = slot->value;
      return true;
    }
  }
  return false;
}
