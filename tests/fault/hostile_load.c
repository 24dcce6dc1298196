/* Peers that ask for more than they take: pipelines whose replies are not read, idle crowds, full
 * waiting rooms.
 */
#include "tests/fault/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define IDLE_COUNT 1000
#define PIPELINED_COUNT 10000

/* One framed request, to be sent many times. */
static struct body frame_of(const Holdfast__Request *request) {
  uint8_t head[SP_PREFIX_BYTES_MAX];
  struct sp_route route = sp_route_of(1);
  size_t len = holdfast__request__get_packed_size(request);
  uint8_t *packed = malloc(len + 1);
  struct body frame = {0};
  assert_non_null(packed);
  holdfast__request__pack(request, packed);
  body_put(&frame, head, sp_prefix_write(SP_TCP, head, route.len + len));
  body_put(&frame, route.words, route.len);
  body_put(&frame, packed, len);
  free(packed);
  return frame;
}

/* Sends the frame up to count times without ever reading, until the server takes no more for
 * half a second or closes. Answers how many bytes it took. */
static size_t send_without_reading(int fd, const struct body *frame, size_t count) {
  const int stuck_ms = 500;
  size_t total = 0, end = count * frame->len;
  struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
  assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  while (total < end && poll(&pollfd, 1, stuck_ms) == 1) {
    size_t offset = total % frame->len;
    ssize_t sent = send(fd, frame->data + offset, frame->len - offset, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      break;
    }
    total += sent > 0 ? (size_t)sent : 0;
  }
  return total;
}

static void test_hostile_pipeline_that_is_never_read_is_held_back(void **state) {
  (void)state;
  static char payload[4096];
  struct attacker attacker;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  memset(payload, 'x', sizeof(payload) - 1);
  ping.payload = hostile_data(payload);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  hostile_open(&attacker);
  struct body frame = frame_of(&request);
  size_t taken = send_without_reading(attacker.fd, &frame, PIPELINED_COUNT);
  print_message("  the server took %zu of %zu bytes\n", taken, PIPELINED_COUNT * frame.len);
  hostile_expect_healthy("while one peer does not read");
  assert_true(taken < PIPELINED_COUNT * frame.len);
  body_free(&frame);
  attacker_close(&attacker);
}

/* Tiny requests with replies of 2 MB: the requests of one read may not all be answered at once. */
static void test_hostile_small_requests_for_big_replies_are_bounded(void **state) {
  (void)state;
  static char text[65536];
  struct attacker attackers[8];
  hostile_open(&attackers[0]);
  hostile_open_object(&attackers[0], HOLDFAST__KIND__LIST, "big", 0);
  Holdfast__Request request = hostile_request("big");
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  memset(text, 'x', sizeof(text) - 1);
  value.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  value.text = hostile_data(text);
  append.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  for (int i = 0; i < 32; i++) {
    attacker_expect_request(&attackers[0], &request, HF_OK, "");
  }
  Holdfast__ListCopy copy = HOLDFAST__LIST_COPY__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_COPY;
  request.list_copy = &copy;
  struct body frame = frame_of(&request);
  for (int i = 0; i < 8; i++) {
    if (i > 0) {
      hostile_open(&attackers[i]);
    }
    (void)send_without_reading(attackers[i].fd, &frame, PIPELINED_COUNT);
  }
  hostile_expect_healthy("while eight peers do not read");
  body_free(&frame);
  for (int i = 0; i < 8; i++) {
    attacker_close(&attackers[i]);
  }
}

static void test_hostile_idle_connections_cost_little(void **state) {
  (void)state;
  static struct attacker attackers[IDLE_COUNT];
  uint64_t before_bytes = daemon_resident_bytes(&hostile_server);
  for (int i = 0; i < IDLE_COUNT; i++) {
    hostile_open(&attackers[i]);
  }
  uint64_t after_bytes = daemon_resident_bytes(&hostile_server);
  uint64_t cost_bytes = after_bytes > before_bytes ? after_bytes - before_bytes : 0;
  print_message("  %d idle connections cost %llu bytes each\n", IDLE_COUNT,
                (unsigned long long)cost_bytes / IDLE_COUNT);
  hostile_expect_healthy("beside idle connections");
  assert_true(cost_bytes < IDLE_COUNT * (64ull << 10));
  for (int i = 0; i < IDLE_COUNT; i++) {
    attacker_close(&attackers[i]);
  }
}

/* HF_IN_FLIGHT_MAX requests wait; each further one is refused at once, and the others still wait.
 */
