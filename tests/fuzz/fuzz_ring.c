/* The server's end of shared memory: whatever a client writes into its segment, the server's
 * positions stay within bounds, and it serves on or ends the connection.
 *
 * input   first byte: framing (bit 0), push instead of req (bit 1). Then steps, each of an action
 *         byte and what it takes:
 *           0  a length, 2 bytes, and that many bytes: written as an honest client does
 *           1  a step, 2 bytes signed: moves the requests' head by it
 *           2  the same for the replies' tail
 *           3  8 bytes: the requests' head
 *           4  an offset, 4 bytes, and a byte: written into the segment there
 *           5  the server serves the stream once
 *           6  the client reads its replies
 */
#include "proto/limits.h"
#include "server/connection/connection_parts.h"
#include "server/connection/connections.h"
#include "server/connection/ending.h"
#include "server/connection/set.h"
#include "server/transport/ring_stream.h"
#include "server/users/users.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ring_context context;
static struct connections *connections;
static struct connection_set *set;
static struct dispatch *dispatch;
static uint64_t last_id;

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static void start_once(void) {
  const struct dispatch_config config = {.memory_bytes_max = 64u << 20, .version = "fuzz"};
  if (connections == NULL) {
    struct users *users = users_new(&(struct users_config){.server = geteuid()});
    require(users != NULL);
    connections = connections_new(HF_RINGS_MAX, users);
    users_release(users);
    require(connections != NULL);
    dispatch = dispatch_start(&config, connections_sink(connections));
    require(dispatch != NULL);
    context.acceptor = connections_acceptor(connections, dispatch);
    set = context.acceptor->ctx;
    context.wakeup = -1;
    limited_log_init(&context.limited_log);
  }
}

/* ---------------------------------------------------------------- one stream, one input */

struct input {
  const uint8_t *data;
  size_t len;
};

/* The next bytes, or zeros when there are none left. */
static uint64_t take(struct input *input, size_t count) {
  uint64_t number = 0;
  for (; count > 0 && input->len > 0; count--) {
    number = number << 8 | *input->data++;
    input->len--;
  }
  return number;
}

static void write_honestly(struct input *input, struct ring_end *requests) {
  size_t len = (size_t)take(input, 2);
  len = len < input->len ? len : input->len;
  (void)ring_write(requests, input->data, len);
  input->data += len;
  input->len -= len;
}

static void read_replies(struct ring_end *replies) {
  uint8_t bytes[4096];
  size_t got;
  do {
    got = ring_read(replies, bytes, sizeof bytes);
  } while (got != RING_BROKEN && got > 0);
}

/* Whether the connection has the activity "reading". */
static bool connection_reads(void) {
  struct connection *connection = set_acquire(set, last_id);
  if (connection == NULL) {
    return false;
  }
  pthread_mutex_lock(&connection->lock);
  bool reads = connection->reading;
  pthread_mutex_unlock(&connection->lock);
  connection_release(connection);
  return reads;
}

/* A connection that keeps its reading is with a thread of large.h, which resumes or ends it. */
static void wait_for_large(struct ring_stream *stream) {
  while (!ring_stream_take_resume(stream) && stream->reading == RING_KEPT && connection_reads()) {
    sched_yield();
  }
}

static void serve(struct ring_stream *stream) {
  ring_stream_poll_again(stream);
  (void)ring_stream_serve(stream, 1);
  wait_for_large(stream);
  require(stream->requests.limit - stream->requests.position <= HF_RING_BYTES);
  require(stream->replies.limit - stream->replies.position <= HF_RING_BYTES);
}

static void take_step(struct input *input, struct ring_stream *stream, struct ring_end *requests,
                      struct ring_end *replies) {
  struct segment *segment = stream->segment;
  uint64_t offset;
  switch (take(input, 1) % 7) {
    case 0:
      write_honestly(input, requests);
      break;
    case 1:
      atomic_fetch_add(&segment->requests.head, (uint64_t)(int16_t)take(input, 2));
      break;
    case 2:
      atomic_fetch_add(&segment->replies.tail, (uint64_t)(int16_t)take(input, 2));
      break;
    case 3:
      atomic_store(&segment->requests.head, take(input, 8));
      break;
    case 4:
      offset = take(input, 4) % segment_bytes(HF_RING_BYTES);
      ((uint8_t *)segment)[offset] = (uint8_t)take(input, 1);
      break;
    case 5:
      serve(stream);
      break;
    default:
      read_replies(replies);
  }
}

static void run_steps(struct input *input, struct ring_stream *stream) {
  struct ring_end requests, replies;
  uint8_t *first = (uint8_t *)stream->segment + SEGMENT_DATA_OFFSET;
  ring_init_writer(&requests, &stream->segment->requests, first, HF_RING_BYTES);
  ring_init_reader(&replies, &stream->segment->replies, first + HF_RING_BYTES, HF_RING_BYTES);
  while (input->len > 0) {
    take_step(input, stream, &requests, &replies);
  }
  serve(stream);
  (void)ring_stream_go_idle(stream);
  wait_for_large(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  uint8_t how = (uint8_t)take(&input, 1);
  const struct handshake_hello hello = {.magic = HANDSHAKE_MAGIC,
                                        .protocol = how & 2 ? SP_PUSH : SP_REQ,
                                        .framing = how & 1 ? SP_IPC : SP_TCP};
  int sockets[2];
  start_once();
  require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
  struct ring_stream *stream = ring_stream_new(&context, ++last_id, sockets[0], HANDSHAKE_WELCOME);
  require(stream != NULL);
  require(send(sockets[1], &hello, sizeof hello, 0) == (ssize_t)sizeof hello);
  ring_stream_read_socket(stream);
  require(stream->connection != NULL);
  run_steps(&input, stream);
  /* The first connection has the number 1. */
  connections_sink(connections)->close(connections_sink(connections)->ctx, last_id, "done");
  ring_stream_end(stream);
  set_wait_empty(set);
  require(context.timed_count == 0 && atomic_load(&context.awaiting_room_count) == 0);
  while (atomic_load(&stream->references) > 1) {
    sched_yield(); /* a thread of large.h is about to return from resume */
  }
  ring_stream_release(stream);
  close(sockets[1]);
  require(atomic_load(&dispatch_budget(dispatch)->buffers.used_bytes) == 0);
  require(atomic_load(&dispatch_budget(dispatch)->waiting_bytes) == 0);
  require(context.paused_count == 0);
  return 0;
}
