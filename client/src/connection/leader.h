/* Waiting for replies; the thread that polls for all that wait.
 *
 * layer   client, connection
 * threads Connection's mutex held. A thread that waits while no other one leads becomes the poll
 *         leader: it polls, receives and reconnects with the mutex released, hands replies to their
 *         calls, and hands the lead to another waiting thread when its own wait ends.
 */
#ifndef HF_CLIENT_LEADER_H
#define HF_CLIENT_LEADER_H

#include "client/src/connection/conn.h"

/* How long a call may take; see conn_wait. */
struct span {
  uint64_t from_ns; /* the call's start, or the resumption that extended it */
  int64_t wait_ms;
  uint64_t give_up_ns;
  bool is_extended;
};
/* When it is to be given up, as things are now; CLOCK_NEVER: not yet known. */
uint64_t span_deadline_ns(const hf_conn *conn, struct span *span);

/* Does what there is to do now, without waiting: sends, receives, connects; an attempt to connect that
 * is begun ends by deadline_ns. false: another thread leads.
 * out waits  what is to happen before there is more to do */
bool conn_step(hf_conn *conn, uint64_t deadline_ns, struct waits *waits);

/* Waits until *count <= limit, leading if nobody else does. Whether it came true.
 * Gives up call_timeout_ms after a connected server should have answered, which is wait_ms after
 * since_ns; HF_FOREVER: never. A resumed session that has answered something since counts from its
 * resumption, once. While there is no connection, gives up call_timeout_ms after it was lost. */
bool conn_wait(hf_conn *conn, const uint32_t *count, uint32_t limit, uint64_t since_ns,
               int64_t wait_ms);
/* The same; gives up at give_up_ns in any case. */
bool conn_wait_until(hf_conn *conn, const uint32_t *count, uint32_t limit, uint64_t since_ns,
                     uint64_t give_up_ns);

#endif
