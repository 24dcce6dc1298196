#include "client/src/connection/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/src/connection/attempt.h"
#include "client/src/connection/backoff.h"
#include "client/src/connection/child.h"
#include "client/src/connection/reply.h"
#include "client/src/transport/dial_error.h"
#include "proto/base/clock.h"

/* The bound of one attempt, so that a lost SYN does not use up the call timeout. */
#define ATTEMPT_MS 3000
#define LOG_LINE_BYTES_MAX 512

/* Writes a line by one write(2), so that lines of several processes are not mixed. A closed
 * standard error is ignored: a SIGPIPE caused here is consumed before delivery. */
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

/* HOLDFAST_LOG=connect: logs a line for each connection made. */
static void log_path(const hf_conn *conn) {
  const char *preference = getenv("HOLDFAST_LOG"), *why = atomic_load(&conn->no_local);
  char line[LOG_LINE_BYTES_MAX];
  if (preference == NULL || strcmp(preference, "connect") != 0) {
    return;
  }
  int len =
      snprintf(line, sizeof line, "holdfast: %.64s[%ld] calls %.256s over %s%s%s\n",
               program_invocation_short_name, (long)getpid(), conn->url, conn->link.transport->name,
               why != NULL ? ", not shared memory: " : "", why != NULL ? why : "");
  write_line(line, (size_t)len);
}

/* Sends a Ping, since waiting requests do not show whether the server answers: a network that cuts
 * each link soon would make a healthy server look like one that accepts connections and answers
 * nothing. */
static void probe_server(hf_conn *conn) {
  Holdfast__Ping arm = HOLDFAST__PING__INIT;
  const struct envelope envelope = {
      .timeout_ms = -1, .operation = OPERATION(PING), .arm = &arm.base};
  if (conn->window.oldest != NULL && conn->window.used_count < WINDOW_SLOTS_MAX) {
    (void)window_add(&conn->window, conn->transport->framing, &envelope);
  }
}

static void session_established(hf_conn *conn, const struct attempt *attempt) {
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
  conn->change_count++;
  conn->up_since_ns = clock_now_ns();
  conn->has_answered = false;
  log_path(conn);
  window_rewind(&conn->window, conn->transport->framing);
  if (conn->flap_count > 0) {
    probe_server(conn);
  }
  conn_write(conn);
  conn_wake(conn, true);
}

/* Sets the time of the next attempt. The pause is at most a quarter of the call timeout, so that
 * each call has several attempts. An attempt that a call's deadline cut short leaves the answer of
 * the one before it. */
static void retry_later(hf_conn *conn, int error, bool is_cut_short) {
  uint64_t longest_ns = (uint64_t)conn->call_timeout_ms * CLOCK_NS_PER_MS / 4;
  uint64_t pause_ns = backoff_ns(conn->retry_count++);
  if (!is_cut_short || conn->dial_error != DIAL_LOADING) {
    conn->dial_error = error;
  }
  conn->retry_at_ns = clock_now_ns() + (pause_ns < longest_ns ? pause_ns : longest_ns);
}

void session_end(hf_conn *conn, struct failure *failure) {
  free(conn->ended);
  conn->ended = failure;
  conn->state = CONN_ENDED;
  conn->session_missing = 0;
  conn->is_broken = false;
  /* Closed with the connection: another thread may be about to send on the link. */
  if (conn->link.fd >= 0) {
    link_cut(&conn->link);
  }
  while (conn->window.oldest != NULL) {
    reply_finish(conn, conn->window.oldest, NULL, failure_copy(failure));
  }
  conn_wake(conn, true);
}

/* Processes the reply to OpenSession or ResumeSession. */
static void settle(hf_conn *conn, struct attempt *attempt) {
  const Holdfast__Response *reply = attempt->reply;
  if (attempt_has_session(attempt)) {
    session_established(conn, attempt);
    return;
  }
  link_close(&attempt->link);
  if (conn->is_forked && reply->status == HF_FAILED_PRECONDITION) {
    child_give_up(conn);
  } else if (reply->status == HF_ABORTED || reply->status == HF_UNAVAILABLE) {
    /* another attempt, or a restarted server, may succeed */
    retry_later(conn, reply_means(reply, HF_REASON_LOADING) ? DIAL_LOADING : DIAL_PUT_OFF, false);
  } else if (reply->status == HF_OK) {
    session_end(conn, failure_of(HF_REASON_BAD_REPLY));
  } else {
    session_end(conn, failure_of_reply(reply));
  }
}

static struct failure *failure_of_refusal(hf_reason reason, const char *sentence) {
  return failure_new(hf_reason_status(reason), bytes_of_text(hf_reason_name(reason)),
                     bytes_of_text(sentence));
}

void session_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits) {
  uint64_t now_ns = clock_now_ns();
  waits_init(waits);
  if (conn->attempt->way == ATTEMPT_NONE && now_ns < conn->retry_at_ns) {
    waits_until(waits, conn->retry_at_ns);
    return;
  }
  const uint8_t *session = conn->has_session || conn->is_forked ? conn->session : NULL;
  conn_unlock(conn);
  if (conn->attempt->way == ATTEMPT_NONE) {
    uint64_t attempt_ns = clock_deadline_ns(now_ns, ATTEMPT_MS);
    attempt_begin(conn, session, attempt_ns < deadline_ns ? attempt_ns : deadline_ns);
  }
  int error = attempt_step(conn, waits);
  hf_reason reason = dial_error_reason(error, session != NULL);
  conn_lock(conn);
  conn->change_count++;
  if (error == 0) {
    settle(conn, conn->attempt);
    waits_until(waits, conn->state == CONN_DOWN ? conn->retry_at_ns : CLOCK_NEVER);
  } else if (reason != HF_REASON_NONE) {
    session_end(conn, failure_of_refusal(reason, conn->dialling.refusal));
  } else if (error != STEP_WAITS) {
    retry_later(conn, error, error == ETIMEDOUT && clock_now_ns() >= deadline_ns);
    waits_until(waits, conn->retry_at_ns);
  }
}
