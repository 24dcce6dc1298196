#include "client/src/call/pipeline.h"

#include <assert.h>
#include <stdlib.h>

#include "client/src/call/call_mode.h"
#include "client/src/call/plain.h"
#include "client/src/call/sized.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/leader.h"
#include "client/src/connection/withdraw.h"
#include "proto/base/clock.h"

#define MESSAGES_KEPT_MAX 1024
/* Shorter pipelines are written as a whole, since the server reads them at once. */
#define SHORT_COUNT 16

struct kept_failure {
  uint64_t idx;
  hf_status status;
  hf_reason reason;
  struct failure *failure; /* of the first MESSAGES_KEPT_MAX */
};

/* A call of a pipeline. */
struct piped_call {
  struct call call; /* first */
  struct pipeline *pipeline;
  uint64_t idx;
  struct piped_call *next_free;
};

struct pipeline {
  struct call_mode mode; /* first */
  hf_conn *conn;
  uint64_t thread; /* 0: the library's own, whose failures are not kept */
  bool is_open;
  bool is_abandoned;     /* the server did not answer in time */
  struct pipeline *next; /* of the connection's list */
  uint32_t in_flight_max;
  uint32_t pending;       /* calls in flight */
  uint32_t unwritten;     /* submitted since the last write */
  uint32_t unwritten_max; /* calls are written after this many */
  struct piped_call *calls, *free;
  int64_t wait_ms; /* the longest of the calls in flight */
  uint64_t submitted, failed, first_failed;
  hf_status first_status;
  struct failure *first_failure;
  struct kept_failure *kept; /* ordered by idx */
  size_t kept_count, kept_capacity;
};

/* ---------------------------------------------------------------- failures */

static bool reserve_kept(struct pipeline *pipeline) {
  if (pipeline->kept_count < pipeline->kept_capacity) {
    return true;
  }
  size_t capacity = pipeline->kept_capacity == 0 ? 16 : 2 * pipeline->kept_capacity;
  struct kept_failure *kept = realloc(pipeline->kept, capacity * sizeof *kept);
  if (kept == NULL) {
    return false;
  }
  pipeline->kept = kept;
  pipeline->kept_capacity = capacity;
  return true;
}

/* Keeps a failure in its order, which is mostly the last; `failure` is taken. */
static void keep(struct pipeline *pipeline, uint64_t idx, hf_status status,
                 struct failure *failure) {
  struct kept_failure made = {idx, status, HF_REASON_NONE, failure};
  if (failure != NULL) {
    made.reason = hf_reason_find(failure->reason, strlen(failure->reason));
  }
  if (pipeline->kept_count >= MESSAGES_KEPT_MAX || !reserve_kept(pipeline)) {
    free(failure);
    made.failure = NULL;
  }
  if (!reserve_kept(pipeline)) {
    return; /* out of memory: hf_pipeline_end counts it */
  }
  size_t slot = pipeline->kept_count++;
  for (; slot > 0 && pipeline->kept[slot - 1].idx > idx; slot--) {
    pipeline->kept[slot] = pipeline->kept[slot - 1];
  }
  pipeline->kept[slot] = made;
}

/* Records a failed call; `failure` is taken. */
static void record_failure(struct pipeline *pipeline, uint64_t idx, hf_status status,
                           struct failure *failure) {
  if (pipeline->failed == 0 || idx < pipeline->first_failed) {
    free(pipeline->first_failure);
    pipeline->first_failure = failure_copy(failure);
    pipeline->first_status = status;
    pipeline->first_failed = idx;
  }
  pipeline->failed++;
  keep(pipeline, idx, status, failure);
}

/* A call has completed. Connection's mutex held. */
static void settled(struct call *call) {
  struct piped_call *piped = (struct piped_call *)call;
  struct pipeline *pipeline = piped->pipeline;
  if (call->status != HF_OK) {
    record_failure(pipeline, piped->idx, call->status, call->failure);
  }
  piped->next_free = pipeline->free;
  pipeline->free = piped;
}

