#include "server/dispatch/encode_writer.h"

#include <string.h>

/* A varint that the window may cut, or that is outside of it. Not inlined, and calls nothing, so
 * that encode_long_varint needs no stack frame. */
__attribute__((noinline)) static void put_cut_varint(struct writer *writer, uint64_t number) {
  uint8_t bytes[VARINT_BYTES_MAX];
  size_t len = wire_write_varint(bytes, number);
  for (size_t i = 0; i < len; i++) {
    encode_byte(writer, bytes[i]);
  }
}

void encode_long_varint(struct writer *writer, uint64_t number) {
  if (writer->room == 0) {
    writer->len += wire_varint_len(number);
    return;
  }
  size_t offset = writer->len - writer->from; /* as in encode_byte */
  if (offset < writer->room && writer->room - offset >= VARINT_BYTES_MAX) {
    writer->len += wire_write_varint(writer->at + offset, number);
    return;
  }
  put_cut_varint(writer, number);
}

/* What of the run is in the window. */
void encode_run(struct writer *writer, const void *data, size_t len) {
  size_t end = writer->from + writer->room;
  size_t first = writer->len > writer->from ? writer->len : writer->from;
  size_t last = writer->len + len < end ? writer->len + len : end;
  if (first < last) {
    memcpy(writer->at + (first - writer->from), (const uint8_t *)data + (first - writer->len),
           last - first);
  }
  writer->len += len;
}

void encode_number(struct writer *writer, uint32_t field, uint64_t number) {
  if (number) {
    encode_arm(writer, field, number);
  }
}

void encode_bytes_arm(struct writer *writer, uint32_t field, struct bytes bytes) {
  encode_tag(writer, field, DELIMITED);
  encode_varint(writer, bytes.len);
  encode_run(writer, bytes.data, bytes.len);
}
