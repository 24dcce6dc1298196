/* Waits on memory in slices: between slices the thread checks whether hf_cancel ended the wait, or
 * the program's check of hf_on_interrupt.
 *
 * layer   client, mapped
 * units   nanoseconds of the monotonic clock
 * threads A wait belongs to one thread.
 */
#ifndef HF_CLIENT_SLICED_WAIT_H
#define HF_CLIENT_SLICED_WAIT_H

#include <time.h>

#include "client/src/connection/conn.h"
#include "client/src/connection/interrupt.h"

struct sliced_wait {
  hf_conn *conn;
  unsigned cancels; /* conn->cancel_count at the beginning */
  uint64_t deadline_ns;
  uint64_t now_ns;
  struct interrupts interrupts;
};

struct sliced_wait sliced_wait_begin(hf_conn *conn, int64_t timeout_ms);
/* To be called before each slice: HF_REASON_NONE, until_ns is the slice's end | CANCELLED |
 * TIMED_OUT */
hf_reason sliced_wait_next(struct sliced_wait *wait, uint64_t *until_ns);
/* The rest of the timeout; HF_FOREVER. */
int64_t sliced_wait_left_ms(const struct sliced_wait *wait);
struct timespec timespec_of(uint64_t ns);

#endif
