#include "client/src/call/batch.h"

#include <stdlib.h>

#include "client/src/call/call.h"
#include "client/src/call/call_mode.h"
#include "proto/holdfast_fields.h"

/* A part of the batch: the idx-th call or condition, from 0. */
struct part {
  bool is_condition;
  size_t idx;
};

struct batch {
  struct call_mode mode; /* first */
  bool is_transaction;
  uint8_t *packed; /* the fields of the message */
  size_t packed_len, packed_capacity;
  struct result *results; /* of the calls */
  size_t call_count, call_capacity, condition_count;
  /* The first part that could not be added, and the error. */
  hf_status refused_status;
  struct failure *refused;
  struct part refused_part;
  /* The outcome of the call decoded last, and its part number. */
  hf_status outcome_status;
  struct failure *outcome;
  size_t outcome_part;
};

/* ---------------------------------------------------------------- life */

static void batch_free(struct batch *batch) {
  free(batch->packed);
  free(batch->results);
  free(batch->refused);
  free(batch->outcome);
  free(batch);
}

/* ---------------------------------------------------------------- adding parts */

static bool reserve_packed(struct batch *batch, size_t size) {
  size_t needed = batch->packed_len + size;
  if (needed <= batch->packed_capacity) {
    return true;
  }
  size_t capacity = batch->packed_capacity == 0 ? 1024 : batch->packed_capacity;
  while (capacity < needed) {
    capacity *= 2;
  }
  uint8_t *packed = realloc(batch->packed, capacity);
  if (packed == NULL) {
    return false;
  }
  batch->packed = packed;
  batch->packed_capacity = capacity;
  return true;
}

static bool reserve_result(struct batch *batch) {
  if (batch->call_count < batch->call_capacity) {
    return true;
  }
  size_t capacity = batch->call_capacity == 0 ? 8 : batch->call_capacity * 2;
  struct result *results = realloc(batch->results, capacity * sizeof *results);
  if (results == NULL) {
    return false;
  }
  batch->results = results;
  batch->call_capacity = capacity;
  return true;
}

/* HF_OK: a part of that size can be added. */
static hf_status reserve(struct batch *batch, size_t size) {
  if (batch->packed_len + size >
      atomic_load_explicit(&batch->mode.conn->frame_bytes_max, memory_order_relaxed)) {
    return error_reason(HF_REASON_REQUEST_TOO_BIG);
  }
  bool has_room = reserve_packed(batch, size) && reserve_result(batch);
  return has_room ? HF_OK : error_reason(HF_REASON_NO_MEMORY);
}

/* Opening handles is never part of a batch; it is a plain call. */
static bool opens_a_handle(uint32_t operation) {
  return operation == OPERATION(OBJECT_OPEN) || operation == OPERATION(OBJECT_RETAIN) ||
         operation == OPERATION(PIPE_ATTACH);
}

static bool takes(const struct request *request) {
  return !opens_a_handle(request->envelope.operation);
}

/* Packs the request as a part of the batch. */
static hf_status add(struct call_mode *mode, struct request *request) {
  struct batch *batch = (struct batch *)mode;
  if (request->is_now) { /* the library needs the result at once */
    return error_reason(HF_REASON_NOT_NESTABLE);
  }
  uint32_t field =
      batch->is_transaction ? HF_FIELD_TRANSACTION_OPERATIONS : HF_FIELD_WAIT_ANY_OPERATIONS;
  hf_status status = reserve(batch, envelope_body_max(&request->envelope, 0));
  if (status == HF_OK) {
    batch->packed_len +=
        envelope_write_nested(batch->packed + batch->packed_len, field, &request->envelope);
    batch->results[batch->call_count++] = request->result;
  }
  return status;
}

/* Records the thread's last error as the batch's, if it is the first. */
static void refuse(struct batch *batch, struct part part) {
  if (batch->refused_status == HF_OK) {
    batch->refused_status = hf_last_error()->status;
    batch->refused = failure_of_error();
    batch->refused_part = part;
  }
}

/* The batch fails with the thread's last error. */
static void refused(struct call_mode *mode, hf_status status) {
  struct batch *batch = (struct batch *)mode;
  (void)status;
  refuse(batch, (struct part){.idx = batch->call_count});
}

/* A forked child drops the parent's batch. */
static void forget(struct call_mode *mode) {
  batch_free((struct batch *)mode);
}

