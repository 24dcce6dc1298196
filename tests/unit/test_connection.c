/* A connection over a transport that is a table of this file: what is read, what waits when the peer
 * takes little, and when it ends. */
#include "proto/base/clock.h"
#include "proto/wire.h"
#include "server/connection/connection_parts.h"
#include "server/connection/connections.h"
#include "server/connection/large.h"
#include "server/connection/reading.h"
#include "server/connection/set.h"
#include "server/users/users.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQUESTS (8 * HF_IN_FLIGHT_MAX) /* more than an outbox takes */
#define BODY "no request"               /* is answered all the same */
#define FRAME_BYTES (8 + 4 + sizeof BODY - 1)
#define BYTES_MAX ((size_t)4 << 20)
#define HUGE_BODY_BYTES ((size_t)6 << 20)
#define SENT_BYTES_MAX (SP_HELLO_BYTES + REQUESTS * FRAME_BYTES + HUGE_BODY_BYTES)

/* One peer; what it sends and gets. */
struct stream {
  void *connection;
  uint8_t sent[SENT_BYTES_MAX];
  size_t sent_len, read_len;
  uint8_t *got; /* of BYTES_MAX */
  size_t got_len;
  size_t room;                                 /* that it has for more */
  enum transport_result read_ends, write_ends; /* TRANSPORT_OK: they don't */
  uint64_t read_deadline_ns;
  bool transport_reads; /* else the connection keeps the activity */
  bool awaits_room, is_paused, is_closed, is_freed;
  pthread_t writer; /* the last thread that wrote */
  size_t writes;
  sem_t resumes; /* how often reading was resumed */
};

static struct stream stream;
static struct connections *connections;
static struct dispatch *dispatch;
static const struct transport_acceptor *acceptor;
static struct dispatch_sink sink; /* the connections', but counts replies */
static atomic_size_t replies_made;
static sem_t may_serve; /* of serve_later */

/* -------------------------------------------------------------------------------- transport */

static size_t min_of(size_t a, size_t b) {
  return a < b ? a : b;
}

static bool is_readable(void *self) {
  const struct stream *s = self;
  return s->read_len < s->sent_len || s->read_ends != TRANSPORT_OK || s->is_closed;
}

static size_t pending(void *self) {
  struct stream *s = self;
  return s->sent_len - s->read_len;
}

static enum transport_result read_some(void *self, void *data, size_t capacity, size_t *count) {
  struct stream *s = self;
  *count = min_of(capacity, s->sent_len - s->read_len);
  if (s->is_closed) {
    return TRANSPORT_LEFT;
  }
  if (*count == 0) {
    return s->read_ends != TRANSPORT_OK ? s->read_ends : TRANSPORT_WAITS;
  }
  memcpy(data, s->sent + s->read_len, *count);
  s->read_len += *count;
  return TRANSPORT_OK;
}

static bool await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  struct stream *s = self;
  (void)data, (void)capacity;
  s->read_deadline_ns = deadline_ns;
  s->transport_reads = true;
  return true;
}

static void pause_reading(void *self, uint32_t ms) {
  struct stream *s = self;
  assert_true(ms > 0 && !s->is_closed);
  s->is_paused = true;
}

static void resume(void *self) {
  struct stream *s = self;
  assert_false(s->transport_reads);
  s->transport_reads = true;
  sem_post(&s->resumes);
}

static enum transport_result write_some(void *self, const struct bytes *runs, size_t *count) {
  struct stream *s = self;
  assert_false(s->is_closed);
  s->writer = pthread_self();
  s->writes++;
  if (s->write_ends != TRANSPORT_OK) {
    return s->write_ends;
  }
  *count = 0;
  for (size_t i = 0; i < TRANSPORT_RUNS; i++) {
    size_t part = min_of(runs[i].len, s->room);
    assert_true(s->got_len + part <= BYTES_MAX);
    if (part > 0) {
      memcpy(s->got + s->got_len, runs[i].data, part);
    }
    s->got_len += part;
    s->room -= part;
    *count += part;
  }
  return *count > 0 ? TRANSPORT_OK : TRANSPORT_WAITS;
}

static bool await_writable(void *self, const struct bytes *runs, uint64_t deadline_ns) {
  struct stream *s = self;
  assert_true(runs[0].len + runs[1].len > 0 && !s->awaits_room);
  assert_true(deadline_ns > clock_now_ns());
  s->awaits_room = s->room == 0;
  return s->awaits_room;
}

