#include "client/src/connection/attempt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/src/connection/reply.h"
#include "proto/base/clock.h"
#include "proto/machine.h"
#include "proto/wire.h"

/* The bound and the part of an attempt for the local handshake; the rest is for the socket. */
#define LOCAL_ATTEMPT_MS 1000
#define LOCAL_ATTEMPT_SHARE 4
/* After a failure of shared memory sockets are used for at least this time. */
#define LOCAL_REST_MS 1000
/* The bound of a TLS handshake. It goes on when the call that began it is given up: the next call finds
 * its place in the server's line. Sessions wait for so long, too: HF_GRACE_HELD_MS_MAX. */
#define HANDSHAKE_MS 30000
#define FIRST_REQUEST_ID 0x80ffffffu

/* ---------------------------------------------------------------- the first request */

static void fill_open(const hf_conn *conn, Holdfast__OpenSession *open,
                      uint8_t machine[HF_MACHINE_BYTES_MAX]) {
  open->grace_ms = conn->grace_ms;
  open->client = (ProtobufCBinaryData){strlen(conn->client), (uint8_t *)conn->client};
  open->machine = (ProtobufCBinaryData){machine_id(machine, HF_MACHINE_BYTES_MAX), machine};
  open->process = open->machine.len > 0 ? (uint64_t)getpid() : 0;
}

/* Encodes OpenSession or ResumeSession as a whole frame. */
static void encode_first(hf_conn *conn, struct attempt *attempt) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__ResumeSession resume = HOLDFAST__RESUME_SESSION__INIT;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  conn->resume_attempt++;
  if (attempt->resumes) {
    request.session = (ProtobufCBinaryData){HF_SESSION_BYTES, attempt->session};
    request.operation_case = HOLDFAST__REQUEST__OPERATION_RESUME_SESSION;
    request.resume_session = &resume;
    resume.attempt = conn->resume_attempt;
    resume.machine = (ProtobufCBinaryData){machine_id(machine, sizeof machine), machine};
    resume.process = resume.machine.len > 0 ? (uint64_t)getpid() : 0;
  } else {
    request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
    request.open_session = &open;
    fill_open(conn, &open, machine);
  }
  struct sp_route route = sp_route_of(FIRST_REQUEST_ID);
  size_t body_len = route.len + holdfast__request__get_packed_size(&request);
  size_t prefix_len = sp_prefix_write(conn->transport->framing, attempt->frame, body_len);
  memcpy(attempt->frame + prefix_len, route.words, route.len);
  holdfast__request__pack(&request, attempt->frame + prefix_len + route.len);
  attempt->frame_len = prefix_len + body_len;
  attempt->sent = 0;
  conn->input_start = conn->input_end = 0;
}

static int read_reply(hf_conn *conn, struct attempt *attempt, struct bytes body) {
  struct sp_route route;
  struct bytes payload;
  if (sp_route_read(body, &route, &payload) != SP_OK ||
      wire_unpack_response(payload, &conn->reply_arena, &attempt->reply) != HF_REASON_NONE) {
    return EPROTO;
  }
  if (attempt_has_session(attempt)) {
    memcpy(attempt->session, attempt->reply->session->id.data, HF_SESSION_BYTES);
  }
  return 0;
}

/* Receives the first reply; bytes after it stay in the input. */
static int receive_first(hf_conn *conn, struct attempt *attempt, struct waits *waits) {
  for (;;) {
    struct bytes input = bytes_of(conn->input, conn->input_end), body;
    size_t used, needed = 0;
    enum sp_result result =
        sp_frame_read(conn->transport->framing, input, REPLY_BODY_BYTES_MAX, &body, &used, &needed);
    if (result == SP_OK) {
      conn->input_start = used;
      return read_reply(conn, attempt, body);
    }
    if (result != SP_MORE || !conn_input_reserve(conn, needed)) {
      return EPROTO;
    }
    size_t end = conn->input_end; /* to read at least one byte more */
    int error = link_recv_some(&attempt->link, conn->input, conn->input_capacity, &end, waits);
    if (error != 0) {
      return error;
    }
    conn->input_end = end;
  }
}