static void test_hostile_too_many_waiting_requests_are_refused(void **state) {
  (void)state;
  const int beyond_count = 1000;
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__QUEUE, "waiting room", 1);
  Holdfast__Request request = hostile_request("waiting room");
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &get;
  for (int i = 0; i < HF_IN_FLIGHT_MAX + beyond_count; i++) {
    assert_true(attacker_send_request(&attacker, &request) != 0);
  }
  for (int i = 0; i < beyond_count; i++) {
    Holdfast__Response *response;
    uint32_t id;
    assert_true(attacker_receive(&attacker, 5000, &id, &response));
    assert_int_equal(response->status, HF_RESOURCE_EXHAUSTED);
    assert_memory_equal(response->reason.data, "IN_FLIGHT_FULL", response->reason.len);
    holdfast__response__free_unpacked(response, NULL);
  }
  hostile_expect_healthy("while a connection is full of waiting requests");
  attacker_close(&attacker);
}

/* Waits until nothing is parked on the object any more. */
static void expect_nobody_waits(struct attacker *attacker, const char *name) {
  Holdfast__Request request = hostile_request(name);
  Holdfast__ObjectInfo info = HOLDFAST__OBJECT_INFO__INIT;
  uint64_t waiting = UINT64_MAX;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_INFO;
  request.object_info = &info;
  for (int tries = 0; tries < 500 && waiting > 0; tries++) {
    Holdfast__Response *response;
    uint32_t id;
    assert_true(attacker_send_request(attacker, &request) != 0);
    assert_true(attacker_receive(attacker, 5000, &id, &response));
    assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT_OBJECT);
    waiting = response->object->waiting;
    holdfast__response__free_unpacked(response, NULL);
    poll(NULL, 0, waiting > 0 ? 10 : 0);
  }
  assert_int_equal(waiting, 0);
}

/* The waiters above are gone with their connection: an item goes to the client that asks now. */
static void test_hostile_waiters_leave_with_their_connection(void **state) {
  (void)state;
  struct attacker attacker;
  hostile_open(&attacker);
  hostile_open_object(&attacker, HOLDFAST__KIND__QUEUE, "waiting room", 1);
  expect_nobody_waits(&attacker, "waiting room");
  Holdfast__Request request = hostile_request("waiting room");
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  attacker_expect_request(&attacker, &request, HF_OK, "");
  attacker_expect_request(&attacker, &request, HF_RESOURCE_EXHAUSTED, "QUEUE_FULL");
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &get;
  attacker_expect_request(&attacker, &request, HF_OK, "");
  attacker_expect_request(&attacker, &request, HF_RESOURCE_EXHAUSTED, "QUEUE_EMPTY");
  attacker_close(&attacker);
}

/* One peer opens as many sessions as there may be, each with an hour of grace. An honest client
 * still gets one. */
static void test_hostile_session_flood_leaves_room_for_others(void **state) {
  (void)state;
  const int batch_count = 100, batches_count = HF_SESSIONS_MAX / 100 + 10;
  struct attacker attacker, honest;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  open.grace_ms = HF_GRACE_MS_MAX;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  hostile_open(&attacker);
  for (int batch = 0; batch < batches_count; batch++) {
    for (int i = 0; i < batch_count; i++) {
      assert_true(attacker_send_request(&attacker, &request) != 0);
    }
    assert_int_equal(hostile_drain(&attacker, (size_t)batch_count), batch_count);
  }
  hostile_expect_healthy("after a flood of sessions");
  hostile_open(&honest);
  attacker_expect_request(&honest, &request, HF_OK, "");
  attacker_close(&honest);
  attacker_close(&attacker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      /* The first: afterwards there is freed memory to hide in. */
      cmocka_unit_test_teardown(test_hostile_idle_connections_cost_little, hostile_check),
      cmocka_unit_test_teardown(test_hostile_pipeline_that_is_never_read_is_held_back,
                                hostile_check),
      cmocka_unit_test_teardown(test_hostile_small_requests_for_big_replies_are_bounded,
                                hostile_check),
      cmocka_unit_test_teardown(test_hostile_too_many_waiting_requests_are_refused, hostile_check),
      cmocka_unit_test_teardown(test_hostile_waiters_leave_with_their_connection, hostile_check),
      /* The last: sessions stay. */
      cmocka_unit_test_teardown(test_hostile_session_flood_leaves_room_for_others, hostile_check),
  };
  return cmocka_run_group_tests_name("fault.load", tests, hostile_start, hostile_stop);
}
