#include "client/src/segments.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/src/rings.h"
#include "proto/base/clock.h"
#include "proto/door.h"

/* The server has just answered a call; it won't take long. */
#define FETCH_MS 500

bool segments_are_wanted(const hf_conn *conn) {
  return conn->wants_local && conn->door[0] != '\0';
}

/* ---------------------------------------------------------------- one of them */

static void *map_memory(int memory_fd, uint64_t id, size_t bytes) {
  int protection = id == CELL_LIFE_SEGMENT ? PROT_READ : PROT_READ | PROT_WRITE;
  if (!rings_memory_is_sealed(memory_fd, bytes)) {
    return NULL;
  }
  void *address = mmap(NULL, bytes, protection, MAP_SHARED, memory_fd, 0);
  return address == MAP_FAILED ? NULL : address;
}

static void *ask_and_map(int door, uint64_t id, uint64_t deadline_ns, size_t *bytes) {
  const struct door_hello hello = {.magic = DOOR_SEGMENT, .segment = id};
  struct door_answer answer;
  const char *why;
  int memory_fd;
  void *address = NULL;
  if (rings_ask_door(door, &hello, deadline_ns, &answer, &memory_fd, &why) == 0 && memory_fd >= 0) {
    *bytes = answer.ring_bytes;
    address = map_memory(memory_fd, id, *bytes);
  }
  if (memory_fd >= 0) {
    close(memory_fd);
  }
  return address;
}

static struct segment_map *fetch(const char *door_path, uint64_t id) {
  struct segment_map *map = calloc(1, sizeof *map);
  const char *why;
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), FETCH_MS);
  int door = map != NULL ? rings_connect_door(door_path, deadline_ns, &why) : -1;
  if (door >= 0) {
    map->id = id;
    map->address = ask_and_map(door, id, deadline_ns, &map->bytes);
    close(door);
  }
  if (map != NULL && map->address == NULL) {
    free(map);
    return NULL;
  }
  return map;
}

static void free_map(struct segment_map *map) {
  if (map != NULL) {
    munmap(map->address, map->bytes);
    free(map);
  }
}

/* ---------------------------------------------------------------- all of them */

static struct segment_map *find(const hf_conn *conn, uint64_t id) {
  struct segment_map *map = conn->segments;
  while (map != NULL && map->id != id) {
    map = map->next;
  }
  return map;
}

void *segments_map(hf_conn *conn, uint64_t id, size_t *bytes) {
  char door[CONN_DOOR_BYTES_MAX];
  conn_lock(conn);
  struct segment_map *found = find(conn, id), *fetched = NULL;
  memcpy(door, conn->door, sizeof door);
  conn_unlock(conn);
  if (found == NULL) {
    fetched = fetch(door, id);
    conn_lock(conn);
    found = find(conn, id); /* another thread may have been faster */
    if (found == NULL && fetched != NULL) {
      fetched->next = conn->segments;
      conn->segments = found = fetched;
      fetched = NULL;
    }
    conn_unlock(conn);
    free_map(fetched);
  }
  *bytes = found != NULL ? found->bytes : 0;
  return found != NULL ? found->address : NULL;
}

const struct cell_life *segments_life(hf_conn *conn) {
  size_t bytes;
  const struct cell_life *life = segments_map(conn, CELL_LIFE_SEGMENT, &bytes);
  return bytes >= sizeof *life ? life : NULL;
}

void segments_become_child(hf_conn *conn) {
  for (struct segment_map *map = conn->segments; map != NULL; map = map->next) {
    map->id = map->id == CELL_LIFE_SEGMENT ? 0 : map->id;
  }
}

void segments_free_all(hf_conn *conn) {
  while (conn->segments != NULL) {
    struct segment_map *map = conn->segments;
    conn->segments = map->next;
    free_map(map);
  }
}
