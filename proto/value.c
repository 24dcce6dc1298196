/* Values: construction, reference counts, and conversion from the wire. Equality, hash and order
 * are in value_compare.c. */
#include "proto/value.h"

#include "proto/base/chunk.h"
#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"
#include "proto/text.h"
#include "proto/value_box.h"
#include "proto/wire_field.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- making */

struct value value_none(void) {
  return (struct value){.kind = VALUE_NONE};
}

struct value value_bool(bool boolean) {
  struct value value = {.kind = VALUE_BOOL};
  value.unsigned_integer = boolean; /* all 8 bytes, so that equal values have equal bytes */
  return value;
}

struct value value_int(int64_t integer) {
  return (struct value){.kind = VALUE_INT, .integer = integer};
}

struct value value_uint(uint64_t integer) {
  if (integer <= INT64_MAX) {
    return value_int((int64_t)integer);
  }
  return (struct value){.kind = VALUE_UINT, .unsigned_integer = integer};
}

struct value value_float(double real) {
  return (struct value){.kind = VALUE_FLOAT, .real = real};
}

struct value value_reference(uint64_t object, int object_kind) {
  return (struct value){
      .kind = VALUE_REFERENCE, .object_kind = (uint8_t)object_kind, .object = object};
}

/* A box of `size` bytes with a count of one. */
static void *make_box(size_t size, size_t len) {
  struct value_box *box = len <= UINT32_MAX ? malloc(box_bytes(size)) : NULL;
  _Atomic uint64_t *hash = box ? box_hash(box, size) : NULL;
  if (box) {
    atomic_init(&box->refs, 1);
    box->len = (uint32_t)len;
  }
  if (hash) {
    atomic_init(hash, 0);
  }
  return box;
}

/* out room: for the bytes of the value. */
static bool make_room(enum value_kind kind, size_t len, struct value *out, uint8_t **room) {
  *out = (struct value){.kind = (uint8_t)kind};
  if (len <= VALUE_SMALL_BYTES_MAX) {
    out->small_len = (uint8_t)len;
    *room = (uint8_t *)out->small;
    return true;
  }
  struct text_box *box = make_box(text_box_bytes(len), len);
  if (!box) {
    *out = (struct value){0};
    return false;
  }
  out->small_len = VALUE_BOXED;
  out->box = &box->head;
  *room = box->data;
  return true;
}

static bool make_string(enum value_kind kind, struct bytes content, struct value *out) {
  uint8_t *room;
  if (!make_room(kind, content.len, out, &room)) {
    return false;
  }
  if (content.len > 0) {
    memcpy(room, content.data, content.len);
  }
  return true;
}

bool value_text(struct bytes text, struct value *out) {
  return make_string(VALUE_TEXT, text, out);
}

bool value_bytes(struct bytes bytes, struct value *out) {
  return make_string(VALUE_BYTES, bytes, out);
}

bool value_bytes_to_fill(size_t len, struct value *out, uint8_t **room) {
  return make_room(VALUE_BYTES, len, out, room);
}

/* Fills in the members that depend on the items. */
static struct value finish_tuple(struct tuple_box *box) {
  box->memory_bytes = chunk_bytes(box_bytes(tuple_box_bytes(box->head.len)));
  box->has_reference = false;
  for (uint32_t i = 0; i < box->head.len; i++) {
    box->memory_bytes += value_memory_bytes(box->items[i]);
    box->has_reference |= value_has_reference(box->items[i]);
  }
  return (struct value){.kind = VALUE_TUPLE, .box = &box->head};
}

bool value_tuple(const struct value *items, size_t count, struct value *out) {
  struct tuple_box *box = make_box(tuple_box_bytes(count), count);
  if (!box) {
    return false;
  }
  if (count > 0) {
    memcpy(box->items, items, count * sizeof *items);
  }
  *out = finish_tuple(box);
  return true;
}

static bool make_opaque(struct bytes codec, struct bytes data, struct value *out) {
  struct opaque_box *box = make_box(opaque_box_bytes(codec.len + data.len), codec.len + data.len);
  if (!box) {
    return false;
  }
  box->codec_len = (uint32_t)codec.len;
  if (codec.len > 0) {
    memcpy(box->data, codec.data, codec.len);
  }
  if (data.len > 0) {
    memcpy(box->data + codec.len, data.data, data.len);
  }
  *out = (struct value){.kind = VALUE_OPAQUE, .box = &box->head};
  return true;
}

