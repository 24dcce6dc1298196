#include "client/src/mapped/segments.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/src/transport/rings.h"
#include "proto/base/clock.h"
#include "proto/limits.h"
#include "proto/local_handshake.h"

/* Short, because the server has just answered a call. */
#define FETCH_MS 500

bool segments_are_available(hf_conn *conn) {
  conn_lock(conn);
  bool knows_path = conn->local_path[0] != '\0' && conn->is_local_path_proven;
  conn_unlock(conn);
  return conn->wants_local && knows_path;
}

/* ---------------------------------------------------------------- one of them */

static void *ask_and_map(int handshake, uint64_t id, uint64_t deadline_ns, size_t *bytes) {
  const struct handshake_hello hello = {.magic = HANDSHAKE_SEGMENT, .segment = id};
  struct handshake_answer answer;
  const char *why;
  int descriptors[HANDSHAKE_DESCRIPTORS];
  void *address = NULL;
  if (rings_ask(handshake, &hello, deadline_ns, &answer, descriptors, &why) == 0 &&
      descriptors[HANDSHAKE_MEMORY] >= 0) {
    *bytes = answer.ring_bytes;
    address =
        rings_map_memory(descriptors[HANDSHAKE_MEMORY],
                         id == CELL_LIFE_SEGMENT ? SHARED_SERVER_LIFE : SHARED_CELLS, *bytes, &why);
  }
  rings_close_descriptors(descriptors);
  return address;
}

static struct segment_map *fetch(const char *handshake_path, uint64_t id) {
  struct segment_map *map = calloc(1, sizeof *map);
  const char *why;
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), FETCH_MS);
  int handshake = map != NULL ? rings_connect(handshake_path, &why) : -1;
  if (handshake >= 0) {
    map->id = id;
    map->address = ask_and_map(handshake, id, deadline_ns, &map->bytes);
    close(handshake);
  }
  if (map != NULL && map->address == NULL) {
    free(map);
    return NULL;
  }
  return map;
}

static void free_maps(struct segment_map *map) {
  while (map != NULL) {
    struct segment_map *next = map->next;
    if (!map->is_pinned) {
      munmap(map->address, map->bytes);
    }
    free(map);
    map = next;
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

struct segment_map *segments_use(hf_conn *conn, uint64_t id, uint64_t used_bytes) {
  char local_path[CONN_LOCAL_PATH_BYTES_MAX];
  struct segment_map *fetched = NULL;
  conn_lock(conn);
  struct segment_map *found = find(conn, id);
  if (found == NULL) {
    memcpy(local_path, conn->local_path, sizeof local_path);
    conn_unlock(conn);
    fetched = fetch(local_path, id);
    conn_lock(conn);
    found = find(conn, id); /* another thread may have mapped the segment meanwhile */
  }
  if (found == NULL && fetched != NULL) {
    fetched->next = conn->segments;
    conn->segments = found = fetched;
    fetched = NULL;
  }
  if (found != NULL) {
    found->uses++;
    found->is_arena |= SHARED_HEADER_BYTES + used_bytes < found->bytes;
  }
  conn_unlock(conn);
  free_maps(fetched);
  return found;
}

static struct segment_map *take_unused(hf_conn *conn) {
  struct segment_map *unused = NULL, **at = &conn->segments;
  bool has_spare = false;
  while (*at != NULL) {
    struct segment_map *map = *at;
    bool may_stay = map->is_arena && map->bytes <= HF_ARENA_BYTES && !has_spare;
    if (map->uses == 0 && !may_stay) {
      *at = map->next;
      map->next = unused;
      unused = map;
    } else {
      has_spare |= map->uses == 0;
      at = &map->next;
    }
  }
  return unused;
}

/* Unmaps without the mutex, since large segments take long. */
void segments_release(hf_conn *conn, struct segment_map *map) {
  if (map == NULL) {
    return;
  }
  conn_lock(conn);
  struct segment_map *unused = --map->uses == 0 ? take_unused(conn) : NULL;
  conn_unlock(conn);
  free_maps(unused);
}

void segments_pin(hf_conn *conn, struct segment_map *map) {
  conn_lock(conn);
  map->is_pinned = true;
  conn_unlock(conn);
}

bool segments_has_pinned(hf_conn *conn) {
  conn_lock(conn);
  const struct segment_map *map = conn->segments;
  while (map != NULL && !map->is_pinned) {
    map = map->next;
  }
  conn_unlock(conn);
  return map != NULL;
}

static const struct cell_life *life_in(const struct segment_map *map) {
  return map != NULL && map->bytes >= sizeof(struct cell_life) ? map->address : NULL;
}

/* That of a server that has stopped stays mapped for its cells, and is no longer found. Never released. */
const struct cell_life *segments_life(hf_conn *conn) {
  struct segment_map *map = segments_use(conn, CELL_LIFE_SEGMENT, 0);
  const struct cell_life *life = life_in(map);
  if (life == NULL || !cell_life_is_over(life)) {
    return life;
  }
  conn_lock(conn);
  map->id = 0;
  conn_unlock(conn);
  return life_in(segments_use(conn, CELL_LIFE_SEGMENT, 0));
}

void segments_become_child(hf_conn *conn) {
  for (struct segment_map *map = conn->segments; map != NULL; map = map->next) {
    map->id = map->id == CELL_LIFE_SEGMENT ? 0 : map->id;
    map->is_pinned = false; /* the threads that pinned it do not exist in the child */
  }
}

void segments_free_all(hf_conn *conn) {
  free_maps(conn->segments);
  conn->segments = NULL;
}
