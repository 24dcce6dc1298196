#include "tests/support/value_message.h"

#include "proto/holdfast.pb-c.h"

/* A view as protobuf-c wants it; packing only reads. */
static ProtobufCBinaryData data_of(struct bytes bytes) {
  union {
    const uint8_t *borrowed;
    uint8_t *data;
  } pointer = {bytes.data};
  return (ProtobufCBinaryData){bytes.len, pointer.data};
}

static bool write_tuple(const struct value *value, struct arena *arena, Holdfast__Value *message) {
  size_t count;
  const struct value *inner = value_items(value, &count);
  Holdfast__Tuple *tuple = arena_alloc(arena, sizeof *tuple);
  Holdfast__Value **pointers = arena_alloc(arena, (count + 1) * sizeof *pointers);
  Holdfast__Value *items = arena_alloc(arena, (count + 1) * sizeof *items);
  if (!tuple || !pointers || !items) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    pointers[i] = &items[i];
    if (!value_to_message(&inner[i], arena, pointers[i])) {
      return false;
    }
  }
  holdfast__tuple__init(tuple);
  tuple->n_items = count;
  tuple->items = pointers;
  message->tuple = tuple;
  return true;
}

static bool write_opaque(const struct value *value, struct arena *arena, Holdfast__Value *message) {
  struct bytes codec, data;
  Holdfast__Opaque *opaque = arena_alloc(arena, sizeof *opaque);
  if (!opaque) {
    return false;
  }
  holdfast__opaque__init(opaque);
  value_opaque_parts(value, &codec, &data);
  opaque->codec = data_of(codec);
  opaque->data = data_of(data);
  message->opaque = opaque;
  return true;
}

static bool write_reference(const struct value *value, struct arena *arena,
                            Holdfast__Value *message) {
  Holdfast__Reference *reference = arena_alloc(arena, sizeof *reference);
  if (!reference) {
    return false;
  }
  holdfast__reference__init(reference);
  reference->object = value->object;
  reference->kind = (Holdfast__Kind)value->object_kind;
  message->reference = reference;
  return true;
}

bool value_to_message(const struct value *value, struct arena *arena, Holdfast__Value *message) {
  static const Holdfast__Value__KindCase arms[] = {
      [VALUE_ABSENT] = HOLDFAST__VALUE__KIND__NOT_SET,
      [VALUE_NONE] = HOLDFAST__VALUE__KIND_NONE,
      [VALUE_BOOL] = HOLDFAST__VALUE__KIND_BOOLEAN,
      [VALUE_INT] = HOLDFAST__VALUE__KIND_INTEGER,
      [VALUE_UINT] = HOLDFAST__VALUE__KIND_UNSIGNED,
      [VALUE_FLOAT] = HOLDFAST__VALUE__KIND_REAL,
      [VALUE_TEXT] = HOLDFAST__VALUE__KIND_TEXT,
      [VALUE_BYTES] = HOLDFAST__VALUE__KIND_BYTES,
      [VALUE_TUPLE] = HOLDFAST__VALUE__KIND_TUPLE,
      [VALUE_REFERENCE] = HOLDFAST__VALUE__KIND_REFERENCE,
      [VALUE_OPAQUE] = HOLDFAST__VALUE__KIND_OPAQUE,
  };
  holdfast__value__init(message);
  message->kind_case = arms[value->kind];
  switch (value->kind) {
    case VALUE_BOOL:
      message->boolean = value->boolean;
      return true;
    case VALUE_INT:
      message->integer = value->integer;
      return true;
    case VALUE_UINT:
      message->unsigned_ = value->unsigned_integer;
      return true;
    case VALUE_FLOAT:
      message->real = value->real;
      return true;
    case VALUE_TEXT:
      message->text = data_of(value_content(value));
      return true;
    case VALUE_BYTES:
      message->bytes = data_of(value_content(value));
      return true;
    case VALUE_TUPLE:
      return write_tuple(value, arena, message);
    case VALUE_REFERENCE:
      return write_reference(value, arena, message);
    case VALUE_OPAQUE:
      return write_opaque(value, arena, message);
    default: /* NONE, ABSENT: the arm says it all */
      return true;
  }
}
