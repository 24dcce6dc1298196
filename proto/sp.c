#include "proto/sp.h"

#include <string.h>

#define IPC_MESSAGE 0x01
#define WORD_BYTES 4
#define ID_BIT 0x80u

static const uint8_t magic[4] = {0x00, 'S', 'P', 0x00};

void sp_hello_write(uint8_t hello[SP_HELLO_BYTES], enum sp_protocol protocol) {
  memcpy(hello, magic, sizeof magic);
  hello[4] = (uint8_t)((unsigned)protocol >> 8);
  hello[5] = (uint8_t)protocol;
  hello[6] = 0;
  hello[7] = 0;
}

enum sp_result sp_hello_read(const uint8_t hello[SP_HELLO_BYTES], uint16_t *protocol) {
  if (memcmp(hello, magic, sizeof magic) != 0 || hello[6] != 0 || hello[7] != 0) {
    return SP_BAD_HELLO;
  }
  *protocol = (uint16_t)(hello[4] << 8 | hello[5]);
  return SP_OK;
}

size_t sp_prefix_bytes(enum sp_transport transport) {
  return transport == SP_IPC ? 9 : 8;
}

size_t sp_prefix_write(enum sp_transport transport, uint8_t *prefix, size_t body_len) {
  size_t at = 0;
  if (transport == SP_IPC) {
    prefix[at++] = IPC_MESSAGE;
  }
  for (int shift = 56; shift >= 0; shift -= 8) {
    prefix[at++] = (uint8_t)((uint64_t)body_len >> shift);
  }
  return at;
}

static uint64_t read_u64(const uint8_t *from) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) {
    value = value << 8 | from[i];
  }
  return value;
}

enum sp_result sp_frame_read(enum sp_transport transport, struct bytes input, size_t body_bytes_max,
                             struct bytes *body, size_t *used, size_t *needed) {
  size_t prefix_len = sp_prefix_bytes(transport);
  /* Checks the type byte at once: a peer of another protocol need not send eight more bytes. */
  if (transport == SP_IPC && input.len > 0 && input.data[0] != IPC_MESSAGE) {
    return SP_BAD_FRAME;
  }
  if (input.len < prefix_len) {
    *needed = prefix_len;
    return SP_MORE;
  }
  uint64_t body_len = read_u64(input.data + prefix_len - 8);
  /* Compared before the addition, since the peer may send up to 2^64 - 1. */
  if (body_len > body_bytes_max || body_len > SIZE_MAX - prefix_len) {
    return SP_TOO_LONG;
  }
  size_t whole = prefix_len + (size_t)body_len;
  if (input.len < whole) {
    *needed = whole;
    return SP_MORE;
  }
  *body = bytes_of(input.data + prefix_len, (size_t)body_len);
  *used = whole;
  return SP_OK;
}

enum sp_result sp_route_read(struct bytes body, struct sp_route *route, struct bytes *payload) {
  for (size_t end = WORD_BYTES; end <= sizeof route->words && end <= body.len; end += WORD_BYTES) {
    if ((body.data[end - WORD_BYTES] & ID_BIT) == 0) {
      continue; /* a hop word; the id follows */
    }
    memcpy(route->words, body.data, end);
    route->len = (uint8_t)end;
    *payload = bytes_of(body.data + end, body.len - end);
    return SP_OK;
  }
  return SP_BAD_FRAME;
}

struct sp_route sp_route_of(uint32_t id) {
  struct sp_route route = {.len = WORD_BYTES};
  route.words[0] = (uint8_t)(id >> 24 | ID_BIT);
  route.words[1] = (uint8_t)(id >> 16);
  route.words[2] = (uint8_t)(id >> 8);
  route.words[3] = (uint8_t)id;
  return route;
}

uint32_t sp_route_id(const struct sp_route *route) {
  const uint8_t *word = route->words + route->len - WORD_BYTES;
  return (uint32_t)(word[0] & ~ID_BIT) << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 |
         word[3];
}