static uint64_t made(const struct call_mode *mode) {
  return ((const struct batch *)mode)->call_count;
}

static const struct call_mode_kind batches = {
    .takes = takes,
    .send = add,
    .refused = refused,
    .made = made,
    .forget = forget,
};

static struct batch *open_batch(const hf_conn *conn) {
  return (struct batch *)call_mode_of_kind(conn, &batches);
}

/* ---------------------------------------------------------------- conditions */

static hf_status add_condition(struct batch *batch, const Holdfast__Condition *condition) {
  size_t len = holdfast__condition__get_packed_size(condition);
  hf_status status = reserve(batch, ENVELOPE_BYTES_MAX + len);
  if (status == HF_OK) {
    batch->packed_len += envelope_write_message(
        batch->packed + batch->packed_len, HF_FIELD_TRANSACTION_CONDITIONS, &condition->base, len);
  }
  return status;
}

hf_status batch_require(const void *handle, Holdfast__Condition *condition, hf_reason reason) {
  const struct hf_object *object = handle;
  struct batch *batch = open_batch(object->conn);
  if (batch == NULL || !batch->is_transaction) {
    return call_mode_error("no transaction is open on this thread");
  }
  condition->target_case = HOLDFAST__CONDITION__TARGET_OBJECT;
  condition->object = object->id;
  hf_status status =
      reason == HF_REASON_NONE ? add_condition(batch, condition) : error_reason(reason);
  if (status != HF_OK) {
    refuse(batch, (struct part){true, batch->condition_count});
  }
  batch->condition_count++;
  return status;
}

/* ---------------------------------------------------------------- results */

static void take_failure(struct batch *batch, const Holdfast__Response *outcome) {
  batch->outcome_status = (hf_status)outcome->status;
  batch->outcome = failure_of_reply(outcome);
}

/* Decodes the outcome of one call, whose decoder takes or releases its part of the reply. */
static void take_outcome(hf_conn *conn, struct batch *batch, size_t idx,
                         const Holdfast__Response *outcome) {
  if (outcome->status == HF_OK) {
    hf_reason reason = reply_take(conn, outcome, &batch->results[idx]);
    batch->outcome_status = hf_reason_status(reason);
    batch->outcome = reason == HF_REASON_NONE ? NULL : failure_of(reason);
  } else {
    take_failure(batch, outcome);
  }
}

/* result->first: struct batch *. On failure the caller releases the references in the reply. */
static hf_reason take_chosen(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result) {
  struct batch *batch = result->first;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_CHOSEN || reply->chosen->outcome == NULL ||
      reply->chosen->index >= batch->call_count) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Response *outcome = reply->chosen->outcome;
  const struct result *chosen = &batch->results[reply->chosen->index];
  batch->outcome_part = reply->chosen->index + 1;
  if (outcome->status == HF_OK) {
    return chosen->decode(conn, outcome, chosen);
  }
  take_failure(batch, outcome);
  return HF_REASON_NONE;
}

/* result->first: struct batch *. Parts after the first failure are released. */
static hf_reason take_results(hf_conn *conn, const Holdfast__Response *reply,
                              const struct result *result) {
  struct batch *batch = result->first;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_RESULTS ||
      reply->results->n_items != batch->call_count) {
    return HF_REASON_BAD_REPLY;
  }
  for (size_t i = 0; i < batch->call_count; i++) {
    if (batch->outcome_status == HF_OK) {
      batch->outcome_part = batch->condition_count + i + 1;
      take_outcome(conn, batch, i, reply->results->items[i]);
    } else {
      reply_drop(conn, reply->results->items[i]);
    }
  }
  return HF_REASON_NONE;
}

/* ---------------------------------------------------------------- sending */

/* Part numbers of a transaction count conditions first. */
static size_t part_of(const struct batch *batch, struct part part) {
  return part.idx + 1 + (part.is_condition ? 0 : batch->condition_count);
}

static hf_status fail(hf_status status, struct failure **failure) {
  struct failure *taken = *failure;
  *failure = NULL;
  return error_take(status, taken);
}

/* The part that the outcome is about, from 1; 0: none. failed_part: that of the reply as a whole. */
static size_t outcome_part(const struct batch *batch, size_t failed_part) {
  return batch->outcome_part > 0 ? batch->outcome_part : failed_part;
}

