/* Peers that break the framing: they are closed, and other clients notice nothing. */
#include "tests/fault/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define QUICK_LEAVERS_COUNT 2000
#define HALF_OPEN_COUNT 500
#define CLOSES_WITHIN_MS 2000

static struct attacker dial_raw(void) {
  return (struct attacker){.fd = attacker_dial(hostile_server.tcp_port), .next_id = 1};
}

static void test_hostile_wrong_hello_is_closed(void **state) {
  (void)state;
  static const uint8_t hellos[][SP_HELLO_BYTES] = {
      {'G', 'E', 'T', ' ', '/', ' ', 'H', 'T'},
      {0, 'S', 'P', 1, 0, SP_REQ, 0, 0},
      {0, 'S', 'P', 0, 0, SP_REP, 0, 0},
      {0, 'S', 'P', 0, 0, SP_PULL, 0, 0},
      {0, 'S', 'P', 0, 0x30, 0, 0, 0},
      {0, 'S', 'P', 0, 0, SP_REQ, 0, 1},
      {0, 0, 0, 0, 0, 0, 0, 0},
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
  };
  for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
    struct attacker attacker = dial_raw();
    assert_true(attacker_send_bytes(&attacker, hellos[i], SP_HELLO_BYTES));
    if (!attacker_is_closed(&attacker, CLOSES_WITHIN_MS)) {
      fail_msg("hello %zu was not refused", i);
    }
    attacker_close(&attacker);
  }
}

static void test_hostile_silent_peer_is_closed_after_the_hello_timeout(void **state) {
  (void)state;
  struct attacker attacker = dial_raw();
  int64_t begun_ms = attacker_now_ms();
  assert_true(attacker_send_bytes(&attacker, "\0SP", 3));
  assert_true(attacker_is_closed(&attacker, 2 * HF_HELLO_TIMEOUT_MS));
  int64_t took_ms = attacker_now_ms() - begun_ms;
  print_message("  closed after %lld ms\n", (long long)took_ms);
  assert_true(took_ms >= HF_HELLO_TIMEOUT_MS / 2);
  attacker_close(&attacker);
}

/* Each says part of the hello or none, and leaves with a FIN, a RST, or both. */
static void test_hostile_clients_that_leave_during_the_hello_stop_nobody(void **state) {
  (void)state;
  static const uint8_t hello[SP_HELLO_BYTES] = {0, 'S', 'P', 0, 0, SP_REQ, 0, 0};
  for (int i = 0; i < QUICK_LEAVERS_COUNT; i++) {
    struct attacker attacker = dial_raw();
    (void)attacker_send_bytes(&attacker, hello, (size_t)(i % (SP_HELLO_BYTES + 1)));
    if (i % 3 != 0) {
      shutdown(attacker.fd, SHUT_WR);
    }
    if (i % 3 != 1) {
      attacker_reset(&attacker);
    } else {
      attacker_close(&attacker);
    }
    if (i % 500 == 499) {
      hostile_expect_healthy("while clients leave");
    }
  }
}

static void expect_closed_by(const void *bytes, size_t len) {
  struct attacker attacker;
  hostile_open(&attacker);
  (void)attacker_send_bytes(&attacker, bytes, len);
  if (!attacker_is_closed(&attacker, CLOSES_WITHIN_MS)) {
    fail_msg("a broken frame of %zu bytes was not refused", len);
  }
  attacker_close(&attacker);
}

static void test_hostile_lengths_close_the_connection(void **state) {
  (void)state;
  static const uint64_t lengths[] = {UINT64_MAX - 31, UINT64_MAX,     UINT64_MAX - 8,
                                     1ull << 63,      1ull << 32,     (1ull << 32) - 1,
                                     1ull << 40,      0x7fffffffffff, 2 * HF_FRAME_BYTES_MAX};
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    uint8_t frame[16] = {0};
    for (int byte = 0; byte < 8; byte++) {
      frame[byte] = (uint8_t)(lengths[i] >> (56 - 8 * byte));
    }
    expect_closed_by(frame, sizeof(frame));
  }
}

