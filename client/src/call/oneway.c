#include "client/src/call/oneway.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/src/call/call_mode.h"
#include "client/src/call/plain.h"
#include "client/src/call/sized.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/interrupt.h"
#include "client/src/connection/leader.h"
#include "client/src/connection/references.h"
#include "client/src/transport/opening.h"
#include "proto/base/clock.h"

#define WRITE_BYTES (64u << 10) /* buffered before they are sent */
#define DIAL_TIMEOUT_MS 3000
/* The part of the time that an unanswered local handshake may take. */
#define DIAL_LOCAL_SHARE 4
#define WRITE_TIMEOUT_MS 5000
/* A flush checks its link this often while the server has not finished. */
#define FLUSH_SLICE_MS 250

struct oneway {
  pthread_mutex_t mutex; /* recursive: the program's check during a wait may make one-way calls */
  struct link link;
  uint8_t *buffer;
  size_t capacity, start, sent, end;
  uint64_t confirmed;            /* sequence before the one at start */
  uint64_t last_sequence;        /* of the request that ends at `end` */
  struct hf_flush_result result; /* since the last flush */
  bool is_unreachable; /* the last attempt to connect or to ask for the server's progress failed */
};

/* ---------------------------------------------------------------- buffer */

static bool reserve(struct oneway *oneway, size_t size) {
  if (oneway->start > 0 && oneway->end + size > oneway->capacity) {
    memmove(oneway->buffer, oneway->buffer + oneway->start, oneway->end - oneway->start);
    oneway->sent -= oneway->start;
    oneway->end -= oneway->start;
    oneway->start = 0;
  }
  if (oneway->end + size <= oneway->capacity) {
    return true;
  }
  size_t capacity = oneway->capacity == 0 ? 4 * WRITE_BYTES : oneway->capacity * 2;
  capacity = capacity < oneway->end + size ? oneway->end + size : capacity;
  uint8_t *buffer = realloc(oneway->buffer, capacity);
  if (buffer == NULL) {
    return false;
  }
  oneway->buffer = buffer;
  oneway->capacity = capacity;
  return true;
}

static size_t frame_bytes(const uint8_t *frame, enum sp_transport framing) {
  size_t prefix_len = sp_prefix_bytes(framing), body_len = 0;
  for (size_t i = prefix_len - 8; i < prefix_len; i++) {
    body_len = body_len << 8 | frame[i];
  }
  return prefix_len + body_len;
}

/* Drops requests up to `received`, which the server has. */
static void confirm(struct oneway *oneway, enum sp_transport framing, uint64_t received) {
  while (oneway->confirmed < received && oneway->start < oneway->end) {
    oneway->start += frame_bytes(oneway->buffer + oneway->start, framing);
    oneway->confirmed++;
  }
  if (oneway->sent < oneway->start) {
    oneway->sent = oneway->start;
  }
}

/* ---------------------------------------------------------------- asking */

struct progress {
  struct oneway *oneway;
  uint64_t received, finished;
};

/* Connection's mutex held; the thread that asked has locked the one-way mutex. */
static hf_reason record_progress(hf_conn *conn, const Holdfast__Response *reply,
                                 const struct result *result) {
  struct progress *progress = result->first;
  struct hf_flush_result *total = &progress->oneway->result;
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_FLUSHED) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Flushed *flushed = reply->flushed;
  progress->received = flushed->received;
  progress->finished = flushed->finished;
  if (total->first_status == HF_OK && flushed->n_failures > 0) {
    const Holdfast__Failure *first = flushed->failures[0];
    total->first_status = (hf_status)first->status;
    snprintf(total->first_reason, sizeof total->first_reason, "%.*s", (int)first->reason.len,
             (const char *)first->reason.data);
  }
  total->failed += flushed->failed;
  return HF_REASON_NONE;
}

