#include "client/src/connection/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/src/connection/backoff.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/child.h"
#include "client/src/connection/reply.h"
#include "client/src/transport/descriptor.h"
#include "client/src/transport/dial_error.h"
#include "proto/base/clock.h"
#include "proto/machine.h"
#include "proto/wire.h"

/* One attempt takes no longer, so that a lost SYN does not use up the whole call timeout. */
#define ATTEMPT_MS 3000
/* Of it, for shared memory: so much at most, and such a part; the rest is for the socket. */
#define LOCAL_ATTEMPT_MS 1000
#define LOCAL_ATTEMPT_SHARE 4
/* After shared memory failed, sockets are used for this long at least. */
#define LOCAL_REST_MS 1000
#define FIRST_REQUEST_BYTES_MAX 1024
#define LOG_LINE_BYTES_MAX 512
#define FIRST_REQUEST_ID 0x80ffffffu

/* One attempt, worked on without the mutex. */
struct attempt {
  struct link link;
  int error; /* as link_open's; 0: *reply is the answer */
  Holdfast__Response *reply;
  uint8_t session[HF_SESSION_BYTES]; /* of the reply, if it is a session */
};

static void fill_open(const hf_conn *conn, Holdfast__OpenSession *open,
                      uint8_t machine[HF_MACHINE_BYTES_MAX]) {
  open->grace_ms = conn->grace_ms;
  open->client = (ProtobufCBinaryData){strlen(conn->client), (uint8_t *)conn->client};
  open->machine = (ProtobufCBinaryData){machine_id(machine, HF_MACHINE_BYTES_MAX), machine};
  open->process = open->machine.len > 0 ? (uint64_t)getpid() : 0;
}

/* Encodes OpenSession, or ResumeSession of `session` unless that is NULL, as a whole frame; answers
 * its length. */
static size_t encode_first(const hf_conn *conn, const uint8_t *session, uint64_t resume_attempt,
                           uint8_t frame[FIRST_REQUEST_BYTES_MAX]) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__ResumeSession resume = HOLDFAST__RESUME_SESSION__INIT;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  if (session != NULL) {
    request.session = (ProtobufCBinaryData){HF_SESSION_BYTES, (uint8_t *)(uintptr_t)session};
    request.operation_case = HOLDFAST__REQUEST__OPERATION_RESUME_SESSION;
    request.resume_session = &resume;
    resume.attempt = resume_attempt;
    if (conn->is_forked) {
      resume.machine = (ProtobufCBinaryData){machine_id(machine, sizeof machine), machine};
      resume.process = (uint64_t)getpid();
    }
  } else {
    request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
    request.open_session = &open;
    fill_open(conn, &open, machine);
  }
  struct sp_route route = sp_route_of(FIRST_REQUEST_ID);
  size_t body_len = route.len + holdfast__request__get_packed_size(&request);
  size_t prefix_len = sp_prefix_write(conn->transport->framing, frame, body_len);
  memcpy(frame + prefix_len, route.words, route.len);
  holdfast__request__pack(&request, frame + prefix_len + route.len);
  return prefix_len + body_len;
}

/* Receives the first reply; what follows it stays in the input. 0 or an errno. */
static int receive_first(hf_conn *conn, struct attempt *attempt, uint64_t deadline_ns) {
  bool is_cancelled = false;
  for (;;) {
    if (is_cancelled) {
      return ECANCELED;
    }
    struct bytes input = bytes_of(conn->input, conn->input_end), body, payload;
    struct sp_route route;
    size_t used, needed = 0;
    enum sp_result result =
        sp_frame_read(conn->transport->framing, input, REPLY_BODY_BYTES_MAX, &body, &used, &needed);
    if (result == SP_OK) {
      conn->input_start = used;
      return sp_route_read(body, &route, &payload) == SP_OK &&
                     wire_unpack_response(payload, &conn->reply_arena, &attempt->reply) ==
                         HF_REASON_NONE
                 ? 0
                 : EPROTO;
    }
    if (result != SP_MORE || !conn_input_reserve(conn, needed)) {
      return EPROTO;
    }
    ssize_t received = link_recv(&attempt->link, conn->input + conn->input_end,
                                 conn->input_capacity - conn->input_end);
    if (received > 0) {
      conn->input_end += (size_t)received;
    } else if (received == 0 || errno != EAGAIN) {
      return received == 0 ? ECONNRESET : errno;
    } else if (link_wait_or(&attempt->link, POLLIN, conn->cancel_fd, &is_cancelled, deadline_ns) ==
                   0 &&
               clock_now_ns() >= deadline_ns) {
      return ETIMEDOUT;
    }
  }
}

