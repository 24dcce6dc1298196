/* A value or an array in a snapshot: its elements, wherever they are, and its lock. */
#include "server/engine/kinds/cell_snapshot.h"
#include "server/engine/elements.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_CELLS = RECORD_CONTENT, RECORD_ELEMENTS };
enum { LOCK = 3 };
/* Of elements. */
enum { OFFSET = 1, BYTES };

/* A multiple of every element. */
#define RECORD_BYTES ((size_t)8 << 10)

static const struct snapshot_field cells_rows[] = {
    SNAPSHOT_FIELD(1, struct cells, typecode),
    SNAPSHOT_FIELD(2, struct cells, count),
};
static const struct snapshot_fields cells_fields = SNAPSHOT_FIELDS(cells_rows);

void cells_snapshot(const struct object *object, struct snapshot_out *out) {
  const struct cells *cells = &object->cells;
  const size_t element_bytes = cell_element_bytes(cells->typecode);
  const size_t count_max = RECORD_BYTES / element_bytes;
  uint8_t elements[RECORD_BYTES];
  snapshot_put_fields(out, &cells_fields, cells);
  snapshot_put_lock(out, LOCK, &cells->lock);
  snapshot_end_record(out, RECORD_CELLS);
  for (size_t at = 0; at < cells->count; at += count_max) {
    size_t count = cells->count - at < count_max ? cells->count - at : count_max;
    elements_read(cells, at, count, elements);
    snapshot_put_number(out, OFFSET, at * element_bytes);
    snapshot_put_bytes(out, BYTES, bytes_of(elements, count * element_bytes));
    snapshot_end_record(out, RECORD_ELEMENTS);
  }
}

/* ---- reading */

static bool visit_lock(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  (void)in;
  return field->number != LOCK || restore_lock(restoring, field, &restoring->object->cells.lock);
}

/* The elements are still to come, so there are no more than bytes. */
static bool read_cells(struct restoring *restoring, struct cells *cells, struct bytes body) {
  const struct wire_reader *left = &restoring->in.reader;
  struct cells read = {0};
  if (!snapshot_read(&restoring->in, body, &cells_fields, &read, visit_lock, restoring)) {
    return false;
  }
  size_t element_bytes = cell_element_bytes(read.typecode);
  if (element_bytes == 0 || cells->count > 0 || read.count > HF_LENGTH_MAX ||
      read.count > (size_t)(left->end - left->next) / element_bytes) {
    return snapshot_fail(&restoring->in, "an array is too long, or of no type");
  }
  void *elements = calloc(read.count ? read.count : 1, element_bytes);
  if (!elements) {
    return snapshot_lacks_memory(restoring);
  }
  free(cells->elements);
  cells->elements = elements;
  cells->typecode = read.typecode;
  cells->count = read.count;
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
  if (piece.offset > bytes || piece.bytes.len > bytes - piece.offset) {
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
