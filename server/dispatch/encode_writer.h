/* The fields of a message, in the order in which they are put. The same functions count it, write it whole, and
 * write a part of it: those of its bytes that are in a window.
 *
 *   0 ........... from ..... from + room ........ len
 *   counted only  [ written to `at`    ]  counted only
 *
 * layer   dispatch; private to encode*.c
 * memory  Nothing is allocated. A message within a message is counted before it is written.
 */
#ifndef HF_DISPATCH_ENCODE_WRITER_H
#define HF_DISPATCH_ENCODE_WRITER_H

#include "proto/base/bytes.h"
#include "proto/wire_field.h"

#include <stdbool.h>

struct writer {
  uint8_t *at; /* of byte `from`; room 0: it only counts */
  size_t from, room;
  size_t len;                /* counted so far */
  const char *version;       /* the server's */
  struct encoding *encoding; /* encode.c's, of the outermost message; or NULL */
};

static inline bool encode_is_behind_window(const struct writer *writer) {
  return writer->len >= writer->from + writer->room;
}

static inline void encode_byte(struct writer *writer, uint8_t byte) {
  size_t offset = writer->len++ - writer->from; /* beyond any room when it is before `from` */
  if (offset < writer->room) {
    writer->at[offset] = byte;
  }
}

/* Of two bytes or more. */
void encode_long_varint(struct writer *writer, uint64_t number);

static inline void encode_varint(struct writer *writer, uint64_t number) {
  if (number < 0x80) { /* tags, nearly all of them */
    encode_byte(writer, (uint8_t)number);
  } else {
    encode_long_varint(writer, number);
  }
}

/* Bytes as they are. */
void encode_run(struct writer *writer, const void *data, size_t len);

static inline void encode_tag(struct writer *writer, uint32_t field, enum wire_type type) {
  encode_varint(writer, wire_tag(field, type));
}

/* An arm of a oneof: also when it is 0, or empty. */
static inline void encode_arm(struct writer *writer, uint32_t field, uint64_t number) {
  encode_tag(writer, field, VARINT);
  encode_varint(writer, number);
}

void encode_bytes_arm(struct writer *writer, uint32_t field, struct bytes bytes);

/* A plain field: 0 and no bytes are left out. */
void encode_number(struct writer *writer, uint32_t field, uint64_t number);

static inline void encode_bytes(struct writer *writer, uint32_t field, struct bytes bytes) {
  if (bytes.len) {
    encode_bytes_arm(writer, field, bytes);
  }
}

/* Puts the fields of a message: of what `item` points to. */
typedef void encode_fields(struct writer *writer, const void *item);

static inline size_t encode_count(const struct writer *writer, encode_fields *put,
                                  const void *item) {
  struct writer counting = {.version = writer->version};
  put(&counting, item);
  return counting.len;
}

/* A message of that length within the message. */
static inline void encode_counted(struct writer *writer, uint32_t field, size_t len,
                                  encode_fields *put, const void *item) {
  encode_tag(writer, field, DELIMITED);
  encode_varint(writer, len);
  if (encode_is_behind_window(writer) || writer->len + len <= writer->from) {
    writer->len += len;
  } else {
    put(writer, item);
  }
}

static inline void encode_message(struct writer *writer, uint32_t field, encode_fields *put,
                                  const void *item) {
  encode_counted(writer, field, encode_count(writer, put, item), put, item);
}

#endif