/* ---------------------------------------------------------------- counting */

struct value value_retain(struct value value) {
  if (value_has_box(value)) {
    uint32_t before = atomic_fetch_add_explicit(&value.box->refs, 1, memory_order_relaxed);
    if (before >= BOX_REFS_PINNED) {
      /* Sets the count far from BOX_REFS_PINNED and from the wrap, so that concurrent increments
       * reach neither. */
      atomic_store_explicit(&value.box->refs, BOX_REFS_PINNED / 2 * 3, memory_order_relaxed);
    }
  }
  return value;
}

static void free_box(struct value value) {
  if (value.kind == VALUE_TUPLE) {
    const struct tuple_box *box = value_tuple_box(value);
    for (uint32_t i = 0; i < box->head.len; i++) {
      value_release(box->items[i]);
    }
  }
  free(value.box);
}

void value_release(struct value value) {
  if (!value_has_box(value)) {
    return;
  }
  /* A count of one means exclusive ownership, which needs no atomic subtraction. */
  uint32_t refs = atomic_load_explicit(&value.box->refs, memory_order_acquire);
  if (refs == 1) {
    free_box(value);
  } else if (refs < BOX_REFS_PINNED &&
             atomic_fetch_sub_explicit(&value.box->refs, 1, memory_order_acq_rel) == 1) {
    free_box(value);
  }
}

struct bytes value_content(const struct value *value) {
  if (value->kind != VALUE_TEXT && value->kind != VALUE_BYTES) {
    return bytes_of(NULL, 0);
  }
  if (value->small_len != VALUE_BOXED) {
    return bytes_of(value->small, value->small_len);
  }
  const struct text_box *box = value_text_box(*value);
  return bytes_of(box->data, box->head.len);
}

const struct value *value_items(const struct value *tuple, size_t *count) {
  const struct tuple_box *box = value_tuple_box(*tuple);
  *count = box->head.len;
  return box->items;
}

void value_opaque_parts(const struct value *opaque, struct bytes *codec, struct bytes *data) {
  const struct opaque_box *box = value_opaque_box(*opaque);
  *codec = bytes_of(box->data, box->codec_len);
  *data = bytes_of(box->data + box->codec_len, box->head.len - box->codec_len);
}

size_t value_memory_bytes(struct value value) {
  if (!value_has_box(value)) {
    return 0;
  }
  switch (value.kind) {
    case VALUE_TUPLE:
      return value_tuple_box(value)->memory_bytes;
    case VALUE_OPAQUE:
      return chunk_bytes(box_bytes(opaque_box_bytes(value.box->len)));
    default:
      return chunk_bytes(box_bytes(text_box_bytes(value.box->len)));
  }
}

bool value_has_reference(struct value value) {
  return value.kind == VALUE_REFERENCE ||
         (value.kind == VALUE_TUPLE && value_tuple_box(value)->has_reference);
}

void value_each_reference(struct value value, void (*visit)(void *ctx, uint64_t object),
                          void *ctx) {
  if (value.kind == VALUE_REFERENCE) {
    visit(ctx, value.object);
  } else if (value_has_reference(value)) {
    const struct tuple_box *box = value_tuple_box(value);
    for (uint32_t i = 0; i < box->head.len; i++) {
      value_each_reference(box->items[i], visit, ctx);
    }
  }
}

hf_reason value_check_key(struct value value) {
  return value_has_reference(value) ? HF_REASON_NOT_HASHABLE : HF_REASON_NONE;
}

/* ---------------------------------------------------------------- wire */

static hf_reason read_value(const Holdfast__Value *message, int depth, struct value *out);

static hf_reason read_tuple(const Holdfast__Tuple *message, int depth, struct value *out) {
  if (!message) {
    return HF_REASON_BAD_VALUE;
  }
  if (depth >= HF_TUPLE_DEPTH_MAX) {
    return HF_REASON_TOO_DEEP;
  }
  struct tuple_box *box = make_box(tuple_box_bytes(message->n_items), message->n_items);
  if (!box) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < message->n_items; i++) {
    hf_reason reason = read_value(message->items[i], depth + 1, &box->items[i]);
    if (reason != HF_REASON_NONE) {
      while (i > 0) {
        value_release(box->items[--i]);
      }
      free(box);
      return reason;
    }
  }
  *out = finish_tuple(box);
  return HF_REASON_NONE;
}

