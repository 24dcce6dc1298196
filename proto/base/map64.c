#include "proto/base/map64.h"

#include <stdlib.h>

#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

static size_t home_of(const struct map64 *map, uint64_t key) {
  if (map->secret) {
    key ^= map->secret;
    key = (key ^ key >> 32) * (map->secret | 1);
    key ^= key >> 29;
  }
  return (size_t)((key * MULTIPLIER) >> 32) & (map->capacity - 1);
}

static size_t next_of(const struct map64 *map, size_t idx) {
  return (idx + 1) & (map->capacity - 1);
}

void map64_deinit(struct map64 *map) {
  free(map->slots);
  *map = (struct map64){.secret = map->secret};
}

/* The slot of the key, or the free one where it belongs. */
static struct map64_slot *find_slot(const struct map64 *map, uint64_t key) {
  size_t idx = home_of(map, key);
  while (map->slots[idx].key != key && map->slots[idx].key != 0) {
    idx = next_of(map, idx);
  }
  return &map->slots[idx];
}

void *map64_get(const struct map64 *map, uint64_t key) {
  if (map->count == 0) {
    return NULL;
  }
  struct map64_slot *slot = find_slot(map, key);
  return slot->key == key ? slot->value : NULL;
}

/* Moves all to a table of that capacity. false: out of memory, the map is as it was. */
static bool resize(struct map64 *map, size_t capacity) {
  struct map64 resized = {.capacity = capacity, .count = map->count, .secret = map->secret};
  resized.slots = calloc(capacity, sizeof *resized.slots);
  if (!resized.slots) {
    return false;
  }
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].key) {
      *find_slot(&resized, map->slots[i].key) = map->slots[i];
    }
  }
  free(map->slots);
  *map = resized;
  return true;
}

static bool grow(struct map64 *map) {
  return resize(map, map->capacity ? map->capacity * 2 : MAP64_CAPACITY_MIN);
}

void map64_trim(struct map64 *map) {
  if (!map64_is_sparse(map)) {
    return;
  }
  size_t capacity = MAP64_CAPACITY_MIN;
  while (capacity < map->count * 4) {
    capacity *= 2;
  }
  (void)resize(map, capacity); /* without memory it stays as large as it is */
}

/* A key that is there needs no room. */
static bool replace(struct map64 *map, uint64_t key, void *value) {
  struct map64_slot *slot = map->count > 0 ? find_slot(map, key) : NULL;
  if (!slot || slot->key != key) {
    return false;
  }
  slot->value = value;
  return true;
}

bool map64_grows_next(const struct map64 *map) {
  return (map->count + 1) * 4 > map->capacity * 3;
}

bool map64_set(struct map64 *map, uint64_t key, void *value) {
  if (replace(map, key, value)) {
    return true;
  }
  if (map64_grows_next(map) && !grow(map)) {
    return false;
  }
  *find_slot(map, key) = (struct map64_slot){key, value};
  map->count++;
  return true;
}

void *map64_remove(struct map64 *map, uint64_t key) {
  if (map->count == 0) {
    return NULL;
  }
  struct map64_slot *slot = find_slot(map, key);
  if (slot->key != key) {
    return NULL;
  }
  void *value = slot->value;
  size_t hole = (size_t)(slot - map->slots);
  for (size_t idx = next_of(map, hole); map->slots[idx].key; idx = next_of(map, idx)) {
    size_t home = home_of(map, map->slots[idx].key);
    /* May move into the hole only what the probe from its home would still find there. */
    if (((idx - home) & (map->capacity - 1)) >= ((idx - hole) & (map->capacity - 1))) {
      map->slots[hole] = map->slots[idx];
      hole = idx;
    }
  }
  map->slots[hole] = (struct map64_slot){0};
  map->count--;
  return value;
}

bool map64_next(const struct map64 *map, size_t *position, uint64_t *key, void **value) {
  while (*position < map->capacity) {
    const struct map64_slot *slot = &map->slots[(*position)++];
    if (slot->key) {
      *key = slot->key;
      *value = slot->value;
      return true;
    }
  }
  return false;
}
