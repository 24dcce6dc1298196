#include "client/src/call/async.h"

#include <stdlib.h>

#include "client/src/call/async_poll.h"
#include "client/src/call/call_mode.h"
#include "client/src/call/plain.h"
#include "client/src/call/sized.h"
#include "client/src/call/steps.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/leader.h"
#include "client/src/connection/withdraw.h"
#include "proto/base/clock.h"

/* Submitted calls are written after this many, unless hf_async_end comes first. */
#define UNWRITTEN_MAX 128

struct async_call {
  struct call call; /* first */
  struct hf_async *async;
  uint64_t id;
  void *data;
  struct steps *steps; /* owned: the call is several operations; NULL: one */
  struct span span;    /* of the request in flight */
  struct async_call *next;
};

struct hf_async {
  struct call_mode mode; /* first */
  hf_conn *conn;         /* counted */
  bool is_begun;
  bool is_detached; /* the connection was closed, or is the forked parent's */
  bool is_working;  /* the event loop's thread is in hf_async_collect */
  void *data;       /* of calls submitted now */
  uint64_t last_id;
  uint32_t pending, unwritten;
  /* No call in flight is to be given up before this, unless change_count has changed. */
  uint64_t check_ns;
  uint32_t change_count; /* the connection's, at check_ns */
  struct async_call *free;
  struct async_call *done, **done_end; /* mutex held */
  struct async_call *ready;
  struct failure *last_failure; /* of the last completion */
  struct async_poll poll;
};

/* ---------------------------------------------------------------- calls */

/* A call has completed. Connection's mutex held. */
static void complete(struct async_call *call) {
  struct hf_async *async = call->async;
  call->next = NULL;
  *async->done_end = call;
  async->done_end = &call->next;
  if (!async->is_working) {
    async_poll_notify(&async->poll);
  }
}

/* A call of several operations ends without its last steps. Mutex held. */
static void stop(struct async_call *call) {
  if (call->steps != NULL && call->steps->kind->stop != NULL) {
    call->steps->kind->stop(call->steps);
  }
}

/* Takes the next step, in any thread. Whether the call is in flight again. */
static bool take_step(struct async_call *call) {
  struct failure kept = error_keep();
  bool is_sent;
  hf_status status = steps_take(call->steps, &is_sent);
  if (status != HF_OK) {
    call->call.status = status;
    call->call.failure = failure_of_error();
    error_restore(&kept);
  }
  return status == HF_OK && is_sent;
}

/* After a reply, or without one. Whether the call is in flight again. */
static bool goes_on(struct async_call *call) {
  if (call->steps == NULL) {
    return false;
  }
  if (call->call.status == HF_OK && take_step(call)) {
    return true;
  }
  if (call->call.status != HF_OK) {
    stop(call);
  }
  return false;
}

/* A reply has come, or none will. Connection's mutex held. */
static void settled(struct call *call) {
  struct async_call *settled_call = (struct async_call *)call;
  if (!goes_on(settled_call)) {
    complete(settled_call);
  }
}

/* The asynchronous call of the slot; NULL: another kind of call. */
static struct async_call *call_of(const struct slot *slot) {
  struct call *call = slot->call;
  return call != NULL && call->settled == settled ? (struct async_call *)call : NULL;
}

static struct async_call *take_free(struct hf_async *async) {
  struct async_call *call = async->free;
  if (call != NULL) {
    async->free = call->next;
    return call;
  }
  call = calloc(1, sizeof *call);
  if (call != NULL) {
    call->call.settled = settled;
    call->call.pending = &async->pending;
    call->async = async;
  }
  return call;
}

static void give_free(struct hf_async *async, struct async_call *call) {
  call->call.result.end = NULL;
  call->id = 0;
  call->next = async->free;
  async->free = call;
}

/* Nobody takes the outcome. Not with the mutex. */
static void free_call(struct async_call *call) {
  const struct result *result = &call->call.result;
  if (result->end != NULL) {
    result->end(result, NULL);
  }
  if (call->steps != NULL) {
    (void)steps_end(call->steps, HF_CANCELLED);
    free(call->steps);
  }
  free(call->call.failure);
  free(call);
}

/* ---------------------------------------------------------------- submitting */

static hf_status detached_error(void) {
  return call_mode_error("the connection was closed, or is that of the process before a fork");
}

static bool takes(const struct request *request) {
  (void)request;
  return true;
}

