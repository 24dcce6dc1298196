#include "client/src/connection/leader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "client/src/connection/attempt.h"
#include "client/src/connection/backoff.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/interrupt.h"
#include "client/src/connection/landing.h"
#include "client/src/connection/reply.h"
#include "client/src/connection/session.h"
#include "client/src/connection/withdraw.h"
#include "proto/base/clock.h"
#include "proto/wire.h"

/* An empty input buffer larger than this is shrunk. */
#define INPUT_KEEP_BYTES (1u << 20)
/* A thread that waits for room to send checks again after this time. */
#define ROOM_SLICE_MS 20

/* The bound of doublings of the pause between links that answer nothing. */
#define FLAP_BACKOFF_MAX 6

/* ---------------------------------------------------------------- links */

/* A link was useful if it brought a reply, or lasted longer than a call may take: waits without
 * limit have no reply. A server that accepts connections and answers nothing does not renew the
 * time of calls, and is tried less and less often. */
static void record_loss(hf_conn *conn) {
  uint64_t now_ns = clock_now_ns();
  uint64_t useful_ns = clock_deadline_ns(conn->up_since_ns, (uint64_t)conn->call_timeout_ms);
  if (conn->has_answered || now_ns >= useful_ns) {
    conn->lost_since_ns = now_ns;
    conn->retry_count = conn->flap_count = 0;
    conn->retry_at_ns = 0;
  } else {
    /* A server that accepts connections is tried more often than an unreachable one. */
    uint32_t retry_count =
        conn->flap_count < FLAP_BACKOFF_MAX ? conn->flap_count : FLAP_BACKOFF_MAX;
    conn->retry_at_ns = now_ns + backoff_ns(retry_count);
    conn->retry_count = 0;
    conn->flap_count++;
  }
}

/* For the poll leader: closes the broken link. */
static void take_down(hf_conn *conn) {
  const struct timespec pause = {.tv_nsec = 100000};
  /* link_cut wakes them; the descriptor stays open until they are done. */
  while (conn->room_count > 0) {
    conn_unlock(conn);
    nanosleep(&pause, NULL);
    conn_lock(conn);
  }
  link_close(&conn->link);
  conn->is_broken = false;
  conn->owes_acknowledgement |= conn->has_acknowledged;
  conn->has_acknowledged = false;
  conn->input_start = conn->input_end = 0;
  conn->landing = (struct landing){.left = 0};
  conn->state = CONN_DOWN;
  conn->change_count++;
  record_loss(conn);
  window_rewind(&conn->window, conn->transport->framing);
  withdraw_submit(conn);
  conn_wake(conn, true);
}

/* ---------------------------------------------------------------- replies */

/* The request was not performed. It is resent after a backoff, after an Acknowledge of all received
 * replies; a request that is being withdrawn is not. */
static void refuse(hf_conn *conn, struct slot *slot) {
  if (slot->withdrawal != WITHDRAWAL_NONE) {
    reply_finish(conn, slot, NULL, failure_of(HF_REASON_CANCELLED));
    return;
  }
  if (conn->window.refused_count == 0) {
    conn->resend_at_ns = clock_now_ns() + backoff_ns(conn->resend_count++);
  }
  window_refuse(&conn->window, slot);
}

static void resend_refused(hf_conn *conn) {
  if (conn->window.refused_count == 0 || clock_now_ns() < conn->resend_at_ns) {
    return;
  }
  if (!window_resend_refused(&conn->window, conn->transport->framing)) {
    conn->resend_at_ns = clock_now_ns() + backoff_ns(0);
  }
  withdraw_submit(conn);
}

