/* Conversion of values to generated messages. */
#include <string.h>

#include "client/src/call/values.h"
#include "proto/limits.h"

static ProtobufCBinaryData borrow(const void *data, size_t size) {
  return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)data};
}

static hf_reason tuple_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message,
                               int depth);

static hf_reason one_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message,
                             int depth) {
  *message = (Holdfast__Value)HOLDFAST__VALUE__INIT;
  switch (value->type) {
    case HF_TYPE_NONE:
      message->kind_case = HOLDFAST__VALUE__KIND_NONE;
      return HF_REASON_NONE;
    case HF_TYPE_BOOL:
      message->kind_case = HOLDFAST__VALUE__KIND_BOOLEAN;
      message->boolean = value->boolean;
      return HF_REASON_NONE;
    case HF_TYPE_INT:
      message->kind_case = HOLDFAST__VALUE__KIND_INTEGER;
      message->integer = value->integer;
      return HF_REASON_NONE;
    case HF_TYPE_UINT:
      message->kind_case = HOLDFAST__VALUE__KIND_UNSIGNED;
      message->unsigned_ = value->unsigned_integer;
      return HF_REASON_NONE;
    case HF_TYPE_FLOAT:
      message->kind_case = HOLDFAST__VALUE__KIND_REAL;
      message->real = value->real;
      return HF_REASON_NONE;
    case HF_TYPE_TEXT:
      message->kind_case = HOLDFAST__VALUE__KIND_TEXT;
      message->text = borrow(value->text, value->size);
      return HF_REASON_NONE;
    case HF_TYPE_BYTES:
      message->kind_case = HOLDFAST__VALUE__KIND_BYTES;
      message->bytes = borrow(value->bytes, value->size);
      return HF_REASON_NONE;
    default:
      return tuple_to_wire(value, arena, message, depth);
  }
}

static hf_reason reference_to_wire(const hf_value *value, struct arena *arena,
                                   Holdfast__Value *message) {
  message->reference = arena_alloc(arena, sizeof *message->reference);
  if (message->reference == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  *message->reference = (Holdfast__Reference)HOLDFAST__REFERENCE__INIT;
  message->reference->object = value->object;
  message->reference->kind = (Holdfast__Kind)value->kind;
  message->kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  return HF_REASON_NONE;
}

static hf_reason opaque_to_wire(const hf_value *value, struct arena *arena,
                                Holdfast__Value *message) {
  message->opaque = arena_alloc(arena, sizeof *message->opaque);
  if (message->opaque == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  *message->opaque = (Holdfast__Opaque)HOLDFAST__OPAQUE__INIT;
  message->opaque->codec = borrow(value->codec, strlen(value->codec));
  message->opaque->data = borrow(value->bytes, value->size);
  message->kind_case = HOLDFAST__VALUE__KIND_OPAQUE;
  return HF_REASON_NONE;
}

static hf_reason items_to_wire(const hf_value *value, struct arena *arena, Holdfast__Tuple *tuple,
                               int depth) {
  if (value->size > HF_FIELDS_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  Holdfast__Value *items = arena_alloc(arena, value->size * sizeof *items);
  tuple->items = arena_alloc(arena, value->size * sizeof(Holdfast__Value *));
  tuple->n_items = value->size;
  if (items == NULL || tuple->items == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < value->size; i++) {
    tuple->items[i] = &items[i];
    hf_reason reason = one_to_wire(&value->items[i], arena, &items[i], depth + 1);
    if (reason != HF_REASON_NONE) {
      return reason;
    }
  }
  return HF_REASON_NONE;
}

/* Values with a message of their own. */
static hf_reason tuple_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message,
                               int depth) {
  if (value->type == HF_TYPE_REFERENCE) {
    return reference_to_wire(value, arena, message);
  }
  if (value->type == HF_TYPE_OPAQUE) {
    return opaque_to_wire(value, arena, message);
  }
  if (value->type != HF_TYPE_TUPLE) {
    return HF_REASON_BAD_VALUE;
  }
  if (depth >= HF_TUPLE_DEPTH_MAX) {
    return HF_REASON_TOO_DEEP;
  }
  message->tuple = arena_alloc(arena, sizeof *message->tuple);
  if (message->tuple == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  *message->tuple = (Holdfast__Tuple)HOLDFAST__TUPLE__INIT;
  message->kind_case = HOLDFAST__VALUE__KIND_TUPLE;
  return value->size == 0 ? HF_REASON_NONE : items_to_wire(value, arena, message->tuple, depth);
}

hf_reason value_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message) {
  return one_to_wire(value, arena, message, 0);
}