bool attempt_has_session(const struct attempt *attempt) {
  const Holdfast__Response *reply = attempt->reply;
  return reply->status == HF_OK && reply->result_case == HOLDFAST__RESPONSE__RESULT_SESSION &&
         reply->session->id.len == HF_SESSION_BYTES;
}

/* ---------------------------------------------------------------- a way */

/* The current way of the attempt. On failure the link is closed. */
static int step_way(hf_conn *conn, struct attempt *attempt, struct waits *waits) {
  int error = 0;
  if (!attempt->is_open) {
    error = opening_step(&attempt->opening, &attempt->link, waits);
    if (attempt->way == ATTEMPT_SOCKET) {
      attempt->deadline_ns = attempt->way_until_ns = attempt->opening.deadline_ns;
    }
    if (error != 0) {
      return error;
    }
    attempt->is_open = true;
    encode_first(conn, attempt);
  }
  error = link_send_step(&attempt->link, attempt->frame, attempt->frame_len, &attempt->sent, waits);
  if (error == 0) {
    error = receive_first(conn, attempt, waits);
  }
  if (error == STEP_WAITS && clock_now_ns() < attempt->way_until_ns) {
    waits_until(waits, attempt->way_until_ns);
    return STEP_WAITS;
  }
  error = error == STEP_WAITS ? ETIMEDOUT : error;
  if (error != 0) {
    link_close(&attempt->link);
  }
  return error;
}

static void begin_socket(hf_conn *conn, struct attempt *attempt) {
  attempt->way = ATTEMPT_SOCKET;
  attempt->way_until_ns = attempt->deadline_ns;
  attempt->is_open = false;
  conn->dialling.dead_after_ms = conn->call_timeout_ms;
  conn->dialling.handshake_ms = HANDSHAKE_MS;
  opening_begin(&attempt->opening, conn->transport, conn->address, SP_REQ, SP_REP, &conn->dialling,
                attempt->deadline_ns);
}

/* A session is opened only by a proven local handshake; resuming a session proves it. */
static bool may_go_local(const hf_conn *conn, const struct attempt *attempt) {
  bool may_try = conn->local_path[0] != '\0' && (conn->is_local_path_proven || attempt->resumes);
  return conn->wants_local && may_try && clock_now_ns() >= conn->local_retry_ns;
}

static void begin_local(hf_conn *conn, struct attempt *attempt, enum attempt_way way) {
  uint64_t now_ns = clock_now_ns(), deadline_ns = attempt->deadline_ns;
  uint64_t local_ns = clock_deadline_ns(now_ns, LOCAL_ATTEMPT_MS);
  uint64_t share_ns = now_ns;
  if (deadline_ns > now_ns) {
    share_ns += (deadline_ns - now_ns) / LOCAL_ATTEMPT_SHARE;
  }
  attempt->way = way;
  attempt->way_until_ns = local_ns < share_ns ? local_ns : share_ns;
  attempt->is_open = false;
  opening_begin_local(&attempt->opening, conn->local_path, conn->transport->framing, SP_REQ,
                      attempt->way_until_ns);
}

/* On failure the attempt continues with a socket, whose reply decides. */
static int end_local(hf_conn *conn, struct attempt *attempt, int error) {
  const char *why = NULL;
  if (error != 0) {
    why =
        attempt->is_open ? "the server let us in, but did not answer there" : attempt->opening.why;
  } else if (!attempt_has_session(attempt)) {
    link_close(&attempt->link);
    error = EPROTO;
    why = "the server at the local handshake does not take the session";
  }
  if (error != 0) {
    conn->local_retry_ns = clock_deadline_ns(clock_now_ns(), LOCAL_REST_MS);
  } else {
    conn_lock(conn);
    conn->is_local_path_proven = true;
    conn_unlock(conn);
  }
  atomic_store(&conn->no_local, why);
  return error;
}

/* ---------------------------------------------------------------- from way to way */

/* Checks the path before it is used: the server may be hostile. */
static bool is_local_path(struct bytes path) {
  return path.len > 0 && path.len < CONN_LOCAL_PATH_BYTES_MAX && path.data[0] == '/' &&
         memchr(path.data, '\0', path.len) == NULL;
}