static bool is_session(const Holdfast__Response *reply) {
  return reply->status == HF_OK && reply->result_case == HOLDFAST__RESPONSE__RESULT_SESSION &&
         reply->session->id.len == HF_SESSION_BYTES;
}

/* Sends the first request over the attempt's link, which is open, and awaits its reply; closes the
 * link on failure. */
static void exchange_first(hf_conn *conn, struct attempt *attempt, const uint8_t *session,
                           uint64_t deadline_ns) {
  uint8_t frame[FIRST_REQUEST_BYTES_MAX];
  size_t frame_len = encode_first(conn, session, ++conn->resume_attempt, frame);
  conn->input_start = conn->input_end = 0;
  attempt->error = link_send_all(&attempt->link, frame, frame_len, deadline_ns);
  if (attempt->error == 0) {
    attempt->error = receive_first(conn, attempt, deadline_ns);
  }
  if (attempt->error != 0) {
    link_close(&attempt->link);
  } else if (is_session(attempt->reply)) {
    memcpy(attempt->session, attempt->reply->session->id.data, HF_SESSION_BYTES);
  }
}

/* Through shared memory, if there is any. A failure leaves the attempt to a socket. */
static void attempt_local(hf_conn *conn, struct attempt *attempt, const uint8_t *session,
                          uint64_t deadline_ns) {
  const char *why = NULL;
  uint64_t now_ns = clock_now_ns();
  uint64_t local_ns = clock_deadline_ns(now_ns, LOCAL_ATTEMPT_MS);
  uint64_t share_ns = now_ns;
  attempt->error = EAGAIN;
  /* A session is opened only where the door is known to be this server's; resuming one shows it. */
  bool may_try = conn->door[0] != '\0' && (conn->is_door_proven || session != NULL);
  if (!conn->wants_local || !may_try || now_ns < conn->local_rest_until_ns) {
    return;
  }
  if (deadline_ns > now_ns) {
    share_ns += (deadline_ns - now_ns) / LOCAL_ATTEMPT_SHARE;
  }
  local_ns = local_ns < share_ns ? local_ns : share_ns;
  attempt->error =
      link_open_local(&attempt->link, conn->door, conn->transport->framing, SP_REQ, local_ns, &why);
  if (attempt->error == 0) {
    exchange_first(conn, attempt, session, local_ns);
    why = attempt->error == 0 ? NULL : "the server let us in, but did not answer there";
  }
  if (attempt->error == 0 && !is_session(attempt->reply)) {
    link_close(&attempt->link);
    attempt->error = EPROTO;
    why = "the server at the door does not take the session"; /* a socket's has the last word */
  }
  if (attempt->error != 0) {
    conn->local_rest_until_ns = clock_deadline_ns(clock_now_ns(), LOCAL_REST_MS);
  }
  if (attempt->error == 0) {
    conn_lock(conn);
    conn->is_door_proven = true;
    conn_unlock(conn);
  }
  atomic_store(&conn->no_local, why);
}

static void attempt_socket(hf_conn *conn, struct attempt *attempt, const uint8_t *session,
                           uint64_t deadline_ns) {
  conn->dialling.deadline_ns = deadline_ns;
  conn->dialling.dead_after_ms = conn->call_timeout_ms;
  conn->dialling.cancel_fd = conn->cancel_fd;
  attempt->error =
      link_open(&attempt->link, conn->transport, conn->address, SP_REQ, SP_REP, &conn->dialling);
  if (attempt->error == 0) {
    exchange_first(conn, attempt, session, deadline_ns);
  }
  if (attempt->error != ECANCELED) {
    conn_lock(conn);
    dialling_note(&conn->dialling, attempt->error == 0);
    conn_unlock(conn);
  }
}

