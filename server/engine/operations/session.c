#include "proto/base/clock.h"
#include "proto/text.h"
#include "server/engine/binding.h"
#include "server/engine/call.h"
#include "server/engine/command.h"
#include "server/engine/denial.h"
#include "server/engine/forks.h"
#include "server/engine/handlers.h"
#include "server/engine/lending.h"
#include "server/engine/parking.h"
#include "server/engine/quota.h"
#include "server/engine/revoke.h"
#include "server/engine/rights.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"
#include "server/engine/sessions.h"
#include "server/engine/steps.h"

#include <stdlib.h>
#include <string.h>

static void answer_session(struct call *call, const struct session *session) {
  call->reply->shape = REPLY_SESSION;
  call->reply->grace_ms = session->grace_ms;
  call->reply->local_handshake =
      session->process != PROCESS_ELSEWHERE ? call->engine->local_handshake : NULL;
  memcpy(call->reply->session, session->id, sizeof session->id);
}

/* A client's name is for people: it is cut and cleaned rather than refused. */
static struct value client_name(struct bytes name) {
  char clean[HF_NAME_BYTES_MAX + 1];
  struct value text;
  size_t len = text_make_name(name, clean, sizeof clean);
  if (!value_text(bytes_of(clean, len), &text)) {
    value_text(bytes_of_text("?"), &text); /* short enough to need no memory */
  }
  return text;
}

/* Nobody ends the sessions of other users, but the owner. */
static bool may_end(const struct call *call, const struct session *session) {
  core_spend(call->engine, 1);
  return !call->user || session->user == call->user;
}

/* The one that has been without a connection longest. NULL: none among the first */
static struct session *find_lost_of_address(const struct call *call,
                                            const struct address *address) {
  struct session *lost = TAILQ_FIRST(&address->lost);
  for (size_t looks = HF_PAGE_COUNT_MAX; lost && !may_end(call, lost); looks--) {
    lost = looks > 0 ? TAILQ_NEXT(lost, address_lost_link) : NULL;
  }
  return lost;
}

static struct session *find_lost(const struct call *call) {
  struct session *lost = TAILQ_FIRST(&call->engine->lost);
  for (size_t looks = HF_PAGE_COUNT_MAX; lost && !may_end(call, lost); looks--) {
    lost = looks > 0 ? TAILQ_NEXT(lost, lost_link) : NULL;
  }
  return lost;
}

/* Sees to room for one more: of the address, and of all. Makes it by ending the session of the same
 * address that has been without a connection longest, where the address has none that of any; for a user
 * only one of its own. HF_REASON_NONE | SESSIONS_FULL */
static hf_reason make_room(struct call *call, struct address *address) {
  struct engine *engine = call->engine;
  bool is_address_full = address->sessions >= HF_SESSIONS_OF_ADDRESS_MAX;
  if (!is_address_full && engine->sessions.count < HF_SESSIONS_MAX) {
    return HF_REASON_NONE;
  }
  struct session *lost = find_lost_of_address(call, address);
  if (!lost && !is_address_full) {
    lost = find_lost(call);
  }
  if (!lost) {
    return HF_REASON_SESSIONS_FULL;
  }
  core_end_session(engine, call->now_ns, lost, false);
  return HF_REASON_NONE;
}

hf_reason handle_open_session(struct call *call) {
  const Holdfast__OpenSession *message = call->message->open_session;
  struct engine *engine = call->engine;
  struct peer *peer = core_peer(engine, call->connection);
  uint32_t grace_ms = message->grace_ms ? message->grace_ms : HF_GRACE_MS_DEFAULT;
  hf_reason reason = quota_check_sessions(engine, call->user);
  if (reason || (reason = make_room(call, peer->address))) {
    return reason;
  }
  struct value client = client_name(bytes_of(message->client.data, message->client.len));
  struct session *session =
      session_new(call->entropy, grace_ms < HF_GRACE_MS_MAX ? grace_ms : HF_GRACE_MS_MAX, client,
                  &engine->config.hash_key, &engine->memory);
  if (!session) {
    value_release(client);
    return HF_REASON_NO_MEMORY;
  }
  bool taken = session->serial == 0 || map64_get(&engine->sessions, session->serial);
  if (taken || !map64_set(&engine->sessions, session->serial, session)) {
    session_free(session);
    return HF_REASON_NO_MEMORY;
  }
  session->address = address_share(peer->address);
  session->address->sessions++;
  session->user = user_enter_session(call->user);
  core_locate_session(call, session, message->process);
  session->number = ++engine->next_session_number;
  core_bind_session(engine, call->now_ns, session, peer);
  answer_session(call, session);
  return HF_REASON_NONE;
}