static void close_stream(void *self) {
  struct stream *s = self;
  assert_false(s->is_closed);
  s->is_closed = true;
}

static void free_stream(void *self) {
  struct stream *s = self;
  assert_true(s->is_closed && !s->is_freed);
  s->is_freed = true;
}

static const struct transport table = {
    .name = "test",
    .is_readable = is_readable,
    .pending = pending,
    .read = read_some,
    .await_readable = await_readable,
    .pause = pause_reading,
    .resume = resume,
    .write = write_some,
    .await_writable = await_writable,
    .close = close_stream,
    .free = free_stream,
};

/* Polls while there is something to do. */
static void poll_all(void) {
  enum transport_poll outcome = TRANSPORT_POLL_SERVED;
  while (outcome == TRANSPORT_POLL_SERVED && stream.transport_reads) {
    stream.is_paused = false;
    outcome = acceptor->events->poll(stream.connection);
    stream.transport_reads &= outcome != TRANSPORT_POLL_GONE || stream.is_paused;
  }
}

/* Polls until the connection waits for a thread of large.h. */
static void poll_until_gone(void) {
  enum transport_poll outcome = TRANSPORT_POLL_SERVED;
  stream.transport_reads = false;
  while (outcome == TRANSPORT_POLL_SERVED) {
    outcome = acceptor->events->poll(stream.connection);
  }
  assert_int_equal(outcome, TRANSPORT_POLL_GONE);
}

static void give_room(size_t room) {
  stream.room = room;
  if (stream.awaits_room) {
    stream.awaits_room = false;
    acceptor->events->writable(stream.connection);
  }
}

/* Calls what a transport calls after close. */
static void end(void) {
  if (stream.awaits_room) {
    give_room(0);
  }
  if (stream.transport_reads) {
    poll_all();
  }
}

/* ------------------------------------------------------------------------------------- peer */

static void send_hello(void) {
  sp_hello_write(stream.sent, SP_REQ);
  stream.sent_len = SP_HELLO_BYTES;
}

/* Its body begins with BODY, and goes on with zeros. */
static void send_request(uint32_t id, size_t body_len) {
  uint8_t *at = stream.sent + stream.sent_len;
  size_t len = sp_prefix_write(SP_TCP, at, 4 + body_len);
  const uint8_t route[] = {0x80, 0, (uint8_t)(id >> 8), (uint8_t)id};
  assert_true(stream.sent_len + len + sizeof route + body_len <= sizeof stream.sent);
  memcpy(at + len, route, sizeof route);
  memcpy(at + len + sizeof route, BODY, sizeof BODY - 1);
  stream.sent_len += len + sizeof route + body_len;
}

static void send_requests(uint32_t count) {
  for (uint32_t id = 1; id <= count; id++) {
    send_request(id, sizeof BODY - 1);
  }
}

/* How many whole replies it got, in the order of their requests. */
static uint32_t replies_got(void) {
  struct bytes got = bytes_of(stream.got + SP_HELLO_BYTES, stream.got_len - SP_HELLO_BYTES);
  uint32_t count = 0;
  while (got.len > 0) {
    struct bytes body;
    size_t frame_len, needed;
    assert_int_equal(sp_frame_read(SP_TCP, got, HF_FRAME_BYTES_MAX, &body, &frame_len, &needed),
                     SP_OK);
    count++;
    assert_int_equal(body.data[2] << 8 | body.data[3], count);
    got = bytes_of(got.data + frame_len, got.len - frame_len);
  }
  return count;
}

static bool count_and_deliver(void *ctx, void *self, uint64_t id, const struct sp_route *route,
                              struct reply *reply) {
  atomic_fetch_add(&replies_made, 1);
  return connections_sink(connections)->deliver(ctx, self, id, route, reply);
}

/* Without names. */
#define SERVER 4000000
#define STRANGER 4000001

static struct users *admit(const uid_t *uid) {
  const struct user_section section = {
      .settings = {.name = bytes_of("web", 3)}, .uids = uid, .uids_count = 1};
  struct users *users = users_new(&(struct users_config){
      .sections = &section, .sections_count = uid != NULL, .server = SERVER});
  assert_non_null(users);
  return users;
}