/* The server may be anybody's. Whose socket is there is looked at before anything is said. */
static bool is_door_path(struct bytes path) {
  return path.len > 0 && path.len < CONN_DOOR_BYTES_MAX && path.data[0] == '/' &&
         memchr(path.data, '\0', path.len) == NULL;
}

/* A session that was just opened over tcp with a server on this machine goes on in shared memory.
 * What fails leaves it where it is. */
static void move_to_local(hf_conn *conn, struct attempt *attempt, uint64_t deadline_ns) {
  struct attempt moved = {.link = {.fd = -1}};
  const Holdfast__Session *session = attempt->reply->session;
  if (!is_door_path(bytes_of(session->door.data, session->door.len))) {
    atomic_store(&conn->no_local, "the path that the server names for its door is none");
    return;
  }
  conn_set_door(conn, bytes_of(session->door.data, session->door.len));
  attempt_local(conn, &moved, attempt->session, deadline_ns);
  if (moved.error == 0) {
    link_close(&attempt->link);
    *attempt = moved;
  } else {
    conn->input_start = conn->input_end = 0; /* what was there is the door's */
  }
}

/* Without the mutex: touches only what is the poll leader's, and what never changes. */
static void make_attempt(hf_conn *conn, struct attempt *attempt, uint64_t deadline_ns) {
  const uint8_t *session = conn->has_session || conn->is_forked ? conn->session : NULL;
  arena_reset(&conn->reply_arena);
  attempt_local(conn, attempt, session, deadline_ns);
  if (attempt->error == 0) {
    return;
  }
  attempt_socket(conn, attempt, session, deadline_ns);
  if (attempt->error == 0 && session == NULL && is_session(attempt->reply) &&
      attempt->reply->session->door.len > 0 && conn->transport != &transport_ipc) {
    move_to_local(conn, attempt, deadline_ns);
  }
}

/* By one write, so that the lines of several processes stay whole. Who closed standard error does
 * not want to know, and is not to die of it: a SIGPIPE of ours is taken away before it is
 * delivered. */