/* A server that was started again may name another path than before. */
static void learn_local_path(hf_conn *conn, struct bytes path) {
  if (!bytes_equal(path, bytes_of_text(conn->local_path))) {
    conn_set_local_path(conn, path);
    conn->local_retry_ns = 0;
  }
}

/* A session over tcp with a server on this machine moves to shared memory. On failure it stays on
 * tcp. A session that was resumed moves only to a path that was not known before. */
static bool begin_move(hf_conn *conn, struct attempt *attempt) {
  if (!attempt_has_session(attempt) || conn->transport == &transport_ipc) {
    return false;
  }
  const Holdfast__Session *session = attempt->reply->session;
  struct bytes path = bytes_of(session->local_handshake.data, session->local_handshake.len);
  if (path.len == 0) {
    return false;
  }
  if (!is_local_path(path)) {
    atomic_store(&conn->no_local, "the server's local handshake has no absolute path");
    return false;
  }
  learn_local_path(conn, path);
  attempt->resumes = true;
  if (!may_go_local(conn, attempt)) {
    return false;
  }
  attempt->kept_link = attempt->link;
  attempt->link.fd = -1;
  attempt->kept_reply = attempt->reply;
  begin_local(conn, attempt, ATTEMPT_MOVE);
  return true;
}

static void end_move(hf_conn *conn, struct attempt *attempt, int error) {
  if (error == 0) {
    link_close(&attempt->kept_link);
    return;
  }
  attempt->link = attempt->kept_link;
  attempt->kept_link.fd = -1;
  attempt->reply = attempt->kept_reply;
  conn->input_start = conn->input_end = 0; /* it came over the local handshake's link */
}

/* Whether the socket, too, found no server, or one that is not ready. A busy one is there. */
static bool was_away(const struct attempt *attempt, int error) {
  return error == ECONNREFUSED || error == ENOENT ||
         (error == 0 && reply_means(attempt->reply, HF_REASON_LOADING));
}

/* Whether the attempt continues in another way. */
static bool goes_on(hf_conn *conn, struct attempt *attempt, int *error) {
  switch (attempt->way) {
    case ATTEMPT_LOCAL:
      *error = end_local(conn, attempt, *error);
      if (*error != 0) {
        begin_socket(conn, attempt);
      }
      return *error != 0;
    case ATTEMPT_SOCKET:
      conn_lock(conn);
      dialling_record(&conn->dialling, *error == 0);
      conn_unlock(conn);
      if (was_away(attempt, *error)) {
        conn->local_retry_ns = 0; /* it was the server itself, rather than its shared memory */
      }
      return *error == 0 && begin_move(conn, attempt);
    default:
      end_move(conn, attempt, end_local(conn, attempt, *error));
      *error = 0;
      return false;
  }
}

void attempt_begin(hf_conn *conn, const uint8_t *session, uint64_t deadline_ns) {
  struct attempt *attempt = conn->attempt;
  arena_reset(&conn->reply_arena);
  attempt->deadline_ns = deadline_ns;
  attempt->link.fd = attempt->kept_link.fd = -1;
  attempt->resumes = session != NULL;
  if (session != NULL) {
    memcpy(attempt->session, session, HF_SESSION_BYTES);
  }
  if (may_go_local(conn, attempt)) {
    begin_local(conn, attempt, ATTEMPT_LOCAL);
  } else {
    begin_socket(conn, attempt);
  }
}

int attempt_step(hf_conn *conn, struct waits *waits) {
  struct attempt *attempt = conn->attempt;
  int error;
  do {
    error = step_way(conn, attempt, waits);
    if (error == STEP_WAITS) {
      return STEP_WAITS;
    }
  } while (goes_on(conn, attempt, &error));
  attempt->way = ATTEMPT_NONE;
  return error;
}

void attempt_end(hf_conn *conn) {
  struct attempt *attempt = conn->attempt;
  if (attempt->way != ATTEMPT_NONE) {
    opening_end(&attempt->opening);
    link_close(&attempt->link);
    link_close(&attempt->kept_link);
    attempt->way = ATTEMPT_NONE;
  }
}

void attempt_become_child(hf_conn *conn, bool is_whole) {
  if (is_whole) {
    attempt_end(conn);
  }
  conn->attempt->way = ATTEMPT_NONE;
}
