/* The server without its sockets: requests of four connections go through dispatch and engine into
 * memory. Every reply must be one a client can read, and stopping must leave nothing behind.
 *
 * input   any number of: what (1 byte) | length (2 bytes, big endian) | a Request
 *         what: bits 0-1 the connection, 3 is one-way; bit 7 drops the connection first
 *
 * The bytes 0123456789abcdef in a request stand for the id of the session opened last: real ids are
 * random, so that no input could know them.
 */
#include "proto/wire.h"
#include "server/dispatch/dispatch.h"

#include <pthread.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTIONS_COUNT 4
#define ONE_WAY_CONNECTION 3
#define MESSAGES_MAX 8
#define REQUEST_BYTES_MAX 4096
#define MEMORY_BYTES_MAX (4u << 20)

struct harness {
  struct dispatch *dispatch;
  uint64_t connections[CONNECTIONS_COUNT]; /* 0: not connected */
  uint64_t next_connection;
  pthread_mutex_t lock; /* over what follows: replies also come from the engine's timers */
  uint8_t *reply;
  size_t reply_len;
  uint8_t session[HF_SESSION_BYTES];
  uint64_t to_close;
};

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

/* Leaves the lock held until commit: there is one reply buffer. */
static uint8_t *begin_reply(void *ctx, void *self, uint64_t connection,
                            const struct sp_route *route, size_t body_len) {
  struct harness *harness = ctx;
  (void)self;
  (void)connection;
  require(route->len == 4 && body_len <= HF_FRAME_BYTES_MAX);
  pthread_mutex_lock(&harness->lock);
  harness->reply = malloc(body_len + 1);
  harness->reply_len = body_len;
  require(harness->reply != NULL);
  return harness->reply;
}

static void commit_reply(void *ctx, void *self, uint64_t connection) {
  struct harness *harness = ctx;
  struct arena arena;
  Holdfast__Response *response;
  (void)self;
  (void)connection;
  arena_init(&arena, 4ull * HF_UNPACK_BYTES_MAX);
  struct bytes body = bytes_of(harness->reply, harness->reply_len);
  require(wire_unpack_response(body, &arena, &response) == HF_REASON_NONE);
  require(response->status <= HF_UNAUTHENTICATED && response->status != HF_INTERNAL);
  require((response->status == HF_OK) == (response->reason.len == 0));
  if (response->result_case == HOLDFAST__RESPONSE__RESULT_SESSION) {
    require(response->session->id.len == HF_SESSION_BYTES);
    memcpy(harness->session, response->session->id.data, HF_SESSION_BYTES);
  }
  arena_deinit(&arena);
  free(harness->reply);
  harness->reply = NULL;
  pthread_mutex_unlock(&harness->lock);
}

static void close_connection(void *ctx, uint64_t connection) {
  struct harness *harness = ctx;
  pthread_mutex_lock(&harness->lock);
  harness->to_close = connection;
  pthread_mutex_unlock(&harness->lock);
}

static void disconnect(struct harness *harness, size_t idx) {
  if (harness->connections[idx] != 0) {
    dispatch_disconnected(harness->dispatch, harness->connections[idx]);
    harness->connections[idx] = 0;
  }
}

static void connect_if_needed(struct harness *harness, size_t idx) {
  if (harness->connections[idx] == 0) {
    harness->connections[idx] = ++harness->next_connection;
    require(dispatch_connected(harness->dispatch, harness->connections[idx],
                               idx == ONE_WAY_CONNECTION));
  }
}

static void close_if_asked(struct harness *harness) {
  pthread_mutex_lock(&harness->lock);
  uint64_t connection = harness->to_close;
  harness->to_close = 0;
  pthread_mutex_unlock(&harness->lock);
  for (size_t idx = 0; idx < CONNECTIONS_COUNT && connection != 0; idx++) {
    if (harness->connections[idx] == connection) {
      disconnect(harness, idx);
    }
  }
}

static void put_in_session(struct harness *harness, uint8_t *body, size_t len) {
  static const char stand_in[] = "0123456789abcdef";
  for (size_t at = 0; at + HF_SESSION_BYTES <= len; at++) {
    if (memcmp(body + at, stand_in, HF_SESSION_BYTES) == 0) {
      pthread_mutex_lock(&harness->lock);
      memcpy(body + at, harness->session, HF_SESSION_BYTES);
      pthread_mutex_unlock(&harness->lock);
    }
  }
}

/* Takes one request off the input into `body`. false: no more. */
static bool take_request(struct bytes *input, uint8_t *what, struct bytes *body) {
  if (input->len < 3) {
    return false;
  }
  size_t len = (size_t)input->data[1] << 8 | input->data[2];
  len = len < input->len - 3 ? len : input->len - 3;
  len = len < REQUEST_BYTES_MAX ? len : REQUEST_BYTES_MAX;
  *what = input->data[0];
  *body = bytes_of(input->data + 3, len);
  *input = bytes_of(input->data + 3 + len, input->len - 3 - len);
  return true;
}

/* Requests in a row of one connection travel together, as from one read. */
static void run_requests(struct harness *harness, struct bytes input) {
  static uint8_t bodies[MESSAGES_MAX][REQUEST_BYTES_MAX];
  struct dispatch_message messages[MESSAGES_MAX];
  struct bytes body;
  uint8_t what;
  bool more = take_request(&input, &what, &body);
  while (more) {
    size_t idx = what & 3, count = 0;
    if ((what & 0x80) != 0) {
      disconnect(harness, idx);
    }
    connect_if_needed(harness, idx);
    do {
      if (body.len > 0) {
        memcpy(bodies[count], body.data, body.len);
      }
      put_in_session(harness, bodies[count], body.len);
      messages[count] =
          (struct dispatch_message){sp_route_of(1), bytes_of(bodies[count], body.len)};
      if (idx == ONE_WAY_CONNECTION) {
        messages[count].route.len = 0;
      }
      count++;
      more = take_request(&input, &what, &body);
    } while (more && what == idx && count < MESSAGES_MAX);
    dispatch_messages(harness->dispatch, harness, harness->connections[idx], messages, count);
    close_if_asked(harness);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct harness harness = {.lock = PTHREAD_MUTEX_INITIALIZER};
  struct dispatch_config config = {.memory_bytes_max = MEMORY_BYTES_MAX, .version = "fuzz"};
  struct dispatch_sink sink = {&harness, begin_reply, commit_reply, close_connection};
  harness.dispatch = dispatch_start(&config, &sink);
  require(harness.dispatch != NULL);
  run_requests(&harness, bytes_of(data, size));
  if (size % 2 == 0) {
    dispatch_drain(harness.dispatch);
  }
  for (size_t idx = 0; idx < CONNECTIONS_COUNT; idx++) {
    disconnect(&harness, idx);
  }
  dispatch_drain(harness.dispatch);
  dispatch_stop(harness.dispatch);
  pthread_mutex_destroy(&harness.lock);
  return 0;
}
