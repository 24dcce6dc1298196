/* Segments of cells that the server lent: fetched at its local handshake, and mapped as long as a handle uses
 * them, because pointers into them are the user's too. One arena that nobody uses stays, for the next
 * handle; so does the server's life.
 *
 * layer   client, mapped
 * threads Connection's mutex guards the list; fetching happens without it.
 * source  proto/cell_layout.h, proto/local_handshake.h
 */
#ifndef HF_CLIENT_SEGMENTS_H
#define HF_CLIENT_SEGMENTS_H

#include "client/src/connection/conn.h"
#include "proto/cell_layout.h"

struct segment_map {
  struct segment_map *next;
  uint64_t id; /* 0: of a server that may not be this process's any more */
  void *address;
  size_t bytes;
  size_t uses;   /* handles */
  bool is_arena; /* more than one cell has room in it */
  bool is_kept;  /* mapped as long as the process lives */
};

/* Whether cells are worth asking for: the server's local handshake is known, and not to be left alone. Takes
 * the connection's mutex, as all of these but the last two. */
bool segments_are_wanted(hf_conn *conn);
/* The segment, used once more, so many bytes of it; NULL: it can't be had. */
struct segment_map *segments_use(hf_conn *conn, uint64_t id, uint64_t used_bytes);
/* Used once less. May be NULL. */
void segments_let_go(hf_conn *conn, struct segment_map *map);
/* A thread has a mutex in it: it stays mapped even when the connection is closed. */
void segments_keep(hf_conn *conn, struct segment_map *map);
/* Whether any of them was kept so. */
bool segments_has_kept(hf_conn *conn);
/* The server's life, to be read only; NULL: it can't be had. */
const struct cell_life *segments_life(hf_conn *conn);
/* In a forked child: its server may be another one. */
void segments_become_child(hf_conn *conn);
void segments_free_all(hf_conn *conn);

#endif