static hf_status ask(hf_conn *conn, int64_t timeout_ms, struct progress *progress) {
  Holdfast__Flush arm = HOLDFAST__FLUSH__INIT;
  struct request request;
  request_of_conn(&request, conn, OPERATION(FLUSH));
  request_wait(&request, timeout_ms);
  request_ask(&request, record_progress, progress, NULL);
  arm.through = conn->oneway->last_sequence;
  hf_status status = call_now(&request, &arm.base);
  if (status == HF_OK) {
    confirm(conn->oneway, conn->transport->framing, progress->received);
  }
  return status;
}

/* ---------------------------------------------------------------- sending */

/* As opening_step without STEP_WAITS; ECANCELED: the program's check ended it. */
static int run_opening(struct opening *opening, struct link *link) {
  struct interrupts interrupts = interrupts_begin(clock_now_ns());
  for (;;) {
    struct waits waits;
    waits_init(&waits);
    int error = opening_step(opening, link, &waits);
    if (error != STEP_WAITS) {
      return error;
    }
    waits_block(&waits, -1, interrupts_until_ns(&interrupts, CLOCK_NEVER));
    if (interrupts_are_due(&interrupts, false) && interrupts_check(&interrupts)) {
      opening_end(opening);
      return ECANCELED;
    }
  }
}

/* Uses shared memory if plain calls do. 0 or an errno. */
static int open_link(hf_conn *conn, struct link *link) {
  int64_t timeout_ms =
      conn->call_timeout_ms < DIAL_TIMEOUT_MS ? conn->call_timeout_ms : DIAL_TIMEOUT_MS;
  uint64_t now_ns = clock_now_ns();
  uint64_t local_ns = clock_deadline_ns(now_ns, (uint64_t)timeout_ms / DIAL_LOCAL_SHARE);
  uint64_t deadline_ns = clock_deadline_ns(now_ns, (uint64_t)timeout_ms);
  struct dialling dialling = {.dead_after_ms = conn->call_timeout_ms,
                              .credentials = conn->dialling.credentials};
  struct opening opening;
  char local_path[CONN_LOCAL_PATH_BYTES_MAX];
  conn_lock(conn);
  bool is_local = conn->state == CONN_UP && conn->link.rings != NULL;
  memcpy(local_path, conn->local_path, sizeof local_path);
  dialling.worked = conn->dialling.worked;
  conn_unlock(conn);
  if (is_local) {
    opening_begin_local(&opening, local_path, conn->transport->framing, SP_PUSH, local_ns);
    int error = run_opening(&opening, link);
    if (error == 0 || error == ECANCELED) {
      return error;
    }
  }
  opening_begin(&opening, conn->transport, conn->address, SP_PUSH, SP_PULL, &dialling, deadline_ns);
  return run_opening(&opening, link);
}

/* Opens a link if there is none; asks for the server's progress, and makes the requests unsent that
 * an earlier link may have lost. */
static hf_status dial(hf_conn *conn) {
  struct oneway *oneway = conn->oneway;
  struct progress progress = {.oneway = oneway};
  hf_status status = oneway->sent > oneway->start ? ask(conn, 0, &progress) : HF_OK;
  int error = 0;
  if (status == HF_OK) {
    struct link link = {.fd = -1};
    oneway->sent = oneway->start;
    error = open_link(conn, &link);
    if (oneway->link.fd < 0) {
      oneway->link = link;
    } else { /* opened by a one-way call of the program's check */
      link_close(&link);
    }
  }
  oneway->is_unreachable = status != HF_OK || error != 0;
  return error == ECANCELED ? error_reason(HF_REASON_CANCELLED) : status;
}

/* Waits until the link takes bytes. false: the time is up, or the program's check has ended the
 * wait, which *status says. */
static bool await_room(const struct oneway *oneway, uint64_t deadline_ns,
                       struct interrupts *interrupts, hf_status *status) {
  short ready = 0;
  while (ready == 0 && *status == HF_OK && oneway->link.fd >= 0 && clock_now_ns() < deadline_ns) {
    ready = link_wait(&oneway->link, POLLOUT, interrupts_until_ns(interrupts, deadline_ns));
    if (interrupts_are_due(interrupts, false) && interrupts_check(interrupts)) {
      *status = error_reason(HF_REASON_CANCELLED);
    }
  }
  return ready != 0 && *status == HF_OK;
}

