/* See attacker.h. */
#include "tests/fault/attacker.h"

#include "proto/sp.h"
#include "proto/wire_field.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_TIMEOUT_MS 10000

int64_t attacker_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int attacker_dial(uint16_t port) {
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_true(fd >= 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
    fail_msg("connect to port %u: %s", port, strerror(errno));
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

/* Reads more input. false: closed, or nothing within timeout_ms. */
static bool read_more(struct attacker *attacker, int timeout_ms, bool *closed) {
  struct pollfd pollfd = {.fd = attacker->fd, .events = POLLIN};
  *closed = false;
  if (poll(&pollfd, 1, timeout_ms) != 1) {
    return false;
  }
  if (attacker->input_room - attacker->input_len < 65536) {
    attacker->input_room = 2 * attacker->input_room + 65536;
    attacker->input = realloc(attacker->input, attacker->input_room);
    assert_non_null(attacker->input);
  }
  ssize_t got = recv(attacker->fd, attacker->input + attacker->input_len, 65536, 0);
  if (got <= 0) {
    *closed = true;
    return false;
  }
  attacker->input_len += (size_t)got;
  return true;
}

static void drop_input(struct attacker *attacker, size_t len) {
  attacker->input_len -= len;
  memmove(attacker->input, attacker->input + len, attacker->input_len);
}

bool attacker_open(struct attacker *attacker, uint16_t port, uint16_t protocol) {
  uint8_t hello[SP_HELLO_BYTES];
  uint16_t theirs;
  bool closed;
  *attacker = (struct attacker){.fd = attacker_dial(port), .next_id = 1};
  sp_hello_write(hello, (enum sp_protocol)protocol);
  if (!attacker_send_bytes(attacker, hello, sizeof(hello))) {
    return false;
  }
  while (attacker->input_len < SP_HELLO_BYTES) {
    if (!read_more(attacker, ANSWER_TIMEOUT_MS, &closed)) {
      return false;
    }
  }
  assert_int_equal(sp_hello_read(attacker->input, &theirs), SP_OK);
  assert_int_equal(theirs, protocol + 1);
  drop_input(attacker, SP_HELLO_BYTES);
  return true;
}

void attacker_close(struct attacker *attacker) {
  if (attacker->fd >= 0) {
    close(attacker->fd);
  }
  free(attacker->input);
  *attacker = (struct attacker){.fd = -1};
}

void attacker_reset(struct attacker *attacker) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(attacker->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  attacker_close(attacker);
}

bool attacker_send_bytes(struct attacker *attacker, const void *data, size_t len) {
  for (size_t sent = 0; sent < len;) {
    ssize_t count = send(attacker->fd, (const uint8_t *)data + sent, len - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    sent += (size_t)count;
  }
  return true;
}

uint32_t attacker_send(struct attacker *attacker, struct bytes body) {
  uint8_t head[SP_PREFIX_BYTES_MAX + 4];
  uint32_t id = attacker->next_id++;
  struct sp_route route = sp_route_of(id);
  size_t prefix_len = sp_prefix_write(SP_TCP, head, route.len + body.len);
  struct body message = {0};
  body_put(&message, head, prefix_len);
  body_put(&message, route.words, route.len);
  body_put(&message, body.data, body.len);
  bool sent = attacker_send_bytes(attacker, message.data, message.len);
  body_free(&message);
  return sent ? id : 0;
}

uint32_t attacker_send_request(struct attacker *attacker, const Holdfast__Request *request) {
  struct body body = {0};
  body.room = holdfast__request__get_packed_size(request);
  body.data = malloc(body.room + 1);
  assert_non_null(body.data);
  body.len = holdfast__request__pack(request, body.data);
  uint32_t id = attacker_send(attacker, body_view(&body));
  body_free(&body);
  return id;
}

bool attacker_receive(struct attacker *attacker, int timeout_ms, uint32_t *id,
                      Holdfast__Response **response) {
  int64_t deadline_ms = attacker_now_ms() + timeout_ms;
  for (;;) {
    struct bytes body, payload;
    struct sp_route route;
    size_t used, needed;
    bool closed;
    struct bytes input = bytes_of(attacker->input, attacker->input_len);
    enum sp_result result =
        sp_frame_read(SP_TCP, input, 2 * HF_FRAME_BYTES_MAX, &body, &used, &needed);
    if (result == SP_OK) {
      assert_int_equal(sp_route_read(body, &route, &payload), SP_OK);
      *id = sp_route_id(&route);
      *response = holdfast__response__unpack(NULL, payload.len, payload.data);
      assert_non_null(*response);
      drop_input(attacker, used);
      return true;
    }
    assert_int_equal(result, SP_MORE);
    int64_t left_ms = deadline_ms - attacker_now_ms();
    if (left_ms < 0 || !read_more(attacker, (int)left_ms, &closed)) {
      return false;
    }
  }
}

bool attacker_is_closed(struct attacker *attacker, int timeout_ms) {
  int64_t deadline_ms = attacker_now_ms() + timeout_ms;
  bool closed = false;
  while (!closed) {
    int64_t left_ms = deadline_ms - attacker_now_ms();
    attacker->input_len = 0;
    if (left_ms < 0 || (!read_more(attacker, (int)left_ms, &closed) && !closed)) {
      return false;
    }
  }
  return true;
}

static void expect_answer(struct attacker *attacker, uint32_t id, hf_status status,
                          const char *reason) {
  Holdfast__Response *response = NULL;
  uint32_t answered_id = 0;
  if (id == 0 || !attacker_receive(attacker, ANSWER_TIMEOUT_MS, &answered_id, &response)) {
    fail_msg("no answer where %s %s was expected", hf_status_name(status), reason);
    return;
  }
  struct bytes found = bytes_of(response->reason.data, response->reason.len);
  if (response->status != (uint32_t)status || !bytes_equal(found, bytes_of_text(reason))) {
    fail_msg("answered %s %.*s instead of %s %s", hf_status_name((hf_status)response->status),
             (int)found.len, (const char *)found.data, hf_status_name(status), reason);
  }
  assert_int_equal(answered_id, id);
  holdfast__response__free_unpacked(response, NULL);
}

void attacker_expect(struct attacker *attacker, struct bytes body, hf_status status,
                     const char *reason) {
  expect_answer(attacker, attacker_send(attacker, body), status, reason);
}

void attacker_expect_request(struct attacker *attacker, const Holdfast__Request *request,
                             hf_status status, const char *reason) {
  expect_answer(attacker, attacker_send_request(attacker, request), status, reason);
}

void body_free(struct body *body) {
  free(body->data);
  *body = (struct body){0};
}

void body_put(struct body *body, const void *data, size_t len) {
  if (len > body->room - body->len) {
    body->room = 2 * body->room + len + 64;
    body->data = realloc(body->data, body->room);
    assert_non_null(body->data);
  }
  if (len > 0) {
    memcpy(body->data + body->len, data, len);
  }
  body->len += len;
}

void body_put_varint(struct body *body, uint64_t number) {
  uint8_t bytes[VARINT_BYTES_MAX];
  body_put(body, bytes, wire_write_varint(bytes, number));
}

void body_put_field(struct body *body, uint32_t field, const void *data, size_t len) {
  uint8_t head[2 * VARINT_BYTES_MAX];
  body_put(body, head, (size_t)(wire_write_head(head, field, len) - head));
  body_put(body, data, len);
}

struct bytes body_view(const struct body *body) {
  return bytes_of(body->data, body->len);
}
