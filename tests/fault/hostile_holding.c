/* Peers that use up the server's memory without storing anything: halves of large requests, and large
 * replies that are read slowly or not at all. Honest clients have room beside them.
 *
 * usage: hostile_holding [PEERS]
 */
#include "proto/limits.h"
#include "tests/fault/hostile.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define LARGE_BYTES ((size_t)15 << 20)
#define HONEST_BYTES ((size_t)10 << 20)
#define PEERS_MAX 64
#define HONEST_MS_MAX 15000
#define REPLIES 5 /* more than once closed a connection */

/* What buffers may take up, and what comes and goes beside them. Sanitizers keep what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HELD_BYTES_MAX (4 * HF_BUFFER_BYTES_MIN)
#else
#define HELD_BYTES_MAX (HF_BUFFER_BYTES_MIN + HF_BUFFER_BYTES_MIN / 4)
#endif

static int peers_count = 12;
static struct attacker peers[PEERS_MAX];
static uint8_t *content; /* of LARGE_BYTES */

static Holdfast__Request put_request(Holdfast__DictSet *set, Holdfast__Value *key,
                                     Holdfast__Value *value, size_t len) {
  Holdfast__Request request = hostile_request("large");
  key->kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value->kind_case = HOLDFAST__VALUE__KIND_BYTES;
  value->bytes = (ProtobufCBinaryData){len, content};
  set->key = key;
  set->value = value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_SET;
  request.dict_set = set;
  return request;
}

static void put_large(struct attacker *peer, size_t len) {
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__Value key = HOLDFAST__VALUE__INIT, value = HOLDFAST__VALUE__INIT;
  Holdfast__Request request = put_request(&set, &key, &value, len);
  attacker_expect_request(peer, &request, HF_OK, "");
}

static void close_peers(int count) {
  for (int i = 0; i < count; i++) {
    attacker_close(&peers[i]);
  }
}

static uint64_t held_beyond(uint64_t before_bytes) {
  uint64_t now_bytes = daemon_resident_bytes(&hostile_server);
  return now_bytes > before_bytes ? now_bytes - before_bytes : 0;
}

/* An honest client's large request is served, in a try or two: it waits until a peer that uses
 * more memory, for longer, is closed. */
static void expect_large_request_served(void) {
  struct attacker honest;
  int64_t begun_ms = attacker_now_ms();
  hostile_open(&honest);
  put_large(&honest, HONEST_BYTES);
  int64_t took_ms = attacker_now_ms() - begun_ms;
  print_message("  an honest request of %zu bytes took %lld ms\n", HONEST_BYTES,
                (long long)took_ms);
  assert_true(took_ms < HONEST_MS_MAX);
  attacker_close(&honest);
}

/* Sends most of a large request; less when the server takes no more for half a second, or closes. */
static void send_half(struct attacker *peer) {
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  struct pollfd writable = {.fd = peer->fd, .events = POLLOUT};
  size_t sent = 0;
  if (!attacker_send_bytes(peer, prefix, sp_prefix_write(SP_TCP, prefix, LARGE_BYTES + 1000))) {
    return;
  }
  while (sent < LARGE_BYTES && poll(&writable, 1, 500) == 1) {
    ssize_t count = send(peer->fd, content + sent, LARGE_BYTES - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count <= 0) {
      return;
    }
    sent += (size_t)count;
  }
}

static void test_hostile_halves_of_requests_leave_room_for_whole_ones(void **state) {
  uint64_t before_bytes = daemon_resident_bytes(&hostile_server);
  (void)state;
  for (int i = 0; i < peers_count; i++) {
    hostile_open(&peers[i]);
    send_half(&peers[i]);
  }
  uint64_t held_bytes = held_beyond(before_bytes);
  print_message("  %d halves of requests hold %llu MiB\n", peers_count,
                (unsigned long long)held_bytes >> 20);
  hostile_expect_healthy("beside halves of requests");
  expect_large_request_served();
  assert_true(held_bytes < HELD_BYTES_MAX);
  close_peers(peers_count);
}

static void test_hostile_slow_readers_hold_little(void **state) {
  uint64_t before_bytes;
  (void)state;
  hostile_open(&peers[0]);
  put_large(&peers[0], LARGE_BYTES);
  attacker_close(&peers[0]);
  before_bytes = daemon_resident_bytes(&hostile_server);
  Holdfast__DictGet get = HOLDFAST__DICT_GET__INIT;
  Holdfast__Value key = HOLDFAST__VALUE__INIT;
  Holdfast__Request request = hostile_request("large");
  key.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  get.key = &key;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_GET;
  request.dict_get = &get;
  const int readers_count = peers_count / 2;
  for (int i = 0; i < readers_count; i++) {
    hostile_open(&peers[i]);
    for (int j = 0; j < REPLIES; j++) {
      assert_true(attacker_send_request(&peers[i], &request) != 0);
    }
  }
  poll(NULL, 0, 1000);
  uint64_t held_bytes = held_beyond(before_bytes);
  print_message("  %d readers of nothing hold %llu KiB\n", readers_count,
                (unsigned long long)held_bytes >> 10);
  hostile_expect_healthy("beside readers of nothing");
  assert_true(held_bytes < (uint64_t)readers_count * (2u << 20));
  /* What they are owed comes, when they read after all. */
  for (int i = 0; i < readers_count; i++) {
    assert_int_equal(hostile_drain(&peers[i], REPLIES), REPLIES);
  }
  close_peers(readers_count);
}

static int open_dict(void **state) {
  struct attacker honest;
  int failed = hostile_start(state);
  content = calloc(1, LARGE_BYTES);
  assert_non_null(content);
  hostile_open(&honest);
  hostile_open_object(&honest, HOLDFAST__KIND__DICT, "large", 0);
  attacker_close(&honest);
  return failed;
}

static int stop(void **state) {
  free(content);
  return hostile_stop(state);
}

int main(int argc, char **argv) {
  static const char *const arguments[] = {"--memory-max", "512M", NULL};
  hostile_arguments = arguments;
  peers_count = argc > 1 ? atoi(argv[1]) : peers_count;
  peers_count = peers_count < PEERS_MAX ? peers_count : PEERS_MAX;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_hostile_slow_readers_hold_little, hostile_check),
      cmocka_unit_test_teardown(test_hostile_halves_of_requests_leave_room_for_whole_ones,
                                hostile_check),
  };
  return cmocka_run_group_tests_name("fault.holding", tests, open_dict, stop);
}
