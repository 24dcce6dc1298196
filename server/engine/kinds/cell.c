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

/* ---- transactions: with the lock */

static void put_element_back(const struct undo *undo, struct undo_entry *entry) {
  (void)undo;
  elements_set_bits(&entry->object->cells, entry->position, entry->bits);
}

/* ---- transactions: without a lock, so that local threads store meanwhile; what they store stays */

/* Unless another one has stored since. */
static bool replace(const struct undo_entry *entry, uint64_t written, uint64_t before) {
  struct cells *cells = &entry->object->cells;
  const struct cell_type *type = cell_type_of(cells->typecode);
  struct value now = cell_value(type, written), then = cell_value(type, before);
  uint64_t found;
  bool is_replaced = false;
  hf_reason reason =
      elements_compare_and_set(cells, entry->position, false, now, then, &is_replaced, &found);
  value_release(now);
  value_release(then);
  return !reason && is_replaced;
}

static bool bits_of(const struct undo_entry *entry, struct value value, uint64_t *bits) {
  return cell_bits(cell_type_of(entry->object->cells.typecode), value, bits) == HF_REASON_NONE;
}

static void unset_raw(const struct undo *undo, struct undo_entry *entry) {
  uint64_t written;
  (void)undo;
  if (bits_of(entry, entry->value, &written)) { /* else it has failed */
    replace(entry, written, entry->bits);
  }
}

static void unexchange_raw(const struct undo *undo, struct undo_entry *entry) {
  const struct reply *outcome = entry->outcome;
  uint64_t written, before;
  (void)undo;
  if (outcome->shape == REPLY_EXCHANGE && outcome->swapped &&
      bits_of(entry, entry->value, &written) && bits_of(entry, outcome->found, &before)) {
    replace(entry, written, before);
  }
}

static struct value negative(struct value amount) {
  if (amount.kind == VALUE_FLOAT) {
    return value_float(-amount.real);
  }
  return value_int(amount.kind == VALUE_INT && amount.integer != INT64_MIN ? -amount.integer : 0);
}

/* Exact if no one else has written; else the amount is subtracted, unless that is out of range. */
static void unadd_raw(const struct undo *undo, struct undo_entry *entry) {
  struct cells *cells = &entry->object->cells;
  uint64_t written, sum;
  (void)undo;
  if (entry->outcome->shape != REPLY_VALUE || !bits_of(entry, entry->outcome->value, &written)) {
    return; /* it has failed */
  }
  bool is_alone = cell_add_bits(cell_type_of(cells->typecode), entry->bits, entry->value, &sum) ==
                      HF_REASON_NONE &&
                  sum == written;
  if (!is_alone || !replace(entry, written, entry->bits)) {
    (void)elements_add(cells, entry->position, false, negative(entry->value), &sum);
  }
}

/* ---- transactions */

static const struct undo_way way_of_element = {put_element_back, NULL, NULL};
static const struct undo_way way_of_raw_set = {unset_raw, NULL, NULL};
static const struct undo_way way_of_raw_exchange = {unexchange_raw, NULL, NULL};
static const struct undo_way way_of_raw_add = {unadd_raw, NULL, NULL};

/* An operation on an element. */
struct change {
  int64_t index;
  const Holdfast__Value *value; /* it stores or adds */
  const struct undo_way *way_of_raw;
};

static struct change change_of(const Holdfast__Request *message) {
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET:
      return (struct change){message->array_set->index, message->array_set->value, &way_of_raw_set};
    case HOLDFAST__REQUEST__OPERATION_ARRAY_ADD:
      return (struct change){message->array_add->index, message->array_add->amount,
                             &way_of_raw_add};
    case HOLDFAST__REQUEST__OPERATION_VALUE_SET:
      return (struct change){0, message->value_set->value, &way_of_raw_set};
    case HOLDFAST__REQUEST__OPERATION_VALUE_ADD:
      return (struct change){0, message->value_add->amount, &way_of_raw_add};
    default:
      return (struct change){0, message->value_compare_and_set->desired, &way_of_raw_exchange};
  }
}

/* The lock first: what is read without it others may change. */
static hf_reason capture_element(struct undo_entry *entry, struct call *call) {
  const struct cells *cells = &call->object->cells;
  struct change change = change_of(call->message);
  hf_reason reason = call_pass_lock(call);
  if (reason || !list_position(cells->count, change.index, &entry->position)) {
    return reason;
  }
  entry->bits = elements_bits(cells, entry->position);
  entry->way = &way_of_element;
  if (!call_has_lock(call)) {
    entry->way = change.way_of_raw;
    entry->outcome = call->reply;
    call->replaced = change.way_of_raw == &way_of_raw_set ? &entry->bits : NULL;
    reason = call_value(call, change.value, &entry->value);
  }
  return reason;
}

hf_reason capture_cell(struct undo_entry *entry, struct call *call) {
  bool is_of_lock = call->message->operation_case == HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE ||
                    call->message->operation_case == HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE;
  return is_of_lock ? capture_lock(entry, call) : capture_element(entry, call);
}

hf_reason cells_store(struct call *call, size_t position, struct value value) {
  struct cells *cells = &call->object->cells;
  return call->replaced ? elements_exchange(cells, position, value, call->replaced)
                        : elements_store(cells, position, value);
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

void cells_stop(struct engine *engine, struct object *object) {
  core_forget_cells(engine, object);
}