/* The call's request is in flight. */
static void begin_span(struct async_call *call, const struct request *request) {
  struct hf_async *async = call->async;
  call->span = (struct span){
      .from_ns = clock_now_ns(), .wait_ms = request->wait_ms, .give_up_ns = CLOCK_NEVER};
  uint64_t deadline_ns = span_deadline_ns(async->conn, &call->span);
  async->check_ns = deadline_ns < async->check_ns ? deadline_ns : async->check_ns;
}

/* Sends the call's first request. */
static hf_status send_first(struct async_call *call, struct request *request) {
  struct hf_async *async = call->async;
  hf_status status = call_submit_at_once(request, &call->call);
  if (status == HF_OK) {
    begin_span(call, request);
    if (++async->unwritten % UNWRITTEN_MAX == 0) { /* hf_async_end writes the rest */
      conn_write(async->conn);
    }
  }
  return status;
}

/* Sends a further request of a call of several operations. */
static hf_status send_further(struct async_call *call, struct request *request) {
  struct hf_async *async = call->async;
  if (call->call.is_withdrawn) {
    return error_reason(HF_REASON_CANCELLED);
  }
  hf_status status = call_submit_further(request, &call->call);
  if (status == HF_OK) {
    begin_span(call, request);
    conn_write(async->conn);
    if (!async->is_working && async->check_ns < async->poll.timer_ns) {
      async_poll_notify(&async->poll);
    }
  }
  return status;
}

/* The call is in flight, or complete. */
static void record(struct hf_async *async, struct async_call *call, struct steps *steps) {
  call->id = ++async->last_id;
  call->data = async->data;
  call->steps = steps;
}