/* The pipeline of the slot's call; NULL: another kind of call. */
static struct pipeline *pipeline_of(const struct slot *slot) {
  const struct call *call = slot->call;
  return call != NULL && call->settled == settled ? ((const struct piped_call *)call)->pipeline
                                                  : NULL;
}

static void refused(struct call_mode *mode, hf_status status) {
  struct pipeline *pipeline = (struct pipeline *)mode;
  conn_lock(pipeline->conn);
  record_failure(pipeline, pipeline->submitted++, status, failure_of_error());
  conn_unlock(pipeline->conn);
}

/* ---------------------------------------------------------------- sending and collecting */

/* The server did not answer in time: the calls in flight have failed. */
static void abandon_all(struct pipeline *pipeline) {
  struct window *window = &pipeline->conn->window;
  struct slot *next;
  hf_status status = conn_error_unanswered(pipeline->conn);
  pipeline->is_abandoned = true;
  for (struct slot *slot = window->oldest; slot != NULL; slot = next) {
    struct call *call = slot->call;
    next = slot->next;
    if (pipeline_of(slot) != pipeline) {
      continue;
    }
    withdraw_abandoned(pipeline->conn, slot);
    call->status = status;
    call->failure = failure_of_error();
    pipeline->pending--;
    settled(call);
  }
  withdraw_submit(pipeline->conn);
}

/* Waits until at most `limit` calls are in flight. Mutex held. */
static void collect(struct pipeline *pipeline, uint32_t limit) {
  conn_write(pipeline->conn);
  pipeline->unwritten = 0;
  while (pipeline->pending > limit) {
    uint32_t before = pipeline->pending;
    /* Reply by reply: each reply shows that the server answers, and renews the time. */
    uint32_t next = limit < before - 1 && pipeline->wait_ms != HF_FOREVER ? before - 1 : limit;
    if (conn_wait(pipeline->conn, &pipeline->pending, next, clock_now_ns(), pipeline->wait_ms) !=
        WAIT_REACHED) {
      abandon_all(pipeline);
    }
  }
  if (pipeline->pending == 0) {
    pipeline->wait_ms = 0;
  }
}

static bool takes(const struct request *request) {
  return !request->is_now && !request->is_opening;
}

/* Submits the request; first collects calls if in_flight_max are in flight. */
static hf_status send_piped(struct call_mode *mode, struct request *request) {
  struct pipeline *pipeline = (struct pipeline *)mode;
  hf_conn *conn = pipeline->conn;
  uint32_t half = pipeline->in_flight_max / 2;
  conn_lock(conn);
  if (pipeline->is_abandoned && conn->state != CONN_ENDED &&
      (conn->state != CONN_UP || window_has_abandoned(&conn->window))) {
    /* A thousand calls are to fail within one call timeout in total. */
    hf_status unanswered = conn_error_unanswered(conn);
    conn_unlock(conn);
    return unanswered;
  }
  if (pipeline->free == NULL) {
    collect(pipeline, half);
  }
  struct piped_call *piped = pipeline->free;
  assert(piped != NULL);
  /* Before submitting, which may wait, while replies free further calls. */
  pipeline->free = piped->next_free;
  piped->idx = pipeline->submitted;
  hf_status status = call_submit(request, &piped->call);
  if (status != HF_OK) {
    piped->next_free = pipeline->free;
    pipeline->free = piped;
  } else {
    pipeline->submitted++;
    pipeline->unwritten++;
    if (request->wait_ms == HF_FOREVER || pipeline->wait_ms == HF_FOREVER) {
      pipeline->wait_ms = HF_FOREVER;
    } else if (request->wait_ms > pipeline->wait_ms) {
      pipeline->wait_ms = request->wait_ms;
    }
    if (pipeline->unwritten >= pipeline->unwritten_max) {
      conn_write(conn);
      pipeline->unwritten = 0;
    }
  }
  conn_unlock(conn);
  return status;
}

static uint64_t made(const struct call_mode *mode) {
  return ((const struct pipeline *)mode)->submitted;
}

static const struct call_mode_kind pipelines = {
    .takes = takes,
    .send = send_piped,
    .refused = refused,
    .made = made,
};

