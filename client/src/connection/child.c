#include "client/src/connection/child.h"

#include <string.h>

#include "client/src/connection/attempt.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/references.h"

static void inherit(hf_conn *conn) {
  conn->is_forked = conn->is_announced;
  conn->is_announced = false;
  if (conn->is_forked) {
    memcpy(conn->session, conn->forked_session, HF_SESSION_BYTES);
  }
}

void conn_become_child(hf_conn *conn) {
  link_close(&conn->link);
  attempt_become_child(conn, !conn->has_leader);
  conn->waiters = NULL;
  conn->has_leader = false;
  conn->is_broken = false;
  conn->room_count = 0;
  conn->owes_acknowledgement = conn->has_acknowledged = false;
  cancel_deinit(conn); /* the inherited descriptor would wake the parent */
  conn->input_start = conn->input_end = 0;
  conn->landing = (struct landing){.left = 0};
  conn->above->become_child(conn);
  if (conn->state != CONN_ENDED) {
    conn->state = CONN_DOWN;
    conn->has_session = false;
    conn->session_missing = 1;
    conn->resume_attempt = 0;
    conn->retry_count = conn->flap_count = 0;
    conn->retry_at_ns = 0;
    conn->lost_since_ns = 0;
    conn->has_answered = false;
    conn->window.used_count_max = HF_WINDOW_COUNT_MAX;
    conn->window.parked_count_max = HF_IN_FLIGHT_MAX;
  }
  window_reset(&conn->window);
  inherit(conn);
  references_become_child(conn);
}

void child_give_up(hf_conn *conn) {
  conn->is_forked = false;
  conn->local_retry_ns = 0; /* shared memory has not failed */
  references_become_child(conn);
}
