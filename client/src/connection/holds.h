/* What the session holds: references to give back, and the handles that are open.
 *
 * layer   client
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_HOLDS_H
#define HF_CLIENT_HOLDS_H

#include <holdfast/holdfast.h>

struct cell_header;
struct cell_life;
struct cell_type;
struct segment_map;

/* Of values and arrays: where their elements are within reach; see near.h. */
struct near_cell {
  struct cell_header *header;   /* NULL: behind the server */
  void *elements;               /* behind the header */
  const struct cell_life *life; /* the server's */
  struct segment_map *map;      /* that they are in; counts us */
  const struct cell_type *type;
  bool is_asked;  /* the server told where it is, or that it is nowhere */
  bool is_mapped; /* or is being, or could not be */
  bool knows_count;
  bool is_left_behind; /* closed while a thread has its lock: keeps its hold */
  uint64_t segment, offset, bytes, count;
  uint32_t depth; /* locks taken by this handle; whoever has the lock counts */
};

/* Every handle of the public API is one of these. */
struct hf_object {
  struct hf_view view; /* first: the public header's inline functions look at it */
  hf_conn *conn;
  uint64_t id;
  hf_kind kind;
  uint32_t end;       /* pipes: 0 or 1 */
  bool is_attached;   /* pipes: holds its end; not when opened by hf_open or from a reference */
  bool awaits_attach; /* in a forked child: the server is still to be told of is_attached */
  struct near_cell near;
  struct hf_object *next, *previous;
};

struct release {
  uint64_t object, count;
};

/* Holds to be given back with the next call. */
struct releases {
  struct release *items;
  size_t count, capacity;
};

/* Queues one hold of the object to be given back. Out of memory: it stays held until the session
 * ends. */
void holds_release(hf_conn *conn, uint64_t object);
/* Submits what is queued, in a forked child first what it inherited, as far as the window has room.
 * Nobody waits for the replies. Whether all that a call must follow is submitted, and there is room
 * for the call. */
bool holds_submit(hf_conn *conn);
/* In a forked child: its session holds what the parent's did if it has inherited one, else nothing
 * yet. */
void holds_become_child(hf_conn *conn);

/* A handle that holds one reference already. NULL: out of memory, the hold is given back. */
struct hf_object *handle_new(hf_conn *conn, uint64_t id, hf_kind kind);
/* Frees the handle and gives its hold back, unless it is left behind. */
void handle_free(struct hf_object *handle);

#endif