/* Stores the part for the caller: of a wait-any from 0, of a transaction only on an error. */
static void give_part(const struct batch *batch, size_t part, hf_status status, size_t *given) {
  bool is_given = batch->is_transaction ? status != HF_OK : part > 0;
  if (is_given && given != NULL) {
    *given = batch->is_transaction ? part : part - 1;
  }
}

/* The end of a submitted batch. result->first: struct batch *, second: size_t * for the part. */
static void end_submitted(const struct result *result, struct call *call) {
  struct batch *batch = result->first;
  if (call != NULL) {
    size_t part = outcome_part(batch, call->failure == NULL ? 0 : call->failure->part);
    if (batch->outcome_status != HF_OK) {
      free(call->failure);
      call->status = batch->outcome_status;
      call->failure = batch->outcome;
      batch->outcome = NULL;
    }
    give_part(batch, part, call->status, result->second);
  }
  batch_free(batch);
}

/* Sends the batch. out is_submitted: the call owns the batch, and stores the part. */
static hf_status run(struct batch *batch, int64_t timeout_ms, size_t *part, bool *is_submitted) {
  struct request request;
  *is_submitted = false;
  if (batch->refused_status != HF_OK) {
    hf_status status = fail(batch->refused_status, &batch->refused);
    give_part(batch, part_of(batch, batch->refused_part), status, part);
    return status;
  }
  request_of_conn(&request, batch->mode.conn,
                  batch->is_transaction ? OPERATION(TRANSACTION) : OPERATION(WAIT_ANY));
  request_wait(&request, timeout_ms);
  request_ask(&request, batch->is_transaction ? take_results : take_chosen, batch, part);
  request.result.end = end_submitted;
  hf_status status = request_send_packed(&request, bytes_of(batch->packed, batch->packed_len));
  *is_submitted = request.is_submitted;
  if (!request.is_submitted) {
    size_t failed_part = outcome_part(batch, status == HF_OK ? 0 : error_part());
    status = batch->outcome_status == HF_OK ? status : fail(batch->outcome_status, &batch->outcome);
    give_part(batch, failed_part, status, part);
  }
  return status;
}

/* ---------------------------------------------------------------- beginning and ending */

static hf_status begin(hf_conn *conn, bool is_transaction) {
  hf_status status = call_mode_check_batch(conn);
  if (status != HF_OK) {
    return status;
  }
  struct batch *batch = calloc(1, sizeof *batch);
  if (batch == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  batch->is_transaction = is_transaction;
  call_mode_begin(&batch->mode, &batches, conn);
  return HF_OK;
}

/* Ends the thread's batch mode. NULL: no batch of the kind is open. */
static struct batch *take(const hf_conn *conn, bool is_transaction) {
  struct batch *batch = open_batch(conn);
  if (batch == NULL || batch->is_transaction != is_transaction) {
    return NULL;
  }
  call_mode_end(&batch->mode);
  return batch;
}

/* Frees a batch that take() returned. */
static void end(struct batch *batch) {
  hf_conn *conn = batch->mode.conn;
  batch_free(batch);
  conn_release(conn);
}

/* Sends and ends a batch that take() returned. */
static hf_status conclude(struct batch *batch, int64_t timeout_ms, size_t *part) {
  hf_conn *conn = batch->mode.conn;
  bool is_submitted;
  hf_status status = run(batch, timeout_ms, part, &is_submitted);
  if (!is_submitted) {
    batch_free(batch);
  }
  conn_release(conn);
  return status;
}

void batch_forget(const hf_conn *conn) {
  struct batch *batch = open_batch(conn);
  if (batch != NULL) {
    call_mode_end(&batch->mode);
    end(batch);
  }
}

/* ---------------------------------------------------------------- public */

hf_status hf_wait_any_begin(hf_conn *conn) {
  return begin(conn, false);
}

hf_status hf_wait_any_end(hf_conn *conn, int64_t timeout_ms, size_t *index) {
  struct batch *batch = take(conn, false);
  return batch != NULL ? conclude(batch, timeout_ms, index)
                       : call_mode_error("hf_wait_any_begin was not called on this thread");
}

hf_status hf_transaction_begin(hf_conn *conn) {
  return begin(conn, true);
}

hf_status hf_transaction_commit(hf_conn *conn, int64_t timeout_ms, size_t *part) {
  struct batch *batch = take(conn, true);
  return batch != NULL ? conclude(batch, timeout_ms, part)
                       : call_mode_error("no transaction is open on this thread");
}

void hf_transaction_drop(hf_conn *conn) {
  batch_forget(conn);
}
