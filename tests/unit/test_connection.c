/* A connection over a transport that is a table of functions: what is read, what waits when the peer takes
 * little, and when it ends. */
#include "proto/base/clock.h"
#include "server/connection/connection.h"
#include "server/connection/connection_parts.h"
#include "server/connection/large.h"
#include "server/connection/reading.h"
#include "server/connection/sending.h"
#include "server/connection/set.h"
#include "server/dispatch/batch.h"
#include "tests/support/peer.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static sem_t may_serve; /* of serve_later */

/* Polls until the connection waits for a thread of large.h. */
static void poll_until_gone(void) {
  enum transport_poll outcome = TRANSPORT_POLL_SERVED;
  peer.transport_reads = false;
  while (outcome == TRANSPORT_POLL_SERVED) {
    outcome = peer_server.acceptor->events->poll(peer.connection);
  }
  assert_int_equal(outcome, TRANSPORT_POLL_GONE);
}

static void test_connection_answers_hello_and_requests_with_one_write_each(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  peer_send_requests(3);
  peer_poll();
  assert_int_equal(peer_replies(), 3);
}

static void test_connection_sends_the_rest_when_there_is_room(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer.room = 5;
  peer_send_requests(20);
  peer_poll();
  assert_int_equal(peer.got_len, SP_HELLO_BYTES + 5);
  while (peer.awaits_room) {
    peer_give_room(7);
  }
  assert_int_equal(peer_replies(), 20);
}

static void test_connection_whose_outbox_is_full_is_not_read_from(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer.room = 0;
  peer_send_requests(PEER_REQUESTS);
  peer_poll();
  assert_false(peer.transport_reads);
  assert_true(peer.awaits_room);
  while (peer.awaits_room) {
    peer_give_room(1000);
    peer_poll();
  }
  assert_true(peer.transport_reads);
  assert_int_equal(peer_replies(), PEER_REQUESTS);
}

static void test_large_request_is_served_by_a_thread_of_its_own(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer_send_request(1, LARGE_BODY_BYTES);
  peer_poll();
  assert_true(pthread_equal(peer.writer, pthread_self()));
  assert_int_equal(peer_replies(), 1);

  peer_send_request(2, LARGE_BODY_BYTES + 1);
  peer_send_request(3, sizeof PEER_BODY - 1);
  poll_until_gone();
  sem_wait(&peer.resumes);
  assert_false(pthread_equal(peer.writer, pthread_self()));
  peer_poll();
  assert_int_equal(peer_replies(), 3);
}

/* The input doubles to 256 KiB while the first arrives, so that one read has all of the second. */
static void test_large_requests_are_answered_one_by_one(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer.writes = 0;
  peer_send_request(1, (size_t)140 << 10);
  peer_send_request(2, LARGE_BODY_BYTES + 1);
  poll_until_gone();
  sem_wait(&peer.resumes);
  assert_int_equal(peer_replies(), 2);
  assert_int_equal(peer.writes, 2);
}

/* A thread of large.h that is busy until may_serve is posted. */
static void serve_later(struct connection *connection) {
  sem_wait(&may_serve);
  connection_serve_large(connection);
}

static void test_large_request_of_a_closed_connection_is_not_served(void **state) {
  struct connection_set *set = peer_server.acceptor->ctx;
  (void)state;
  sem_init(&may_serve, 0, 0);
  set->large->serve = serve_later;
  peer_send_hello();
  peer_poll();
  peer_send_request(1, LARGE_BODY_BYTES + 1);
  poll_until_gone();
  peer_server.sink.close(peer_server.sink.ctx, 1, "test");
  assert_true(peer.is_closed && !peer.is_freed);
  sem_post(&may_serve);
  set_wait_empty(set);
  assert_true(peer.is_freed);
  assert_int_equal(atomic_load(&peer_server.replies_made), 0);
}

/* A reply of so many numbers, to a request of that id. */
static void deliver_numbers(uint32_t id, size_t count) {
  struct reply *reply = reply_new(id);
  assert_non_null(reply);
  reply->shape = REPLY_VALUES;
  reply->values = calloc(count, sizeof *reply->values);
  assert_non_null(reply->values);
  reply->values_count = count;
  for (size_t i = 0; i < count; i++) {
    reply->values[i] = value_int((int64_t)i);
  }
  const struct batch_delivery delivery = {
      .connection = 1, .route = sp_route_of(id), .reply = reply};
  peer_server.sink.deliver(peer_server.sink.ctx, NULL, &delivery, 1);
}

static void send_large_later(struct connection *connection) {
  sem_wait(&may_serve);
  connection_send_large(connection);
}

/* Holds up the threads that send large replies. */
static void hold_large_replies(void) {
  struct connection_set *set = peer_server.acceptor->ctx;
  sem_init(&may_serve, 0, 0);
  set->large->send = send_large_later;
  peer_send_hello();
  peer_poll();
}

static void await_sent(void) {
  while (connection_is_unsent(peer.connection)) {
    sched_yield();
  }
}

static void test_large_reply_is_encoded_beside_its_connection(void **state) {
  (void)state;
  hold_large_replies();
  deliver_numbers(1, 200000);
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  peer_send_request(2, sizeof PEER_BODY - 1); /* served, and answered behind the large reply */
  peer_poll();
  assert_int_equal(atomic_load(&peer_server.replies_made), 2);
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
  deliver_numbers(3, 300000);
  sem_post(&may_serve);
  sem_post(&may_serve);
  await_sent();
  sem_wait(&peer.resumes); /* so much waited that the connection was not read from */
  assert_false(pthread_equal(peer.writer, pthread_self()));
  assert_int_equal(peer_replies(), 3);
}

