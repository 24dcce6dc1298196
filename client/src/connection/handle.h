/* Handles: what every object of the public API is.
 *
 * layer   client, connection
 * threads Connection's mutex held, but for the mapped cell; see there.
 */
#ifndef HF_CLIENT_HANDLE_H
#define HF_CLIENT_HANDLE_H

#include <holdfast/holdfast.h>

struct cell_header;
struct cell_life;
struct cell_type;
struct segment_map;

/* Of values and arrays: where their elements are mapped; see mapped_cell.h. */
struct mapped_cell {
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
  struct mapped_cell mapped;
  struct hf_object *next, *previous;
};

#endif
