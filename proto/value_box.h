/* The boxes of values that do not fit into 16 bytes. Private to proto/value*.c.
 *
 * layer   proto
 * memory  one malloc each; immutable but for the count. 8 bytes of header, so that a text of 16
 *         bytes still fits malloc's smallest chunk but one.
 *
 *   text, bytes   refs | len | bytes
 *   tuple         refs | count | flags, memory_bytes | items
 *   opaque        refs | len of codec and data | codec_len | codec, data
 *
 * A box of BOX_HASH_BYTES_MIN or more ends, 8-byte aligned, in its value's cached hash, 0 until the
 * first value_hash: otherwise each of many waits for a change of a large value would read the
 * value. A process has one hash key.
 */
#ifndef HF_PROTO_VALUE_BOX_H
#define HF_PROTO_VALUE_BOX_H

#include "proto/value_type.h"

#include <stdatomic.h>

struct value_box {
  /* A reference count. From BOX_REFS_PINNED on, the count no longer changes and the box is never
   * freed: a list can contain the same value billions of times, and a leak is better than a wrap.
   */
  _Atomic uint32_t refs;
  uint32_t len; /* bytes of text, bytes, codec and data; items of a tuple */
};
#define BOX_REFS_PINNED UINT32_C(0x80000000)

struct text_box {
  struct value_box head;
  uint8_t data[];
};

struct tuple_box {
  struct value_box head;
  size_t memory_bytes; /* the box and the boxes of its items */
  bool has_reference;
  struct value items[];
};

struct opaque_box {
  struct value_box head;
  uint32_t codec_len;
  uint8_t data[]; /* codec_len bytes of codec, then the data */
};

#define BOX_HASH_BYTES_MIN 1024

static inline size_t box_hash_offset(size_t size) {
  return (size + 7) & ~(size_t)7;
}
/* The bytes to be allocated for a box of `size` bytes. */
static inline size_t box_bytes(size_t size) {
  return size < BOX_HASH_BYTES_MIN ? size : box_hash_offset(size) + sizeof(uint64_t);
}
/* Where a box of `size` bytes keeps its hash; NULL: it keeps none. */
static inline _Atomic uint64_t *box_hash(struct value_box *box, size_t size) {
  return size < BOX_HASH_BYTES_MIN ? NULL
                                   : (_Atomic uint64_t *)((char *)box + box_hash_offset(size));
}

static inline size_t text_box_bytes(size_t len) {
  return sizeof(struct text_box) + len;
}
static inline size_t tuple_box_bytes(size_t count) {
  return sizeof(struct tuple_box) + count * sizeof(struct value);
}
static inline size_t opaque_box_bytes(size_t len) {
  return sizeof(struct opaque_box) + len;
}

static inline const struct text_box *value_text_box(struct value value) {
  return (const struct text_box *)value.box;
}
static inline const struct tuple_box *value_tuple_box(struct value value) {
  return (const struct tuple_box *)value.box;
}
static inline const struct opaque_box *value_opaque_box(struct value value) {
  return (const struct opaque_box *)value.box;
}

/* Whether `box` is in use. */
static inline bool value_has_box(struct value value) {
  switch (value.kind) {
    case VALUE_TEXT:
    case VALUE_BYTES:
      return value.small_len == VALUE_BOXED;
    case VALUE_TUPLE:
    case VALUE_OPAQUE:
      return true;
    default:
      return false;
  }
}

#endif