static void write_line(const char *line, size_t len) {
  const struct timespec at_once = {0};
  sigset_t pipe_only, before, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  if (write(STDERR_FILENO, line, len) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE)) {
    sigtimedwait(&pipe_only, NULL, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* HOLDFAST_LOG=connect: a line for each connection made. */
static void tell_path(const hf_conn *conn) {
  const char *wish = getenv("HOLDFAST_LOG"), *why = atomic_load(&conn->no_local);
  char line[LOG_LINE_BYTES_MAX];
  if (wish == NULL || strcmp(wish, "connect") != 0) {
    return;
  }
  int len =
      snprintf(line, sizeof line, "holdfast: %.64s[%ld] calls %.256s over %s%s%s\n",
               program_invocation_short_name, (long)getpid(), conn->url, conn->link.transport->name,
               why != NULL ? ", not shared memory: " : "", why != NULL ? why : "");
  write_line(line, (size_t)len);
}

/* Shows whether the server answers at all. Requests that wait don't: over a network that cuts each
 * link soon a server that is well would look like one that lets clients in and answers nothing. */
static void ask_for_life(hf_conn *conn) {
  Holdfast__Ping arm = HOLDFAST__PING__INIT;
  const struct envelope envelope = {
      .timeout_ms = -1, .operation = OPERATION(PING), .arm = &arm.base};
  if (conn->window.oldest != NULL && conn->window.used_count < WINDOW_SLOTS_MAX) {
    (void)window_add(&conn->window, conn->transport->framing, &envelope);
  }
}

static void come_up(hf_conn *conn, const struct attempt *attempt) {
  const Holdfast__Session *session = attempt->reply->session;
  memcpy(conn->session, attempt->session, HF_SESSION_BYTES);
  conn->has_session = true;
  conn->is_forked = false;
  conn->session_missing = 0;
  uint32_t count_max = session->window_count < session->in_flight_count ? session->window_count
                                                                        : session->in_flight_count;
  conn->window.used_count_max =
      count_max > 0 && count_max < HF_WINDOW_COUNT_MAX ? count_max : HF_WINDOW_COUNT_MAX;
  conn->window.parked_count_max = conn->window.used_count_max;
  if (session->frame_bytes_max > 0 && session->frame_bytes_max < HF_FRAME_BYTES_MAX) {
    atomic_store_explicit(&conn->frame_bytes_max, session->frame_bytes_max, memory_order_relaxed);
  }
  conn->link = attempt->link;
  conn->state = CONN_UP;
  conn->up_since_ns = clock_now_ns();
  conn->has_answered = false;
  tell_path(conn);
  window_rewind(&conn->window, conn->transport->framing);
  if (conn->flap_count > 0) {
    ask_for_life(conn);
  }
  conn_write(conn);
  conn_wake(conn, true);
}

/* The pause leaves each call time for attempts of its own, also where that is short: a server that is
 * back again must be found. */
static void retry_later(hf_conn *conn, int error) {
  uint64_t longest_ns = (uint64_t)conn->call_timeout_ms * CLOCK_NS_PER_MS / 4;
  uint64_t pause_ns = backoff_ns(conn->retry_count++);
  conn->dial_error = error;
  conn->retry_at_ns = clock_now_ns() + (pause_ns < longest_ns ? pause_ns : longest_ns);
}

void session_end(hf_conn *conn, struct failure *failure) {
  free(conn->ended);
  conn->ended = failure;
  conn->state = CONN_ENDED;
  conn->session_missing = 0;
  conn->is_broken = false;
  /* Not closed here: another thread may be about to send on it. Closed with the connection. */
  if (conn->link.fd >= 0) {
    link_cut(&conn->link);
  }
  while (conn->window.oldest != NULL) {
    reply_finish(conn, conn->window.oldest, NULL, failure_copy(failure));
  }
  conn_wake(conn, true);
}

/* What the server said to Open- or ResumeSession. */
static void settle(hf_conn *conn, struct attempt *attempt) {
  const Holdfast__Response *reply = attempt->reply;
  if (is_session(reply)) {
    come_up(conn, attempt);
    return;
  }
  link_close(&attempt->link);
  if (conn->is_forked && reply->status == HF_FAILED_PRECONDITION) {
    child_give_up(conn);
  } else if (reply->status == HF_ABORTED || reply->status == HF_UNAVAILABLE) {
    retry_later(conn, DIAL_PUT_OFF); /* a later attempt will do, or a later server */
  } else if (reply->status == HF_OK) {
    session_end(conn, failure_of(HF_REASON_BAD_REPLY));
  } else {
    session_end(conn, failure_of_reply(reply));
  }
}

void session_establish(hf_conn *conn, uint64_t deadline_ns) {
  struct attempt attempt = {.link = {.fd = -1}};
  uint64_t now_ns = clock_now_ns();
  if (now_ns < conn->retry_at_ns) {
    uint64_t until_ns = conn->retry_at_ns < deadline_ns ? conn->retry_at_ns : deadline_ns;
    conn_unlock(conn);
    if (descriptor_wait(conn->cancel_fd, POLLIN, until_ns) != 0) {
      cancel_hear(conn);
    }
    conn_lock(conn);
    return;
  }
  uint64_t attempt_ns = clock_deadline_ns(now_ns, ATTEMPT_MS);
  conn_unlock(conn);
  make_attempt(conn, &attempt, attempt_ns < deadline_ns ? attempt_ns : deadline_ns);
  conn_lock(conn);
  if (attempt.error == 0) {
    settle(conn, &attempt);
  } else if (attempt.error == ECANCELED) {
    cancel_hear(conn); /* the calls that go on begin another attempt */
  } else {
    retry_later(conn, attempt.error);
  }
}