static bool hand_out(hf_conn *conn, struct bytes body) {
  struct sp_route route;
  struct bytes payload;
  Holdfast__Response *reply;
  conn->landing.is_usual = false;
  if (sp_route_read(body, &route, &payload) != SP_OK) {
    return false;
  }
  arena_reset(&conn->reply_arena);
  conn->reply_arena.budget_bytes = reply_unpack_bytes_max(payload.len);
  hf_reason reason = wire_unpack_response(payload, &conn->reply_arena, &reply);
  uint64_t sequence = reason == HF_REASON_NONE ? reply->sequence : 0;
  struct slot *slot = window_find(&conn->window, sp_route_id(&route), sequence);
  if (slot == NULL) {
    return true; /* the call was given up and the slot freed */
  }
  if (slot == conn->window.unsent && conn->window.unsent_offset > 0) {
    return false; /* a reply to a request that is not sent completely */
  }
  conn->has_answered = true;
  if (reason != HF_REASON_NONE) {
    bool is_bad = reason == HF_REASON_BAD_REPLY || reason == HF_REASON_TOO_DEEP;
    reply_finish_unread(conn, slot, is_bad ? HF_REASON_BAD_REPLY : HF_REASON_REPLY_TOO_BIG);
  } else if (reply->status == HF_OK) {
    conn->resend_count = 0;
    reply_finish(conn, slot, reply, NULL);
  } else if (reply_means(reply, HF_REASON_WINDOW_FULL)) {
    refuse(conn, slot);
  } else if (reply_means(reply, HF_REASON_SESSION_ENDED)) {
    session_end(conn, failure_of(HF_REASON_SESSION_ENDED));
  } else {
    reply_finish(conn, slot, reply, NULL);
  }
  return true;
}

/* Dispatches all complete messages of the input. false: the stream is invalid. */
static bool hand_out_all(hf_conn *conn) {
  while (conn->state == CONN_UP && conn->input_start < conn->input_end) {
    struct bytes rest =
        bytes_of(conn->input + conn->input_start, conn->input_end - conn->input_start);
    struct bytes body;
    size_t used, needed = 0;
    enum sp_result result =
        sp_frame_read(conn->transport->framing, rest, REPLY_BODY_BYTES_MAX, &body, &used, &needed);
    if (result == SP_MORE && landing_begin(conn, rest, needed)) {
      conn->input_start = conn->input_end;
      return true;
    }
    if (result == SP_MORE) {
      return conn_input_reserve(conn, needed);
    }
    if (result != SP_OK || !hand_out(conn, body)) {
      return false;
    }
    conn->input_start += used;
  }
  return true;
}

static void settle_input(hf_conn *conn) {
  if (conn->input_start < conn->input_end) {
    return;
  }
  conn->input_start = conn->input_end = 0;
  if (conn->input_capacity > INPUT_KEEP_BYTES) {
    uint8_t *smaller = realloc(conn->input, INPUT_KEEP_BYTES);
    if (smaller != NULL) {
      conn->input = smaller;
      conn->input_capacity = INPUT_KEEP_BYTES;
    }
  }
}

/* ---------------------------------------------------------------- leading */

/* Acknowledges received items, so that they are final even if this process dies. */
static void acknowledge(hf_conn *conn) {
  Holdfast__Acknowledge arm = HOLDFAST__ACKNOWLEDGE__INIT;
  const struct envelope envelope = {
      .timeout_ms = -1, .operation = OPERATION(ACKNOWLEDGE), .arm = &arm.base};
  if (!conn->owes_acknowledgement || conn->window.used_count >= WINDOW_SLOTS_MAX) {
    return;
  }
  struct slot *slot = window_add(&conn->window, conn->transport->framing, &envelope);
  if (slot != NULL) {
    slot->is_silent = true;
    conn->owes_acknowledgement = false;
    conn->has_acknowledged = true;
    conn_write(conn);
  }
}