static void accept_identity(const struct identity *identity) {
  const struct transport_peer peer = {
      .address = TRANSPORT_ADDRESS_LOCAL, .framing = SP_TCP, .identity = *identity};
  stream = (struct stream){.room = BYTES_MAX, .got = malloc(BYTES_MAX)};
  assert_non_null(stream.got);
  sem_init(&stream.resumes, 0, 0);
  assert_true(acceptor->accept(acceptor->ctx, &table, &stream, &peer, &stream.connection));
  assert_true(stream.transport_reads);
}

static void accept_peer(uid_t uid) {
  accept_identity(&(struct identity){.kind = IDENTITY_UID, .uid = uid});
}

static int set_up(void **state) {
  const struct dispatch_config config = {.memory_bytes_max = 64u << 20, .version = "test"};
  (void)state;
  struct users *users = admit(NULL);
  connections = connections_new(10, users);
  users_release(users);
  assert_non_null(connections);
  sink = *connections_sink(connections);
  sink.deliver = count_and_deliver;
  atomic_store(&replies_made, 0);
  dispatch = dispatch_start(&config, &sink);
  assert_non_null(dispatch);
  acceptor = connections_acceptor(connections, dispatch);
  accept_peer(SERVER);
  return 0;
}

/* Ends the peer, unless the connection is closed. */
static void leave(void) {
  if (!stream.is_closed) {
    stream.read_ends = TRANSPORT_LEFT;
    give_room(BYTES_MAX);
    poll_all();
  }
  assert_true(stream.is_freed);
  free(stream.got);
}

static int tear_down(void **state) {
  (void)state;
  leave();
  connections_close(connections, 0);
  dispatch_stop(dispatch);
  dispatch_free(dispatch);
  connections_free(connections);
  return 0;
}

/* ------------------------------------------------------------------------------------ tests */

static void test_connection_answers_hello_and_requests_with_one_write_each(void **state) {
  (void)state;
  send_hello();
  poll_all();
  assert_int_equal(stream.got_len, SP_HELLO_BYTES);
  send_requests(3);
  poll_all();
  assert_int_equal(replies_got(), 3);
}

static void test_connection_sends_the_rest_when_there_is_room(void **state) {
  (void)state;
  send_hello();
  poll_all();
  stream.room = 5;
  send_requests(20);
  poll_all();
  assert_int_equal(stream.got_len, SP_HELLO_BYTES + 5);
  while (stream.awaits_room) {
    give_room(7);
  }
  assert_int_equal(replies_got(), 20);
}

static void test_connection_whose_outbox_is_full_is_not_read_from(void **state) {
  (void)state;
  send_hello();
  poll_all();
  stream.room = 0;
  send_requests(REQUESTS);
  poll_all();
  assert_false(stream.transport_reads);
  assert_true(stream.awaits_room);
  while (stream.awaits_room) {
    give_room(1000);
    poll_all();
  }
  assert_true(stream.transport_reads);
  assert_int_equal(replies_got(), REQUESTS);
}

static void test_large_request_is_served_by_a_thread_of_its_own(void **state) {
  (void)state;
  send_hello();
  poll_all();
  send_request(1, LARGE_BODY_BYTES);
  poll_all();
  assert_true(pthread_equal(stream.writer, pthread_self()));
  assert_int_equal(replies_got(), 1);

  send_request(2, LARGE_BODY_BYTES + 1);
  send_request(3, sizeof BODY - 1);
  poll_until_gone();
  sem_wait(&stream.resumes);
  assert_false(pthread_equal(stream.writer, pthread_self()));
  poll_all();
  assert_int_equal(replies_got(), 3);
}

/* The input doubles to 256 KiB while the first arrives, so that one read has all of the second. */
static void test_large_requests_are_answered_one_by_one(void **state) {
  (void)state;
  send_hello();
  poll_all();
  stream.writes = 0;
  send_request(1, (size_t)140 << 10);
  send_request(2, LARGE_BODY_BYTES + 1);
  poll_until_gone();
  sem_wait(&stream.resumes);
  assert_int_equal(replies_got(), 2);
  assert_int_equal(stream.writes, 2);
}

/* A thread of large.h that is busy until may_serve is posted. */
static void serve_later(struct connection *connection) {
  sem_wait(&may_serve);
  connection_serve_large(connection);
}

static void test_large_request_of_a_closed_connection_is_not_served(void **state) {
  struct connection_set *set = acceptor->ctx;
  (void)state;
  sem_init(&may_serve, 0, 0);
  set->large->serve = serve_later;
  send_hello();
  poll_all();
  send_request(1, LARGE_BODY_BYTES + 1);
  poll_until_gone();
  sink.close(sink.ctx, 1, "test");
  assert_true(stream.is_closed && !stream.is_freed);
  sem_post(&may_serve);
  set_wait_empty(set);
  assert_true(stream.is_freed);
  assert_int_equal(atomic_load(&replies_made), 0);
}

