#include "client/src/objects/object.h"
#include "proto/base/clock.h"

hf_status hf_condition_open(hf_conn *conn, const char *name, hf_lock *lock,
                            hf_condition **condition) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, HF_CONDITION);
  if (lock != NULL) {
    arm.lock = hf_object_id(HF_AS_OBJECT(lock));
  }
  return object_open(&request, &arm, condition);
}

void hf_condition_close(hf_condition *condition) {
  hf_object_close(HF_AS_OBJECT(condition));
}

/* The server finds the condition's lock by the condition. */
hf_status hf_condition_acquire(hf_condition *condition, int64_t timeout_ms) {
  return hf_lock_acquire((hf_lock *)condition, timeout_ms, NULL);
}

hf_status hf_condition_release(hf_condition *condition) {
  return hf_lock_release((hf_lock *)condition);
}

/* ---------------------------------------------------------------- waiting */

static void wait_request(struct request *request, hf_condition *condition, int64_t timeout_ms,
                         bool *notified) {
  request_of(request, condition, OPERATION(CONDITION_WAIT));
  request_wait(request, timeout_ms);
  /* The reply comes with the lock, which another thread may own long after the timeout. */
  request->wait_ms = HF_FOREVER;
  request_ask(request, result_flag, notified, NULL);
}

hf_status hf_condition_wait(hf_condition *condition, int64_t timeout_ms, bool *notified) {
  struct request request;
  Holdfast__ConditionWait arm = HOLDFAST__CONDITION_WAIT__INIT;
  wait_request(&request, condition, timeout_ms, notified);
  return request_send(&request, &arm.base);
}

static hf_status wait_now(hf_condition *condition, int64_t timeout_ms) {
  struct request request;
  Holdfast__ConditionWait arm = HOLDFAST__CONDITION_WAIT__INIT;
  wait_request(&request, condition, timeout_ms, NULL);
  request.is_now = true; /* the predicate is evaluated afterwards */
  return request_send(&request, &arm.base);
}

/* Rounded up: with a timeout of 0 no other thread would get the lock. */
static int64_t ms_until(uint64_t deadline_ns) {
  uint64_t now_ns = clock_now_ns();
  if (deadline_ns == CLOCK_NEVER) {
    return HF_FOREVER;
  }
  return now_ns >= deadline_ns
             ? 0
             : (int64_t)((deadline_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

hf_status hf_condition_wait_for(hf_condition *condition, bool (*predicate)(void *ctx), void *ctx,
                                int64_t timeout_ms, bool *holds) {
  if (timeout_ms < 0 && timeout_ms != HF_FOREVER) {
    return error_reason(HF_REASON_NEGATIVE_TIMEOUT);
  }
  uint64_t deadline_ns = timeout_ms == HF_FOREVER
                             ? CLOCK_NEVER
                             : clock_deadline_ns(clock_now_ns(), (uint64_t)timeout_ms);
  int64_t left_ms = timeout_ms;
  bool answer = predicate(ctx);
  /* Waits at least once, which detects a lock that this thread does not own. */
  bool has_waited = false;
  while (!answer && (left_ms != 0 || !has_waited)) {
    hf_status status = wait_now(condition, left_ms);
    if (status != HF_OK) {
      return status;
    }
    has_waited = true;
    answer = predicate(ctx);
    left_ms = ms_until(deadline_ns);
  }
  *holds = answer;
  return HF_OK;
}

/* ---------------------------------------------------------------- notifying */

static hf_status notify(hf_condition *condition, uint64_t count, bool all) {
  struct request request;
  Holdfast__ConditionNotify arm = HOLDFAST__CONDITION_NOTIFY__INIT;
  request_of(&request, condition, OPERATION(CONDITION_NOTIFY));
  if (count == 0 && !all) {
    request.reason = HF_REASON_BAD_ARGUMENT; /* on the wire 0 means one */
  }
  arm.count = count;
  arm.all = all;
  return request_send(&request, &arm.base);
}

hf_status hf_condition_notify(hf_condition *condition, uint64_t count) {
  return notify(condition, count, false);
}

hf_status hf_condition_notify_all(hf_condition *condition) {
  return notify(condition, 0, true);
}