/* Sends until the kernel takes no more; with a deadline, until all is sent or the deadline. HF_OK |
 * an error: the server's progress is unknown, or the program's check has ended the wait */
static hf_status write_out(hf_conn *conn, uint64_t deadline_ns) {
  struct oneway *oneway = conn->oneway;
  struct interrupts interrupts = interrupts_begin(clock_now_ns());
  hf_status status = oneway->link.fd < 0 ? dial(conn) : HF_OK;
  while (oneway->link.fd >= 0 && oneway->sent < oneway->end) {
    struct iovec part = {oneway->buffer + oneway->sent, oneway->end - oneway->sent};
    ssize_t sent = link_send(&oneway->link, &part, 1);
    if (sent >= 0) {
      oneway->sent += (size_t)sent;
    } else if (errno != EAGAIN) {
      link_close(&oneway->link);
    } else if (!await_room(oneway, deadline_ns, &interrupts, &status)) {
      break;
    }
  }
  return status;
}

static bool is_hung_up(const struct oneway *oneway) {
  return oneway->link.fd < 0 || link_wait(&oneway->link, POLLIN, 0) != 0;
}

/* Waits until the server has performed all requests. One-way mutex held. */
static hf_status flush(hf_conn *conn, uint64_t deadline_ns) {
  struct oneway *oneway = conn->oneway;
  struct progress progress = {.oneway = oneway};
  uint64_t before = 0;
  while (oneway->confirmed < oneway->last_sequence || progress.finished < oneway->last_sequence) {
    uint64_t now_ns = clock_now_ns();
    uint64_t write_ns = clock_deadline_ns(now_ns, WRITE_TIMEOUT_MS);
    hf_status status = write_out(conn, write_ns < deadline_ns ? write_ns : deadline_ns);
    if (status != HF_OK) {
      return status;
    }
    int64_t left_ms =
        deadline_ns > now_ns ? (int64_t)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) : 0;
    status = ask(conn, left_ms < FLUSH_SLICE_MS ? left_ms : FLUSH_SLICE_MS, &progress);
    if (status != HF_OK) {
      return status;
    }
    if (progress.finished >= oneway->last_sequence) {
      return HF_OK;
    }
    if (clock_now_ns() >= deadline_ns) {
      return error_reason(HF_REASON_TIMED_OUT);
    }
    bool is_stuck = progress.received < oneway->last_sequence && progress.received == before;
    if (is_stuck && is_hung_up(oneway)) {
      link_close(&oneway->link);
    }
    before = progress.received;
  }
  return HF_OK;
}

/* ---------------------------------------------------------------- requests */

/* Waits for a session, and copies its id. */
static hf_status await_session(hf_conn *conn, uint8_t session[HF_SESSION_BYTES]) {
  hf_status status = HF_OK;
  conn_lock(conn);
  enum wait_end end = WAIT_REACHED;
  if (conn->session_missing > 0) {
    end = conn_wait(conn, &conn->session_missing, 0, clock_now_ns(), 0);
  }
  if (end != WAIT_REACHED) {
    status = conn_error_wait(conn, end);
  } else if (conn->state == CONN_ENDED) {
    status = conn_error_ended(conn);
  } else {
    (void)references_submit(conn); /* the rest goes before a later call */
    conn_write(conn);
    memcpy(session, conn->session, HF_SESSION_BYTES);
  }
  conn_unlock(conn);
  return status;
}

static void append(struct oneway *oneway, enum sp_transport framing,
                   const struct envelope *envelope) {
  uint8_t *frame = oneway->buffer + oneway->end;
  size_t prefix_len = sp_prefix_bytes(framing);
  size_t body_len =
      envelope_write(frame + prefix_len, envelope, ++oneway->last_sequence, 0, NULL, 0);
  sp_prefix_write(framing, frame, body_len);
  oneway->end += prefix_len + body_len;
  oneway->result.sent++;
}