static struct pipeline *open_pipeline(const hf_conn *conn) {
  return (struct pipeline *)call_mode_of_kind(conn, &pipelines);
}

hf_status hf_pipeline_collect(hf_conn *conn) {
  struct pipeline *pipeline = open_pipeline(conn);
  if (pipeline == NULL) {
    return call_mode_error("no pipeline is open on this thread");
  }
  int cancellation = cancellation_disable();
  conn_lock(conn);
  collect(pipeline, 0);
  conn_unlock(conn);
  cancellation_restore(cancellation);
  return HF_OK;
}

/* ---------------------------------------------------------------- life */

/* Ends the mode; the caller calls conn_release. */
static void unlink_open(struct pipeline *pipeline) {
  call_mode_end(&pipeline->mode);
  pipeline->is_open = false;
}

static void pipeline_free(struct pipeline *pipeline) {
  for (size_t i = 0; i < pipeline->kept_count; i++) {
    free(pipeline->kept[i].failure);
  }
  free(pipeline->first_failure);
  free(pipeline->kept);
  free(pipeline->calls);
  free(pipeline);
}

/* This thread's last pipeline on the connection, open or with failures kept. */
static struct pipeline **find_own(hf_conn *conn) {
  uint64_t thread = conn_thread();
  struct pipeline **entry = &conn->pipelines;
  while (*entry != NULL && (*entry)->thread != thread) {
    entry = &(*entry)->next;
  }
  return entry;
}

static void forget_own(hf_conn *conn) {
  struct pipeline **entry = find_own(conn);
  struct pipeline *pipeline = *entry;
  if (pipeline != NULL) {
    *entry = pipeline->next;
    pipeline_free(pipeline);
  }
}

static struct pipeline *pipeline_new(hf_conn *conn, uint32_t in_flight_max, uint64_t thread) {
  struct pipeline *pipeline = calloc(1, sizeof *pipeline);
  struct piped_call *calls = calloc(in_flight_max, sizeof *calls);
  if (pipeline == NULL || calls == NULL) {
    free(pipeline);
    free(calls);
    return NULL;
  }
  pipeline->conn = conn;
  pipeline->thread = thread;
  pipeline->in_flight_max = in_flight_max;
  pipeline->unwritten_max = in_flight_max / 2 < SHORT_COUNT / 2 ? in_flight_max : in_flight_max / 2;
  pipeline->calls = calls;
  for (uint32_t i = 0; i < in_flight_max; i++) {
    calls[i].call.settled = settled;
    calls[i].call.pending = &pipeline->pending;
    calls[i].pipeline = pipeline;
    calls[i].next_free = pipeline->free;
    pipeline->free = &calls[i];
  }
  return pipeline;
}

/* Opens a pipeline for the calling thread, which has no call mode open. Mutex held. NULL: out of
 * memory */
static struct pipeline *begin(hf_conn *conn, uint32_t in_flight, uint64_t thread) {
  uint32_t in_flight_max = conn->window.used_count_max;
  struct pipeline *pipeline = pipeline_new(
      conn, in_flight > 0 && in_flight < in_flight_max ? in_flight : in_flight_max, thread);
  if (pipeline != NULL) {
    pipeline->is_open = true;
    call_mode_begin(&pipeline->mode, &pipelines, conn);
    pipeline->next = conn->pipelines;
    conn->pipelines = pipeline;
  }
  return pipeline;
}

/* HF_OK, or the status of the first failure, which becomes the thread's last error. */
static hf_status outcome(const struct pipeline *pipeline) {
  return pipeline->failed == 0
             ? HF_OK
             : error_take(pipeline->first_status, failure_copy(pipeline->first_failure));
}

static void unlink_and_free(struct pipeline *pipeline) {
  struct pipeline **entry = &pipeline->conn->pipelines;
  while (*entry != pipeline) {
    entry = &(*entry)->next;
  }
  *entry = pipeline->next;
  pipeline_free(pipeline);
}

