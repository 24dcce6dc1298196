#include "server/engine/examine.h"

#include "server/engine/admission.h"
#include "server/engine/due.h"
#include "server/engine/handlers.h"
#include "server/engine/nested.h"
#include "server/engine/quota.h"
#include "server/engine/sessions.h"

/* ---- where it belongs */

static bool has_flag(const struct engine_request *request, enum operation_flag flag) {
  return request->operation && request->operation->flags & flag;
}

static hf_reason find_session(const struct engine *engine, const struct peer *peer,
                              const struct engine_request *request, struct session **session) {
  const Holdfast__Request *message = request->message;
  bool opens = has_flag(request, OPERATION_OPENS);
  if (opens && !has_flag(request, OPERATION_NEEDS_SESSION)) {
    return HF_REASON_NONE; /* belongs to no session: it may even have to end the one it came from */
  }
  *session = peer->session;
  if (message->session.len == 0) {
    return peer->session_ended && !opens ? HF_REASON_SESSION_ENDED : HF_REASON_NONE;
  }
  if (message->session.len != HF_SESSION_BYTES) {
    return HF_REASON_BAD_SESSION;
  }
  *session = core_find_session(engine, bytes_of(message->session.data, message->session.len));
  if (*session && peer->user && peer->user != (*session)->user) {
    *session = NULL; /* the owner may resume any that it knows, which keep their rights */
  }
  return *session ? HF_REASON_NONE : HF_REASON_SESSION_ENDED;
}

/* What a client sends when it is back: the resume, and requests that the session knows already. Those are
 * answered, and not carried out again; refused, they would be carried out twice. */
static bool comes_again(const struct peer *peer, const struct engine_request *request,
                        const struct session *session) {
  uint64_t sequence = request->message->sequence;
  if (!session || !request->operation) {
    return false;
  }
  if (request->operation->flags & OPERATION_OPENS) {
    return true;
  }
  return sequence && (peer->one_way ? sequence <= session->one_way_received
                                    : session_find_reply(session, sequence) != NULL);
}

/* HF_REASON_NONE | QUOTA_CONNECTIONS TOO_FAST */
static hf_reason check_user(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                            const struct engine_request *request) {
  hf_reason reason = peer->exceeds ? quota_check_connections(engine, peer->user) : HF_REASON_NONE;
  return reason || has_flag(request, OPERATION_SILENT)
             ? reason
             : quota_check_rate(engine, peer->user, now_ns);
}