/* Makes room for one more request in the buffer, below HF_UNFLUSHED_BYTES_MAX. */
static hf_status make_room(hf_conn *conn, size_t size) {
  struct oneway *oneway = conn->oneway;
  if (oneway->end > oneway->start && oneway->end - oneway->start + size > HF_UNFLUSHED_BYTES_MAX) {
    hf_status status = flush(conn, CLOCK_NEVER);
    if (status != HF_OK) {
      return status;
    }
  }
  return reserve(oneway, size) ? HF_OK : error_reason(HF_REASON_NO_MEMORY);
}

static bool takes(const struct request *request) {
  (void)request;
  return true;
}

/* The error after another thread has closed the connection. */
static hf_status error_closed(hf_conn *conn) {
  conn_lock(conn);
  hf_status status = conn_error_ended(conn);
  conn_unlock(conn);
  return status;
}

/* Numbers and buffers the request; sends the buffer in large pieces. */
static hf_status send_one_way(struct call_mode *mode, struct request *request) {
  hf_conn *conn = request->conn;
  struct oneway *oneway = conn->oneway;
  uint8_t session[HF_SESSION_BYTES];
  (void)mode;
  if (oneway == NULL) {
    return error_closed(conn);
  }
  if (request->needs_reply) {
    return error_reason(HF_REASON_NOT_ONE_WAY);
  }
  request->envelope.session = session;
  pthread_mutex_lock(&oneway->mutex);
  hf_status status = await_session(conn, session);
  if (status == HF_OK) {
    status = make_room(conn, SP_PREFIX_BYTES_MAX + envelope_body_max(&request->envelope, 0));
  }
  if (status == HF_OK) {
    append(oneway, conn->transport->framing, &request->envelope);
    /* hf_oneway_end and hf_flush report an unreachable server. */
    if (oneway->end - oneway->sent >= WRITE_BYTES && !oneway->is_unreachable) {
      (void)write_out(conn, 0);
    }
  }
  pthread_mutex_unlock(&oneway->mutex);
  return status;
}

/* Sends the buffer, over further links if one is lost. One-way mutex held. */
static hf_status write_all(hf_conn *conn) {
  const struct timespec pause = {.tv_nsec = 10000000};
  struct oneway *oneway = conn->oneway;
  struct interrupts interrupts = interrupts_begin(clock_now_ns());
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), (uint64_t)conn->call_timeout_ms);
  hf_status status = HF_OK;
  while (status == HF_OK && oneway->sent < oneway->end) {
    status = write_out(conn, deadline_ns);
    if (clock_now_ns() >= deadline_ns) {
      break;
    }
    if (oneway->is_unreachable) {
      nanosleep(&pause, NULL);
    }
    if (interrupts_are_due(&interrupts, false) && interrupts_check(&interrupts)) {
      status = error_reason(HF_REASON_CANCELLED);
    }
  }
  if (status == HF_OK && oneway->sent < oneway->end) {
    status = error_format(HF_REASON_NOT_CONNECTED,
                          "one-way calls could not be sent to %s; they are kept and go with the "
                          "next hf_oneway_end or hf_flush",
                          conn->url);
  }
  return status;
}

/* The connection's one-way state; NULL: it has made no one-way call. */
static struct oneway *oneway_of(hf_conn *conn) {
  conn_lock(conn);
  struct oneway *oneway = conn->oneway;
  conn_unlock(conn);
  return oneway;
}

hf_status oneway_write_out(hf_conn *conn) {
  struct oneway *oneway = oneway_of(conn);
  hf_status status = HF_OK;
  if (oneway != NULL) {
    pthread_mutex_lock(&oneway->mutex);
    status = write_all(conn);
    pthread_mutex_unlock(&oneway->mutex);
  }
  return status;
}

/* ---------------------------------------------------------------- public */

static const struct call_mode_kind one_way = {.takes = takes, .send = send_one_way};

static void init_mutex(struct oneway *oneway) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&oneway->mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