static hf_reason read_text(const ProtobufCBinaryData *data, struct value *out) {
  struct bytes text = bytes_of(data->data, data->len);
  if (!text_is_utf8(text)) {
    return HF_REASON_BAD_TEXT;
  }
  return value_text(text, out) ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

static hf_reason read_opaque(const Holdfast__Opaque *message, struct value *out) {
  if (!message) {
    return HF_REASON_BAD_VALUE;
  }
  struct bytes codec = bytes_of(message->codec.data, message->codec.len);
  struct bytes data = bytes_of(message->data.data, message->data.len);
  return make_opaque(codec, data, out) ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

static hf_reason read_reference(const Holdfast__Reference *message, struct value *out) {
  if (!message ||
      !protobuf_c_enum_descriptor_get_value(&holdfast__kind__descriptor, (int)message->kind)) {
    return HF_REASON_BAD_VALUE;
  }
  *out = value_reference(message->object, (int)message->kind);
  return HF_REASON_NONE;
}

static hf_reason read_value(const Holdfast__Value *message, int depth, struct value *out) {
  if (!message) {
    return HF_REASON_BAD_VALUE;
  }
  switch (message->kind_case) {
    case HOLDFAST__VALUE__KIND_NONE:
      *out = value_none();
      return message->none == HOLDFAST__NONE_VALUE__NONE ? HF_REASON_NONE : HF_REASON_BAD_VALUE;
    case HOLDFAST__VALUE__KIND_BOOLEAN:
      *out = value_bool(message->boolean);
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_INTEGER:
      *out = value_int(message->integer);
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_UNSIGNED:
      *out = value_uint(message->unsigned_);
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_REAL:
      *out = value_float(message->real);
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_TEXT:
      return read_text(&message->text, out);
    case HOLDFAST__VALUE__KIND_BYTES:
      return value_bytes(bytes_of(message->bytes.data, message->bytes.len), out)
                 ? HF_REASON_NONE
                 : HF_REASON_NO_MEMORY;
    case HOLDFAST__VALUE__KIND_TUPLE:
      return read_tuple(message->tuple, depth, out);
    case HOLDFAST__VALUE__KIND_REFERENCE:
      return read_reference(message->reference, out);
    case HOLDFAST__VALUE__KIND_OPAQUE:
      return read_opaque(message->opaque, out);
    default:
      return HF_REASON_BAD_VALUE;
  }
}

hf_reason value_from_message(const Holdfast__Value *message, struct value *out) {
  *out = (struct value){0};
  return read_value(message, 0, out);
}

/* ---- how long it is there */

static size_t tuple_message_bytes(const struct tuple_box *box) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < box->head.len; i++) {
    bytes += wire_field_len(value_message_bytes(box->items[i]));
  }
  return bytes;
}

static size_t opaque_message_bytes(const struct opaque_box *box) {
  size_t data_len = box->head.len - box->codec_len;
  return (box->codec_len ? wire_field_len(box->codec_len) : 0) +
         (data_len ? wire_field_len(data_len) : 0);
}

static size_t integer_bytes(int64_t integer) {
  return 1 + wire_varint_len(wire_to_zigzag(integer));
}

size_t value_message_bytes(struct value value) {
  switch (value.kind) {
    case VALUE_INT:
      return integer_bytes(value.integer);
    case VALUE_UINT:
      return 1 + wire_varint_len(value.unsigned_integer);
    case VALUE_FLOAT:
      return 1 + sizeof value.real;
    case VALUE_TEXT:
    case VALUE_BYTES:
      return wire_field_len(value_content(&value).len);
    case VALUE_TUPLE:
      return wire_field_len(tuple_message_bytes(value_tuple_box(value)));
    case VALUE_REFERENCE:
      return wire_field_len(1 + wire_varint_len(value.object) + (value.object_kind ? 2 : 0));
    case VALUE_OPAQUE:
      return wire_field_len(opaque_message_bytes(value_opaque_box(value)));
    default:
      return 2;
  }
}
