/* Encodes the body of a Request: the envelope by hand, the operation's arm by protobuf-c.
 *
 * protobuf-c would visit all 130 arms of Request twice per request, which costs more than the rest
 * of a call.
 */
#include "client/src/connection/envelope.h"

#include <string.h>

#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"

/* A packed repeated field. */
static uint8_t *write_numbers(uint8_t *to, uint32_t field, const uint64_t *numbers,
                              uint32_t count) {
  size_t len = 0;
  for (uint32_t i = 0; i < count; i++) {
    len += wire_varint_len(numbers[i]);
  }
  to = wire_write_head(to, field, len);
  for (uint32_t i = 0; i < count; i++) {
    to += wire_write_varint(to, numbers[i]);
  }
  return to;
}

size_t envelope_body_max(const struct envelope *envelope, uint32_t also_count) {
  size_t name_len = envelope->name == NULL ? 0 : strlen(envelope->name);
  return ENVELOPE_BYTES_MAX + name_len + (size_t)also_count * VARINT_BYTES_MAX + envelope->arm_len;
}

static uint8_t *write_operation(uint8_t *to, const struct envelope *envelope) {
  to = wire_write_number(to, HF_FIELD_REQUEST_THREAD, envelope->thread);
  if (envelope->name != NULL) {
    to = wire_write_bytes(to, HF_FIELD_REQUEST_NAME, bytes_of_text(envelope->name));
  } else if (envelope->object != 0) {
    to = wire_write_number(to, HF_FIELD_REQUEST_OBJECT, envelope->object);
  }
  if (envelope->arm == NULL) {
    return wire_write_bytes(to, envelope->operation, bytes_of(envelope->packed, envelope->arm_len));
  }
  to = wire_write_head(to, envelope->operation, envelope->arm_len);
  return to + protobuf_c_message_pack(envelope->arm, to);
}

uint32_t envelope_read_also(struct bytes body, uint64_t *also, uint32_t count_max) {
  struct wire_reader reader = {body.data, body.data + body.len};
  struct wire_field field = {0};
  while (field.number != HF_FIELD_REQUEST_ACKED_ALSO) {
    if (!wire_read_field(&reader, &field)) {
      return 0;
    }
  }
  struct wire_reader numbers = {field.content.data, field.content.data + field.content.len};
  uint32_t count = 0;
  while (count < count_max && wire_read_varint(&numbers, &also[count])) {
    count++;
  }
  return count;
}

size_t envelope_write_nested(uint8_t *to, uint32_t field, const struct envelope *envelope) {
  /* Reserves the maximum for tag and length, which are written before the body. */
  uint8_t *body = to + 2 * VARINT_BYTES_MAX;
  size_t body_len = (size_t)(write_operation(body, envelope) - body);
  uint8_t *begin = wire_write_head(to, field, body_len);
  memmove(begin, body, body_len);
  return (size_t)(begin - to) + body_len;
}

size_t envelope_write_message(uint8_t *to, uint32_t field, const ProtobufCMessage *message,
                              size_t len) {
  uint8_t *begin = wire_write_head(to, field, len);
  return (size_t)(begin - to) + protobuf_c_message_pack(message, begin);
}

size_t envelope_write(uint8_t *body, const struct envelope *envelope, uint64_t sequence,
                      uint64_t acked, const uint64_t *also, uint32_t also_count) {
  uint8_t *to = body;
  if (envelope->session != NULL) {
    to = wire_write_bytes(to, HF_FIELD_REQUEST_SESSION,
                          bytes_of(envelope->session, HF_SESSION_BYTES));
  }
  to = wire_write_number(to, HF_FIELD_REQUEST_SEQUENCE, sequence);
  if (acked > 0) {
    to = wire_write_number(to, HF_FIELD_REQUEST_ACKED, acked);
  }
  if (also_count > 0) {
    to = write_numbers(to, HF_FIELD_REQUEST_ACKED_ALSO, also, also_count);
  }
  if (envelope->timeout_ms >= 0) {
    to = wire_write_number(to, HF_FIELD_REQUEST_TIMEOUT_MS, wire_to_zigzag(envelope->timeout_ms));
  }
  return (size_t)(write_operation(to, envelope) - body);
}
