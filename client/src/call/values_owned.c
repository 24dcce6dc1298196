/* Values from generated messages: their memory, and the references in them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/src/call/values.h"
#include "client/src/connection/generation.h"
#include "client/src/connection/references.h"

/* The head of a value's block. */
struct owned {
  hf_conn *conn; /* counted; NULL without references */
  uint32_t generation;
  _Alignas(max_align_t) char content[];
};

/* The memory of a message's value; while it is filled, the rest of it. */
struct room {
  hf_value *items;
  char *bytes;
  size_t item_count, byte_count;
  bool has_reference;
};

static bool measure(const Holdfast__Value *message, struct room *room) {
  switch (message->kind_case) {
    case HOLDFAST__VALUE__KIND_TEXT:
      room->byte_count += message->text.len + 1;
      return true;
    case HOLDFAST__VALUE__KIND_BYTES:
      room->byte_count += message->bytes.len;
      return true;
    case HOLDFAST__VALUE__KIND_OPAQUE:
      room->byte_count += message->opaque->codec.len + 1 + message->opaque->data.len;
      return true;
    case HOLDFAST__VALUE__KIND_REFERENCE:
      room->has_reference = true;
      return true;
    case HOLDFAST__VALUE__KIND_TUPLE:
      room->item_count += message->tuple->n_items;
      for (size_t i = 0; i < message->tuple->n_items; i++) {
        if (!measure(message->tuple->items[i], room)) {
          return false;
        }
      }
      return true;
    default:
      return message->kind_case != HOLDFAST__VALUE__KIND__NOT_SET;
  }
}

/* Copies bytes, and a NUL after them if `terminated`. */
static char *put_bytes(struct room *room, ProtobufCBinaryData from, bool terminated) {
  char *to = room->bytes;
  assert(to != NULL || (from.len == 0 && !terminated));
  if (from.len > 0) {
    memcpy(to, from.data, from.len);
  }
  room->bytes += from.len;
  if (terminated) {
    *room->bytes++ = '\0';
  }
  return to;
}

static hf_value fill(const Holdfast__Value *message, struct room *room);

static hf_value fill_tuple(const Holdfast__Tuple *tuple, struct room *room) {
  hf_value *items = room->items;
  room->items += tuple->n_items;
  for (size_t i = 0; i < tuple->n_items; i++) {
    items[i] = fill(tuple->items[i], room);
  }
  return hf_tuple(items, tuple->n_items);
}

static hf_value fill(const Holdfast__Value *message, struct room *room) {
  switch (message->kind_case) {
    case HOLDFAST__VALUE__KIND_BOOLEAN:
      return hf_bool(message->boolean);
    case HOLDFAST__VALUE__KIND_INTEGER:
      return hf_int(message->integer);
    case HOLDFAST__VALUE__KIND_UNSIGNED:
      return hf_uint(message->unsigned_);
    case HOLDFAST__VALUE__KIND_REAL:
      return hf_float(message->real);
    case HOLDFAST__VALUE__KIND_TEXT:
      return hf_text_n(put_bytes(room, message->text, true), message->text.len);
    case HOLDFAST__VALUE__KIND_BYTES:
      return hf_bytes(put_bytes(room, message->bytes, false), message->bytes.len);
    case HOLDFAST__VALUE__KIND_TUPLE:
      return fill_tuple(message->tuple, room);
    case HOLDFAST__VALUE__KIND_REFERENCE:
      return (hf_value){.type = HF_TYPE_REFERENCE,
                        .kind = (hf_kind)message->reference->kind,
                        .object = message->reference->object};
    case HOLDFAST__VALUE__KIND_OPAQUE: {
      const char *codec = put_bytes(room, message->opaque->codec, true);
      const char *data = put_bytes(room, message->opaque->data, false);
      return hf_opaque(codec, data, message->opaque->data.len);
    }
    default:
      return hf_none();
  }
}

hf_reason value_from_wire(hf_conn *conn, const Holdfast__Value *message, hf_value *value) {
  struct room room = {NULL, NULL, 0, 0, false};
  if (message == NULL) {
    *value = hf_none();
    return HF_REASON_NONE;
  }
  if (!measure(message, &room)) {
    return HF_REASON_BAD_REPLY;
  }
  if (room.item_count == 0 && room.byte_count == 0 && !room.has_reference) {
    *value = fill(message, &room);
    return HF_REASON_NONE;
  }
  size_t items_bytes = room.item_count * sizeof(hf_value);
  struct owned *owned = malloc(sizeof *owned + items_bytes + room.byte_count);
  if (owned == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  owned->conn = room.has_reference ? conn_retain(conn) : NULL;
  owned->generation = fork_generation();
  room.items = (hf_value *)(void *)owned->content;
  room.bytes = owned->content + items_bytes;
  *value = fill(message, &room);
  value->owned = owned;
  return HF_REASON_NONE;
}

void value_forget(hf_value *value) {
  struct owned *owned = value->owned;
  if (owned != NULL && owned->conn != NULL) {
    conn_release(owned->conn);
  }
  free(owned);
  *value = hf_none();
}

/* ---------------------------------------------------------------- references */

/* Mutex held. */
static void release_references(hf_conn *conn, const hf_value *value) {
  if (value->type == HF_TYPE_REFERENCE) {
    references_release(conn, value->object);
  } else if (value->type == HF_TYPE_TUPLE) {
    for (size_t i = 0; i < value->size; i++) {
      release_references(conn, &value->items[i]);
    }
  }
}

void hf_value_clear(hf_value *value) {
  struct owned *owned = value == NULL ? NULL : value->owned;
  if (owned != NULL && owned->conn != NULL) {
    /* References delivered before a fork belong to the parent's session. */
    if (owned->generation == fork_generation()) {
      conn_lock(owned->conn);
      release_references(owned->conn, value);
      conn_unlock(owned->conn);
    }
    conn_release(owned->conn);
  }
  free(owned);
  if (value != NULL) {
    *value = hf_none();
  }
}

bool value_is_of_other(const hf_conn *conn, const hf_value *value) {
  const struct owned *owned = value->owned;
  return owned != NULL && owned->conn != conn;
}

bool value_take_reference(hf_conn *conn, hf_value *value) {
  struct owned *owned = value->owned;
  if (owned == NULL || owned->generation != fork_generation()) {
    return false;
  }
  conn_release(conn);
  free(owned);
  *value = hf_none();
  return true;
}

void hf_values_free(hf_value *values, size_t count) {
  for (size_t i = 0; values != NULL && i < count; i++) {
    hf_value_clear(&values[i]);
  }
  free(values);
}

void hf_entries_free(struct hf_entry *entries, size_t count) {
  for (size_t i = 0; entries != NULL && i < count; i++) {
    hf_value_clear(&entries[i].key);
    hf_value_clear(&entries[i].value);
  }
  free(entries);
}
