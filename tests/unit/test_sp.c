/* Framing: every result, every way a stream can be cut, and what a liar may claim. */
#include "proto/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum sp_transport transports[] = {SP_TCP, SP_IPC};

/* A whole frame at `out`; answers its length. */
static size_t make_frame(enum sp_transport transport, const void *body, size_t len, uint8_t *out) {
  size_t prefix_len = sp_prefix_write(transport, out, len);
  memcpy(out + prefix_len, body, len);
  return prefix_len + len;
}

/* A prefix that claims any length. */
static size_t write_prefix(enum sp_transport transport, uint64_t claimed, uint8_t *out) {
  return sp_prefix_write(transport, out, (size_t)claimed);
}

static void test_sp_hello_is_as_nng_writes_it(void **state) {
  (void)state;
  static const uint8_t expected[] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
  uint8_t hello[SP_HELLO_BYTES];
  sp_hello_write(hello, SP_REP);
  assert_memory_equal(hello, expected, sizeof expected);
}

static void test_sp_hello_of_any_protocol_is_read(void **state) {
  (void)state;
  uint8_t hello[SP_HELLO_BYTES];
  sp_hello_write(hello, SP_PUSH);
  hello[4] = 0xab;
  uint16_t protocol = 0;
  assert_int_equal(sp_hello_read(hello, &protocol), SP_OK);
  assert_int_equal(protocol, 0xab50);
}

static void test_sp_hello_with_any_other_byte_is_refused(void **state) {
  (void)state;
  static const size_t fixed[] = {0, 1, 2, 3, 6, 7};
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
    uint8_t hello[SP_HELLO_BYTES];
    sp_hello_write(hello, SP_REQ);
    hello[fixed[i]] ^= 0x20;
    uint16_t protocol = 7;
    assert_int_equal(sp_hello_read(hello, &protocol), SP_BAD_HELLO);
    assert_int_equal(protocol, 7);
  }
}

static void test_sp_prefix_has_the_transports_shape(void **state) {
  (void)state;
  static const uint8_t expected[] = {1, 0, 0, 0, 0, 0, 1, 2, 3};
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  assert_int_equal(sp_prefix_bytes(SP_TCP), 8);
  assert_int_equal(sp_prefix_bytes(SP_IPC), 9);
  assert_int_equal(sp_prefix_write(SP_TCP, prefix, 0x010203), 8);
  assert_memory_equal(prefix, expected + 1, 8);
  assert_int_equal(sp_prefix_write(SP_IPC, prefix, 0x010203), 9);
  assert_memory_equal(prefix, expected, 9);
}

static void test_sp_frame_cut_at_every_byte_asks_for_the_rest(void **state) {
  (void)state;
  uint8_t frame[64];
  for (size_t t = 0; t < 2; t++) {
    size_t len = make_frame(transports[t], "hello, holdfast", 15, frame);
    for (size_t cut = 0; cut < len; cut++) {
      /* A copy of exact size, so that ASan sees a read beyond it. */
      uint8_t *input = malloc(cut + 1);
      memcpy(input, frame, cut);
      struct bytes body = {0};
      size_t used = 0;
      size_t needed = 0;
      input = realloc(input, cut > 0 ? cut : 1);
      assert_int_equal(
          sp_frame_read(transports[t], bytes_of(input, cut), 100, &body, &used, &needed), SP_MORE);
      size_t prefix_len = sp_prefix_bytes(transports[t]);
      assert_int_equal(needed, cut < prefix_len ? prefix_len : len);
      free(input);
    }
  }
}

static void test_sp_frame_is_found_and_the_next_left_alone(void **state) {
  (void)state;
  uint8_t frames[64];
  for (size_t t = 0; t < 2; t++) {
    size_t first = make_frame(transports[t], "one", 3, frames);
    size_t both = first + make_frame(transports[t], "", 0, frames + first);
    struct bytes body;
    size_t used;
    size_t needed;
    struct bytes input = bytes_of(frames, both);
    assert_int_equal(sp_frame_read(transports[t], input, 100, &body, &used, &needed), SP_OK);
    assert_int_equal(used, first);
    assert_true(bytes_equal(body, bytes_of_text("one")));
    input = bytes_of(frames + used, both - used);
    assert_int_equal(sp_frame_read(transports[t], input, 100, &body, &used, &needed), SP_OK);
    assert_int_equal(used, both - first);
    assert_int_equal(body.len, 0);
  }
}

static void test_sp_frame_beyond_a_limit_is_too_long(void **state) {
  (void)state;
  static const uint64_t claims[] = {
      101,        HF_FRAME_BYTES_MAX + 1u, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX - 31,
      UINT64_MAX, UINT64_MAX - 8,
  };
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  struct bytes body;
  size_t used;
  size_t needed;
  for (size_t t = 0; t < 2; t++) {
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
      struct bytes input = bytes_of(prefix, write_prefix(transports[t], claims[i], prefix));
      assert_int_equal(sp_frame_read(transports[t], input, 100, &body, &used, &needed),
                       SP_TOO_LONG);
      /* Without a limit still nothing whose end could not be counted. */
      enum sp_result unlimited =
          sp_frame_read(transports[t], input, SIZE_MAX, &body, &used, &needed);
      assert_int_equal(
          unlimited, claims[i] > SIZE_MAX - sp_prefix_bytes(transports[t]) ? SP_TOO_LONG : SP_MORE);
    }
  }
}