/* The buffer is copied each time it grows: not with each read of a large request, then. */
static void test_large_request_that_comes_in_parts_is_moved_a_few_times(void **state) {
  const struct connection *connection = stream.connection;
  size_t capacity = 0, grown = 0;
  (void)state;
  send_hello();
  poll_all();
  const size_t begin = stream.sent_len, part = (size_t)64 << 10;
  send_request(1, HUGE_BODY_BYTES);
  const size_t end = stream.sent_len;
  for (size_t sent = begin + part; sent < end; sent += part) {
    stream.sent_len = sent;
    poll_all();
    grown += connection->input.capacity != capacity;
    capacity = connection->input.capacity;
  }
  assert_in_range(grown, 1, 8);
  stream.transport_reads = false;
  stream.sent_len = end;
  while (acceptor->events->poll(stream.connection) == TRANSPORT_POLL_SERVED) {
  }
  sem_wait(&stream.resumes);
  assert_int_equal(replies_got(), 1);
}

static void test_connection_without_its_hello_in_time_ends(void **state) {
  uint64_t now_ns = clock_now_ns();
  (void)state;
  assert_true(stream.read_deadline_ns <= clock_deadline_ns(now_ns, HF_HELLO_TIMEOUT_MS));
  stream.read_ends = TRANSPORT_LATE;
  poll_all();
  assert_true(stream.is_freed);
}

static void test_connection_whose_rest_of_a_frame_is_late_ends(void **state) {
  (void)state;
  send_hello();
  poll_all();
  acceptor->events->wait(stream.connection);
  assert_true(stream.read_deadline_ns == CLOCK_NEVER);
  send_requests(1);
  stream.sent_len--;
  poll_all();
  acceptor->events->wait(stream.connection);
  assert_true(stream.read_deadline_ns != CLOCK_NEVER);
  stream.read_ends = TRANSPORT_LATE;
  poll_all();
  assert_true(stream.is_freed);
}

static void test_connection_whose_replies_are_not_read_in_time_ends(void **state) {
  (void)state;
  send_hello();
  poll_all();
  stream.room = 0;
  send_requests(1);
  poll_all();
  assert_true(stream.awaits_room);
  stream.write_ends = TRANSPORT_LATE;
  give_room(0);
  assert_true(stream.is_closed && !stream.is_freed);
  poll_all();
  assert_true(stream.is_freed);
}

static void test_connection_that_is_closed_ends_after_both_activities(void **state) {
  (void)state;
  send_hello();
  poll_all();
  stream.room = 0;
  send_requests(1);
  poll_all();
  sink.close(sink.ctx, 1, "test");
  assert_true(stream.is_closed && !stream.is_freed);
  end();
  assert_true(stream.is_freed);
}

static void test_connection_without_memory_pauses_and_can_be_closed(void **state) {
  struct buffer_budget *buffers = &dispatch_budget(dispatch)->buffers;
  (void)state;
  atomic_fetch_add(&buffers->used_bytes, buffers->bytes_max);
  send_hello();
  poll_all();
  assert_true(stream.is_paused);
  sink.close(sink.ctx, 1, "test");
  poll_all();
  assert_true(stream.is_freed);
  atomic_fetch_sub(&buffers->used_bytes, buffers->bytes_max);
}

/* The only reply there is. */
static void expect_refusal(const char *sentence) {
  struct bytes got = bytes_of(stream.got + SP_HELLO_BYTES, stream.got_len - SP_HELLO_BYTES);
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
  leave();
  accept_peer(STRANGER);
  send_hello();
  poll_all();
  assert_int_equal(stream.got_len, SP_HELLO_BYTES);
  acceptor->events->wait(stream.connection);
  assert_true(stream.read_deadline_ns <= clock_deadline_ns(clock_now_ns(), HF_REFUSED_TIMEOUT_MS));
  send_requests(3);
  poll_all();
  assert_true(stream.is_freed);
  expect_refusal(
      "this server serves uid 4000000; you are uid 4000001. Ask for [user \xe2\x80\xa6] "
      "uid = 4000001");
}