hf_reason handle_resume_session(struct call *call) {
  struct peer *peer = core_peer(call->engine, call->connection);
  struct session *session = call->session;
  const Holdfast__ResumeSession *message = call->message->resume_session;
  uint64_t attempt = message->attempt;
  if (attempt <= session->attempt) {
    peer->session_ended |= !peer->session;
    return HF_REASON_ATTEMPT_STALE;
  }
  session->attempt = attempt;
  if (session->is_unadopted ||
      session->process == PROCESS_HIDDEN) { /* hidden by a restart, maybe */
    core_locate_session(call, session, message->process);
  }
  core_bind_session(call->engine, call->now_ns, session, peer);
  answer_session(call, session);
  return HF_REASON_NONE;
}

hf_reason handle_fork_session(struct call *call) {
  const Holdfast__ForkSession *message = call->message->fork_session;
  struct bytes id = bytes_of(message->child.data, message->child.len);
  if (id.len != HF_SESSION_BYTES) {
    return HF_REASON_BAD_SESSION;
  }
  if (message->process == 0) {
    hf_reason reason = core_fork_session(call->engine, call->session, id);
    memcpy(&call->reply->source, id.data, reason ? 0 : sizeof call->reply->source);
    return reason;
  }
  struct session *forked = core_find_session(call->engine, id);
  if (forked && forked->is_unadopted && forked->parent == call->session) {
    core_locate_forked(call, forked, message->process);
  }
  return HF_REASON_NONE; /* otherwise its child was faster */
}

hf_reason handle_close_session(struct call *call) {
  core_end_session(call->engine, call->now_ns, call->session, true);
  call->session = NULL;
  return HF_REASON_NONE;
}

/* Ends a wait that its client has cancelled. A condition's wait gets the lock back first, unless that is
 * to be revoked. */
static void cancel_wait(struct call *call, struct waiter *waiter, bool revoke) {
  if (waiter->job) {
    core_stop_job(waiter->job, HF_REASON_CANCELLED); /* it answers, unless it is done already */
    return;
  }
  bool has_given_lock_up = waiter->operation->arm == HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT;
  if (!has_given_lock_up || revoke) {
    core_end_wait(call->engine, call->now_ns, waiter, HF_REASON_CANCELLED);
  } else if (waiter->step != STEP_NOTIFIED) {
    waiter->step = STEP_CANCELLED; /* it returns with its lock */
    core_time_out(call->engine, call->now_ns, waiter);
  }
}

/* Ends the session that the reply answered a ForkSession with, while it is unadopted. */
static void end_forked(struct call *call, const struct reply *reply) {
  if (reply->operation == HOLDFAST__REQUEST__OPERATION_FORK_SESSION && !reply->reason) {
    core_end_unadopted(call->engine, call->session, reply->source);
  }
}

hf_reason handle_cancel(struct call *call) {
  const Holdfast__Cancel *message = call->message->cancel;
  struct reply *reply = session_find_reply(call->session, message->sequence);
  bool is_cancelled = reply && reply->pending;
  if (is_cancelled) {
    cancel_wait(call, reply->pending, message->revoke);
  } else if (reply && message->revoke) {
    end_forked(call, reply);
    is_cancelled = core_revoke(call->engine, call->session, reply);
  }
  call_answer_flag(call, is_cancelled);
  return HF_REASON_NONE;
}

hf_reason handle_acknowledge(struct call *call) {
  (void)call; /* all it carries is in the envelope */
  return HF_REASON_NONE;
}

hf_reason handle_ping(struct call *call) {
  const ProtobufCBinaryData *payload = &call->message->ping->payload;
  struct value value;
  if (!value_bytes(bytes_of(payload->data, payload->len), &value)) {
    return HF_REASON_NO_MEMORY;
  }
  call_answer_value(call, value);
  call->reply->shape = REPLY_PAYLOAD;
  return HF_REASON_NONE;
}