static hf_reason check_origin(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                              const struct engine_request *request, struct examined *examined) {
  if (!request->message) {
    return request->malformed;
  }
  if (request->message->n_acked_also > HF_WINDOW_COUNT_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  if (engine->config.is_loading) {
    return HF_REASON_LOADING;
  }
  if (engine->draining) {
    return HF_REASON_STOPPING;
  }
  hf_reason reason = find_session(engine, peer, request, &examined->session);
  bool is_limited =
      peer->user && (peer->exceeds || peer->user->settings.limits.requests_per_s != 0);
  if (!reason && is_limited && !comes_again(peer, request, examined->session)) {
    reason = check_user(engine, now_ns, peer, request);
    examined->is_counted = !reason;
  }
  return !reason && !request->operation ? HF_REASON_UNKNOWN_OPERATION : reason;
}

/* ---- what it wants */

/* A window may have room when the request's own acknowledgements count: it is looked at again then. */
static hf_reason check_number(const struct session *session, const struct engine_request *request) {
  const Holdfast__Request *message = request->message;
  if (!session || !message->sequence || request->operation->repeat != REPEAT_KEPT) {
    return HF_REASON_NONE;
  }
  hf_reason reason =
      session_check_room(session, message->sequence, has_flag(request, OPERATION_WAITS));
  bool acknowledges = message->acked > session->acked || message->n_acked_also > 0;
  return acknowledges && reason != HF_REASON_BAD_SEQUENCE ? HF_REASON_NONE : reason;
}

static hf_reason check_disk_of_parts(const struct call *call, uint32_t before, size_t count,
                                     Holdfast__Request *const *parts) {
  const struct engine *engine = call->engine;
  for (size_t i = 0; engine->is_disk_full && i < count; i++) {
    hf_reason reason = admission_check_disk(engine, engine->config.find_operation(parts[i]));
    if (reason) {
      call->reply->part = before + (uint32_t)i + 1;
      return reason;
    }
  }
  return HF_REASON_NONE;
}

static hf_reason check_transaction(struct call *call) {
  const Holdfast__Transaction *message = call->message->transaction;
  hf_reason reason = transaction_check_parts(call);
  reason = reason ? reason : transaction_check_puts(call);
  reason = reason ? reason : transaction_check_rights(call);
  return reason ? reason
                : check_disk_of_parts(call, (uint32_t)message->n_conditions, message->n_operations,
                                      message->operations);
}

static hf_reason check_wait_any(struct call *call) {
  const Holdfast__WaitAny *message = call->message->wait_any;
  hf_reason reason = wait_any_check_parts(call);
  return reason ? reason : check_disk_of_parts(call, 0, message->n_operations, message->operations);
}

hf_reason core_admit(struct call *call) {
  hf_reason reason = admission_pass(call);
  if (reason) {
    return reason;
  }
  switch (call->message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_TRANSACTION:
      return check_transaction(call);
    case HOLDFAST__REQUEST__OPERATION_WAIT_ANY:
      return check_wait_any(call);
    case HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN:
      return object_check_open(call);
    default:
      return HF_REASON_NONE;
  }
}

void core_make_call(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                    struct engine_request *request, const struct examined *examined,
                    struct call *call) {
  struct session *session = examined->session;
  *call = (struct call){
      .engine = engine,
      .now_ns = now_ns,
      .operation = request->operation,
      .message = request->message,
      .body = request->body,
      .decoded = request->decoded,
      .entropy = request->entropy,
      .process = &request->process,
      .connection = request->connection,
      .route = &request->route,
      .session = session,
      .user = session ? session->user : peer->user,
      .object = examined->object,
      .one_way = peer->one_way,
  };
}

static void check_call(const struct engine_request *request, struct examined *examined,
                       struct call *call) {
  struct session *session = examined->session;
  uint64_t sequence = request->message->sequence;
  bool may_be_known = session && sequence && sequence <= session->highest;
  examined->is_known = may_be_known && session_find_reply(session, sequence);
  if (examined->is_known) {
    return; /* it was admitted when it came first */
  }
  examined->reason = check_number(session, request);
  if (!examined->reason) {
    struct reply reply = {.reason = HF_REASON_NONE};
    call->reply = &reply;
    examined->reason = core_admit(call);
    call->reply = NULL;
    examined->object = call->object;
    examined->part = reply.part;
  }
}

/* ---- all of it */

void core_examine(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                  struct engine_request *request, struct examined *examined, struct call *call) {
  *examined = (struct examined){.reason = HF_REASON_NONE};
  examined->reason = check_origin(engine, now_ns, peer, request, examined);
  if (examined->reason) {
    return;
  }
  examined->reaches_session = true;
  core_make_call(engine, now_ns, peer, request, examined, call);
  if (!peer->one_way) {
    check_call(request, examined, call);
  } else if (examined->session) {
    examined->is_gap = request->message->sequence > examined->session->one_way_received + 1;
  }
}

bool core_goes_on(const struct peer *peer, const struct engine_request *request,
                  const struct examined *examined) {
  const struct session *session = examined->session;
  return examined->reaches_session && session && !has_flag(request, OPERATION_OPENS) &&
         !peer->one_way && !peer->session && session->connection == 0;
}

bool core_loses_session(const struct peer *peer, const struct engine_request *request,
                        const struct examined *examined) {
  return examined->reason == HF_REASON_SESSION_ENDED && has_flag(request, OPERATION_OPENS) &&
         !peer->session && !peer->session_ended;
}

/* What is due can't change the answer, or there is nothing. */
static bool is_refused_now(const struct engine *engine, uint64_t now_ns,
                           const struct examined *examined) {
  bool is_final = !examined->reaches_session || examined->reason == HF_REASON_JOURNAL_FULL;
  return examined->is_gap || (examined->reason && (is_final || !core_is_due(engine, now_ns)));
}

bool core_leaves_all(const struct engine *engine, uint64_t now_ns, const struct peer *peer,
                     const struct engine_request *request, const struct examined *examined) {
  bool hears = examined->reaches_session && examined->session && !peer->one_way;
  bool acknowledges_also = hears && request->message->n_acked_also > 0;
  return is_refused_now(engine, now_ns, examined) && !acknowledges_also &&
         !core_goes_on(peer, request, examined) && !core_loses_session(peer, request, examined);
}
