#include "tests/support/peer.h"

#include "proto/base/clock.h"
#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"
#include "server/dispatch/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct peer peer;
struct peer_server peer_server;

/* -------------------------------------------------------------------------------- transport */

static size_t min_of(size_t a, size_t b) {
  return a < b ? a : b;
}

static bool is_readable(void *self) {
  const struct peer *s = self;
  return s->read_len < s->sent_len || s->read_ends != TRANSPORT_OK || s->is_closed;
}

static size_t pending(void *self) {
  struct peer *s = self;
  return s->sent_len - s->read_len;
}

static enum transport_result read_some(void *self, void *data, size_t capacity, size_t *count) {
  struct peer *s = self;
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
  struct peer *s = self;
  (void)data, (void)capacity;
  s->read_deadline_ns = deadline_ns;
  s->transport_reads = true;
  return true;
}

static void pause_reading(void *self, uint32_t ms) {
  struct peer *s = self;
  assert_true(ms > 0 && !s->is_closed);
  s->is_paused = true;
  s->paused_ms = ms;
}

static void resume(void *self) {
  struct peer *s = self;
  assert_false(s->transport_reads);
  s->transport_reads = true;
  sem_post(&s->resumes);
}

static enum transport_result write_some(void *self, const struct bytes *runs, size_t *count) {
  struct peer *s = self;
  assert_false(s->is_closed);
  s->writer = pthread_self();
  s->writes++;
  if (s->write_ends != TRANSPORT_OK) {
    return s->write_ends;
  }
  *count = 0;
  for (size_t i = 0; i < TRANSPORT_RUNS; i++) {
    size_t part = min_of(runs[i].len, s->room);
    assert_true(s->got_len + part <= PEER_BYTES_MAX);
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
  struct peer *s = self;
  assert_true(runs[0].len + runs[1].len > 0 && !s->awaits_room);
  assert_true(deadline_ns > clock_now_ns());
  s->awaits_room = s->room == 0;
  return s->awaits_room;
}

static void close_stream(void *self) {
  struct peer *s = self;
  assert_false(s->is_closed);
  s->is_closed = true;
}

static void free_stream(void *self) {
  struct peer *s = self;
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

void peer_poll(void) {
  enum transport_poll outcome = TRANSPORT_POLL_SERVED;
  while (outcome == TRANSPORT_POLL_SERVED && peer.transport_reads) {
    peer.is_paused = false;
    outcome = peer_server.acceptor->events->poll(peer.connection);
    peer.transport_reads &= outcome != TRANSPORT_POLL_GONE || peer.is_paused;
  }
}

void peer_give_room(size_t room) {
  peer.room = room;
  if (peer.awaits_room) {
    peer.awaits_room = false;
    peer_server.acceptor->events->writable(peer.connection);
  }
}

void peer_end(void) {
  if (peer.awaits_room) {
    peer_give_room(0);
  }
  if (peer.transport_reads) {
    peer_poll();
  }
}

/* ------------------------------------------------------------------------------------- peer */

void peer_send_hello(void) {
  sp_hello_write(peer.sent, SP_REQ);
  peer.sent_len = SP_HELLO_BYTES;
}

/* Its body is zeros. */
static uint8_t *send_frame(uint32_t id, size_t body_len) {
  uint8_t *at = peer.sent + peer.sent_len;
  size_t len = sp_prefix_write(SP_TCP, at, 4 + body_len);
  const uint8_t route[] = {0x80, 0, (uint8_t)(id >> 8), (uint8_t)id};
  assert_true(peer.sent_len + len + sizeof route + body_len <= sizeof peer.sent);
  memcpy(at + len, route, sizeof route);
  peer.sent_len += len + sizeof route + body_len;
  return at + len + sizeof route;
}

void peer_send_request(uint32_t id, size_t body_len) {
  memcpy(send_frame(id, body_len), PEER_BODY, sizeof PEER_BODY - 1);
}

void peer_send_ping(uint32_t id, size_t payload_len) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  uint8_t *payload = calloc(1, payload_len + 1);
  assert_non_null(payload);
  ping.payload = (ProtobufCBinaryData){payload_len, payload};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  holdfast__request__pack(&request, send_frame(id, holdfast__request__get_packed_size(&request)));
  free(payload);
}

void peer_send_pings(uint32_t count) {
  for (uint32_t id = 1; id <= count; id++) {
    peer_send_ping(id, 0);
  }
}

void peer_send_requests(uint32_t count) {
  for (uint32_t id = 1; id <= count; id++) {
    peer_send_request(id, sizeof PEER_BODY - 1);
  }
}

uint32_t peer_replies(void) {
  struct bytes got = bytes_of(peer.got + SP_HELLO_BYTES, peer.got_len - SP_HELLO_BYTES);
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

static bool count_and_deliver(void *ctx, void *self, const struct batch_delivery *deliveries,
                              size_t count) {
  for (size_t i = 0; i < count; i++) {
    atomic_fetch_add(&peer_server.replies_made, deliveries[i].reply != NULL);
  }
  return connections_sink(peer_server.connections)->deliver(ctx, self, deliveries, count);
}

struct users *peer_admit(const uid_t *uid) {
  const struct user_section section = {
      .settings = {.name = bytes_of("web", 3)}, .uids = uid, .uids_count = 1};
  struct users *users = users_new(&(struct users_config){
      .sections = &section, .sections_count = uid != NULL, .server = PEER_SERVER_UID});
  assert_non_null(users);
  return users;
}

void peer_accept(const struct identity *identity) {
  const struct transport_peer known = {
      .address = TRANSPORT_ADDRESS_LOCAL, .framing = SP_TCP, .identity = *identity};
  peer = (struct peer){.room = PEER_BYTES_MAX, .got = malloc(PEER_BYTES_MAX)};
  assert_non_null(peer.got);
  sem_init(&peer.resumes, 0, 0);
  assert_true(peer_server.acceptor->accept(peer_server.acceptor->ctx, &table, &peer, &known,
                                           &peer.connection));
  assert_true(peer.transport_reads);
}

void peer_accept_uid(uid_t uid) {
  peer_accept(&(struct identity){.kind = IDENTITY_UID, .uid = uid});
}

int peer_server_start(void **state) {
  const struct dispatch_config config = {.memory_bytes_max = 64u << 20, .version = "test"};
  (void)state;
  struct users *users = peer_admit(NULL);
  peer_server.connections = connections_new(10, users);
  users_release(users);
  assert_non_null(peer_server.connections);
  peer_server.sink = *connections_sink(peer_server.connections);
  peer_server.sink.deliver = count_and_deliver;
  atomic_store(&peer_server.replies_made, 0);
  peer_server.dispatch = dispatch_start(&config, &peer_server.sink);
  assert_non_null(peer_server.dispatch);
  peer_server.acceptor = connections_acceptor(peer_server.connections, peer_server.dispatch);
  peer_accept_uid(PEER_SERVER_UID);
  return 0;
}

void peer_leave(void) {
  if (!peer.is_closed) {
    peer.read_ends = TRANSPORT_LEFT;
    peer_give_room(PEER_BYTES_MAX);
    peer_poll();
  }
  assert_true(peer.is_freed);
  free(peer.got);
}

int peer_server_stop(void **state) {
  (void)state;
  peer_leave();
  connections_close(peer_server.connections, 0);
  dispatch_stop(peer_server.dispatch);
  dispatch_free(peer_server.dispatch);
  connections_free(peer_server.connections);
  return 0;
}
