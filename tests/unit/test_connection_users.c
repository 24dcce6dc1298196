/* Peers of a connection that are not admitted, or no longer. */
#include "proto/base/clock.h"
#include "proto/wire.h"
#include "server/connection/large.h"
#include "tests/support/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* The only reply there is. */
static void expect_refusal(const char *sentence) {
  struct bytes got = bytes_of(peer.got + SP_HELLO_BYTES, peer.got_len - SP_HELLO_BYTES);
  struct bytes body, payload;
  struct sp_route route;
  struct arena arena;
  Holdfast__Response *response;
  size_t frame_len, needed;
  assert_int_equal(sp_frame_read(SP_TCP, got, HF_FRAME_BYTES_MAX, &body, &frame_len, &needed),
                   SP_OK);
  assert_int_equal(frame_len, got.len);
  assert_int_equal(sp_route_read(body, &route, &payload), SP_OK);
  assert_int_equal(sp_route_id(&route), 1);
  arena_init(&arena, 1u << 20);
  assert_int_equal(wire_unpack_response(payload, &arena, &response), HF_REASON_NONE);
  assert_int_equal(response->status, HF_UNAUTHENTICATED);
  assert_true(bytes_equal(bytes_of(response->reason.data, response->reason.len),
                          bytes_of_text("NOT_ADMITTED")));
  assert_true(bytes_equal(bytes_of(response->message.data, response->message.len),
                          bytes_of_text(sentence)));
  arena_deinit(&arena);
}

static void test_peer_that_is_not_admitted_gets_one_reason(void **state) {
  (void)state;
  peer_leave();
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  peer_server.acceptor->events->wait(peer.connection);
  assert_true(peer.read_deadline_ns <= clock_deadline_ns(clock_now_ns(), HF_REFUSED_TIMEOUT_MS));
  peer_send_requests(3);
  peer_poll();
  assert_true(peer.is_freed);
  expect_refusal(
      "this server serves uid 4000000; you are uid 4000001. Ask for [user \xe2\x80\xa6] "
      "uid = 4000001");
}

static void test_peer_that_is_not_admitted_is_closed_when_it_says_much_or_nothing(void **state) {
  (void)state;
  peer_leave();
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_send_request(1, HF_REFUSED_BYTES_MAX + 1);
  peer_poll();
  assert_true(peer.is_freed);
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  free(peer.got);

  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_send_request(1, PEER_HUGE_BYTES);
  peer.sent_len = 100;
  peer_poll();
  assert_true(peer.is_freed);
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  free(peer.got);

  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
  peer.read_ends = TRANSPORT_LATE;
  peer_poll();
  assert_true(peer.is_freed);
}

static void test_push_peer_that_is_not_admitted_is_closed(void **state) {
  (void)state;
  peer_leave();
  peer_accept_uid(PEER_STRANGER_UID);
  sp_hello_write(peer.sent, SP_PUSH);
  peer.sent_len = SP_HELLO_BYTES;
  peer_poll();
  assert_true(peer.is_freed);
  assert_int_equal(peer.got_len, 0);
}

static void set_users_verified(struct users *users, bool is_verified_alike) {
  assert_true(dispatch_set_users(peer_server.dispatch, users_settings(users)));
  connections_set_users(peer_server.connections, users, is_verified_alike);
  users_release(users);
}

static void set_users_to(struct users *users) {
  set_users_verified(users, true);
}

static void test_peer_whose_user_is_gone_or_another_is_closed(void **state) {
  const uid_t stranger = PEER_STRANGER_UID, server = PEER_SERVER_UID;
  (void)state;
  peer_send_hello();
  peer_poll();
  set_users_to(peer_admit(&stranger)); /* the owner stays */
  assert_false(peer.is_closed);
  peer_leave();

  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_send_requests(1);
  peer_poll();
  assert_int_equal(peer_replies(), 1);
  set_users_to(peer_admit(&stranger)); /* nothing changes */
  assert_false(peer.is_closed);
  set_users_to(peer_admit(NULL));
  assert_true(peer.is_closed);
  peer_end();
  assert_true(peer.is_freed);
  free(peer.got);

  peer_accept_uid(PEER_SERVER_UID);
  set_users_to(peer_admit(&server)); /* before its hello */
  assert_true(peer.is_closed);
  peer_end();
  assert_true(peer.is_freed);
}

static struct users *admit_certificate(void) {
  static const char *const names[] = {"cn:web"};
  const struct user_section section = {
      .settings = {.name = bytes_of("web", 3)}, .certificates = names, .certificates_count = 1};
  struct users *users = users_new(
      &(struct users_config){.sections = &section, .sections_count = 1, .server = PEER_SERVER_UID});
  assert_non_null(users);
  return users;
}

static void test_peer_with_a_certificate_is_closed_when_that_may_be_revoked(void **state) {
  const struct identity identity = {.kind = IDENTITY_CERTIFICATE, .names = "cn:web\0"};
  (void)state;
  peer_send_hello();
  peer_poll();
  set_users_to(admit_certificate());
  set_users_verified(admit_certificate(), false);
  assert_false(peer.is_closed); /* the owner's uid is as good as before */
  peer_leave();

  peer_accept(&identity);
  peer_send_hello();
  peer_poll();
  set_users_to(admit_certificate());
  assert_false(peer.is_closed);
  set_users_verified(admit_certificate(), false);
  assert_true(peer.is_closed);
  peer_end();
  assert_true(peer.is_freed);
}