static void test_hostile_bodies_without_an_id_close_the_connection(void **state) {
  (void)state;
  static const uint8_t empty[8] = {0};
  static const uint8_t short_word[] = {0, 0, 0, 0, 0, 0, 0, 3, 0x80, 0, 0};
  static const uint8_t no_id[] = {0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1};
  uint8_t hops[8 + 4 * 20] = {0, 0, 0, 0, 0, 0, 0, 4 * 20};
  hops[sizeof(hops) - 4] = 0x80;
  expect_closed_by(empty, sizeof(empty));
  expect_closed_by(short_word, sizeof(short_word));
  expect_closed_by(no_id, sizeof(no_id));
  expect_closed_by(hops, sizeof(hops));
}

/* Everybody announces the longest message and sends a little: memory follows what arrived. */
static void test_hostile_truncated_frames_cost_what_was_sent(void **state) {
  (void)state;
  static struct attacker attackers[HALF_OPEN_COUNT];
  uint8_t frame[1024] = {0};
  uint64_t before_bytes = daemon_resident_bytes(&hostile_server);
  sp_prefix_write(SP_TCP, frame, HF_FRAME_BYTES_MAX - 1);
  frame[8] = 0x80;
  for (int i = 0; i < HALF_OPEN_COUNT; i++) {
    hostile_open(&attackers[i]);
    assert_true(attacker_send_bytes(&attackers[i], frame, 1 + (size_t)i % sizeof(frame)));
  }
  hostile_expect_healthy("with half-open frames");
  uint64_t cost_bytes = daemon_resident_bytes(&hostile_server) - before_bytes;
  print_message("  %d half-open frames cost %llu bytes each\n", HALF_OPEN_COUNT,
                (unsigned long long)cost_bytes / HALF_OPEN_COUNT);
  assert_true(cost_bytes < HALF_OPEN_COUNT * (128ull << 10));
  for (int i = 0; i < HALF_OPEN_COUNT; i++) {
    (i % 2 == 0 ? attacker_reset : attacker_close)(&attackers[i]);
  }
}

/* A whole request one byte at a time is a request. */
static void test_hostile_dribbled_request_is_answered(void **state) {
  (void)state;
  static const uint8_t ping[] = {0, 0, 0, 0, 0, 0, 0, 7, 0x80, 0, 0, 1, 0x9a, 0x01, 0};
  struct attacker attacker;
  Holdfast__Response *response;
  uint32_t id;
  hostile_open(&attacker);
  for (size_t i = 0; i < sizeof(ping); i++) {
    assert_true(attacker_send_bytes(&attacker, &ping[i], 1));
    usleep(2000);
  }
  assert_true(attacker_receive(&attacker, CLOSES_WITHIN_MS, &id, &response));
  assert_int_equal(id, 1);
  assert_int_equal(response->status, HF_OK);
  holdfast__response__free_unpacked(response, NULL);
  attacker_close(&attacker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_hostile_wrong_hello_is_closed, hostile_check),
      cmocka_unit_test_teardown(test_hostile_silent_peer_is_closed_after_the_hello_timeout,
                                hostile_check),
      cmocka_unit_test_teardown(test_hostile_clients_that_leave_during_the_hello_stop_nobody,
                                hostile_check),
      cmocka_unit_test_teardown(test_hostile_lengths_close_the_connection, hostile_check),
      cmocka_unit_test_teardown(test_hostile_bodies_without_an_id_close_the_connection,
                                hostile_check),
      cmocka_unit_test_teardown(test_hostile_truncated_frames_cost_what_was_sent, hostile_check),
      cmocka_unit_test_teardown(test_hostile_dribbled_request_is_answered, hostile_check),
  };
  return cmocka_run_group_tests_name("fault.framing", tests, hostile_start, hostile_stop);
}
