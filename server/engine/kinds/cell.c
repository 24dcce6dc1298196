#include "server/engine/kinds/cell.h"

#include "proto/base/chunk.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/elements.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"

#include <stdlib.h>

hf_reason handle_cell_notify(struct call *call) {
  core_check_cells(call->engine, call->now_ns, call->object);
  return HF_REASON_NONE;
}

/* ---- transactions */

static void undo_change_of_element(const struct undo *undo, struct undo_entry *entry) {
  (void)undo;
  elements_set_bits(&entry->object->cells, entry->position, entry->bits);
}

static const struct undo_way way_of_element = {undo_change_of_element, NULL, NULL};

static void capture_element(struct undo_entry *entry, struct call *call, int64_t index) {
  const struct cells *cells = &call->object->cells;
  if (list_position(cells->count, index, &entry->position)) {
    entry->way = &way_of_element;
    entry->bits = elements_bits(cells, entry->position);
  }
}

hf_reason capture_cell(struct undo_entry *entry, struct call *call) {
  switch (call->message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE:
    case HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE:
      return capture_lock(entry, call);
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET:
      capture_element(entry, call, call->message->array_set->index);
      break;
    case HOLDFAST__REQUEST__OPERATION_ARRAY_ADD:
      capture_element(entry, call, call->message->array_add->index);
      break;
    default:
      capture_element(entry, call, 0);
      break;
  }
  return HF_REASON_NONE;
}

/* ---- the kinds */

hf_reason cells_read_shape(const Holdfast__ObjectOpen *message, uint64_t length,
                           struct object_shape *shape) {
  shape->length = length;
  if (message->typecode.len != 1 || cell_element_bytes((char)message->typecode.data[0]) == 0) {
    return HF_REASON_BAD_TYPECODE;
  }
  shape->typecode = (char)message->typecode.data[0];
  if (shape->length > HF_LENGTH_MAX) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  shape->elements_bytes = shape->length * cell_element_bytes(shape->typecode);
  bool is_whole = !message->elements.len || message->elements.len == shape->elements_bytes;
  return is_whole ? HF_REASON_NONE : HF_REASON_BAD_ARGUMENT;
}

bool cells_has_shape(const struct object *object, const struct object_shape *shape) {
  return object->cells.typecode == shape->typecode && object->cells.count == shape->length;
}

bool cells_init(struct object *object, const struct object_shape *shape,
                const struct value_hash_key *hash_key) {
  (void)hash_key;
  object->cells.typecode = shape->typecode;
  object->cells.count = shape->length;
  object->cells.is_volatile = shape->is_volatile;
  object->cells.lock.recursive = true;
  object->cells.timer.kind = TIMER_CELL;
  object->cells.elements =
      calloc(shape->length ? shape->length : 1, cell_element_bytes(shape->typecode));
  return object->cells.elements != NULL;
}

void cells_begin(struct call *call, const struct object_shape *shape) {
  call->engine->has_volatile |= shape->is_volatile;
  if (call->message->object_open->map &&
      core_may_share_cells(call->engine, call->session, call->object)) {
    core_share_fresh_cells(call->engine, call->object);
  }
}

hf_reason cells_fill(struct call *call, struct value *values, size_t count) {
  struct cells *cells = &call->object->cells;
  hf_reason reason = HF_REASON_NONE;
  for (size_t i = 0; i < count && i < cells->count && !reason; i++) {
    reason = elements_store(cells, i, values[i]);
  }
  call_free_values(values, count);
  return reason;
}

void cells_fill_packed(struct object *object, const ProtobufCBinaryData *elements) {
  elements_write(&object->cells, 0, object->cells.count, elements->data);
}

void cells_deinit(struct object *object) {
  if (object->cells.share) {
    cell_share_release(object->cells.share);
  } else {
    free(object->cells.elements);
  }
}

/* As calloc gave them. In shared memory the share counts them. */
struct content_bytes cells_bytes(const struct object *object) {
  size_t count = object->cells.count ? object->cells.count : 1;
  size_t bytes =
      object->cells.elements ? chunk_bytes(count * cell_element_bytes(object->cells.typecode)) : 0;
  return (struct content_bytes){bytes, bytes};
}

uint64_t cells_length(const struct object *object) {
  return object->cells.count;
}

struct lock *cells_lock(struct object *object) {
  return &object->cells.lock;
}

void cells_report(const struct object *object, struct reply_object *reported) {
  reported->typecode = object->cells.typecode;
}

void cells_stop(struct engine *engine, uint64_t now_ns, struct object *object) {
  (void)now_ns;
  core_forget_cells(engine, object);
}
