#include "client/src/connection/withdraw.h"

static bool submit_cancel(hf_conn *conn, struct slot *slot) {
  Holdfast__Cancel arm = HOLDFAST__CANCEL__INIT;
  arm.sequence = slot->sequence;
  arm.revoke = slot->call == NULL;
  const struct envelope envelope = {.timeout_ms = -1,
                                    .operation = OPERATION(CANCEL),
                                    .arm = &arm.base,
                                    .arm_len = protobuf_c_message_get_packed_size(&arm.base)};
  struct slot *cancel = window_add(&conn->window, conn->transport->framing, &envelope);
  if (cancel == NULL) {
    return false;
  }
  cancel->withdraws = arm.revoke ? slot : NULL;
  cancel->withdrawn_sequence = slot->sequence;
  slot->withdrawal = WITHDRAWAL_SENT;
  conn->window.due_count--;
  return true;
}

void withdraw_submit(hf_conn *conn) {
  struct window *window = &conn->window;
  struct slot *slot = window->oldest;
  bool is_due = window->due_count > 0;
  for (; window->due_count > 0 && slot != NULL && window->cancel_count < WINDOW_SPARE_COUNT &&
         window->used_count < WINDOW_SLOTS_MAX;
       slot = slot->next) {
    if (slot->withdrawal == WITHDRAWAL_DUE && !submit_cancel(conn, slot)) {
      break;
    }
  }
  if (is_due) {
    conn_write(conn);
  }
  if (conn->state != CONN_ENDED) {
    window_add_kept(window, conn->transport->framing);
  }
  conn_write_unawaited(conn);
}

void withdraw_later(hf_conn *conn, struct slot *slot) {
  conn->window.due_count += slot->withdrawal != WITHDRAWAL_DUE;
  slot->withdrawal = WITHDRAWAL_DUE;
}

void withdraw_abandoned(hf_conn *conn, struct slot *slot) {
  bool gives_nothing_back = slot->retains != 0 && !slot->was_sent;
  if (slot->outlives_call && !gives_nothing_back) {
    slot->call = NULL;
    return;
  }
  if (!slot->was_sent) {
    window_remove(&conn->window, slot);
    return;
  }
  slot->call = NULL;
  withdraw_later(conn, slot);
}
