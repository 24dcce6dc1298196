/* The body of a Request: the envelope by hand, the operation's arm by protobuf-c.
 *
 * By hand because protobuf-c walks all 130 arms of the message twice for every request: that costs
 * more than everything else a call does.
 */
#include "client/src/connection/envelope.h"

#include <string.h>

#define VARINT_BYTES_MAX 10

enum wire_type { WIRE_VARINT = 0, WIRE_LEN = 2 };

static uint8_t *write_varint(uint8_t *to, uint64_t number) {
  while (number >= 0x80) {
    *to++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  *to++ = (uint8_t)number;
  return to;
}

static uint8_t *write_tag(uint8_t *to, uint32_t field, enum wire_type type) {
  return write_varint(to, (uint64_t)field << 3 | type);
}

static uint8_t *write_number(uint8_t *to, uint32_t field, uint64_t number) {
  return write_varint(write_tag(to, field, WIRE_VARINT), number);
}

static uint8_t *write_bytes(uint8_t *to, uint32_t field, const void *data, size_t len) {
  to = write_varint(write_tag(to, field, WIRE_LEN), len);
  if (len > 0) {
    memcpy(to, data, len);
  }
  return to + len;
}

/* A packed repeated field. */
static uint8_t *write_numbers(uint8_t *to, uint32_t field, const uint64_t *numbers,
                              uint32_t count) {
  uint8_t scratch[VARINT_BYTES_MAX];
  size_t len = 0;
  for (uint32_t i = 0; i < count; i++) {
    len += (size_t)(write_varint(scratch, numbers[i]) - scratch);
  }
  to = write_varint(write_tag(to, field, WIRE_LEN), len);
  for (uint32_t i = 0; i < count; i++) {
    to = write_varint(to, numbers[i]);
  }
  return to;
}

size_t envelope_body_max(const struct envelope *envelope, uint32_t also_count) {
  size_t name_len = envelope->name == NULL ? 0 : strlen(envelope->name);
  return ENVELOPE_BYTES_MAX + name_len + (size_t)also_count * VARINT_BYTES_MAX + envelope->arm_len;
}

/* The field numbers are holdfast.proto's; those below 16 have no constant in the generated code. */
enum { SESSION = 1, SEQUENCE, ACKED, ACKED_ALSO, TIMEOUT_MS, CALLER, OBJECT, NAME };

static uint8_t *write_operation(uint8_t *to, const struct envelope *envelope) {
  to = write_number(to, CALLER, envelope->caller);
  if (envelope->name != NULL) {
    to = write_bytes(to, NAME, envelope->name, strlen(envelope->name));
  } else if (envelope->object != 0) {
    to = write_number(to, OBJECT, envelope->object);
  }
  if (envelope->arm == NULL) {
    return write_bytes(to, envelope->operation, envelope->packed, envelope->arm_len);
  }
  to = write_varint(write_tag(to, envelope->operation, WIRE_LEN), envelope->arm_len);
  return to + protobuf_c_message_pack(envelope->arm, to);
}

static const uint8_t *read_varint(const uint8_t *from, uint64_t *number) {
  *number = 0;
  for (unsigned shift = 0;; shift += 7) {
    *number |= (uint64_t)(*from & 0x7f) << shift;
    if ((*from++ & 0x80) == 0) {
      return from;
    }
  }
}

uint32_t envelope_read_also(const uint8_t *body, uint64_t *also, uint32_t count_max) {
  uint64_t tag, number;
  body = read_varint(body, &tag);
  while (tag == (SEQUENCE << 3 | WIRE_VARINT) || tag == (ACKED << 3 | WIRE_VARINT)) {
    body = read_varint(body, &number);
    body = read_varint(body, &tag);
  }
  if (tag != (ACKED_ALSO << 3 | WIRE_LEN)) {
    return 0;
  }
  body = read_varint(body, &number);
  const uint8_t *end = body + number;
  uint32_t count = 0;
  while (body < end && count < count_max) {
    body = read_varint(body, &also[count++]);
  }
  return count;
}

size_t envelope_write_nested(uint8_t *to, uint32_t field, const struct envelope *envelope) {
  uint8_t *body = to + 2 * VARINT_BYTES_MAX; /* tag and length, which stands before it, fit there */
  size_t body_len = (size_t)(write_operation(body, envelope) - body);
  uint8_t *begin = write_varint(write_tag(to, field, WIRE_LEN), body_len);
  memmove(begin, body, body_len);
  return (size_t)(begin - to) + body_len;
}

size_t envelope_write_message(uint8_t *to, uint32_t field, const ProtobufCMessage *message,
                              size_t len) {
  uint8_t *begin = write_varint(write_tag(to, field, WIRE_LEN), len);
  return (size_t)(begin - to) + protobuf_c_message_pack(message, begin);
}

size_t envelope_write(uint8_t *body, const struct envelope *envelope, uint64_t sequence,
                      uint64_t acked, const uint64_t *also, uint32_t also_count) {
  uint8_t *to = body;
  if (envelope->session != NULL) {
    to = write_bytes(to, SESSION, envelope->session, HF_SESSION_BYTES);
  }
  to = write_number(to, SEQUENCE, sequence);
  if (acked > 0) {
    to = write_number(to, ACKED, acked);
  }
  if (also_count > 0) {
    to = write_numbers(to, ACKED_ALSO, also, also_count);
  }
  if (envelope->timeout_ms >= 0) {
    to = write_number(to, TIMEOUT_MS, (uint64_t)envelope->timeout_ms << 1); /* zigzag */
  }
  return (size_t)(write_operation(to, envelope) - body);
}
