#include "client/src/call/call.h"

#include <assert.h>
#include <stdlib.h>

#include "client/src/call/gather.h"
#include "client/src/call/oneway.h"
#include "client/src/call/pipeline.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "proto/base/clock.h"

/* ---------------------------------------------------------------- making a request */

void request_of_conn(struct request *request, hf_conn *conn, uint32_t operation) {
  request->conn = conn;
  request->envelope = (struct envelope){.timeout_ms = -1, .operation = operation};
  request->result = (struct result){result_none, NULL, NULL};
  request->wait_ms = 0;
  request->is_now = false;
  request->is_internal = false;
  request->needs_reply = false;
  request->reason = HF_REASON_NONE;
  request->value_count = 0;
  arena_init(&request->arena, HF_UNPACK_BYTES_MAX);
}

void request_of(struct request *request, const void *handle, uint32_t operation) {
  const struct hf_object *object = handle;
  request_of_conn(request, object->conn, operation);
  request->envelope.object = object->id;
}

void request_wait(struct request *request, int64_t timeout_ms) {
  request->wait_ms = timeout_ms;
  request->envelope.timeout_ms = timeout_ms;
  if (timeout_ms < 0 && timeout_ms != HF_FOREVER) {
    request->reason = HF_REASON_NEGATIVE_TIMEOUT;
  }
}

void request_result(struct request *request, result_decode decode, void *first, void *second) {
  request->result = (struct result){decode, first, second};
  request->needs_reply = first != NULL || second != NULL;
}

void request_ask(struct request *request, result_decode decode, void *first, void *second) {
  request->result = (struct result){decode, first, second};
  request->needs_reply = true;
}

Holdfast__Value *request_value(struct request *request, const hf_value *value) {
  Holdfast__Value *message = &request->values[request->value_count++];
  hf_reason reason = value_to_wire(value, &request->arena, message);
  if (reason != HF_REASON_NONE) {
    request->reason = reason;
  }
  return message;
}

Holdfast__Value *request_optional(struct request *request, const hf_value *value) {
  return value == NULL ? NULL : request_value(request, value);
}

static void *request_alloc(struct request *request, size_t count, size_t item_bytes) {
  if (count == 0 || request->reason != HF_REASON_NONE) {
    return NULL;
  }
  if (count > HF_FIELDS_MAX) {
    request->reason = HF_REASON_TOO_MANY_FIELDS;
    return NULL;
  }
  void *items = arena_alloc(&request->arena, count * item_bytes);
  if (items == NULL) {
    request->reason = HF_REASON_NO_MEMORY;
  }
  return items;
}

static void fill_value(struct request *request, const hf_value *value, Holdfast__Value *message) {
  hf_reason reason = value_to_wire(value, &request->arena, message);
  if (reason != HF_REASON_NONE) {
    request->reason = reason;
  }
}

Holdfast__Value **request_values(struct request *request, const hf_value *values, size_t count,
                                 size_t *message_count) {
  Holdfast__Value **pointers = request_alloc(request, count, sizeof(Holdfast__Value *));
  Holdfast__Value *messages = request_alloc(request, count, sizeof *messages);
  *message_count = messages == NULL ? 0 : count;
  for (size_t i = 0; i < *message_count; i++) {
    pointers[i] = &messages[i];
    fill_value(request, &values[i], &messages[i]);
  }
  return pointers;
}

Holdfast__Entry **request_entries(struct request *request, const struct hf_entry *entries,
                                  size_t count, size_t *message_count) {
  struct pair {
    Holdfast__Entry entry;
    Holdfast__Value key, value;
  };
  Holdfast__Entry **pointers = request_alloc(request, count, sizeof(Holdfast__Entry *));
  struct pair *pairs = request_alloc(request, count, sizeof *pairs);
  *message_count = pairs == NULL ? 0 : count;
  for (size_t i = 0; i < *message_count; i++) {
    pairs[i].entry = (Holdfast__Entry)HOLDFAST__ENTRY__INIT;
    pairs[i].entry.key = &pairs[i].key;
    pairs[i].entry.value = &pairs[i].value;
    pointers[i] = &pairs[i].entry;
    fill_value(request, &entries[i].key, &pairs[i].key);
    fill_value(request, &entries[i].value, &pairs[i].value);
  }
  return pointers;
}

Holdfast__Slice request_slice(struct hf_slice slice) {
  Holdfast__Slice message = HOLDFAST__SLICE__INIT;
  if (slice.start != HF_OMITTED) {
    message.first_case = HOLDFAST__SLICE__FIRST_START;
    message.start = slice.start;
  }
  if (slice.stop != HF_OMITTED) {
    message.last_case = HOLDFAST__SLICE__LAST_STOP;
    message.stop = slice.stop;
  }
  if (slice.step != HF_OMITTED) {
    message.stride_case = HOLDFAST__SLICE__STRIDE_STEP;
    message.step = slice.step;
  }
  return message;
}

/* ---------------------------------------------------------------- sending it */

