#include "client/src/call/plain.h"

#include <assert.h>

#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/leader.h"
#include "client/src/connection/references.h"
#include "client/src/connection/withdraw.h"
#include "proto/base/clock.h"

/* Whether the operation may wait on the server; access to a Value or Array waits for its lock. */
static bool may_wait(const struct request *request) {
  uint32_t operation = request->envelope.operation;
  return request->wait_ms != 0 ||
         (operation >= OPERATION(VALUE_GET) && operation <= OPERATION(ARRAY_WRITE));
}

/* The room a call needs in the window: *count <= limit. */
struct need {
  const uint32_t *count;
  uint32_t limit; /* the bound of *count */
};

static struct need need_of(const struct window *window, const struct request *request) {
  if (request->wait_ms == 0) {
    return (struct need){&window->used_count, window->used_count_max + WINDOW_RESERVED_COUNT - 1};
  }
  if (window->parked_count >= window->parked_count_max) {
    return (struct need){&window->parked_count, window->parked_count_max - 1};
  }
  return (struct need){&window->used_count, window->used_count_max - 1};
}

/* A call that waits on the server waits for its slot at most as long. */
static uint64_t slot_deadline_ns(const hf_conn *conn, const struct request *request,
                                 uint64_t since_ns) {
  bool is_shorter = request->wait_ms > 0 && request->wait_ms < conn->call_timeout_ms;
  return clock_deadline_ns(since_ns,
                           (uint64_t)(is_shorter ? request->wait_ms : conn->call_timeout_ms));
}

static hf_status error_no_slot(const hf_conn *conn, const struct request *request,
                               enum wait_end end) {
  const struct window *window = &conn->window;
  if (end == WAIT_INTERRUPTED || conn->state != CONN_UP || request->wait_ms == 0 ||
      window_has_abandoned(window)) {
    return conn_error_wait(conn, end);
  }
  return error_format(
      HF_REASON_IN_FLIGHT_FULL,
      "%u calls of this process wait on one connection, and more may not; end some, "
      "or make further calls that wait on a connection of their own",
      window->parked_count);
}

/* Waits until the window has room for the call. */
static hf_status await_slot(hf_conn *conn, struct request *request) {
  struct need need = need_of(&conn->window, request);
  if (*need.count <= need.limit) {
    return conn->state == CONN_ENDED ? conn_error_ended(conn) : HF_OK;
  }
  uint64_t since_ns = clock_now_ns();
  uint64_t deadline_ns = slot_deadline_ns(conn, request, since_ns);
  while (*need.count > need.limit) {
    enum wait_end end = conn_wait_until(conn, need.count, need.limit, since_ns, deadline_ns);
    if (end != WAIT_REACHED) {
      return error_no_slot(conn, request, end);
    }
    need = need_of(&conn->window, request);
  }
  if (request->wait_ms > 0) { /* the rest of the timeout is for the server */
    int64_t waited_ms = (int64_t)((clock_now_ns() - since_ns) / CLOCK_NS_PER_MS);
    int64_t left_ms = request->wait_ms > waited_ms ? request->wait_ms - waited_ms : 0;
    request->envelope.timeout_ms = request->envelope.timeout_ms < 0 ? -1 : left_ms;
  }
  return conn->state == CONN_ENDED ? conn_error_ended(conn) : HF_OK;
}

/* Adds the request to the window, which has room. */
static hf_status enter_window(struct request *request, struct call *call) {
  hf_conn *conn = request->conn;
  struct slot *slot = window_add(&conn->window, conn->transport->framing, &request->envelope);
  if (slot == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  slot->call = call;
  slot->may_wait = may_wait(request);
  slot->outlives_call = request->outlives_call;
  slot->retains = request->retains;
  if (request->wait_ms != 0) {
    window_park(&conn->window, slot);
  }
  call->slot = slot;
  call->result = request->result;
  call->status = HF_OK;
  call->failure = NULL;
  call->is_withdrawn = false;
  (*call->pending)++;
  return HF_OK;
}

hf_status call_submit(struct request *request, struct call *call) {
  hf_conn *conn = request->conn;
  hf_status status;
  if (may_wait(request) && cancel_apply(conn)) {
    return error_reason(HF_REASON_CANCELLED);
  }
  do { /* due releases take slots too, and more may become due while waiting for a slot */
    status = await_slot(conn, request);
  } while (status == HF_OK && !references_submit(conn));
  return status == HF_OK ? enter_window(request, call) : status;
}

hf_status call_submit_at_once(struct request *request, struct call *call) {
  hf_conn *conn = request->conn;
  if (may_wait(request) && cancel_apply(conn)) {
    return error_reason(HF_REASON_CANCELLED);
  }
  if (conn->state == CONN_ENDED) {
    return conn_error_ended(conn);
  }
  bool is_ready = references_submit(conn);
  struct need need = need_of(&conn->window, request);
  if (!is_ready || *need.count > need.limit) {
    return error_format(HF_REASON_IN_FLIGHT_FULL,
                        "%u calls are under way; collect some before more are made",
                        conn->window.used_count);
  }
  return enter_window(request, call);
}

hf_status call_submit_further(struct request *request, struct call *call) {
  assert(call->slot == NULL && request->conn->window.used_count < WINDOW_SLOTS_MAX);
  return enter_window(request, call);
}

/* Gives the call up; its later reply is ignored. */
static hf_status abandon(hf_conn *conn, struct call *call, enum wait_end end) {
  hf_status status = conn_error_wait(conn, end);
  if (end == WAIT_INTERRUPTED) {
    return status; /* in a child that was forked by the check: the parent has the request */
  }
  assert(call->slot != NULL);
  withdraw_abandoned(conn, call->slot);
  withdraw_submit(conn);
  return status;
}

/* Without a slot in time, what outlives its call gets one later. A reference is retained for nobody. */
static void keep_outliving(const struct request *request) {
  hf_conn *conn = request->conn;
  if (request->outlives_call && request->retains == 0 && conn->state != CONN_ENDED) {
    window_add_unawaited(&conn->window, conn->transport->framing, &request->envelope);
  }
}

/* Performs one call. */
hf_status call_run(struct request *request) {
  hf_conn *conn = request->conn;
  uint32_t pending = 0;
  struct call call = {.pending = &pending};
  uint64_t since_ns = clock_now_ns();
  conn_lock(conn);
  hf_status status = call_submit(request, &call);
  if (status != HF_OK) {
    keep_outliving(request);
  } else {
    conn_write(conn);
    enum wait_end end = conn_wait(conn, &pending, 0, since_ns, request->wait_ms);
    if (end == WAIT_REACHED) {
      status = call.status;
    } else {
      status = abandon(conn, &call, end);
      call.failure = NULL;
      call.status = HF_OK;
    }
  }
  conn_unlock(conn);
  return call.status == HF_OK ? status : error_take(call.status, call.failure);
}

hf_status call_now(struct request *request, const ProtobufCMessage *arm) {
  request_arm(request, arm);
  int cancellation = cancellation_disable();
  request->envelope.thread = conn_thread();
  hf_status status = request_check(request);
  if (status == HF_OK) {
    status = call_run(request);
  }
  arena_deinit(&request->arena);
  cancellation_restore(cancellation);
  return status;
}