static hf_status submit(struct hf_async *async, struct request *request) {
  struct async_call *call = take_free(async);
  if (call == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  hf_status status = send_first(call, request);
  if (status != HF_OK) {
    give_free(async, call);
    return status;
  }
  record(async, call, NULL);
  request->is_submitted = true;
  return HF_OK;
}

static hf_status send_async(struct call_mode *mode, struct request *request) {
  struct hf_async *async = (struct hf_async *)mode;
  if (request->is_now) {
    return error_format(HF_REASON_ALREADY_OPEN,
                        "this call is more than one operation, and can't be submitted");
  }
  conn_lock(async->conn);
  hf_status status = async->is_detached ? detached_error() : submit(async, request);
  conn_unlock(async->conn);
  return status;
}

/* steps->submitted: struct async_call * */
static hf_status submit_step(struct steps *steps, struct request *request) {
  struct async_call *call = steps->submitted;
  return call->id == 0 ? send_first(call, request) : send_further(call, request);
}

/* Takes the first step; without a request the call is complete. */
static hf_status begin_steps(struct hf_async *async, struct steps *steps) {
  bool is_sent;
  struct async_call *call = take_free(async);
  if (call == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  steps->submit = submit_step;
  steps->submitted = call;
  steps->thread = conn_thread();
  hf_status status = steps_take(steps, &is_sent);
  if (status != HF_OK) {
    give_free(async, call);
    return status;
  }
  record(async, call, steps);
  if (!is_sent) {
    call->call.status = HF_OK;
    call->call.failure = NULL;
    complete(call);
  }
  return HF_OK;
}

static hf_status submit_steps(struct call_mode *mode, struct steps *steps) {
  struct hf_async *async = (struct hf_async *)mode;
  struct steps *copy = steps_copy(steps);
  if (copy == NULL) {
    return steps_end(steps, error_reason(HF_REASON_NO_MEMORY));
  }
  int cancellation = cancellation_disable();
  conn_lock(async->conn);
  hf_status status = async->is_detached ? detached_error() : begin_steps(async, copy);
  conn_unlock(async->conn);
  if (status != HF_OK) {
    status = steps_end(copy, status);
    free(copy);
  }
  cancellation_restore(cancellation);
  return status;
}

/* The parent's mode can't be used in a forked child. */
static void forget(struct call_mode *mode) {
  ((struct hf_async *)mode)->is_begun = false;
}

static uint64_t made(const struct call_mode *mode) {
  return ((const struct hf_async *)mode)->last_id;
}

static const struct call_mode_kind asynchronous = {
    .sends_batches = true,
    .takes = takes,
    .send = send_async,
    .submit_steps = submit_steps,
    .made = made,
    .forget = forget,
};

hf_status hf_async_begin(hf_async *async, void *data) {
  if (async->is_detached) {
    return detached_error();
  }
  async->data = data;
  if (async->is_begun) {
    return HF_OK;
  }
  hf_status status = call_mode_check_none(async->conn);
  if (status == HF_OK) {
    call_mode_begin(&async->mode, &asynchronous, async->conn);
    async->is_begun = true;
  }
  return status;
}

/* What could not be sent at once is sent by the poll leader, which then polls for room too; without one by
 * the event loop, and so if it needs a link first. */
static void write_out(struct hf_async *async) {
  hf_conn *conn = async->conn;
  conn_write(conn);
  async->unwritten = 0;
  bool is_sent = conn->state == CONN_UP && !conn->is_broken && conn->window.unsent == NULL;
  if (!is_sent && conn->has_leader) {
    cancel_wake_leader(conn);
  }
  if (!is_sent || async->check_ns < async->poll.timer_ns) {
    async_poll_notify(&async->poll);
  }
}

void hf_async_end(hf_async *async) {
  if (!async->is_begun) {
    return;
  }
  call_mode_end(&async->mode);
  async->is_begun = false;
  conn_release(async->conn); /* not the last reference: the open hf_async has one */
  if (async->unwritten > 0) {
    int cancellation = cancellation_disable();
    conn_lock(async->conn);
    if (!async->is_detached) {
      write_out(async);
    }
    conn_unlock(async->conn);
    cancellation_restore(cancellation);
  }
}

uint64_t hf_async_last_id(const hf_async *async) {
  return async->last_id;
}

/* ---------------------------------------------------------------- deadlines, cancelling */

/* The server did not answer in time: the call has failed. */
static void give_up(struct hf_async *async, struct slot *slot) {
  struct call *call = slot->call;
  hf_status status = conn_error_unanswered(async->conn);
  withdraw_abandoned(async->conn, slot);
  call->status = status;
  call->failure = failure_of_error();
  async->pending--;
  settled(call);
}

/* Visits all calls only if one may be late, or if the links have changed. */
static void check_deadlines(struct hf_async *async) {
  hf_conn *conn = async->conn;
  struct slot *next;
  uint64_t now_ns = clock_now_ns();
  if (now_ns < async->check_ns && async->change_count == conn->change_count) {
    return;
  }
  async->check_ns = CLOCK_NEVER;
  async->change_count = conn->change_count;
  for (struct slot *slot = conn->window.oldest; slot != NULL; slot = next) {
    struct async_call *call = call_of(slot);
    next = slot->next;
    if (call == NULL) {
      continue;
    }
    uint64_t deadline_ns = span_deadline_ns(conn, &call->span);
    if (now_ns >= deadline_ns) {
      give_up(async, slot);
    } else if (deadline_ns < async->check_ns) {
      async->check_ns = deadline_ns;
    }
  }
  withdraw_submit(conn);
}

void hf_async_cancel(hf_async *async, uint64_t id) {
  hf_conn *conn = async->conn;
  int cancellation = cancellation_disable();
  conn_lock(conn);
  struct slot *slot = async->is_detached ? NULL : conn->window.oldest;
  while (slot != NULL && (call_of(slot) == NULL || call_of(slot)->id != id)) {
    slot = slot->next;
  }
  if (slot != NULL) {
    cancel_call(conn, slot);
    withdraw_submit(conn);
    write_out(async);
  }
  conn_unlock(conn);
  cancellation_restore(cancellation);
}

/* ---------------------------------------------------------------- collecting */

/* Performs the work that is due; without completions arms the descriptor. */
static void work(struct hf_async *async) {
  hf_conn *conn = async->conn;
  struct waits waits;
  int cancellation = cancellation_disable();
  conn_lock(conn);
  if (!async->is_detached) {
    async->is_working = true;
    async_poll_clear(&async->poll);
    (void)conn_step(conn, async->check_ns,
                    &waits); /* if there is another poll leader, async_notify follows */
    check_deadlines(async);
    if (async->done == NULL) {
      waits_until(&waits, async->check_ns);
      async_poll_arm(&async->poll, &waits, conn->change_count);
    }
    async->is_working = false;
  }
  async->ready = async->done;
  async->done = NULL;
  async->done_end = &async->done;
  conn_unlock(conn);
  cancellation_restore(cancellation);
}

/* Stores the results of a call of several operations. */
static void end_steps(struct async_call *call) {
  if (call->steps == NULL) {
    return;
  }
  hf_status status = steps_end(call->steps, call->call.status);
  if (status != call->call.status) {
    call->call.status = status;
    call->call.failure = failure_of_error();
  }
  free(call->steps);
  call->steps = NULL;
}

static void fill(struct hf_async *async, struct async_call *call, struct hf_completion *completion,
                 size_t completion_size) {
  const struct result *result = &call->call.result;
  if (result->end != NULL) {
    result->end(result, &call->call);
  }
  end_steps(call);
  const struct failure *failure = call->call.failure;
  struct hf_completion filled = {.id = call->id, .data = call->data, .status = call->call.status};
  filled.reason = failure != NULL ? failure->reason : "";
  filled.message = failure != NULL              ? failure->message
                   : call->call.status != HF_OK ? hf_status_name(call->call.status)
                                                : "";
  free(async->last_failure);
  async->last_failure = call->call.failure;
  sized_give(completion, completion_size, &filled, sizeof filled);
}

bool hf_async_collect_sized(hf_async *async, struct hf_completion *completion,
                            size_t completion_size) {
  if (async->ready == NULL) {
    work(async);
  }
  struct async_call *call = async->ready;
  if (call == NULL) {
    return false;
  }
  async->ready = call->next;
  fill(async, call, completion, completion_size);
  give_free(async, call);
  return true;
}

/* ---------------------------------------------------------------- life */

static hf_status open_async(hf_conn *conn, hf_async **async) {
  struct hf_async *made = calloc(1, sizeof *made);
  if (made == NULL || !async_poll_init(&made->poll)) {
    free(made);
    return error_reason(HF_REASON_NO_MEMORY);
  }
  made->done_end = &made->done;
  made->check_ns = CLOCK_NEVER;
  conn_lock(conn);
  bool is_first = conn->async == NULL;
  if (is_first) {
    made->conn = conn_retain(conn);
    conn->async = made;
    async_poll_notify(&made->poll); /* the link is to be polled */
  }
  conn_unlock(conn);
  if (!is_first) {
    async_poll_deinit(&made->poll);
    free(made);
    return error_reason(HF_REASON_ALREADY_OPEN);
  }
  *async = made;
  return HF_OK;
}

hf_status hf_async_open(hf_conn *conn, hf_async **async) {
  int cancellation = cancellation_disable();
  hf_status status = open_async(conn, async);
  cancellation_restore(cancellation);
  return status;
}

static void free_calls(struct async_call *call) {
  while (call != NULL) {
    struct async_call *next = call->next;
    free_call(call);
    call = next;
  }
}

/* Withdraws the calls in flight, which become ready. Mutex held. */
static void abandon_all(struct hf_async *async) {
  struct slot *next;
  for (struct slot *slot = async->conn->window.oldest; slot != NULL; slot = next) {
    struct async_call *call = call_of(slot);
    next = slot->next;
    if (call != NULL) {
      withdraw_abandoned(async->conn, slot);
      stop(call);
      call->next = async->ready;
      async->ready = call;
    }
  }
  withdraw_submit(async->conn);
}

void hf_async_close(hf_async *async) {
  if (async == NULL) {
    return;
  }
  hf_conn *conn = async->conn;
  int cancellation = cancellation_disable();
  hf_async_end(async);
  conn_lock(conn);
  if (!async->is_detached) {
    abandon_all(async);
    conn->async = NULL;
  }
  conn_unlock(conn);
  async_poll_deinit(&async->poll);
  free_calls(async->done);
  free_calls(async->ready);
  for (struct async_call *call = async->free; call != NULL; call = call->next) {
    call->call.failure = NULL; /* freed as last_failure, or NULL */
  }
  free_calls(async->free);
  free(async->last_failure);
  free(async);
  conn_release(conn);
  cancellation_restore(cancellation);
}

int hf_async_descriptor(const hf_async *async) {
  return async->poll.epoll_fd;
}

/* ---------------------------------------------------------------- for the connection */

void async_notify(hf_conn *conn) {
  struct hf_async *async = conn->async;
  if (async != NULL && !async->is_working) {
    async_poll_notify(&async->poll);
  }
}

/* Removes the hf_async from the connection. Mutex held. */
static void detach(hf_conn *conn, hf_status status) {
  struct hf_async *async = conn->async;
  struct slot *slot = async == NULL ? NULL : conn->window.oldest;
  if (async == NULL) {
    return;
  }
  async->is_detached = true;
  conn->async = NULL;
  for (; slot != NULL; slot = slot->next) {
    struct async_call *call = call_of(slot);
    if (call != NULL) {
      slot->call = NULL;
      call->call.status = status;
      call->call.failure = NULL;
      async->pending--;
      complete(call);
    }
  }
}

void async_become_child(hf_conn *conn) {
  if (conn->async != NULL) {
    /* Closing the child's descriptors does not change the parent's epoll set. */
    async_poll_deinit(&conn->async->poll);
  }
  detach(conn, HF_CANCELLED);
}

void async_detach(hf_conn *conn) {
  conn_lock(conn);
  detach(conn, HF_CANCELLED);
  conn_unlock(conn);
}
