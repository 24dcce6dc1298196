#include "server/engine/requests.h"

#include "server/engine/binding.h"
#include "server/engine/due.h"
#include "server/engine/quota.h"
#include "server/engine/reads.h"
#include "server/engine/run.h"
#include "server/engine/sessions.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"

/* Answers without running anything. */
static void answer(struct engine *engine, const struct engine_request *request, uint64_t sequence,
                   hf_reason reason) {
  struct reply *reply = reply_new(sequence);
  if (reply) {
    reply->reason = reason;
    denial_explain(&engine->denial, reply);
    engine->sink.deliver(engine->sink.ctx, request->connection, &request->route, reply);
  }
}

static hf_reason find_session(struct engine *engine, struct peer *peer,
                              const struct engine_request *request, struct session **session) {
  const Holdfast__Request *message = request->message;
  uint32_t flags = request->operation ? request->operation->flags : 0;
  bool opens = flags & OPERATION_OPENS;
  if (opens && !(flags & OPERATION_NEEDS_SESSION)) {
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
  if (!*session) {
    peer->session_ended |= opens && !peer->session;
    return HF_REASON_SESSION_ENDED;
  }
  return HF_REASON_NONE;
}

/* A stock socket that connected again just goes on. */
static void go_on(struct engine *engine, uint64_t now_ns, struct peer *peer,
                  const struct engine_request *request, struct session *session) {
  bool opens = request->operation->flags & OPERATION_OPENS;
  if (!opens && !peer->one_way && !peer->session && session->connection == 0) {
    core_bind_session(engine, now_ns, session, peer);
  }
}

/* A request that was seen before: its answer again, or its waiter answers here from now on. */
static void repeat(struct engine *engine, const struct engine_request *request,
                   struct reply *reply) {
  struct waiter *waiter = reply->pending;
  engine->duplicates++;
  if (!waiter) {
    reply_acquire(reply);
    engine->sink.deliver(engine->sink.ctx, request->connection, &request->route, reply);
    return;
  }
  struct peer *former = core_peer(engine, waiter->connection);
  struct peer *now = core_peer(engine, request->connection);
  if (former) {
    former->parked--;
  }
  now->parked++;
  waiter->connection = request->connection;
  waiter->route = request->route;
}

static void run(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                struct engine_request *request, struct session *session, struct reply *reply) {
  struct call call = {
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
      .reply = reply,
      .one_way = peer->one_way,
  };
  engine->requests++;
  reply->operation = request->operation->arm;
  core_run(&call);
  request->decoded = call.decoded;
}

/* Exactly once, with an answer. */
static void apply_call(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                       struct engine_request *request, struct session *session) {
  uint64_t sequence = request->message->sequence;
  bool is_kept = session && sequence && request->operation->repeat == REPEAT_KEPT;
  bool is_new = session && session_record_sequence(session, sequence);
  if (session && sequence) {
    struct reply *known = is_new ? NULL : session_find_reply(session, sequence);
    if (known) {
      repeat(engine, request, known);
      return;
    }
    hf_reason reason = is_kept ? session_check_sequence(session, sequence) : HF_REASON_NONE;
    if (reason) {
      answer(engine, request, sequence, reason);
      return;
    }
  }
  struct reply *reply = reply_new(sequence);
  if (!reply || (is_kept && !session_keep_reply(session, reply))) {
    reply_release(reply);
    answer(engine, request, sequence, HF_REASON_NO_MEMORY);
    return;
  }
  run(engine, now_ns, peer, request, session, reply);
}

/* In order, each once, without an answer. A gap means that something was lost: the sender will
 * learn so from Flush, and send again from there. */
static void apply_one_way(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                          struct engine_request *request, struct session *session) {
  uint64_t sequence = request->message->sequence;
  if (session && sequence) {
    if (sequence != session->one_way_received + 1) {
      engine->duplicates += sequence <= session->one_way_received;
      return;
    }
  }
  struct reply *reply = reply_new(session ? sequence : 0);
  if (!reply) {
    return;
  }
  if (session && sequence) {
    session->one_way_received = sequence;
  }
  run(engine, now_ns, peer, request, session, reply);
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

/* Whether the peer's user may send the request now. HF_REASON_NONE | QUOTA_CONNECTIONS TOO_FAST */
static hf_reason check_user(struct engine *engine, uint64_t now_ns, struct peer *peer,
                            const struct engine_request *request, const struct session *session) {
  bool is_limited = peer->exceeds || peer->user->settings.limits.requests_per_s;
  if (!is_limited || comes_again(peer, request, session)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = peer->exceeds ? core_count_peer(engine, peer) : HF_REASON_NONE;
  bool is_silent = request->operation && request->operation->flags & OPERATION_SILENT;
  return reason || is_silent ? reason : quota_check_rate(engine, peer->user, now_ns);
}

static hf_reason check_request(struct engine *engine, uint64_t now_ns, struct peer *peer,
                               const struct engine_request *request, struct session **session) {
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
  hf_reason reason = find_session(engine, peer, request, session);
  if (!reason && peer->user) {
    reason = check_user(engine, now_ns, peer, request, *session);
  }
  if (!reason && !request->operation) {
    reason = HF_REASON_UNKNOWN_OPERATION;
  }
  if (!reason && *session) {
    go_on(engine, now_ns, peer, request, *session);
  }
  return reason;
}

/* Drops the replies that the request acknowledges. */
static void acknowledge(struct engine *engine, struct session *session,
                        const Holdfast__Request *message) {
  size_t count = session->window.count, bytes = session->window_bytes;
  session_acknowledge(session, message->acked, message->acked_also, message->n_acked_also);
  uint64_t looked_at = message->n_acked_also + (count - session->window.count);
  size_t freed_bytes = bytes > session->window_bytes ? bytes - session->window_bytes : 0;
  core_spend(engine, STEPS_OF_ACKNOWLEDGEMENT * looked_at + freed_bytes / STEPS_BODY_BYTES);
}

static void apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  struct peer *peer = core_peer(engine, request->connection);
  if (!peer || peer->fenced) {
    return;
  }
  if (core_is_due(engine, now_ns)) {
    core_begin_request_steps(engine);
    core_advance(engine, now_ns);
    core_begin_request_steps(engine);
    engine->changed = engine->index;
  } else {
    core_begin_steps(engine);
  }
  struct session *session = NULL;
  hf_reason reason = check_request(engine, now_ns, peer, request, &session);
  if (reason) {
    if (!peer->one_way) {
      answer(engine, request, request->message ? request->message->sequence : 0, reason);
    }
    return;
  }
  if (session) {
    session->heard_ns = now_ns;
  }
  if (peer->one_way) {
    apply_one_way(engine, now_ns, peer, request, session);
  } else {
    if (session) {
      acknowledge(engine, session, request->message);
    }
    apply_call(engine, now_ns, peer, request, session);
  }
  core_settle(engine, now_ns);
}

void core_apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  uint64_t waiting = engine->waiting;
  apply_request(engine, now_ns, request);
  engine->has_only_read = request->may_only_read && core_record_read(engine, request, waiting);
}
