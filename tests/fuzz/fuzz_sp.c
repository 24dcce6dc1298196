/* Framing: whatever arrives, a frame is found whole or not at all, and nothing is read beyond it.
 *
 * input   transport (bit 0), then the bytes of a stream
 */
#include "proto/sp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static bool is_within(struct bytes part, struct bytes whole) {
  return part.len == 0 || (part.data >= whole.data && part.len <= whole.len &&
                           part.data - whole.data <= (ptrdiff_t)(whole.len - part.len));
}

static void check_route(struct bytes body) {
  struct sp_route route;
  struct bytes payload;
  if (sp_route_read(body, &route, &payload) == SP_OK) {
    require(route.len >= 4 && route.len % 4 == 0 && route.len <= sizeof(route.words));
    require(is_within(payload, body) && payload.len + route.len == body.len);
    require((route.words[route.len - 4] & 0x80) != 0);
    require(bytes_equal(bytes_of(route.words, route.len), bytes_of(body.data, route.len)));
    struct sp_route again = sp_route_of(sp_route_id(&route));
    require(again.len == 4 && sp_route_id(&again) == sp_route_id(&route));
  }
}

/* Every shorter prefix of a frame that is there asks for more, and for no more than the frame. */
static void check_prefixes(enum sp_transport transport, struct bytes input, size_t used) {
  for (size_t len = 0; len < used; len += 1 + len / 16) {
    struct bytes body;
    size_t part_used, needed = 0;
    struct bytes part = bytes_of(input.data, len);
    require(sp_frame_read(transport, part, HF_FRAME_BYTES_MAX, &body, &part_used, &needed) ==
            SP_MORE);
    require(needed > len && needed <= used);
  }
}

static void check_frames(enum sp_transport transport, struct bytes input) {
  for (;;) {
    struct bytes body;
    uint8_t prefix[SP_PREFIX_BYTES_MAX];
    size_t used, needed;
    if (sp_frame_read(transport, input, HF_FRAME_BYTES_MAX, &body, &used, &needed) != SP_OK) {
      return;
    }
    require(used <= input.len && used == sp_prefix_bytes(transport) + body.len);
    require(is_within(body, input));
    size_t prefix_len = sp_prefix_write(transport, prefix, body.len);
    require(bytes_equal(bytes_of(prefix, prefix_len), bytes_of(input.data, prefix_len)));
    check_prefixes(transport, input, used);
    check_route(body);
    input = bytes_of(input.data + used, input.len - used);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint16_t protocol;
  if (size < 1) {
    return 0;
  }
  struct bytes stream = bytes_of(data + 1, size - 1);
  if (stream.len >= SP_HELLO_BYTES && sp_hello_read(stream.data, &protocol) == SP_OK) {
    uint8_t hello[SP_HELLO_BYTES];
    sp_hello_write(hello, (enum sp_protocol)protocol);
    require(bytes_equal(bytes_of(hello, sizeof(hello)), bytes_of(stream.data, sizeof(hello))));
  }
  check_frames((data[0] & 1) != 0 ? SP_IPC : SP_TCP, stream);
  check_route(stream);
  return 0;
}
