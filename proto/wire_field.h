/* Fields of a message as they stand on the wire: tag, then a number or bytes. All varints are
 * read and written here.
 *
 * layer   proto
 * memory  content is borrowed from the bytes that are read
 * source  https://protobuf.dev/programming-guides/encoding
 */
#ifndef HF_PROTO_WIRE_FIELD_H
#define HF_PROTO_WIRE_FIELD_H

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };

#define VARINT_BYTES_MAX 10

struct wire_field {
  uint32_t number;
  enum wire_type type;
  uint64_t integer; /* VARINT, FIXED64 */
  struct bytes content;
};

/* The unread rest of a message. */
struct wire_reader {
  const uint8_t *next, *end;
};

static inline uint32_t wire_tag(uint32_t field, enum wire_type type) {
  return field << 3 | type;
}

/* ---- reading; false: these bytes are no message */

static inline bool wire_read_varint(struct wire_reader *reader, uint64_t *number) {
  if (reader->next < reader->end && *reader->next < 0x80) {
    *number = *reader->next++;
    return true;
  }
  *number = 0;
  for (unsigned shift = 0; shift < 64 && reader->next < reader->end; shift += 7) {
    uint8_t byte = *reader->next++;
    *number |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      return true;
    }
  }
  return false;
}

static inline bool wire_take(struct wire_reader *reader, uint64_t count, struct bytes *content) {
  if (count > (uint64_t)(reader->end - reader->next)) {
    return false;
  }
  *content = bytes_of(reader->next, (size_t)count);
  reader->next += count;
  return true;
}

static inline bool wire_read_field(struct wire_reader *reader, struct wire_field *field) {
  uint64_t tag;
  if (!wire_read_varint(reader, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) {
    return false;
  }
  field->number = (uint32_t)(tag >> 3);
  field->type = (enum wire_type)(tag & 7);
  switch (field->type) {
    case VARINT:
      return wire_read_varint(reader, &field->integer);
    case FIXED64:
      if (!wire_take(reader, 8, &field->content)) {
        return false;
      }
      memcpy(&field->integer, field->content.data, 8); /* little endian, as this machine */
      return true;
    case FIXED32:
      return wire_take(reader, 4, &field->content);
    case DELIMITED:
      return wire_read_varint(reader, &field->integer) &&
             wire_take(reader, field->integer, &field->content);
  }
  return false;
}

static inline int64_t wire_from_zigzag(uint64_t number) {
  return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}

/* ---- writing */

/* Seven bits a byte, at least one. */
static inline size_t wire_varint_len(uint64_t number) {
  size_t bits = 64 - (size_t)__builtin_clzll(number | 1);
  return (bits * 9 + 64) / 64;
}

/* Returns the number of bytes. */
static inline size_t wire_write_varint(uint8_t *at, uint64_t number) {
  uint8_t *next = at;
  for (; number >= 0x80; number >>= 7) {
    *next++ = (uint8_t)(number | 0x80);
  }
  *next++ = (uint8_t)number;
  return (size_t)(next - at);
}

/* The length of a delimited field of so many bytes with a tag of one byte. */
static inline size_t wire_field_len(size_t len) {
  return 1 + wire_varint_len(len) + len;
}

/* The functions below return the end of what they wrote. Field numbers: holdfast_fields.h. */

static inline uint8_t *wire_write_tag(uint8_t *at, uint32_t field, enum wire_type type) {
  return at + wire_write_varint(at, wire_tag(field, type));
}

static inline uint8_t *wire_write_number(uint8_t *at, uint32_t field, uint64_t number) {
  at = wire_write_tag(at, field, VARINT);
  return at + wire_write_varint(at, number);
}

/* The tag and length of bytes or of a message. */
static inline uint8_t *wire_write_head(uint8_t *at, uint32_t field, size_t len) {
  at = wire_write_tag(at, field, DELIMITED);
  return at + wire_write_varint(at, len);
}

static inline uint8_t *wire_write_bytes(uint8_t *at, uint32_t field, struct bytes bytes) {
  at = wire_write_head(at, field, bytes.len);
  if (bytes.len > 0) {
    memcpy(at, bytes.data, bytes.len);
  }
  return at + bytes.len;
}

static inline uint64_t wire_to_zigzag(int64_t number) {
  return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

#endif
