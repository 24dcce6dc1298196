#include "server/engine/requests.h"

#include "proto/base/clock.h"
#include "server/engine/binding.h"
#include "server/engine/due.h"
#include "server/engine/examine.h"
#include "server/engine/outcome.h"
#include "server/engine/quota.h"
#include "server/engine/reads.h"
#include "server/engine/run.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"

/* Answers without running anything. */
static void answer(struct engine *engine, const struct engine_request *request, uint32_t part,
                   hf_reason reason) {
  struct reply *reply = reply_new(request->message ? request->message->sequence : 0);
  if (reply) {
    reply->reason = reason;
    reply->part = part;
    reply->operation = request->operation ? request->operation->arm : 0;
    denial_explain(&engine->denial, reply);
    engine->sink.deliver(engine->sink.ctx, request->connection, &request->route, reply);
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

static void run(struct call *call, struct engine_request *request, hf_reason reason) {
  call->engine->requests++;
  call->reply->operation = request->operation->arm;
  if (reason) {
    core_finish(call, reason);
  } else {
    core_run(call);
  }
  request->decoded = call->decoded;
}

/* Exactly once, with an answer. */
static void apply_call(struct call *call, struct engine_request *request,
                       const struct examined *examined) {
  struct engine *engine = call->engine;
  struct session *session = call->session;
  uint64_t sequence = request->message->sequence;
  bool is_kept = session && sequence && request->operation->repeat == REPEAT_KEPT;
  bool is_new = session && session_record_sequence(session, sequence);
  if (session && sequence) {
    struct reply *known = is_new ? NULL : session_find_reply(session, sequence);
    if (known) {
      repeat(engine, request, known);
      return;
    }
    hf_reason reason =
        is_kept ? session_check_room(session, sequence, call->operation->flags & OPERATION_WAITS)
                : HF_REASON_NONE;
    if (reason) {
      answer(engine, request, 0, reason);
      return;
    }
  }
  call->reply = reply_new(sequence);
  if (!call->reply || (is_kept && !session_keep_reply(session, call->reply))) {
    reply_release(call->reply);
    answer(engine, request, 0, HF_REASON_NO_MEMORY);
    return;
  }
  run(call, request, examined->is_known ? core_admit(call) : HF_REASON_NONE);
}

/* In order, each once, without an answer. A gap means that something was lost: the sender will
 * learn so from Flush, and send again from there. */
static void apply_one_way(struct call *call, struct engine_request *request) {
  struct session *session = call->session;
  uint64_t sequence = request->message->sequence;
  if (session && sequence && sequence <= session->one_way_received) {
    call->engine->duplicates++;
    return;
  }
  call->reply = reply_new(session ? sequence : 0);
  if (!call->reply) {
    return;
  }
  if (session && sequence) {
    session->one_way_received = sequence;
  }
  hf_reason reason = core_admit(call);
  call->engine->has_failed_for_disk = reason == HF_REASON_JOURNAL_FULL;
  run(call, request, reason);
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

/* ---- all of it */

/* What its session has heard of it, also if it is refused. */
static void hear(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                 const struct engine_request *request, struct session *session) {
  session->heard_ns = now_ns;
  if (!peer->one_way) {
    acknowledge(engine, session, request->message);
  }
}

/* Whether its connection, beyond its user's quota, ends with its first answer. One that a session came back by
 * stays until it is refused something: the session has its time to find room. */
static bool ends_exceeding(struct engine *engine, const struct peer *peer, hf_reason refused) {
  return peer->exceeds && (refused || !peer->session) &&
         quota_check_connections(engine, peer->user) != HF_REASON_NONE;
}

/* Until then it is not fenced: that would be state, and a refusal leaves none. */
static void end_connection(struct engine *engine, const struct peer *peer,
                           struct engine_request *request) {
  request->ends_connection = true;
  engine->sink.close(engine->sink.ctx, peer->id);
}

/* JOURNAL_FULL is of no state that could be lost, and is answered also if nothing can be committed. */
static void refuse(struct engine *engine, uint64_t now_ns, struct peer *peer,
                   struct engine_request *request, const struct examined *examined) {
  struct session *session = examined->session;
  bool is_full = examined->reason == HF_REASON_JOURNAL_FULL;
  bool is_silent = examined->reaches_session && request->operation->flags & OPERATION_SILENT;
  engine->read_index = is_full ? 0 : engine->logged;
  peer->session_ended |= core_loses_session(peer, request, examined);
  if (examined->reaches_session && session) {
    hear(engine, now_ns, peer, request, session);
    if (!peer->one_way) {
      (void)session_record_sequence(session, request->message->sequence);
    }
  }
  engine->requests += examined->reaches_session;
  if (examined->reason == HF_REASON_TOO_FAST) {
    request->pause_ns = HF_TOO_FAST_PAUSE_MS * CLOCK_NS_PER_MS;
  }
  if (!peer->one_way && !is_silent) {
    answer(engine, request, examined->part, examined->reason);
  }
  if (ends_exceeding(engine, peer, examined->reason)) {
    end_connection(engine, peer, request);
  }
}

static void count(struct engine *engine, uint64_t now_ns, struct peer *peer,
                  struct engine_request *request) {
  if (peer->exceeds) {
    (void)core_count_peer(engine, peer);
  }
  if (!(request->operation->flags & OPERATION_SILENT)) {
    request->pause_ns = user_count_request(peer->user, now_ns);
  }
}

static void serve(struct call *call, struct peer *peer, struct engine_request *request,
                  const struct examined *examined) {
  if (examined->is_counted) {
    count(call->engine, call->now_ns, peer, request);
  }
  if (call->session) {
    hear(call->engine, call->now_ns, peer, request, call->session);
  }
  if (peer->one_way) {
    apply_one_way(call, request);
  } else {
    apply_call(call, request, examined);
  }
}

/* What is due comes first. */
static void begin(struct engine *engine, uint64_t now_ns) {
  if (core_is_due(engine, now_ns)) {
    core_begin_request_steps(engine);
    core_advance(engine, now_ns);
    core_begin_request_steps(engine);
    engine->changed = engine->index;
  } else {
    core_begin_steps(engine);
  }
}

/* Unless it was examined when it was asked whether it only reads. A refusal is found anew, with its sentence. */
static void examine(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                    struct engine_request *request, struct examined *examined, struct call *call) {
  bool is_examined = engine->examined_request == request && engine->examined_ns == now_ns &&
                     engine->examined.reason == HF_REASON_NONE;
  if (is_examined) {
    *examined = engine->examined;
    core_make_call(engine, now_ns, peer, request, examined, call);
  } else {
    core_examine(engine, now_ns, peer, request, examined, call);
  }
}

/* Whether it has changed nothing but what COMMAND_HEARD has. */
static bool apply_request(struct engine *engine, uint64_t now_ns, struct peer *peer,
                          struct engine_request *request) {
  struct examined examined;
  struct call call;
  examine(engine, now_ns, peer, request, &examined, &call);
  if (core_leaves_all(engine, now_ns, peer, request, &examined)) {
    core_begin_steps(engine);
    refuse(engine, now_ns, peer, request, &examined);
    if (request->may_only_read && examined.reaches_session) {
      core_record_heard(engine, examined.session);
    }
    return true;
  }
  bool was_due = core_is_due(engine, now_ns);
  begin(engine, now_ns);
  if (was_due) {
    core_examine(engine, now_ns, peer, request, &examined, &call);
  }
  if (core_goes_on(peer, request, &examined)) {
    core_bind_session(engine, now_ns, examined.session, peer);
    core_examine(engine, now_ns, peer, request, &examined, &call);
  }
  if (examined.reason || examined.is_gap) {
    refuse(engine, now_ns, peer, request, &examined);
  } else {
    serve(&call, peer, request, &examined);
  }
  core_settle(engine, now_ns);
  if (!examined.reason && ends_exceeding(engine, peer, HF_REASON_NONE)) {
    end_connection(engine, peer, request);
  }
  return false;
}

bool engine_refuses(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  const struct peer *peer = core_peer(engine, request->connection);
  struct examined examined;
  struct call call;
  if (!peer || peer->fenced) {
    return true;
  }
  core_examine(engine, now_ns, peer, request, &examined, &call);
  return core_leaves_all(engine, now_ns, peer, request, &examined);
}

bool engine_may_only_read(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  const struct peer *peer = core_peer(engine, request->connection);
  struct call call;
  engine->examined_request = NULL;
  if (!peer || peer->fenced || core_may_only_read(engine, now_ns, request)) {
    return true;
  }
  core_examine(engine, now_ns, peer, request, &engine->examined, &call);
  engine->examined_request = request;
  engine->examined_ns = now_ns;
  return core_leaves_all(engine, now_ns, peer, request, &engine->examined);
}

bool engine_has_failed_for_disk(const struct engine *engine) {
  return engine->has_failed_for_disk;
}

void core_apply_request(struct engine *engine, uint64_t now_ns, struct engine_request *request) {
  struct peer *peer = core_peer(engine, request->connection);
  uint64_t waiting = engine->waiting;
  request->ends_connection = false;
  request->pause_ns = 0;
  bool leaves_all = !peer || peer->fenced || apply_request(engine, now_ns, peer, request);
  engine->examined_request = NULL;
  engine->has_only_read =
      request->may_only_read && (leaves_all || core_record_read(engine, request, waiting));
}
