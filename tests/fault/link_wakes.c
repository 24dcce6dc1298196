/* Replies that another thread than the rings' one finds no room for: they go when the client has read,
 * however soon that is.
 *
 * One thread is alternately the client and the server's rings' thread: it reads as soon as the ring is
 * said to be full, and whenever that makes it notify, the rings' thread hears it at once, with the other
 * still on its way out of the call that found the ring full.
 *
 * usage: link_wakes [ROUNDS]
 */
#include "proto/base/clock.h"
#include "proto/limits.h"
#include "server/connection/connections.h"
#include "server/dispatch/batch.h"
#include "server/transport/ring_stream.h"
#include "server/users/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY_BYTES (HF_RING_BYTES + 1000)
#define CONTENT_HEAD_BYTES 9 /* what frames the content in it */
#define FIRST_BYTES 500      /* that are read: too few for what is left */
#define STUCK_MS 1000

static struct ring_context context;
static struct ring_stream *served;
static struct connections *connections;
static struct dispatch *dispatch;
static int client_socket;
static int rounds_count = 5000;
static atomic_size_t committed; /* bytes of replies that are begun, framed */
static atomic_bool is_over;

/* The id of the only connection. */
#define CONNECTION 1

static int set_up(void **state) {
  const struct dispatch_config config = {.memory_bytes_max = 1u << 20, .version = "test"};
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = SP_REQ, .framing = SP_TCP};
  int sockets[2];
  (void)state;
  struct users *users = users_new(&(struct users_config){.server = geteuid()});
  assert_non_null(users);
  connections = connections_new(HF_RINGS_MAX, users);
  users_release(users);
  assert_non_null(connections);
  dispatch = dispatch_start(&config, connections_sink(connections));
  assert_non_null(dispatch);
  context.acceptor = connections_acceptor(connections, dispatch);
  context.wakeup = -1;
  limited_log_init(&context.limited_log);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0) {
    return -1;
  }
  client_socket = sockets[1];
  served = ring_stream_new(&context, 1, sockets[0], HANDSHAKE_WELCOME);
  assert_int_equal(send(client_socket, &hello, sizeof hello, 0), sizeof hello);
  ring_stream_read_socket(served);
  return served->connection != NULL ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  connections_sink(connections)->close(connections_sink(connections)->ctx, CONNECTION, "done");
  ring_stream_end(served);
  ring_stream_release(served);
  close(client_socket);
  connections_close(connections, 0);
  dispatch_stop(dispatch);
  dispatch_free(dispatch);
  connections_free(connections);
  limited_log_deinit(&context.limited_log);
  return 0;
}

static void await_full(const struct segment_ring *control) {
  while (atomic_load(&control->writer_waits) == 0 && !atomic_load(&is_over)) {
  }
}

/* Reads one round's bytes. Whether all came. */
static bool read_round(struct ring_end *replies, size_t total) {
  static uint8_t bytes[HF_RING_BYTES];
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), STUCK_MS);
  size_t capacity = FIRST_BYTES;
  ring_announce_sleep(replies, RING_WAKE_NOTIFY);
  await_full(replies->control);
  while (replies->position < total && clock_now_ns() < deadline_ns) {
    size_t got = ring_read(replies, bytes, capacity);
    if (got > 0 && got != RING_BROKEN && ring_must_wake_writer(replies)) {
      (void)ring_stream_serve(served, clock_now_ns());
    }
    capacity = sizeof bytes;
    while (recv(client_socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
  }
  return replies->position == total;
}

/* Answers how many bytes were there in time. */
static void *read_all(void *unused) {
  struct ring_end replies;
  uint8_t *first = (uint8_t *)served->segment + SEGMENT_DATA_OFFSET;
  (void)unused;
  ring_init_reader(&replies, &served->segment->replies, first + HF_RING_BYTES, HF_RING_BYTES);
  for (int round = 1; round <= rounds_count; round++) {
    size_t total = (size_t)round * (REPLY_BYTES + sp_prefix_bytes(SP_TCP));
    if (!read_round(&replies, total)) {
      print_error("round %d: %llu of %zu bytes, and no more within %d ms\n", round,
                  (unsigned long long)replies.position, total, STUCK_MS);
      break;
    }
    atomic_store(&committed, total);
  }
  atomic_store(&is_over, true);
  return NULL;
}

/* A reply of REPLY_BYTES as a body. */
static struct reply *make_reply(void) {
  static uint8_t content[REPLY_BYTES - CONTENT_HEAD_BYTES];
  struct reply *reply = reply_new(0);
  assert_non_null(reply);
  reply->shape = REPLY_VALUE;
  assert_true(value_bytes(bytes_of(content, sizeof content), &reply->value));
  assert_int_equal(encode_reply_len(reply, "test"), REPLY_BYTES);
  return reply;
}

static void reply_once(struct reply *reply, size_t total) {
  const struct dispatch_sink *sink = connections_sink(connections);
  const struct batch_delivery delivery = {.connection = CONNECTION, .reply = reply};
  reply_acquire(reply);
  (void)sink->deliver(sink->ctx, NULL, &delivery, 1);
  while (atomic_load(&committed) < total && !atomic_load(&is_over)) {
  }
}

static void test_link_room_is_heard_of_by_one_of_two_threads(void **state) {
  pthread_t reader;
  size_t total = 0;
  struct reply *reply = make_reply();
  (void)state;
  assert_int_equal(pthread_create(&reader, NULL, read_all, NULL), 0);
  for (int round = 0; round < rounds_count && !atomic_load(&is_over); round++) {
    total += REPLY_BYTES + sp_prefix_bytes(SP_TCP);
    reply_once(reply, total);
  }
  pthread_join(reader, NULL);
  reply_release(reply);
  assert_int_equal(atomic_load(&committed), total);
  assert_int_equal(atomic_load(&context.awaiting_room_count), 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_link_room_is_heard_of_by_one_of_two_threads),
  };
  rounds_count = argc > 1 ? atoi(argv[1]) : rounds_count;
  return cmocka_run_group_tests_name("fault.link_wakes", tests, set_up, tear_down);
}