/* Processes what the link brought: `received` bytes, or an errno. */
static void take_input(hf_conn *conn, ssize_t received, int error) {
  if (received > 0) {
    conn->input_end += (size_t)received;
    error = hand_out_all(conn) ? 0 : EPROTO;
    settle_input(conn);
  }
  if (conn->landing.left > 0 && (error == 0 || error == EAGAIN)) {
    int landed = landing_receive(conn);
    error = landed == EAGAIN ? error : landed;
  }
  if (error == 0 || received > 0) {
    withdraw_submit(conn);
    acknowledge(conn);
    conn_wake(conn, false);
  }
  if (error != 0 && error != EAGAIN) {
    conn_cut_link(conn, error);
  }
}

/* Nothing while a reply lands, which take_input receives. */
static ssize_t receive(hf_conn *conn, int *error) {
  if (conn->landing.left > 0) {
    *error = EAGAIN;
    return -1;
  }
  size_t room = landing_room(conn, conn->input_capacity - conn->input_end);
  ssize_t received = link_recv(&conn->link, conn->input + conn->input_end, room);
  *error = received == 0 ? ECONNRESET : errno;
  return received;
}

/* Waits once for the link, without the mutex, and processes its input. Whether nothing came. */
static bool lead_link(hf_conn *conn, uint64_t deadline_ns) {
  short events = conn->window.unsent != NULL ? POLLIN | POLLOUT : POLLIN;
  ssize_t received = -1;
  int error = EAGAIN;
  bool is_cancel;
  if (conn->window.refused_count > 0 && conn->resend_at_ns < deadline_ns) {
    deadline_ns = conn->resend_at_ns;
  }
  conn_unlock(conn);
  short ready = link_wait_or(&conn->link, events, conn->cancel_fd, &is_cancel, deadline_ns);
  if (is_cancel) {
    cancel_drain(conn);
  }
  if ((ready & ~POLLOUT) != 0) {
    received = receive(conn, &error);
  }
  conn_lock(conn);
  take_input(conn, received, error);
  return ready == 0 && !is_cancel;
}

/* A step before the wait until until_ns, and one after it, since the deadline may have been the
 * attempt's. */
static void lead_session(hf_conn *conn, uint64_t deadline_ns, uint64_t until_ns) {
  struct waits waits;
  session_step(conn, deadline_ns, &waits);
  if (conn->state != CONN_DOWN) {
    return;
  }
  conn_unlock(conn);
  if (waits_block(&waits, conn->cancel_fd, until_ns)) {
    cancel_drain(conn);
  }
  conn_lock(conn);
  if (conn->attempt->way != ATTEMPT_NONE) {
    session_step(conn, deadline_ns, &waits);
  }
}

/* Writes everything that is due, as far as the link takes it now. */
static void write_due(hf_conn *conn) {
  acknowledge(conn);
  resend_refused(conn);
  conn_write(conn);
}

/* Waits until until_ns at most; an attempt to connect ends by deadline_ns. Whether nothing came. */
static bool lead(hf_conn *conn, uint64_t deadline_ns, uint64_t until_ns) {
  bool is_idle = false;
  conn->has_leader = true;
  (void)cancel_init(conn); /* without a descriptor hf_cancel takes effect after the wait */
  if (conn->state == CONN_UP && !conn->is_broken) {
    write_due(conn);
  }
  if (conn->state == CONN_DOWN) {
    lead_session(conn, deadline_ns, until_ns);
  } else if (conn->is_broken) {
    take_down(conn);
  } else {
    is_idle = lead_link(conn, until_ns);
  }
  conn->has_leader = false;
  return is_idle;
}

/* ---------------------------------------------------------------- waiting */

/* Follower: sleeps until woken. */
static void sleep_until(hf_conn *conn, const uint32_t *count, uint32_t limit,
                        uint64_t deadline_ns) {
  struct waiter waiter = {.count = count, .limit = limit, .next = conn->waiters};
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&waiter.cond, &attributes);
  conn->waiters = &waiter;
  if (deadline_ns == CLOCK_NEVER) {
    pthread_cond_wait(&waiter.cond, &conn->mutex);
  } else {
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                .tv_nsec = (long)(deadline_ns % 1000000000)};
    pthread_cond_timedwait(&waiter.cond, &conn->mutex, &deadline);
  }
  struct waiter **entry = &conn->waiters;
  while (*entry != &waiter) {
    entry = &(*entry)->next;
  }
  *entry = waiter.next;
  pthread_cond_destroy(&waiter.cond);
  pthread_condattr_destroy(&attributes);
}

