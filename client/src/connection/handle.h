/* Handles: struct hf_object, behind every handle of the public API.
 *
 * layer   client, connection
 * threads Connection's mutex held, except for the mapped cell (mapped_cell.h).
 */
#ifndef HF_CLIENT_HANDLE_H
#define HF_CLIENT_HANDLE_H

#include <holdfast/holdfast.h>

struct cell_header;
struct cell_life;
struct cell_type;
struct segment_map;

/* Values and arrays: where the elements are mapped; see mapped_cell.h. */
struct mapped_cell {
  struct cell_header *header;   /* NULL: not mapped */
  void *elements;               /* after the header */
  const struct cell_life *life; /* the server's life */
  struct segment_map *map;      /* the segment of the elements; counts this handle */
  const struct cell_type *type;
  bool is_asked;  /* the server has answered the location, or that there is none */
  bool is_mapped; /* mapping was started: it succeeded, is in progress, or failed */
  bool knows_count;
  bool is_left_behind; /* closed while a thread owns the lock: keeps its reference */
  uint64_t segment, offset, bytes, count;
  uint32_t depth; /* locks taken through this handle; changed by the owner of the lock */
};

/* The struct behind every handle of the public API. */
struct hf_object {
  struct hf_view view; /* first: the inline functions of <holdfast/numbers.h> read it */
  hf_conn *conn;
  uint64_t id;
  hf_kind kind;
  uint32_t end;       /* pipes: 0 or 1 */
  bool is_attached;   /* pipes: attached to its end; false after hf_open and hf_reference_open */
  bool awaits_attach; /* in a forked child: the session has yet to attach the end */
  struct mapped_cell mapped;
  struct hf_object *next, *previous;
};

#endif
