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
#include "server/dispatch/batch.h"
#include "server/dispatch/dispatch.h"
#include "server/engine/addresses.h"

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
  struct outbox outbox; /* of whichever connection */
  bool is_over;         /* the outbox is gone; the engine's timers are not yet */
  uint8_t session[HF_SESSION_BYTES];
  uint64_t to_close;
};

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static void check_reply(struct harness *harness, struct bytes body) {
  struct arena arena;
  Holdfast__Response *response;
  arena_init(&arena, 4ull * HF_UNPACK_BYTES_MAX);
  require(wire_unpack_response(body, &arena, &response) == HF_REASON_NONE);
  require(response->status <= HF_UNAUTHENTICATED && response->status != HF_INTERNAL);
  require((response->status == HF_OK) == (response->reason.len == 0));
  if (response->result_case == HOLDFAST__RESPONSE__RESULT_SESSION) {
    require(response->session->id.len == HF_SESSION_BYTES);
    memcpy(harness->session, response->session->id.data, HF_SESSION_BYTES);
  }
  arena_deinit(&arena);
}

static void append(struct bytes *frame, struct bytes more) {
  uint8_t *data = realloc((void *)frame->data, frame->len + more.len + 1);
  require(data != NULL);
  *frame = bytes_of(data, frame->len + more.len);
  require(frame->len <= HF_REPLY_BYTES_MAX + SP_PREFIX_BYTES_MAX + 4);
  if (more.data != NULL) {
    memcpy(data + frame->len - more.len, more.data, more.len);
  }
}

static void append_large(struct outbox *outbox, struct outbox_item item, struct bytes *frame) {
  struct buffer part;
  buffer_init(&part, outbox->encoded.budget);
  require(outbox_encode_part(outbox, &item, &part));
  outbox_end_part(outbox, &item, part.len);
  append(frame, bytes_of(buffer_first(&part), part.len));
  outbox->under_way = 0;
  outbox_sent(outbox, part.len, 0);
  buffer_deinit(&part);
}

/* All that the outbox has, as one frame. Freed by the caller. */
static struct bytes take_frame(struct outbox *outbox) {
  struct bytes frame = bytes_of(NULL, 0);
  while (!outbox_is_empty(outbox)) {
    const struct outbox_item *large = outbox_first_large(outbox);
    if (large != NULL) {
      append_large(outbox, *large, &frame);
      continue;
    }
    size_t part = outbox->encoded.len, lent = outbox->lent.len;
    append(&frame, bytes_of(buffer_first(&outbox->encoded), part));
    append(&frame, outbox->lent);
    buffer_consume(&outbox->encoded, part);
    outbox_sent(outbox, part + lent, lent);
    require(part + lent > 0 && outbox_fill(outbox));
  }
  return frame;
}

static void deliver_one(struct harness *harness, const struct batch_delivery *delivery) {
  struct sp_route route_back;
  struct bytes body;
  size_t used, needed;
  if (delivery->reply == NULL) {
    harness->to_close = delivery->connection;
    return;
  }
  if (harness->is_over) {
    reply_release(delivery->reply);
    return;
  }
  require(outbox_add(&harness->outbox, &delivery->route, delivery->reply));
  struct bytes frame = take_frame(&harness->outbox);
  require(sp_frame_read(SP_TCP, frame, HF_REPLY_BYTES_MAX + 4, &body, &used, &needed) == SP_OK);
  require(used == frame.len && sp_route_read(body, &route_back, &body) == SP_OK);
  require(route_back.len == 4);
  check_reply(harness, body);
  free((void *)frame.data);
}

static bool deliver(void *ctx, void *self, const struct batch_delivery *deliveries, size_t count) {
  struct harness *harness = ctx;
  (void)self;
  pthread_mutex_lock(&harness->lock);
  for (size_t i = 0; i < count; i++) {
    deliver_one(harness, &deliveries[i]);
  }
  bool has_room = !harness->is_over;
  pthread_mutex_unlock(&harness->lock);
  return has_room;
}

static void close_connection(void *ctx, uint64_t connection, const char *why) {
  struct harness *harness = ctx;
  (void)why;
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
    require(dispatch_connected(harness->dispatch, harness->connections[idx], ADDRESS_LOCAL,
                               idx == ONE_WAY_CONNECTION, bytes_of("", 0)) == DISPATCH_CONNECTED);
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
    uint64_t pause_ns, awaited;
    dispatch_messages(harness->dispatch, harness, harness->connections[idx], messages, count,
                      &pause_ns, &awaited);
    close_if_asked(harness);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct harness harness = {.lock = PTHREAD_MUTEX_INITIALIZER};
  struct dispatch_config config = {.memory_bytes_max = MEMORY_BYTES_MAX, .version = "fuzz"};
  struct dispatch_sink sink = {.ctx = &harness, .deliver = deliver, .close = close_connection};
  harness.dispatch = dispatch_start(&config, &sink);
  require(harness.dispatch != NULL);
  dispatch_init_outbox(harness.dispatch, &harness.outbox, 1, SP_TCP);
  run_requests(&harness, bytes_of(data, size));
  if (size % 2 == 0) {
    dispatch_drain(harness.dispatch);
  }
  for (size_t idx = 0; idx < CONNECTIONS_COUNT; idx++) {
    disconnect(&harness, idx);
  }
  dispatch_drain(harness.dispatch);
  pthread_mutex_lock(&harness.lock);
  harness.is_over = true;
  outbox_deinit(&harness.outbox);
  pthread_mutex_unlock(&harness.lock);
  dispatch_stop(harness.dispatch);
  dispatch_free(harness.dispatch);
  pthread_mutex_destroy(&harness.lock);
  return 0;
}
