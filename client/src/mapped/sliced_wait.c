#include "client/src/mapped/sliced_wait.h"

#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "proto/base/clock.h"

/* The interval of checking for hf_cancel and for the death of the server. */
#define SLICE_MS HF_CELL_POLL_MS

struct sliced_wait sliced_wait_begin(hf_conn *conn, int64_t timeout_ms) {
  uint64_t now_ns = clock_now_ns();
  return (struct sliced_wait){
      .conn = conn,
      .cancels = atomic_load(&conn->cancel_count),
      .deadline_ns =
          timeout_ms == HF_FOREVER ? CLOCK_NEVER : clock_deadline_ns(now_ns, (uint64_t)timeout_ms),
      .now_ns = now_ns,
      .interrupts = interrupts_begin(now_ns),
  };
}

static bool wait_is_cancelled(struct sliced_wait *wait) {
  bool is_cancelled = atomic_load(&wait->conn->cancel_count) != wait->cancels;
  if (atomic_load(&wait->conn->cancel_requested)) { /* requested before the wait; applies once */
    int cancellation = cancellation_disable();
    conn_lock(wait->conn);
    is_cancelled |= cancel_apply(wait->conn);
    conn_unlock(wait->conn);
    cancellation_restore(cancellation);
  }
  return is_cancelled ||
         (interrupts_are_due(&wait->interrupts, false) && interrupts_check(&wait->interrupts));
}

hf_reason sliced_wait_next(struct sliced_wait *wait, uint64_t *until_ns) {
  wait->now_ns = clock_now_ns();
  if (wait_is_cancelled(wait)) {
    return HF_REASON_CANCELLED;
  }
  if (wait->now_ns >= wait->deadline_ns) {
    return HF_REASON_TIMED_OUT;
  }
  *until_ns = clock_deadline_ns(wait->now_ns, SLICE_MS);
  *until_ns = *until_ns < wait->deadline_ns ? *until_ns : wait->deadline_ns;
  *until_ns = interrupts_until_ns(&wait->interrupts, *until_ns);
  return HF_REASON_NONE;
}

int64_t sliced_wait_left_ms(const struct sliced_wait *wait) {
  if (wait->deadline_ns == CLOCK_NEVER) {
    return HF_FOREVER;
  }
  uint64_t now_ns = clock_now_ns();
  return now_ns < wait->deadline_ns ? (int64_t)((wait->deadline_ns - now_ns) / CLOCK_NS_PER_MS) : 0;
}

struct timespec timespec_of(uint64_t ns) {
  const uint64_t ns_per_s = 1000 * CLOCK_NS_PER_MS;
  return (struct timespec){(time_t)(ns / ns_per_s), (long)(ns % ns_per_s)};
}