static bool is_too_big(const struct request *request) {
  return envelope_body_max(&request->envelope, HF_WINDOW_COUNT_MAX) >
         request->conn->frame_bytes_max;
}

static hf_status session_failure(const hf_conn *conn) {
  hf_status status = conn->ended == NULL ? HF_FAILED_PRECONDITION : conn->ended->status;
  return error_take(status, failure_copy(conn->ended));
}

/* On the server; also for somebody's lock on a value or an array. */
static bool may_wait(const struct request *request) {
  uint32_t operation = request->envelope.operation;
  return request->wait_ms != 0 ||
         (operation >= OPERATION(VALUE_GET) && operation <= OPERATION(ARRAY_ADD));
}

/* What the call needs in the window, beside whatever else is there. */
struct need {
  const uint32_t *count;
  uint32_t limit; /* *count is not to be beyond it */
};

static struct need place_of(const struct window *window, const struct request *request) {
  if (request->wait_ms == 0) {
    return (struct need){&window->used_count, window->used_count_max + WINDOW_RESERVED_COUNT - 1};
  }
  if (window->parked_count >= window->parked_count_max) {
    return (struct need){&window->parked_count, window->parked_count_max - 1};
  }
  return (struct need){&window->used_count, window->used_count_max - 1};
}

/* A call that waits on the server waits for its place no longer than it would there. */
static uint64_t place_deadline_ns(const hf_conn *conn, const struct request *request,
                                  uint64_t since_ns) {
  bool is_shorter = request->wait_ms > 0 && request->wait_ms < conn->call_timeout_ms;
  return clock_deadline_ns(since_ns,
                           (uint64_t)(is_shorter ? request->wait_ms : conn->call_timeout_ms));
}

static hf_status error_no_place(const hf_conn *conn, const struct request *request) {
  const struct window *window = &conn->window;
  if (conn->state != CONN_UP || request->wait_ms == 0 || window_has_abandoned(window)) {
    return conn_error_unanswered(conn);
  }
  return error_format(
      HF_REASON_IN_FLIGHT_FULL,
      "%u calls of this process wait on one connection, and more may not; end some, "
      "or make further calls that wait on a connection of their own",
      window->parked_count);
}

/* Waits until the window has room for the call. */
static hf_status await_place(hf_conn *conn, struct request *request) {
  struct need need = place_of(&conn->window, request);
  if (*need.count <= need.limit) {
    return conn->state == CONN_ENDED ? session_failure(conn) : HF_OK;
  }
  uint64_t since_ns = clock_now_ns();
  uint64_t deadline_ns = place_deadline_ns(conn, request, since_ns);
  while (*need.count > need.limit) {
    if (!conn_wait_until(conn, need.count, need.limit, since_ns, deadline_ns)) {
      return error_no_place(conn, request);
    }
    need = place_of(&conn->window, request);
  }
  if (request->wait_ms > 0) { /* what is left of its own timeout is for the server */
    int64_t waited_ms = (int64_t)((clock_now_ns() - since_ns) / CLOCK_NS_PER_MS);
    int64_t left_ms = request->wait_ms > waited_ms ? request->wait_ms - waited_ms : 0;
    request->envelope.timeout_ms = request->envelope.timeout_ms < 0 ? -1 : left_ms;
  }
  return conn->state == CONN_ENDED ? session_failure(conn) : HF_OK;
}