/* Between its parts the transport waits for room, as it does between small replies. */
static void test_large_reply_waits_for_room(void **state) {
  (void)state;
  hold_large_replies();
  peer.room = 0;
  deliver_numbers(1, 200000);
  for (int i = 0; i < 100; i++) {
    sem_post(&may_serve);
  }
  while (connection_is_unsent(peer.connection)) {
    sched_yield();
    pthread_mutex_lock(&((struct connection *)peer.connection)->lock);
    bool awaits_room = peer.awaits_room;
    pthread_mutex_unlock(&((struct connection *)peer.connection)->lock);
    if (awaits_room) {
      peer_give_room(50000);
    }
  }
  peer.room = PEER_BYTES_MAX;
  assert_int_equal(peer_replies(), 1);
}

static void test_large_reply_of_a_closed_connection_is_freed(void **state) {
  (void)state;
  hold_large_replies();
  deliver_numbers(1, 200000);
  peer_server.sink.close(peer_server.sink.ctx, 1, "test");
  peer_poll();
  assert_true(peer.is_closed && !peer.is_freed);
  sem_post(&may_serve);
  set_wait_empty(peer_server.acceptor->ctx);
  assert_true(peer.is_freed);
  assert_int_equal(peer.got_len, SP_HELLO_BYTES);
}

/* The buffer is copied each time it grows: not with each read of a large request, then. */
static void test_large_request_that_comes_in_parts_is_moved_a_few_times(void **state) {
  const struct connection *connection = peer.connection;
  size_t capacity = 0, grown = 0;
  (void)state;
  peer_send_hello();
  peer_poll();
  const size_t begin = peer.sent_len, part = (size_t)64 << 10;
  peer_send_request(1, PEER_HUGE_BYTES);
  const size_t end = peer.sent_len;
  for (size_t sent = begin + part; sent < end; sent += part) {
    peer.sent_len = sent;
    peer_poll();
    grown += connection->input.capacity != capacity;
    capacity = connection->input.capacity;
  }
  assert_in_range(grown, 1, 8);
  peer.transport_reads = false;
  peer.sent_len = end;
  while (peer_server.acceptor->events->poll(peer.connection) == TRANSPORT_POLL_SERVED) {
  }
  sem_wait(&peer.resumes);
  assert_int_equal(peer_replies(), 1);
}

static void test_connection_without_its_hello_in_time_ends(void **state) {
  uint64_t now_ns = clock_now_ns();
  (void)state;
  assert_true(peer.read_deadline_ns <= clock_deadline_ns(now_ns, HF_HELLO_TIMEOUT_MS));
  peer.read_ends = TRANSPORT_LATE;
  peer_poll();
  assert_true(peer.is_freed);
}

static void test_connection_whose_rest_of_a_frame_is_late_ends(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer_server.acceptor->events->wait(peer.connection);
  assert_true(peer.read_deadline_ns == CLOCK_NEVER);
  peer_send_requests(1);
  peer.sent_len--;
  peer_poll();
  peer_server.acceptor->events->wait(peer.connection);
  assert_true(peer.read_deadline_ns != CLOCK_NEVER);
  peer.read_ends = TRANSPORT_LATE;
  peer_poll();
  assert_true(peer.is_freed);
}

static void test_connection_whose_replies_are_not_read_in_time_ends(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer.room = 0;
  peer_send_requests(1);
  peer_poll();
  assert_true(peer.awaits_room);
  peer.write_ends = TRANSPORT_LATE;
  peer_give_room(0);
  assert_true(peer.is_closed && !peer.is_freed);
  peer_poll();
  assert_true(peer.is_freed);
}

static void test_connection_that_is_closed_ends_after_both_activities(void **state) {
  (void)state;
  peer_send_hello();
  peer_poll();
  peer.room = 0;
  peer_send_requests(1);
  peer_poll();
  peer_server.sink.close(peer_server.sink.ctx, 1, "test");
  assert_true(peer.is_closed && !peer.is_freed);
  peer_end();
  assert_true(peer.is_freed);
}

static void test_connection_without_memory_pauses_and_can_be_closed(void **state) {
  struct buffer_budget *buffers = &dispatch_budget(peer_server.dispatch)->buffers;
  (void)state;
  atomic_fetch_add(&buffers->used_bytes, buffers->bytes_max);
  peer_send_hello();
  peer_poll();
  assert_true(peer.is_paused);
  peer_server.sink.close(peer_server.sink.ctx, 1, "test");
  peer_poll();
  assert_true(peer.is_freed);
  atomic_fetch_sub(&buffers->used_bytes, buffers->bytes_max);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(
          test_connection_answers_hello_and_requests_with_one_write_each, peer_server_start,
          peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_sends_the_rest_when_there_is_room,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_whose_outbox_is_full_is_not_read_from,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_request_is_served_by_a_thread_of_its_own,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_requests_are_answered_one_by_one,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_request_of_a_closed_connection_is_not_served,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_reply_is_encoded_beside_its_connection,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_reply_waits_for_room, peer_server_start,
                                      peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_reply_of_a_closed_connection_is_freed,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_large_request_that_comes_in_parts_is_moved_a_few_times,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_without_its_hello_in_time_ends,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_whose_rest_of_a_frame_is_late_ends,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_whose_replies_are_not_read_in_time_ends,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_that_is_closed_ends_after_both_activities,
                                      peer_server_start, peer_server_stop),
      cmocka_unit_test_setup_teardown(test_connection_without_memory_pauses_and_can_be_closed,
                                      peer_server_start, peer_server_stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
