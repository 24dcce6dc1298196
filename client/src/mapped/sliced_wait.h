/* Waits on memory, in slices: between two of them the thread looks whether hf_cancel ended its wait, as
 * it does those on the server.
 *
 * layer   client, mapped
 * units   nanoseconds of the monotonic clock
 * threads A wait is its thread's.
 */
#ifndef HF_CLIENT_SLICED_WAIT_H
#define HF_CLIENT_SLICED_WAIT_H

#include <time.h>

#include "client/src/connection/conn.h"

struct sliced_wait {
  hf_conn *conn;
  unsigned cancels; /* there were, when it began */
  uint64_t deadline_ns;
  uint64_t now_ns;
};

struct sliced_wait sliced_wait_begin(hf_conn *conn, int64_t timeout_ms);
/* Before each slice: HF_REASON_NONE, until_ns when it ends | CANCELLED | TIMED_OUT */
hf_reason sliced_wait_next(struct sliced_wait *wait, uint64_t *until_ns);
/* What is left of the timeout; HF_FOREVER. */
int64_t sliced_wait_left_ms(const struct sliced_wait *wait);
struct timespec timespec_of(uint64_t ns);

#endif