/* The poll leader does not poll for room to send, so the thread with requests to send does. */
static void await_room(hf_conn *conn, uint64_t deadline_ns) {
  struct link link = conn->link;
  uint64_t slice_ns = clock_deadline_ns(clock_now_ns(), ROOM_SLICE_MS);
  conn->room_count++;
  conn_unlock(conn);
  link_wait(&link, POLLOUT, slice_ns < deadline_ns ? slice_ns : deadline_ns);
  conn_lock(conn);
  conn->room_count--;
  conn_write(conn);
}

/* A resumption that answers nothing does not extend the span: no server can keep a call for ever.
 */
static void extend(const hf_conn *conn, struct span *span) {
  if (!span->is_extended && conn->state == CONN_UP && conn->has_answered &&
      conn->up_since_ns > span->from_ns) {
    span->from_ns = conn->up_since_ns;
    span->is_extended = true;
  }
}

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns) {
  return a_ns < b_ns ? a_ns : b_ns;
}

uint64_t span_deadline_ns(const hf_conn *conn, struct span *span) {
  uint64_t timeout_ms = (uint64_t)conn->call_timeout_ms, deadline_ns = span->give_up_ns;
  extend(conn, span);
  if (span->wait_ms >= 0) {
    uint64_t answered_ns = clock_deadline_ns(span->from_ns, (uint64_t)span->wait_ms);
    deadline_ns = sooner(deadline_ns, clock_deadline_ns(answered_ns, timeout_ms));
  }
  if (conn->state != CONN_UP) {
    bool is_later = conn->lost_since_ns > span->from_ns;
    uint64_t lost_ns = is_later ? conn->lost_since_ns : span->from_ns;
    deadline_ns = sooner(deadline_ns, clock_deadline_ns(lost_ns, timeout_ms));
  }
  return deadline_ns;
}

/* Hands the role of the poll leader to a waiting thread. */
static void pass_on(hf_conn *conn) {
  if (conn->has_leader) {
    return;
  }
  if (conn->waiters != NULL) {
    pthread_cond_signal(&conn->waiters->cond);
  } else {
    conn->above->notify(conn);
  }
}

/* Waits once. Whether nothing came. */
static bool wait_once(hf_conn *conn, const uint32_t *count, uint32_t limit, uint64_t deadline_ns,
                      uint64_t until_ns) {
  if (!conn->has_leader) {
    return lead(conn, deadline_ns, until_ns);
  }
  if (conn->state == CONN_UP && !conn->is_broken && conn->window.unsent != NULL) {
    await_room(conn, until_ns);
  } else {
    sleep_until(conn, count, limit, until_ns);
  }
  return false;
}

/* Calls the program's check. false: the wait ends, since it waits for no call. */
static bool may_go_on(hf_conn *conn, const uint32_t *count, struct interrupts *interrupts) {
  pass_on(conn);
  conn_unlock(conn);
  bool is_interrupted = interrupts_check(interrupts);
  conn_lock(conn);
  return !is_interrupted || cancel_calls(conn, count, interrupts->count > 1);
}

static enum wait_end wait_for(hf_conn *conn, const uint32_t *count, uint32_t limit,
                              struct span *span, struct interrupts interrupts) {
  bool is_interrupted = false;
  while (*count > limit && !is_interrupted) {
    cancel_apply_or_keep(conn);
    if (*count <= limit) {
      break;
    }
    uint64_t deadline_ns = span_deadline_ns(conn, span);
    if (deadline_ns != CLOCK_NEVER && clock_now_ns() >= deadline_ns) {
      break;
    }
    bool is_idle =
        wait_once(conn, count, limit, deadline_ns, interrupts_until_ns(&interrupts, deadline_ns));
    is_interrupted =
        interrupts_are_due(&interrupts, is_idle) && !may_go_on(conn, count, &interrupts);
  }
  pass_on(conn);
  if (*count <= limit) {
    return WAIT_REACHED;
  }
  return is_interrupted ? WAIT_INTERRUPTED : WAIT_GIVEN_UP;
}

