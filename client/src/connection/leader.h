/* Waiting for replies: leader/follower polling.
 *
 * layer   client, connection
 * threads Connection's mutex held. A waiting thread becomes the poll leader if there is none: it
 *         polls, receives and reconnects with the mutex released, passes replies to their calls,
 *         and hands the role to another waiting thread when its own wait ends.
 */
#ifndef HF_CLIENT_LEADER_H
#define HF_CLIENT_LEADER_H

#include "client/src/connection/conn.h"

/* The time that a call may take; see conn_wait. */
struct span {
  uint64_t from_ns; /* the call's start, or the resumption that extended it */
  int64_t wait_ms;
  uint64_t give_up_ns;
  bool is_extended;
};
/* When the call is given up, in the connection's present state; CLOCK_NEVER: not known yet. */
uint64_t span_deadline_ns(const hf_conn *conn, struct span *span);

/* Sends, receives and connects as far as possible without waiting; an attempt to connect begun here
 * ends by deadline_ns. false: another thread is the poll leader. out waits: what the next step has
 * to wait for */
bool conn_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits);

/* How a wait ended. */
enum wait_end {
  WAIT_REACHED,     /* *count <= limit */
  WAIT_GIVEN_UP,    /* the time was up */
  WAIT_INTERRUPTED, /* by the program's check, and no call counts in *count */
};

/* Waits until *count <= limit, as poll leader if there is none. Gives up call_timeout_ms after a
 * connected server should have answered, which is wait_ms after since_ns; HF_FOREVER: never. If the
 * session was resumed and the server has answered something since, the time starts at the
 * resumption, once. Without a connection, gives up call_timeout_ms after the connection was lost.
 *
 * While the thread waits, the program's check of hf_on_interrupt is called without the mutex; it
 * withdraws the calls whose `pending` is `count`. */
enum wait_end conn_wait(hf_conn *conn, const uint32_t *count, uint32_t limit, uint64_t since_ns,
                        int64_t wait_ms);
/* The same; gives up at give_up_ns at the latest. */
enum wait_end conn_wait_until(hf_conn *conn, const uint32_t *count, uint32_t limit,
                              uint64_t since_ns, uint64_t give_up_ns);
/* The same without the program's check, for a fork handler. */
enum wait_end conn_wait_unchecked(hf_conn *conn, const uint32_t *count, uint32_t limit,
                                  uint64_t since_ns, uint64_t give_up_ns);
/* The error of a wait that did not end with WAIT_REACHED: no answer, or CANCELLED. */
hf_status conn_error_wait(const hf_conn *conn, enum wait_end end);

#endif
