#include "client/src/connection/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "client/src/connection/leader.h"
#include "client/src/connection/references.h"
#include "client/src/connection/reply.h"
#include "client/src/connection/withdraw.h"
#include "proto/base/clock.h"
#include "proto/machine.h"

/* How long a fork waits for a server that does not answer, before and after the fork. */
#define ANSWER_MS 500
/* Slots that a fork needs, including releases submitted meanwhile. */
#define FORK_SLOTS 8

/* Each value with references counts the connection. */
static bool has_something(const hf_conn *conn) {
  return conn->handles != NULL || atomic_load(&conn->references) > 1;
}

static bool await(hf_conn *conn, const uint32_t *count, uint32_t limit) {
  uint64_t now_ns = clock_now_ns();
  uint64_t deadline_ns = clock_deadline_ns(now_ns, ANSWER_MS);
  return conn_wait_unchecked(conn, count, limit, now_ns, deadline_ns) == WAIT_REACHED;
}

/* Waits for a session and for room in the window. Whether both are there. */
static bool prepare(hf_conn *conn) {
  struct window *window = &conn->window;
  if (conn->session_missing > 0) {
    (void)await(conn, &conn->session_missing, 0);
  }
  if (window->used_count + FORK_SLOTS > window->used_count_max) { /* answered requests may leave */
    (void)await(conn, &window->used_count, window->used_count_max - FORK_SLOTS);
  }
  if (conn->state == CONN_ENDED || !conn->has_session) {
    return false;
  }
  (void)references_submit(conn);
  return window->used_count < window->used_count_max;
}

/* Sends the request and waits for the reply. Whether it succeeded. */
static bool ask(hf_conn *conn, const Holdfast__ForkSession *arm) {
  uint32_t pending = 1;
  struct call call = {.pending = &pending, .result = {reply_discard, NULL, NULL}};
  const struct envelope envelope = {.timeout_ms = -1,
                                    .operation = OPERATION(FORK_SESSION),
                                    .arm = &arm->base,
                                    .arm_len = protobuf_c_message_get_packed_size(&arm->base)};
  struct slot *slot = window_add(&conn->window, conn->transport->framing, &envelope);
  if (slot == NULL) {
    return false;
  }
  slot->call = &call;
  call.slot = slot;
  conn_write(conn);
  if (!await(conn, &pending, 0)) {
    withdraw_abandoned(conn, slot);
    return false;
  }
  free(call.failure);
  return call.status == HF_OK;
}

void inherit_announce(hf_conn *conn) {
  Holdfast__ForkSession arm = HOLDFAST__FORK_SESSION__INIT;
  conn->is_announced = false;
  if (conn->state == CONN_ENDED || !has_something(conn) || !prepare(conn) ||
      getrandom(conn->forked_session, HF_SESSION_BYTES, GRND_NONBLOCK) != HF_SESSION_BYTES) {
    return;
  }
  arm.child = (ProtobufCBinaryData){HF_SESSION_BYTES, conn->forked_session};
  conn->is_announced = ask(conn, &arm);
}

void inherit_locate(hf_conn *conn, pid_t child) {
  Holdfast__ForkSession arm = HOLDFAST__FORK_SESSION__INIT;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  if (conn->is_announced && child != 0 && prepare(conn)) {
    arm.child = (ProtobufCBinaryData){HF_SESSION_BYTES, conn->forked_session};
    arm.machine = (ProtobufCBinaryData){machine_id(machine, sizeof machine), machine};
    arm.process = (uint64_t)child;
    (void)ask(conn, &arm);
  }
  conn->is_announced = false;
}

pid_t inherit_newest_child(void) {
  char text[256];
  ssize_t len;
  pid_t current = 0, newest = 0;
  int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return 0;
  }
  while ((len = read(file, text, sizeof text)) > 0) { /* "4711 4712 ", the newest child last */
    for (ssize_t i = 0; i < len; i++) {
      bool is_digit = text[i] >= '0' && text[i] <= '9';
      newest = is_digit ? newest : current;
      current = is_digit ? current * 10 + (text[i] - '0') : 0;
    }
  }
  close(file);
  return newest;
}