static bool oneway_prepare(hf_conn *conn) {
  conn_lock(conn);
  if (conn->oneway == NULL) {
    conn->oneway = calloc(1, sizeof *conn->oneway);
    if (conn->oneway != NULL) {
      init_mutex(conn->oneway);
      conn->oneway->link.fd = -1;
    }
  }
  bool is_there = conn->oneway != NULL;
  conn_unlock(conn);
  return is_there;
}

hf_status hf_oneway_begin(hf_conn *conn) {
  hf_status status = call_mode_check_none(conn);
  if (status != HF_OK) {
    return status;
  }
  struct call_mode *mode = malloc(sizeof *mode);
  if (mode == NULL || !oneway_prepare(conn)) {
    free(mode);
    return error_reason(HF_REASON_NO_MEMORY);
  }
  call_mode_begin(mode, &one_way, conn);
  return HF_OK;
}

hf_status hf_oneway_end(hf_conn *conn) {
  struct call_mode *mode = call_mode_of_kind(conn, &one_way);
  if (mode == NULL) {
    return call_mode_error("one-way mode is not open on this thread");
  }
  call_mode_end(mode);
  free(mode);
  int cancellation = cancellation_disable();
  hf_status status = oneway_of(conn) != NULL ? oneway_write_out(conn) : error_closed(conn);
  cancellation_restore(cancellation);
  conn_release(conn);
  return status;
}

hf_status hf_flush_sized(hf_conn *conn, int64_t timeout_ms, struct hf_flush_result *result,
                         size_t result_size) {
  struct hf_flush_result total = {.first_status = HF_OK};
  hf_status status = HF_OK;
  if (timeout_ms < 0 && timeout_ms != HF_FOREVER) {
    return error_reason(HF_REASON_NEGATIVE_TIMEOUT);
  }
  struct oneway *oneway = oneway_of(conn);
  if (oneway != NULL) {
    int cancellation = cancellation_disable();
    pthread_mutex_lock(&oneway->mutex);
    status = flush(conn, timeout_ms < 0 ? CLOCK_NEVER
                                        : clock_deadline_ns(clock_now_ns(), (uint64_t)timeout_ms));
    if (status == HF_OK) {
      total = oneway->result;
      oneway->result = (struct hf_flush_result){.first_status = HF_OK};
    }
    pthread_mutex_unlock(&oneway->mutex);
    cancellation_restore(cancellation);
  }
  if (status == HF_OK && result != NULL) {
    sized_give(result, result_size, &total, sizeof total);
  }
  return status;
}

void oneway_become_child(hf_conn *conn) {
  struct oneway *oneway = conn->oneway;
  if (oneway == NULL) {
    return;
  }
  bool is_whole = pthread_mutex_trylock(&oneway->mutex) == 0;
  /* Another thread was reallocating the buffer at the fork: leak it. */
  uint8_t *buffer = is_whole ? oneway->buffer : NULL;
  size_t capacity = is_whole ? oneway->capacity : 0;
  if (!is_whole) {
    oneway->link.tls = NULL; /* it may have been freed */
  }
  link_close(&oneway->link);
  if (is_whole) {
    pthread_mutex_unlock(&oneway->mutex);
  } else {
    init_mutex(oneway); /* the thread that had locked it does not exist in the child */
  }
  oneway->buffer = buffer;
  oneway->capacity = capacity;
  oneway->start = oneway->sent = oneway->end = 0;
  oneway->is_unreachable = false; /* the parent's attempt had failed */
  oneway->confirmed = oneway->last_sequence = 0;
  oneway->result = (struct hf_flush_result){.first_status = HF_OK};
}

void oneway_free(hf_conn *conn) {
  struct oneway *oneway = conn->oneway;
  struct call_mode *mode = call_mode_of_kind(conn, &one_way);
  if (mode != NULL) {
    call_mode_end(mode);
    free(mode);
    conn_release(conn); /* not the last reference */
  }
  if (oneway != NULL) {
    link_close(&oneway->link);
    free(oneway->buffer);
    pthread_mutex_destroy(&oneway->mutex);
    free(oneway);
    conn->oneway = NULL;
  }
}