/* Of the stranger. */
static void set_limits(struct user_limits limits) {
  const uid_t uid = PEER_STRANGER_UID;
  const struct user_section section = {
      .settings = {.name = bytes_of("web", 3), .limits = limits}, .uids = &uid, .uids_count = 1};
  struct users *users = users_new(
      &(struct users_config){.sections = &section, .sections_count = 1, .server = PEER_SERVER_UID});
  assert_non_null(users);
  set_users_to(users);
}

/* The first one of the stranger's; its connection is of no test. */
static void take_the_only_place(void) {
  const struct bytes web = bytes_of("web", 3);
  set_limits((struct user_limits){.connections = 1});
  assert_int_equal(
      dispatch_connected(peer_server.dispatch, 1000, TRANSPORT_ADDRESS_LOCAL, false, web),
      DISPATCH_CONNECTED);
}

static void test_peer_beyond_its_quota_gets_one_reason(void **state) {
  (void)state;
  peer_leave();
  take_the_only_place();
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
  peer_server.acceptor->events->wait(peer.connection);
  assert_true(peer.read_deadline_ns <= clock_deadline_ns(clock_now_ns(), HF_REFUSED_TIMEOUT_MS));
  peer_send_requests(3);
  peer_poll();
  assert_true(peer.is_freed);
  assert_int_equal(peer_replies(), 1);
}

static void test_peer_beyond_its_quota_that_says_nothing_is_closed(void **state) {
  (void)state;
  peer_leave();
  take_the_only_place();
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
  peer.read_ends = TRANSPORT_LATE;
  peer_poll();
  assert_true(peer.is_freed);
}

static void test_peer_that_finds_room_after_all_stays(void **state) {
  (void)state;
  peer_leave();
  take_the_only_place();
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
  dispatch_disconnected(peer_server.dispatch, 1000);
  peer_send_requests(1);
  peer_poll();
  assert_int_equal(peer_replies(), 1);
  assert_false(peer.is_closed);
  peer_server.acceptor->events->wait(peer.connection);
  assert_true(peer.read_deadline_ns == CLOCK_NEVER);
}

/* The stranger comes, with so many requests a second. */
static void begin_limited(uint64_t rate) {
  peer_leave();
  set_limits((struct user_limits){.requests_per_s = rate});
  peer_accept_uid(PEER_STRANGER_UID);
  peer_send_hello();
  peer_poll();
}

/* Each request is answered, but not before its time. */
static void test_peer_that_is_too_fast_is_not_read_from(void **state) {
  enum { RATE = 50, MORE = 6 };
  uint64_t began_ns = clock_now_ns();
  unsigned pauses = 0;
  (void)state;
  begin_limited(RATE);
  peer_send_pings(RATE + MORE);
  peer_poll();
  for (; peer.is_paused; pauses++) {
    assert_in_range(peer_replies(), RATE + 1, RATE + MORE);
    assert_in_range(peer.paused_ms, 1, 1000 / RATE);
    nanosleep(&(struct timespec){.tv_nsec = (long)(peer.paused_ms * CLOCK_NS_PER_MS)}, NULL);
    peer_poll();
  }
  assert_int_equal(peer_replies(), RATE + MORE);
  assert_in_range(pauses, 1, MORE);
  assert_true(clock_now_ns() - began_ns >= (MORE - 1) * (1000 / RATE) * CLOCK_NS_PER_MS);
}

/* The second request is refused, and what follows is not served. */
static void test_peer_that_pauses_can_be_closed(void **state) {
  (void)state;
  begin_limited(1);
  peer_send_pings(4);
  peer_poll();
  assert_true(peer.is_paused);
  assert_int_equal(peer.paused_ms, HF_TOO_FAST_PAUSE_MS);
  peer_server.sink.close(peer_server.sink.ctx, 2, "test");
  peer_end();
  assert_true(peer.is_freed);
  assert_int_equal(peer_replies(), 2);
}

/* A thread of large.h gives reading back before the pause, which is the transport's. */
static void test_peer_whose_large_request_is_too_fast_is_not_read_from(void **state) {
  (void)state;
  begin_limited(1);
  peer_send_pings(1);
  peer_poll();
  peer_send_ping(2, LARGE_BODY_BYTES + 1);
  peer.transport_reads = false;
  while (peer_server.acceptor->events->poll(peer.connection) == TRANSPORT_POLL_SERVED) {
  }
  sem_wait(&peer.resumes);
  assert_int_equal(peer_replies(), 2);
  assert_false(peer.is_paused);
  peer_poll();
  assert_true(peer.is_paused);
  peer_poll();
  assert_false(peer.is_paused);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_peer_that_is_not_admitted_gets_one_reason,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(
          test_peer_that_is_not_admitted_is_closed_when_it_says_much_or_nothing, peer_server_start,
          peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_whose_user_is_gone_or_another_is_closed,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(
          test_peer_with_a_certificate_is_closed_when_that_may_be_revoked, peer_server_start,
          peer_server_stop),
      cmocka_unit_test_setup_teardown(test_push_peer_that_is_not_admitted_is_closed,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_beyond_its_quota_gets_one_reason, peer_server_start,
                                      peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_beyond_its_quota_that_says_nothing_is_closed,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_that_finds_room_after_all_stays, peer_server_start,
                                      peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_that_is_too_fast_is_not_read_from,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_that_pauses_can_be_closed, peer_server_start,
                                      peer_server_stop),
      cmocka_unit_test_setup_teardown(test_peer_whose_large_request_is_too_fast_is_not_read_from,
                                      peer_server_start, peer_server_stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
