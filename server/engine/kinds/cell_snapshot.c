/* A value or an array in a snapshot: its elements, wherever they are, and its lock. */
#include "server/engine/kinds/cell_snapshot.h"
#include "server/engine/elements.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_CELLS = RECORD_CONTENT, RECORD_ELEMENTS };
/* Beyond the rows. Those of shared memory stand still while the cell is not in it. */
enum { LOCK = 3, IS_SHARED = 6, TIMER = 14 };
/* Of elements. */
enum { OFFSET = 1, BYTES };

/* A multiple of every element. */
#define RECORD_BYTES ((size_t)8 << 10)

static const struct snapshot_field cells_rows[] = {
    SNAPSHOT_FIELD(1, struct cells, typecode),       SNAPSHOT_FIELD(2, struct cells, count),
    SNAPSHOT_FIELD(4, struct cells, is_volatile),    SNAPSHOT_FIELD(5, struct cells, is_lost),
    SNAPSHOT_FIELD(7, struct cells, lock_state),     SNAPSHOT_FIELD(8, struct cells, seen),
    SNAPSHOT_FIELD(9, struct cells, is_changed),     SNAPSHOT_FIELD(10, struct cells, was_locked),
    SNAPSHOT_FIELD(11, struct cells, retry_ms),      SNAPSHOT_FIELD(12, struct cells, validate_ns),
    SNAPSHOT_FIELD(13, struct cells, owner_session),
};
static const struct snapshot_fields cells_fields = SNAPSHOT_FIELDS(cells_rows);

static void put_elements(struct snapshot_out *out, const struct cells *cells) {
  const size_t element_bytes = cell_element_bytes(cells->typecode);
  const size_t count_max = RECORD_BYTES / element_bytes;
  uint8_t elements[RECORD_BYTES];
  for (size_t at = 0; at < cells->count; at += count_max) {
    size_t count = cells->count - at < count_max ? cells->count - at : count_max;
    elements_read(cells, at, count, elements);
    snapshot_put_number(out, OFFSET, at * element_bytes);
    snapshot_put_bytes(out, BYTES, bytes_of(elements, count * element_bytes));
    snapshot_end_record(out, RECORD_ELEMENTS);
  }
}

void cells_snapshot(const struct object *object, struct snapshot_out *out) {
  const struct cells *cells = &object->cells;
  snapshot_put_fields(out, &cells_fields, cells);
  snapshot_put_lock(out, LOCK, &cells->lock);
  snapshot_put_number(out, IS_SHARED, cells->share != NULL);
  snapshot_put_timer(out, TIMER, &cells->timer);
  snapshot_end_record(out, RECORD_CELLS);
  if (cells->elements) {
    put_elements(out, cells);
  }
}

/* ---- reading */

struct reading_cells {
  struct restoring *restoring;
  bool is_shared;
};

static bool visit_cells(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading_cells *reading = ctx;
  struct restoring *restoring = reading->restoring;
  struct cells *cells = &restoring->object->cells;
  switch (field->number) {
    case LOCK:
      return restore_lock(restoring, field, &cells->lock);
    case IS_SHARED:
      reading->is_shared = field->integer != 0;
      return field->type == VARINT;
    case TIMER:
      return snapshot_read_timer(in, field, &restoring->engine->timers, &cells->timer);
    default:
      return true;
  }
}

/* Plain elements are still to come, so there are no more than bytes. NULL: in.why */
static void *make_elements(struct restoring *restoring, const struct cells *read) {
  const struct wire_reader *left = &restoring->in.reader;
  size_t element_bytes = cell_element_bytes(read->typecode);
  if (read->count > (size_t)(left->end - left->next) / element_bytes) {
    snapshot_fail(&restoring->in, "an array is too long");
    return NULL;
  }
  void *elements = calloc(read->count ? read->count : 1, element_bytes);
  if (!elements) {
    snapshot_lacks_memory(restoring);
  }
  return elements;
}

/* Where its elements are: in plain memory, in shared memory, nowhere. */
static bool place_elements(struct restoring *restoring, const struct cells *read, bool is_shared) {
  struct object *object = restoring->object;
  struct cells *cells = &object->cells;
  void *elements = NULL;
  struct cell_share *share = NULL;
  if (is_shared) {
    share = restore_find_share(restoring, object->id);
  } else if (!read->is_lost) {
    elements = make_elements(restoring, read);
  }
  if (restoring->in.why) {
    free(elements);
    cell_share_release(share);
    return false;
  }
  free(cells->elements);
  cells->elements = elements;
  cells->share = share;
  restoring->engine->shared_cells += is_shared;
  return true;
}

/* The lock and the timer have been read into the object. */
static bool read_cells(struct restoring *restoring, struct cells *cells, struct bytes body) {
  struct engine *engine = restoring->engine;
  struct reading_cells reading = {.restoring = restoring};
  struct cells read = {0};
  if (!snapshot_read(&restoring->in, body, &cells_fields, &read, visit_cells, &reading)) {
    return false;
  }
  bool has_place = read.is_volatile || !(read.is_lost || reading.is_shared);
  if (cell_element_bytes(read.typecode) == 0 || cells->count > 0 || read.count > HF_LENGTH_MAX ||
      !has_place || (read.is_lost && reading.is_shared) || read.lock_state > CELL_SERVER) {
    return snapshot_fail(&restoring->in, "an array is too long, or of no type");
  }
  if (!place_elements(restoring, &read, reading.is_shared)) {
    return false;
  }
  read.elements = cells->elements;
  read.share = cells->share;
  read.lock = cells->lock;
  read.timer = cells->timer;
  *cells = read;
  engine->has_volatile |= read.is_volatile;
  return true;
}

struct piece {
  uint64_t offset;
  struct bytes bytes;
};

static bool visit_piece(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct piece *piece = ctx;
  (void)in;
  switch (field->number) {
    case OFFSET:
      piece->offset = field->integer;
      return field->type == VARINT;
    case BYTES:
      piece->bytes = field->content;
      return field->type == DELIMITED;
    default:
      return true;
  }
}

static bool read_piece(struct restoring *restoring, struct cells *cells, struct bytes body) {
  struct piece piece = {0};
  const size_t element_bytes = cell_element_bytes(cells->typecode);
  const size_t bytes = cells->count * element_bytes;
  if (!snapshot_read(&restoring->in, body, NULL, NULL, visit_piece, &piece)) {
    return false;
  }
  if (!cells->elements || piece.offset > bytes || piece.bytes.len > bytes - piece.offset) {
    return snapshot_fail(&restoring->in, "elements are outside of their array");
  }
  if (bytes > 0 && (piece.offset % element_bytes || piece.bytes.len % element_bytes)) {
    return snapshot_fail(&restoring->in, "elements are cut in the middle");
  }
  if (piece.bytes.len > 0) {
    elements_write(cells, piece.offset / element_bytes, piece.bytes.len / element_bytes,
                   piece.bytes.data);
  }
  return true;
}

bool cells_restore(struct restoring *restoring, struct object *object,
                   const struct snapshot_record *record) {
  struct cells *cells = &object->cells;
  switch (record->number) {
    case RECORD_CELLS:
      return read_cells(restoring, cells, record->body);
    case RECORD_ELEMENTS:
      return read_piece(restoring, cells, record->body);
    case 0:
      return cells->typecode || snapshot_fail(&restoring->in, "an array has no type");
    default:
      return true;
  }
}
