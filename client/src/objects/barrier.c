#include "client/src/call/plain.h"
#include "client/src/objects/object.h"

hf_status hf_barrier_open(hf_conn *conn, const char *name, uint64_t parties, hf_barrier **barrier) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, HF_BARRIER);
  arm.parties = parties;
  return object_open(&request, &arm, barrier);
}

void hf_barrier_close(hf_barrier *barrier) {
  hf_object_close(HF_AS_OBJECT(barrier));
}

/* ---------------------------------------------------------------- waiting */

static void wait_request(struct request *request, hf_barrier *barrier, int64_t timeout_ms,
                         uint64_t *index, struct acting *acting) {
  request_of(request, barrier, OPERATION(BARRIER_WAIT));
  request_wait(request, timeout_ms);
  request_ask(request, result_arrival, index, acting);
}

static hf_status send_done(hf_barrier *barrier, uint64_t round) {
  struct request request;
  Holdfast__BarrierDone arm = HOLDFAST__BARRIER_DONE__INIT;
  request_of(&request, barrier, OPERATION(BARRIER_DONE));
  arm.round = round;
  return call_now(&request, &arm.base);
}

static hf_status send_failed(hf_barrier *barrier, uint64_t round) {
  struct request request;
  Holdfast__BarrierAbort arm = HOLDFAST__BARRIER_ABORT__INIT;
  request_of(&request, barrier, OPERATION(BARRIER_ABORT));
  arm.round = round;
  return call_now(&request, &arm.base);
}

/* After a reset the action is none of the barrier's any more. */
static bool was_reset(hf_status status) {
  return status == HF_FAILED_PRECONDITION &&
         strcmp(hf_last_error()->reason, hf_reason_name(HF_REASON_NOT_OWNER)) == 0;
}

/* Runs the action; the other parties wait until the server has its result. */
static hf_status act(hf_barrier *barrier, uint64_t round, bool (*action)(void *ctx), void *ctx) {
  bool has_worked = action(ctx);
  hf_status status = has_worked ? send_done(barrier, round) : send_failed(barrier, round);
  bool is_broken = was_reset(status) || (status == HF_OK && !has_worked);
  return is_broken ? error_reason(HF_REASON_BARRIER_BROKEN) : status;
}

static hf_status wait_and_act(hf_barrier *barrier, int64_t timeout_ms, bool (*action)(void *ctx),
                              void *ctx, uint64_t *index) {
  struct request request;
  Holdfast__BarrierWait arm = HOLDFAST__BARRIER_WAIT__INIT;
  uint64_t arrival = 0;
  struct acting acting = {0};
  wait_request(&request, barrier, timeout_ms, &arrival, &acting);
  request.is_now = true;
  arm.has_action = true;
  hf_status status = request_send(&request, &arm.base);
  if (status == HF_OK && acting.acts) {
    status = act(barrier, acting.round, action, ctx);
  }
  if (status == HF_OK && index != NULL) {
    *index = arrival;
  }
  return status;
}

hf_status hf_barrier_wait(hf_barrier *barrier, int64_t timeout_ms, bool (*action)(void *ctx),
                          void *ctx, uint64_t *index) {
  struct request request;
  Holdfast__BarrierWait arm = HOLDFAST__BARRIER_WAIT__INIT;
  if (action != NULL) {
    return wait_and_act(barrier, timeout_ms, action, ctx, index);
  }
  wait_request(&request, barrier, timeout_ms, index, NULL);
  return request_send(&request, &arm.base);
}

/* ---------------------------------------------------------------- breaking */

hf_status hf_barrier_abort(hf_barrier *barrier) {
  struct request request;
  Holdfast__BarrierAbort arm = HOLDFAST__BARRIER_ABORT__INIT;
  request_of(&request, barrier, OPERATION(BARRIER_ABORT));
  return request_send(&request, &arm.base);
}

hf_status hf_barrier_reset(hf_barrier *barrier) {
  struct request request;
  Holdfast__BarrierReset arm = HOLDFAST__BARRIER_RESET__INIT;
  request_of(&request, barrier, OPERATION(BARRIER_RESET));
  return request_send(&request, &arm.base);
}