hf_status call_submit(struct request *request, struct call *call) {
  hf_conn *conn = request->conn;
  hf_status status;
  if (may_wait(request) && cancel_is_wanted(conn)) {
    return error_reason(HF_REASON_CANCELLED);
  }
  do { /* what is due to be given back takes places too, and more may come while waiting for one */
    status = await_place(conn, request);
  } while (status == HF_OK && !holds_submit(conn));
  if (status != HF_OK) {
    return status;
  }
  struct slot *slot = window_add(&conn->window, conn->transport->framing, &request->envelope);
  if (slot == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  slot->call = call;
  slot->may_wait = may_wait(request);
  if (request->wait_ms != 0) {
    window_park(&conn->window, slot);
  }
  call->slot = slot;
  call->result = request->result;
  call->status = HF_OK;
  call->failure = NULL;
  (*call->pending)++;
  return HF_OK;
}

/* Whether the reply brings what is nowhere else any more. */
static bool takes_item(const struct slot *slot) {
  switch (slot->operation) {
    case OPERATION(QUEUE_GET):
    case OPERATION(QUEUE_GET_MANY):
    case OPERATION(PIPE_RECV):
    case OPERATION(WAIT_FIRST):
      return true;
    default:
      return false;
  }
}

/* Whether the server can take back what the reply brings. */
static bool can_go_back(const struct slot *slot) {
  return takes_item(slot) || slot->operation == OPERATION(QUEUE_RESERVE);
}

/* The reply of a request that nobody waits for. */
static void finish_unawaited(hf_conn *conn, struct slot *slot, bool is_answered) {
  struct slot *withdrawn = slot->withdraws;
  if (is_answered && slot->withdrawal != WITHDRAWAL_NONE) {
    return; /* stays, so that it is not acknowledged before it was taken back */
  }
  window_remove(&conn->window, slot);
  if (is_answered && withdrawn != NULL) {
    window_remove(&conn->window, withdrawn);
  }
}

/* Its outcome is known. */
static void settle(struct call *call) {
  call->slot = NULL;
  (*call->pending)--;
  if (call->pipeline != NULL) {
    pipeline_finished(call->pipeline, call);
  }
}

void call_give_up(struct call *call, hf_reason reason) {
  call->status = hf_reason_status(reason);
  call->failure = failure_of(reason);
  settle(call);
}

/* Sets the call's results. What finds no room here goes back to where it was. */
static hf_reason take_reply(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply) {
  const struct result *result = &slot->call->result;
  bool goes_back = can_go_back(slot);
  hf_reason reason =
      goes_back ? result->decode(conn, reply, result) : result_take(conn, reply, result);
  if (goes_back && reason != HF_REASON_NONE) {
    cancel_abandoned(conn, slot);
    return reason;
  }
  conn->owes_acknowledgement |= takes_item(slot);
  window_remove(&conn->window, slot);
  return reason;
}

void call_finish(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply,
                 struct failure *failure) {
  struct call *call = slot->call;
  if (call == NULL) {
    free(failure);
    finish_unawaited(conn, slot, reply != NULL);
    return;
  }
  if (reply != NULL && reply->status == HF_OK) {
    hf_reason reason = take_reply(conn, slot, reply);
    failure = reason == HF_REASON_NONE ? NULL : failure_of(reason);
    call->status = hf_reason_status(reason);
  } else if (reply != NULL) {
    window_remove(&conn->window, slot);
    failure = failure_of_reply(reply);
    call->status = (hf_status)reply->status;
  } else {
    window_remove(&conn->window, slot);
    call->status = failure == NULL ? HF_UNKNOWN : failure->status;
  }
  call->failure = failure;
  settle(call);
}

void call_finish_unread(hf_conn *conn, struct slot *slot, hf_reason reason) {
  struct call *call = slot->call;
  if (call == NULL) {
    finish_unawaited(conn, slot, true);
    return;
  }
  cancel_abandoned(conn, slot);
  call_give_up(call, reason);
}

/* Gives a call up; its reply, should it ever come, finds nobody. */
static hf_status abandon(hf_conn *conn, struct call *call) {
  hf_status status = conn_error_unanswered(conn);
  assert(call->slot != NULL);
  cancel_abandoned(conn, call->slot);
  cancel_submit(conn);
  return status;
}

/* One call, from the first byte to its result. */
static hf_status call_run(struct request *request) {
  hf_conn *conn = request->conn;
  uint32_t pending = 0;
  struct call call = {.pending = &pending};
  uint64_t since_ns = clock_now_ns();
  conn_lock(conn);
  hf_status status = call_submit(request, &call);
  if (status == HF_OK) {
    conn_write(conn);
    if (conn_wait(conn, &pending, 0, since_ns, request->wait_ms)) {
      status = call.status;
    } else {
      status = abandon(conn, &call);
      call.failure = NULL;
      call.status = HF_OK;
    }
  }
  conn_unlock(conn);
  return call.status == HF_OK ? status : error_take(call.status, call.failure);
}

static hf_status send_as_chosen(struct request *request) {
  hf_status status;
  int cancellation = cancellation_disable();
  request->envelope.caller = conn_caller();
  bool is_now = request->is_now || request->is_internal;
  struct pipeline *pipeline = is_now ? NULL : pipeline_of_thread(request->conn);
  struct gather *gather = gather_for(request);
  if (request->reason == HF_REASON_NO_MEMORY && request->arena.refused) {
    request->reason = HF_REASON_TOO_MANY_FIELDS; /* the budget ran out, not the machine */
  }
  if (request->reason != HF_REASON_NONE) {
    status = error_reason(request->reason);
  } else if (is_too_big(request)) {
    status = error_reason(HF_REASON_REQUEST_TOO_BIG);
  } else if (!request->is_internal && oneway_is_on(request->conn)) {
    status = request->needs_reply ? error_reason(HF_REASON_NOT_ONE_WAY) : oneway_send(request);
  } else if (gather != NULL) {
    status = gather_add(gather, request);
  } else if (pipeline != NULL) {
    status = pipeline_send(pipeline, request);
  } else {
    status = call_run(request);
  }
  if (pipeline != NULL && status != HF_OK) {
    pipeline_refused(pipeline, status);
  }
  if (gather != NULL && status != HF_OK) {
    gather_refused(gather);
  }
  arena_deinit(&request->arena);
  cancellation_restore(cancellation);
  return status;
}

hf_status request_send(struct request *request, const ProtobufCMessage *arm) {
  request->envelope.arm = arm;
  request->envelope.arm_len = protobuf_c_message_get_packed_size(arm);
  return send_as_chosen(request);
}

hf_status request_send_packed(struct request *request, struct bytes arm) {
  request->envelope.packed = arm.data;
  request->envelope.arm_len = arm.len;
  return send_as_chosen(request);
}