hf_reason handle_flush(struct call *call) {
  struct session *session = call->session;
  uint64_t through = call->message->flush->through;
  uint64_t finished = session_one_way_finished(session);
  if ((session->one_way_received < through || finished < through) && !call_may_not_wait(call)) {
    return call_park(call, &session->flushers, HF_REASON_TIMED_OUT);
  }
  struct reply_flushed *flushed = malloc(sizeof *flushed);
  if (!flushed) {
    return HF_REASON_NO_MEMORY;
  }
  flushed->received = session->one_way_received;
  flushed->finished = finished;
  flushed->failed = session->one_way_failed;
  flushed->failures_count = session->failures_count;
  if (session->failures_count) {
    memcpy(flushed->failures, session->failures,
           session->failures_count * sizeof *session->failures);
  }
  session_forget_failures(session);
  call->reply->shape = REPLY_FLUSHED;
  call->reply->flushed = flushed;
  return HF_REASON_NONE;
}

static struct reply_user report_user(const struct user *user) {
  struct reply_user reported = {
      .name_len = user->name_len < USER_NAME_BYTES_MAX ? user->name_len : USER_NAME_BYTES_MAX,
      .is_gone = user->is_gone,
      .memory_bytes = user->memory_bytes,
      .objects = user->objects,
      .sessions = user->sessions,
      .connections = user->connections,
      .waiting = user->waiting,
  };
  memcpy(reported.name, user->name, reported.name_len);
  return reported;
}

/* Of all users, as many as a list may have; for a user that is no admin its own. */
static void report_users(const struct call *call, struct reply_server *server) {
  const struct user_table *table = &call->engine->users;
  bool sees_all = rights_see_all(call);
  for (size_t i = 0; i < table->count && server->users_count < HF_LISTING_COUNT_MAX; i++) {
    if (sees_all || table->users[i] == call->user) {
      server->users[server->users_count++] = report_user(table->users[i]);
    }
  }
}

hf_reason handle_server_info(struct call *call) {
  const struct engine *engine = call->engine;
  const struct cell_host *host = engine->config.cell_host;
  size_t users_count =
      engine->users.count < HF_LISTING_COUNT_MAX ? engine->users.count : HF_LISTING_COUNT_MAX;
  struct reply_server *server = malloc(sizeof *server + users_count * sizeof *server->users);
  if (!server) {
    return HF_REASON_NO_MEMORY;
  }
  *server = (struct reply_server){
      .uptime_ms = (call->now_ns - engine->config.start_ns) / CLOCK_NS_PER_MS,
      .sessions = engine->sessions.count,
      .objects = engine->registry.by_id.count,
      .waiting = engine->waiting,
      .requests = engine->requests,
      .duplicates = engine->duplicates,
      .connections = engine->peers.count,
      .memory_bytes = engine->memory.total,
      .deadlocks = engine->deadlocks,
      .memory_bytes_max = engine->memory.max,
      .waiters_bytes_max = memory_waiters_max(&engine->memory),
      .shared_cells = engine->shared_cells,
      .segment_cells = host ? host->count(host->ctx) : 0,
  };
  memcpy(server->memory_used, engine->memory.used, sizeof server->memory_used);
  if (engine->sink.report_journal) {
    server->has_journal = true;
    engine->sink.report_journal(engine->sink.ctx, &server->journal);
  }
  report_users(call, server);
  call->reply->shape = REPLY_SERVER;
  call->reply->server = server;
  return HF_REASON_NONE;
}

/* What concerns all that the server has. HF_REASON_NONE | NO_RIGHT NO_JOURNAL */
static hf_reason check_admin_of_journal(struct call *call, const char *operation) {
  if (!rights_see_all(call)) {
    struct denial *denial = &call->engine->denial;
    denial_begin(denial, HF_REASON_NO_RIGHT);
    denial_add(denial, "user ");
    denial_add_name(denial, user_name(call->user));
    denial_add(denial, " is no admin (%s needs one)", operation);
    return HF_REASON_NO_RIGHT;
  }
  return call->engine->sink.request_snapshot ? HF_REASON_NONE : HF_REASON_NO_JOURNAL;
}

hf_reason handle_server_snapshot(struct call *call) {
  const struct engine_sink *sink = &call->engine->sink;
  hf_reason reason = check_admin_of_journal(call, "server_snapshot");
  if (!reason) {
    sink->request_snapshot(sink->ctx);
  }
  return reason;
}

/* The state is not looked at: the log has what comes of it. */
hf_reason handle_server_backup(struct call *call) {
  const Holdfast__ServerBackup *message = call->message->server_backup;
  hf_reason reason = check_admin_of_journal(call, "server_backup");
  if (!reason) {
    call->reply->shape = REPLY_BACKUP;
    call->reply->backup = message->backup;
    call->reply->backup_offset = message->offset;
  }
  return reason;
}