static void test_sp_frame_at_the_limit_is_waited_for(void **state) {
  (void)state;
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  struct bytes body;
  size_t used;
  size_t needed = 0;
  struct bytes input = bytes_of(prefix, write_prefix(SP_TCP, HF_FRAME_BYTES_MAX, prefix));
  assert_int_equal(sp_frame_read(SP_TCP, input, HF_FRAME_BYTES_MAX, &body, &used, &needed),
                   SP_MORE);
  assert_int_equal(needed, HF_FRAME_BYTES_MAX + 8u);
}

static void test_sp_frame_of_ipc_without_its_type_is_bad_at_once(void **state) {
  (void)state;
  static const uint8_t types[] = {0, 2, 0x80, 0xff};
  struct bytes body;
  size_t used;
  size_t needed;
  for (size_t i = 0; i < sizeof types; i++) {
    assert_int_equal(sp_frame_read(SP_IPC, bytes_of(&types[i], 1), 100, &body, &used, &needed),
                     SP_BAD_FRAME);
  }
}

/* hops words without the high bit, an id word, then the payload. */
static size_t make_routed(size_t hops, uint8_t *out) {
  memset(out, 0x11, 4 * hops);
  memcpy(out + 4 * hops, "\x80\x01\x02\x03payload", 11);
  return 4 * hops + 11;
}

static void test_sp_route_of_up_to_the_limit_of_hops_is_read(void **state) {
  (void)state;
  uint8_t body[128];
  for (size_t hops = 0; hops <= HF_HOPS_MAX; hops++) {
    struct sp_route route;
    struct bytes payload;
    size_t len = make_routed(hops, body);
    assert_int_equal(sp_route_read(bytes_of(body, len), &route, &payload), SP_OK);
    assert_int_equal(route.len, 4 * (hops + 1));
    assert_memory_equal(route.words, body, route.len);
    assert_true(bytes_equal(payload, bytes_of_text("payload")));
    assert_int_equal(sp_route_id(&route), 0x010203);
  }
}

static void test_sp_route_of_more_hops_is_bad(void **state) {
  (void)state;
  uint8_t body[128];
  struct sp_route route;
  struct bytes payload;
  size_t len = make_routed(HF_HOPS_MAX + 1, body);
  assert_int_equal(sp_route_read(bytes_of(body, len), &route, &payload), SP_BAD_FRAME);
}

static void test_sp_route_without_a_whole_id_is_bad(void **state) {
  (void)state;
  struct sp_route route;
  struct bytes payload;
  for (size_t hops = 0; hops < 3; hops++) {
    for (size_t part = 0; part < 4; part++) {
      size_t len = 4 * hops + part;
      uint8_t *body = malloc(len + 1);
      memset(body, 0x11, len + 1);
      body = realloc(body, len > 0 ? len : 1);
      assert_int_equal(sp_route_read(bytes_of(body, len), &route, &payload), SP_BAD_FRAME);
      free(body);
    }
  }
}

static void test_sp_route_of_an_id_is_one_word(void **state) {
  (void)state;
  static const uint32_t ids[] = {0, 1, 0x12345678, 0x7fffffff};
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
    struct sp_route route = sp_route_of(ids[i]);
    assert_int_equal(route.len, 4);
    assert_true(route.words[0] & 0x80);
    assert_int_equal(sp_route_id(&route), ids[i]);
    struct sp_route again;
    struct bytes payload;
    assert_int_equal(sp_route_read(bytes_of(route.words, 4), &again, &payload), SP_OK);
    assert_int_equal(sp_route_id(&again), ids[i]);
    assert_int_equal(payload.len, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sp_hello_is_as_nng_writes_it),
      cmocka_unit_test(test_sp_hello_of_any_protocol_is_read),
      cmocka_unit_test(test_sp_hello_with_any_other_byte_is_refused),
      cmocka_unit_test(test_sp_prefix_has_the_transports_shape),
      cmocka_unit_test(test_sp_frame_cut_at_every_byte_asks_for_the_rest),
      cmocka_unit_test(test_sp_frame_is_found_and_the_next_left_alone),
      cmocka_unit_test(test_sp_frame_beyond_a_limit_is_too_long),
      cmocka_unit_test(test_sp_frame_at_the_limit_is_waited_for),
      cmocka_unit_test(test_sp_frame_of_ipc_without_its_type_is_bad_at_once),
      cmocka_unit_test(test_sp_route_of_up_to_the_limit_of_hops_is_read),
      cmocka_unit_test(test_sp_route_of_more_hops_is_bad),
      cmocka_unit_test(test_sp_route_without_a_whole_id_is_bad),
      cmocka_unit_test(test_sp_route_of_an_id_is_one_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