static void test_peer_that_is_not_admitted_is_closed_when_it_says_much_or_nothing(void **state) {
  (void)state;
  leave();
  accept_peer(STRANGER);
  send_hello();
  send_request(1, HF_REFUSED_BYTES_MAX + 1);
  poll_all();
  assert_true(stream.is_freed);
  assert_int_equal(stream.got_len, SP_HELLO_BYTES);
  free(stream.got);

  accept_peer(STRANGER);
  send_hello();
  send_request(1, HUGE_BODY_BYTES);
  stream.sent_len = 100;
  poll_all();
  assert_true(stream.is_freed);
  assert_int_equal(stream.got_len, SP_HELLO_BYTES);
  free(stream.got);

  accept_peer(STRANGER);
  send_hello();
  poll_all();
  stream.read_ends = TRANSPORT_LATE;
  poll_all();
  assert_true(stream.is_freed);
}

static void test_push_peer_that_is_not_admitted_is_closed(void **state) {
  (void)state;
  leave();
  accept_peer(STRANGER);
  sp_hello_write(stream.sent, SP_PUSH);
  stream.sent_len = SP_HELLO_BYTES;
  poll_all();
  assert_true(stream.is_freed);
  assert_int_equal(stream.got_len, 0);
}

static void set_users_verified(struct users *users, bool is_verified_alike) {
  assert_true(dispatch_set_users(dispatch, users_settings(users)));
  connections_set_users(connections, users, is_verified_alike);
  users_release(users);
}

static void set_users_to(struct users *users) {
  set_users_verified(users, true);
}

static void test_peer_whose_user_is_gone_or_another_is_closed(void **state) {
  const uid_t stranger = STRANGER, server = SERVER;
  (void)state;
  send_hello();
  poll_all();
  set_users_to(admit(&stranger)); /* the owner stays */
  assert_false(stream.is_closed);
  leave();

  accept_peer(STRANGER);
  send_hello();
  send_requests(1);
  poll_all();
  assert_int_equal(replies_got(), 1);
  set_users_to(admit(&stranger)); /* nothing changes */
  assert_false(stream.is_closed);
  set_users_to(admit(NULL));
  assert_true(stream.is_closed);
  end();
  assert_true(stream.is_freed);
  free(stream.got);

  accept_peer(SERVER);
  set_users_to(admit(&server)); /* before its hello */
  assert_true(stream.is_closed);
  end();
  assert_true(stream.is_freed);
}

static struct users *admit_certificate(void) {
  static const char *const names[] = {"cn:web"};
  const struct user_section section = {
      .settings = {.name = bytes_of("web", 3)}, .certificates = names, .certificates_count = 1};
  struct users *users = users_new(
      &(struct users_config){.sections = &section, .sections_count = 1, .server = SERVER});
  assert_non_null(users);
  return users;
}

static void test_peer_with_a_certificate_is_closed_when_that_may_be_revoked(void **state) {
  const struct identity identity = {.kind = IDENTITY_CERTIFICATE, .names = "cn:web\0"};
  (void)state;
  send_hello();
  poll_all();
  set_users_to(admit_certificate());
  set_users_verified(admit_certificate(), false);
  assert_false(stream.is_closed); /* the owner's uid is as good as before */
  leave();

  accept_identity(&identity);
  send_hello();
  poll_all();
  set_users_to(admit_certificate());
  assert_false(stream.is_closed);
  set_users_verified(admit_certificate(), false);
  assert_true(stream.is_closed);
  end();
  assert_true(stream.is_freed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(
          test_connection_answers_hello_and_requests_with_one_write_each, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_connection_sends_the_rest_when_there_is_room, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_connection_whose_outbox_is_full_is_not_read_from, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_large_request_is_served_by_a_thread_of_its_own, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_large_requests_are_answered_one_by_one, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_large_request_of_a_closed_connection_is_not_served,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_large_request_that_comes_in_parts_is_moved_a_few_times,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_connection_without_its_hello_in_time_ends, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_connection_whose_rest_of_a_frame_is_late_ends, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_connection_whose_replies_are_not_read_in_time_ends,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_connection_that_is_closed_ends_after_both_activities,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_peer_that_is_not_admitted_gets_one_reason, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(
          test_peer_that_is_not_admitted_is_closed_when_it_says_much_or_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_push_peer_that_is_not_admitted_is_closed, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_peer_whose_user_is_gone_or_another_is_closed, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(
          test_peer_with_a_certificate_is_closed_when_that_may_be_revoked, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_connection_without_memory_pauses_and_can_be_closed,
                                      set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