hf_status hf_pipeline_begin(hf_conn *conn, uint32_t in_flight) {
  hf_status status = call_mode_check_none(conn);
  if (status != HF_OK) {
    return status;
  }
  conn_lock(conn);
  forget_own(conn);
  bool is_begun = begin(conn, in_flight, conn_thread()) != NULL;
  conn_unlock(conn);
  return is_begun ? HF_OK : error_reason(HF_REASON_NO_MEMORY);
}

hf_status hf_pipeline_end_sized(hf_conn *conn, struct hf_pipeline_result *result,
                                size_t result_size) {
  hf_status status = hf_pipeline_collect(conn);
  if (status != HF_OK) {
    return status;
  }
  struct pipeline *pipeline = open_pipeline(conn);
  if (result != NULL) {
    const struct hf_pipeline_result made = {pipeline->submitted, pipeline->failed,
                                            pipeline->first_failed};
    sized_give(result, result_size, &made, sizeof made);
  }
  status = outcome(pipeline);
  conn_lock(conn);
  unlink_open(pipeline);
  free(pipeline->calls);
  pipeline->calls = pipeline->free = NULL;
  if (pipeline->kept_count == 0 || conn->is_closed) {
    unlink_and_free(pipeline);
  }
  conn_unlock(conn);
  conn_release(conn);
  return status;
}

hf_status pipeline_run(hf_conn *conn, uint32_t in_flight, hf_status (*make)(void *context),
                       void *context) {
  conn_lock(conn);
  struct pipeline *pipeline = begin(conn, in_flight, 0);
  if (pipeline != NULL) {
    pipeline->unwritten_max = 1;
  }
  conn_unlock(conn);
  if (pipeline == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  hf_status made = make(context);
  conn_lock(conn);
  collect(pipeline, 0);
  hf_status status = outcome(pipeline);
  unlink_open(pipeline);
  unlink_and_free(pipeline);
  conn_unlock(conn);
  conn_release(conn);
  return status == HF_OK ? made : status;
}

/* The failure of that call; NULL: it has not failed. */
static const struct kept_failure *find_kept(const struct pipeline *pipeline, uint64_t idx) {
  size_t low = 0, high = pipeline->kept_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (pipeline->kept[middle].idx < idx) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < pipeline->kept_count && pipeline->kept[low].idx == idx ? &pipeline->kept[low] : NULL;
}

hf_status hf_pipeline_status(hf_conn *conn, uint64_t idx) {
  hf_status status = HF_OK;
  conn_lock(conn);
  const struct pipeline *pipeline = *find_own(conn);
  const struct kept_failure *kept = pipeline == NULL ? NULL : find_kept(pipeline, idx);
  if (kept != NULL && (kept->failure != NULL || kept->reason == HF_REASON_NONE)) {
    status = error_take(kept->status, failure_copy(kept->failure));
  } else if (kept != NULL) {
    status = error_take(kept->status, failure_of(kept->reason));
  }
  conn_unlock(conn);
  return status;
}

void pipeline_become_child(hf_conn *conn) {
  struct window *window = &conn->window;
  for (struct pipeline *pipeline = conn->pipelines; pipeline != NULL; pipeline = pipeline->next) {
    pipeline->is_abandoned = false; /* the server had not answered the parent */
  }
  for (struct slot *slot = window->oldest; slot != NULL; slot = slot->next) {
    struct pipeline *pipeline = pipeline_of(slot);
    if (pipeline != NULL) {
      slot->call->status = HF_CANCELLED;
      slot->call->failure = NULL;
      pipeline->pending--;
      settled(slot->call);
    }
  }
}

void pipeline_free_all(hf_conn *conn) {
  struct pipeline *own = open_pipeline(conn);
  struct pipeline **entry = &conn->pipelines;
  if (own != NULL) {
    unlink_open(own);
    conn_release(conn); /* not the last reference */
  }
  while (*entry != NULL) {
    struct pipeline *pipeline = *entry;
    if (pipeline->is_open) {
      entry = &pipeline->next;
    } else {
      *entry = pipeline->next;
      pipeline_free(pipeline);
    }
  }
}
