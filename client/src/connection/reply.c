#include "client/src/connection/reply.h"

#include <stdlib.h>

#include "client/src/connection/references.h"
#include "client/src/connection/withdraw.h"

/* ---------------------------------------------------------------- what a reply has granted */

void reply_drop_value(hf_conn *conn, const Holdfast__Value *message) {
  if (message == NULL) {
    return;
  }
  if (message->kind_case == HOLDFAST__VALUE__KIND_REFERENCE) {
    references_release(conn, message->reference->object);
  } else if (message->kind_case == HOLDFAST__VALUE__KIND_TUPLE) {
    for (size_t i = 0; i < message->tuple->n_items; i++) {
      reply_drop_value(conn, message->tuple->items[i]);
    }
  }
}

static void drop_entries(hf_conn *conn, Holdfast__Entry *const *items, size_t count) {
  for (size_t i = 0; i < count; i++) {
    reply_drop_value(conn, items[i]->key);
    reply_drop_value(conn, items[i]->value);
  }
}

void reply_drop(hf_conn *conn, const Holdfast__Response *reply) {
  switch (reply->result_case) {
    case HOLDFAST__RESPONSE__RESULT_VALUE:
      reply_drop_value(conn, reply->value);
      break;
    case HOLDFAST__RESPONSE__RESULT_VALUES:
      for (size_t i = 0; i < reply->values->n_items; i++) {
        reply_drop_value(conn, reply->values->items[i]);
      }
      break;
    case HOLDFAST__RESPONSE__RESULT_ENTRIES:
      drop_entries(conn, reply->entries->items, reply->entries->n_items);
      break;
    case HOLDFAST__RESPONSE__RESULT_PAGE:
      drop_entries(conn, reply->page->items, reply->page->n_items);
      break;
    case HOLDFAST__RESPONSE__RESULT_EXCHANGE:
      reply_drop_value(conn, reply->exchange->found);
      break;
    case HOLDFAST__RESPONSE__RESULT_RESERVATION:
      reply_drop_value(conn, reply->reservation->value);
      break;
    case HOLDFAST__RESPONSE__RESULT_CHOSEN:
      if (reply->chosen->outcome != NULL) {
        reply_drop(conn, reply->chosen->outcome);
      }
      break;
    case HOLDFAST__RESPONSE__RESULT_RESULTS:
      for (size_t i = 0; i < reply->results->n_items; i++) {
        reply_drop(conn, reply->results->items[i]);
      }
      break;
    default:
      break;
  }
}

hf_reason reply_discard(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result) {
  (void)result;
  reply_drop(conn, reply);
  return HF_REASON_NONE;
}

hf_reason reply_take(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  hf_reason reason = result->decode(conn, reply, result);
  if (reason != HF_REASON_NONE) {
    reply_drop(conn, reply);
  }
  return reason;
}

bool reply_means(const Holdfast__Response *reply, hf_reason reason) {
  const char *word = hf_reason_name(reason);
  return reply->status == (uint32_t)hf_reason_status(reason) && reply->reason.len == strlen(word) &&
         memcmp(reply->reason.data, word, reply->reason.len) == 0;
}

struct failure *failure_of_reply(const Holdfast__Response *reply) {
  struct failure *failure =
      failure_new((hf_status)reply->status, bytes_of(reply->reason.data, reply->reason.len),
                  bytes_of(reply->message.data, reply->message.len));
  if (failure != NULL) {
    failure->part = reply->part;
  }
  return failure;
}

/* ---------------------------------------------------------------- the call it belongs to */

/* Whether the reply transfers an item out of its object. */
static bool takes_item(const struct slot *slot) {
  switch (slot->operation) {
    case OPERATION(QUEUE_GET):
    case OPERATION(QUEUE_GET_MANY):
    case OPERATION(PIPE_RECV):
    case OPERATION(WAIT_ANY):
      return true;
    default:
      return false;
  }
}

/* Whether a Cancel can revoke what the reply grants. */
static bool can_go_back(const struct slot *slot) {
  return takes_item(slot) || slot->operation == OPERATION(QUEUE_RESERVE);
}

/* The request that the Cancel revokes. NULL: it has left the window, as a refused one does. */
static struct slot *withdrawn_by(const struct slot *cancel) {
  struct slot *slot = cancel->withdraws;
  return slot != NULL && slot->sequence == cancel->withdrawn_sequence ? slot : NULL;
}

/* Completes a request that no call waits for. */
static void finish_unawaited(hf_conn *conn, struct slot *slot, bool is_answered) {
  if (is_answered && slot->withdrawal != WITHDRAWAL_NONE) {
    return; /* stays in the window, unacknowledged, until the Cancel has revoked the grant */
  }
  struct slot *withdrawn = is_answered ? withdrawn_by(slot) : NULL;
  if (withdrawn != NULL && window_is_unsent(&conn->window, slot)) {
    return; /* the request may be sent once more, and so is the Cancel behind it: its last answer counts */
  }
  window_remove(&conn->window, slot);
  if (withdrawn != NULL) {
    window_remove(&conn->window, withdrawn);
  }
}

/* The call's outcome is known. */
static void settle(struct call *call) {
  call->slot = NULL;
  (*call->pending)--;
  if (call->settled != NULL) {
    call->settled(call);
  }
}

void call_give_up(struct call *call, hf_reason reason) {
  call->status = hf_reason_status(reason);
  call->failure = failure_of(reason);
  settle(call);
}

/* Stores the call's results. On failure the grants of the reply are revoked. */
static hf_reason take_reply(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply) {
  const struct result *result = &slot->call->result;
  bool goes_back = can_go_back(slot);
  hf_reason reason =
      goes_back ? result->decode(conn, reply, result) : reply_take(conn, reply, result);
  if (goes_back && reason != HF_REASON_NONE) {
    withdraw_abandoned(conn, slot);
    return reason;
  }
  conn->owes_acknowledgement |= takes_item(slot);
  window_remove(&conn->window, slot);
  return reason;
}

void reply_finish(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply,
                  struct failure *failure) {
  struct call *call = slot->call;
  if (call == NULL) {
    free(failure);
    if (reply != NULL && reply->status == HF_OK && slot->retains != 0) {
      references_release(conn, slot->retains);
    }
    finish_unawaited(conn, slot, reply != NULL);
    return;
  }
  if (reply != NULL && reply->status == HF_OK) {
    hf_reason reason = take_reply(conn, slot, reply);
    failure = reason == HF_REASON_NONE ? NULL : failure_of(reason);
    call->status = hf_reason_status(reason);
  } else if (reply != NULL) {
    window_remove(&conn->window, slot);
    failure = failure_of_reply(reply);
    call->status = (hf_status)reply->status;
  } else {
    window_remove(&conn->window, slot);
    call->status = failure == NULL ? HF_UNKNOWN : failure->status;
  }
  call->failure = failure;
  settle(call);
}

void reply_finish_unread(hf_conn *conn, struct slot *slot, hf_reason reason) {
  struct call *call = slot->call;
  if (call == NULL) {
    finish_unawaited(conn, slot, true);
    return;
  }
  if (slot->outlives_call) { /* it was performed */
    window_remove(&conn->window, slot);
  } else {
    withdraw_abandoned(conn, slot);
  }
  call_give_up(call, reason);
}
