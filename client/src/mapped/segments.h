/* Segments of cells, fetched by the local handshake, and mapped while a handle uses them or a
 * thread may: the program has pointers into them. One unused arena stays mapped for the next
 * handle, and so does the server's life.
 *
 * layer   client, mapped
 * threads Connection's mutex guards the list; fetching runs without it.
 * source  proto/cell_layout.h, proto/local_handshake.h
 */
#ifndef HF_CLIENT_SEGMENTS_H
#define HF_CLIENT_SEGMENTS_H

#include "client/src/connection/conn.h"
#include "proto/cell_layout.h"

struct segment_map {
  struct segment_map *next;
  uint64_t id; /* 0: inherited by a fork, and not to be found again */
  void *address;
  size_t bytes;
  size_t uses;    /* handles */
  bool is_arena;  /* shared by several cells */
  bool is_pinned; /* stays mapped until the process ends */
};

/* Whether cells can be mapped: the path of the local handshake is known and proven, and
 * HOLDFAST_LOCAL allows it. Locks the connection's mutex, as do the functions below except the last
 * two. */
bool segments_are_available(hf_conn *conn);
/* Maps or reuses the segment, and counts a use of used_bytes. NULL: not available */
struct segment_map *segments_use(hf_conn *conn, uint64_t id, uint64_t used_bytes);
/* Drops a use. map may be NULL. */
void segments_release(hf_conn *conn, struct segment_map *map);
/* A thread owns a mutex in the segment: the segment stays mapped even after the connection is
 * closed. */
void segments_pin(hf_conn *conn, struct segment_map *map);
/* Whether some segment is pinned. */
bool segments_has_pinned(hf_conn *conn);
/* The server's life, read-only; NULL: not available. */
const struct cell_life *segments_life(hf_conn *conn);
/* In a forked child: inherited segments stay mapped, but are not reused. */
void segments_become_child(hf_conn *conn);
void segments_free_all(hf_conn *conn);

#endif