enum wait_end conn_wait(hf_conn *conn, const uint32_t *count, uint32_t limit, uint64_t since_ns,
                        int64_t wait_ms) {
  struct span span = {.from_ns = since_ns, .wait_ms = wait_ms, .give_up_ns = CLOCK_NEVER};
  return wait_for(conn, count, limit, &span, interrupts_begin(since_ns));
}

enum wait_end conn_wait_until(hf_conn *conn, const uint32_t *count, uint32_t limit,
                              uint64_t since_ns, uint64_t give_up_ns) {
  struct span span = {.from_ns = since_ns, .wait_ms = HF_FOREVER, .give_up_ns = give_up_ns};
  return wait_for(conn, count, limit, &span, interrupts_begin(since_ns));
}

enum wait_end conn_wait_unchecked(hf_conn *conn, const uint32_t *count, uint32_t limit,
                                  uint64_t since_ns, uint64_t give_up_ns) {
  struct span span = {.from_ns = since_ns, .wait_ms = HF_FOREVER, .give_up_ns = give_up_ns};
  return wait_for(conn, count, limit, &span, (struct interrupts){.check = NULL});
}

hf_status conn_error_wait(const hf_conn *conn, enum wait_end end) {
  return end == WAIT_INTERRUPTED ? error_reason(HF_REASON_CANCELLED) : conn_error_unanswered(conn);
}

/* ---------------------------------------------------------------- without waiting */

/* A step on an open link. Whether the next step can follow at once. */
static bool step_link(hf_conn *conn, struct waits *waits) {
  int error;
  size_t room = conn->input_capacity - conn->input_end;
  write_due(conn);
  ssize_t received = receive(conn, &error);
  take_input(conn, received, error);
  if (conn->state != CONN_UP || conn->is_broken || (received > 0 && (size_t)received == room)) {
    return true;
  }
  short events = conn->window.unsent != NULL ? POLLIN | POLLOUT : POLLIN;
  if (link_arm(&conn->link, events) != 0) {
    return true;
  }
  waits_add(waits, conn->link.fd, link_poll_events(&conn->link, events));
  if (conn->window.refused_count > 0) {
    waits_until(waits, conn->resend_at_ns);
  }
  return false;
}

static bool step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits) {
  if (conn->state == CONN_ENDED) {
    return false;
  }
  if (conn->state == CONN_DOWN) {
    session_step(conn, deadline_ns, waits);
    return conn->state != CONN_DOWN;
  }
  if (conn->is_broken) {
    take_down(conn);
    return true;
  }
  return step_link(conn, waits);
}

bool conn_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits) {
  waits_init(waits);
  if (conn->has_leader) {
    return false;
  }
  conn->has_leader = true;
  if (cancel_init(conn)) {
    cancel_drain(conn); /* before cancel_requested is read */
    waits_add(waits, conn->cancel_fd, POLLIN);
  }
  cancel_apply_or_keep(conn);
  if (conn->state == CONN_UP) {
    link_disarm(&conn->link);
  }
  struct waits more;
  do {
    waits_init(&more);
  } while (step(conn, deadline_ns, &more));
  for (size_t i = 0; i < more.count; i++) {
    waits_add(waits, more.descriptors[i].fd, more.descriptors[i].events);
  }
  waits_until(waits, more.until_ns);
  conn->has_leader = false;
  if (conn->waiters != NULL) { /* they began to wait while a step had released the mutex */
    pthread_cond_signal(&conn->waiters->cond);
  }
  return true;
}
