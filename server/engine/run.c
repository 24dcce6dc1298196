/* Runs operations: first runs, waits, second runs, outcomes. */
#include "server/engine/run.h"

#include "proto/base/chunk.h"
#include "proto/base/clock.h"
#include "proto/wire.h"
#include "server/engine/admission.h"
#include "server/engine/admit_waiter.h"
#include "server/engine/cells.h"
#include "server/engine/decoded.h"
#include "server/engine/deletion.h"
#include "server/engine/ears.h"
#include "server/engine/holding.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/require.h"
#include "server/engine/settle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct hold_context {
  struct engine *engine;
  struct session *session;
};

static void hold_for_session(void *ctx, uint64_t object) {
  struct hold_context *context = ctx;
  if (registry_find(&context->engine->registry, object) && session_hold(context->session, object)) {
    core_hold(context->engine, object);
  }
}

static void count_reply(struct engine *engine, struct session *session, struct reply *reply) {
  size_t bytes = reply_memory_bytes(reply);
  session->window_bytes += bytes;
  memory_charge(&engine->memory, MEMORY_WINDOWS, bytes);
}

static void note_reference(void *ctx, uint64_t object) {
  (void)object;
  *(bool *)ctx = true;
}

/* Running a read again is harmless, but for the references it hands out: those are counted once. */
static hf_reason keep_references(struct call *call) {
  struct reply *reply = call->reply;
  bool has_reference = false;
  reply_each_reference(reply, note_reference, &has_reference);
  if (!has_reference) {
    return HF_REASON_NONE;
  }
  hf_reason reason = session_check_sequence(call->session, reply->sequence);
  if (!reason && !core_may_note(call->engine, &call->session->holds)) {
    reason = HF_REASON_MEMORY_FULL;
  }
  if (!reason && !session_keep_reply(call->session, reply)) {
    reason = HF_REASON_NO_MEMORY;
  }
  if (!reason) {
    count_reply(call->engine, call->session, reply);
  }
  return reason;
}

/* A small reply is kept also when memory is full: a window has room for HF_WINDOW_COUNT_MAX. */
static bool may_keep(const struct engine *engine, const struct reply *reply) {
  size_t bytes = reply_memory_bytes(reply);
  return bytes <= HF_SMALL_REPLY_BYTES || core_has_room(engine, bytes);
}

/* What the session keeps of an answer. */
static void keep_answer(struct call *call) {
  struct reply *reply = call->reply;
  struct hold_context context = {call->engine, call->session};
  if (reply->sequence && !reply->is_kept && call->operation->repeat == REPEAT_AGAIN) {
    hf_reason reason = keep_references(call);
    if (reason) {
      reply_fail(reply, reason, false);
    }
  } else if (reply->sequence) {
    if (call->operation->effect == EFFECT_NONE && !may_keep(call->engine, reply)) {
      reply_fail(reply, HF_REASON_MEMORY_FULL, false); /* nothing has changed */
    }
    count_reply(call->engine, call->session, reply);
  }
  reply_each_reference(reply, hold_for_session, &context);
  if (reply->sequence &&
      reply->sequence <= call->session->acked) { /* acknowledged while it still waited */
    session_acknowledge(call->session, 0, &reply->sequence, 1);
  }
}

void core_note_end(struct call *call, hf_reason reason) {
  bool changes = call->operation->effect == EFFECT_OBJECT;
  if (call->object && !call->object->is_deleted && changes) {
    registry_account(&call->engine->registry, call->object);
    if (!reason && !call->told) {
      core_wake(call->engine, &call->object->waits[WAIT_CHANGE]);
    }
  }
}

static void conclude(struct call *call, hf_reason reason) {
  struct engine *engine = call->engine;
  struct session *session = call->session;
  struct reply *reply = call->reply;
  if (reason) {
    reply_fail(reply, reason, call->late);
  }
  reply->pending = NULL;
  core_note_end(call, reason);
  if (call->one_way) {
    if (session && reply->sequence) {
      if (reason) {
        session_note_failure(session, reply->sequence, reply);
      }
      core_wake(engine, &session->flushers);
    }
    reply_release(reply);
    return;
  }
  if (call->operation->flags & OPERATION_SILENT) {
    reply_release(reply);
    return;
  }
  if (session) {
    keep_answer(call);
  }
  engine->sink.deliver(engine->sink.ctx, call->connection, call->route, reply);
}

/* The outcome is final: keep it, note it, send it. Takes the caller's count of the reply. */
static void finish(struct call *call, hf_reason reason) {
  conclude(call, reason);
  if (call->session && call->session->has_sparse_tables) {
    session_trim(call->session);
  }
}

/* ---- waiting */

static uint64_t deadline_of(const struct call *call) {
  if (call->message->wait_case != HOLDFAST__REQUEST__WAIT_TIMEOUT_MS) {
    return CLOCK_NEVER;
  }
  if (call->message->timeout_ms <= 0) {
    return CLOCK_NEVER; /* it waits for nothing but a lent object */
  }
  return clock_deadline_ns(call->now_ns, (uint64_t)call->message->timeout_ms);
}

hf_reason core_restart_time(struct call *call) {
  struct timers *timers = &call->engine->timers;
  uint64_t deadline_ns = deadline_of(call);
  timers_stop(timers, &call->waiter->timer);
  bool starts = deadline_ns != CLOCK_NEVER;
  return starts && !timers_start(timers, &call->waiter->timer, deadline_ns) ? HF_REASON_NO_MEMORY
                                                                            : HF_REASON_NONE;
}

/* Whether the waiter needs the request again. */
static bool keeps_request(const struct call *call) {
  return !call->requirements || !call->requirements->suffice;
}

static bool keeps_decoded(const struct call *call) {
  return keeps_request(call) && call->decoded && call->decoded->is_whole;
}

/* How much of the body is kept. */
static size_t kept_body_len(const struct call *call) {
  return keeps_request(call) && !keeps_decoded(call) ? call->body.len : 0;
}

static void fill_waiter(struct waiter *waiter, const struct call *call) {
  *waiter = (struct waiter){
      .timer = {.kind = TIMER_WAITER},
      .ticket = ++call->engine->next_ticket,
      .operation = call->operation,
      .object = call->object,
      .session = call->session,
      .caller = call->message->caller,
      .since_ns = call->now_ns,
      .connection = call->connection,
      .route = *call->route,
      .reply = call->reply,
      .step = call->step,
      .note = call->note,
      .terms = call->terms,
      .requirements = call->requirements,
      .part = call->part,
      .one_way = call->one_way,
      .decoded = keeps_decoded(call) ? call->decoded : NULL,
      .request_len = call->body.len,
      .body_len = kept_body_len(call),
  };
  TAILQ_INIT(&waiter->ears);
  memcpy(waiter->body, call->body.data, waiter->body_len);
}

/* With its reply, and its place among the timers, whose heap may be half empty. */
static size_t waiter_bytes(const struct call *call) {
  size_t decoded_bytes = call->requirements ? call->requirements->bytes : 0;
  decoded_bytes += keeps_decoded(call) ? call->decoded->memory_bytes : 0;
  return chunk_bytes(sizeof *call->waiter + kept_body_len(call)) + decoded_bytes +
         chunk_bytes(sizeof *call->reply) + 2 * sizeof(struct timer *) + ears_bytes(&call->ears);
}

static struct address *address_of(const struct engine *engine, const struct waiter *waiter) {
  return waiter->session ? waiter->session->address
                         : core_peer(engine, waiter->connection)->address;
}

static void charge_bytes(struct engine *engine, struct waiter *waiter, size_t bytes) {
  waiter->memory_bytes += bytes;
  memory_charge(&engine->memory, MEMORY_WAITERS, bytes);
  address_of(engine, waiter)->waiters_bytes += bytes;
}

static void charge_waiter(struct engine *engine, struct waiter *waiter, size_t bytes) {
  charge_bytes(engine, waiter, bytes);
  if (waiter->session) {
    waiter->session->waiters_count++;
  }
}

static void refund_waiter(struct engine *engine, struct waiter *waiter) {
  memory_refund(&engine->memory, MEMORY_WAITERS, waiter->memory_bytes);
  address_of(engine, waiter)->waiters_bytes -= waiter->memory_bytes;
  if (waiter->session) {
    waiter->session->waiters_count--;
  }
}

hf_reason core_keep_requirements(struct call *call, struct waiter *waiter) {
  struct requirements *requirements = call->requirements;
  struct waiter *owner = waiter_principal(waiter);
  call->requirements = NULL;
  if (!requirements) {
    return HF_REASON_NONE;
  }
  hf_reason reason = core_admit_growth(call, address_of(call->engine, owner), requirements->bytes);
  if (reason) {
    requirements_free(requirements);
    return reason;
  }
  waiter->requirements = requirements;
  charge_bytes(call->engine, owner, requirements->bytes);
  return HF_REASON_NONE;
}

/* One that a flush waits for. */
static bool is_numbered_one_way(const struct waiter *waiter) {
  return waiter->session && waiter->one_way && waiter->reply->sequence;
}

/* Whether the session's window has the reply, which does not count there yet. */
static bool is_pending_in_window(const struct waiter *waiter) {
  return waiter->session && waiter->reply->sequence && !waiter->one_way &&
         (waiter->reply->is_kept || waiter->operation->repeat == REPEAT_KEPT);
}

hf_reason core_prepare_park(struct call *call) {
  if (call->prepared) {
    return HF_REASON_NONE;
  }
  hf_reason reason = core_admit_waiter(call, waiter_bytes(call));
  if (reason) {
    return reason;
  }
  call->prepared = malloc(sizeof *call->prepared + kept_body_len(call));
  return call->prepared && timers_make_room(&call->engine->timers) ? HF_REASON_NONE
                                                                   : HF_REASON_NO_MEMORY;
}

/* A read that waits is one that others must find when it comes again. */
static hf_reason keep_waiting_read(struct call *call) {
  struct reply *reply = call->reply;
  bool keeps = call->session && reply->sequence && call->operation->repeat == REPEAT_AGAIN;
  if (!keeps) {
    return HF_REASON_NONE;
  }
  hf_reason reason = session_check_sequence(call->session, reply->sequence);
  if (!reason && !session_keep_reply(call->session, reply)) {
    reason = HF_REASON_NO_MEMORY;
  }
  reply->is_kept = !reason;
  return reason;
}

void core_link_waiter(struct engine *engine, struct waiter *waiter, size_t bytes) {
  struct peer *peer = core_peer(engine, waiter->connection);
  struct session *session = waiter->session;
  charge_waiter(engine, waiter, bytes);
  TAILQ_INSERT_TAIL(session ? &session->waiters : &peer->waiters, waiter, owner_link);
  if (is_numbered_one_way(waiter)) {
    TAILQ_INSERT_TAIL(&session->one_way_waiters, waiter, one_way_link);
  }
  if (peer) {
    peer->parked++;
  }
  engine->waiting++;
  waiter->reply->pending = waiter;
  if (is_pending_in_window(waiter)) {
    session->pending_count++;
  }
}

/* First parking. HF_REASON_NONE | NO_MEMORY IN_FLIGHT_FULL MEMORY_FULL */
static hf_reason begin_wait(struct call *call) {
  struct engine *engine = call->engine;
  hf_reason reason = core_prepare_park(call);
  if (reason || (reason = keep_waiting_read(call))) {
    return reason;
  }
  struct waiter *waiter = call->prepared;
  uint64_t deadline_ns = deadline_of(call);
  call->prepared = NULL;
  fill_waiter(waiter, call);
  core_link_waiter(engine, waiter, waiter_bytes(call));
  call->decoded = waiter->decoded ? NULL : call->decoded;
  call->requirements = NULL;
  if (deadline_ns != CLOCK_NEVER) {
    timers_start(&engine->timers, &waiter->timer, deadline_ns);
  }
  if (call->park_queue) {
    wait_queue_insert(call->park_queue, waiter);
  } else {
    ears_open(waiter, &call->ears);
  }
  if (call->lends) {
    core_begin_job(engine, call->lends, waiter);
    call->lends = NULL;
  }
  return HF_REASON_NONE;
}

/* Takes the waiter out of everything but its reply, which stays with the caller. */
static void unlink_waiter(struct engine *engine, struct waiter *waiter) {
  struct peer *peer = core_peer(engine, waiter->connection);
  core_forget_requester(waiter);
  if (waiter->queue) {
    wait_queue_remove(waiter->queue, waiter);
  }
  core_review_cells(engine, waiter->object);
  if (waiter->session) {
    TAILQ_REMOVE(&waiter->session->waiters, waiter, owner_link);
  } else {
    TAILQ_REMOVE(&peer->waiters, waiter, owner_link);
  }
  if (is_numbered_one_way(waiter)) {
    TAILQ_REMOVE(&waiter->session->one_way_waiters, waiter, one_way_link);
  }
  if (is_pending_in_window(waiter)) {
    waiter->session->pending_count--;
  }
  if (peer) {
    peer->parked--;
  }
  timers_stop(&engine->timers, &waiter->timer);
  engine->waiting--;
  refund_waiter(engine, waiter);
  ears_close(waiter);
  requirements_free(waiter->requirements);
  waiter->requirements = NULL;
  if (waiter->decoded) {
    waiter->decoded->next = engine->answered;
    engine->answered = waiter->decoded;
  }
}

/* Its kind lets others feel that the waiter is gone. */
static void leave_wait(struct engine *engine, const struct waiter *waiter) {
  struct object *object = waiter->object;
  if (!object) {
    return;
  }
  const struct kind *kind = kind_of(object);
  if (kind->leave_wait) {
    kind->leave_wait(engine, waiter);
  }
}

/* Whether the request has done a part already, which must not be called an error: that part is
 * answered. */
static bool answer_part(const struct waiter *waiter) {
  const struct object *object = waiter->object;
  const struct kind *kind = object ? kind_of(object) : NULL;
  return kind && kind->answer_part && kind->answer_part(waiter);
}

static struct call call_of(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  return (struct call){
      .engine = engine,
      .now_ns = now_ns,
      .operation = waiter->operation,
      .body = bytes_of(NULL, waiter->request_len),
      .connection = waiter->connection,
      .route = &waiter->route,
      .session = waiter->session,
      .object = waiter->object,
      .reply = waiter->reply,
      .waiter = waiter,
      .step = waiter->step,
      .note = waiter->note,
      .terms = waiter->terms,
      .one_way = waiter->one_way,
  };
}

void core_end_wait(struct engine *engine, uint64_t now_ns, struct waiter *waiter,
                   hf_reason reason) {
  struct call call = call_of(engine, now_ns, waiter);
  unlink_waiter(engine, waiter);
  leave_wait(engine, waiter);
  finish(&call, answer_part(waiter) ? HF_REASON_NONE : reason);
  free(waiter);
}

void core_drop_waiter(struct engine *engine, struct waiter *waiter) {
  unlink_waiter(engine, waiter);
  leave_wait(engine, waiter);
  waiter->reply->pending = NULL;
  reply_release(waiter->reply);
  free(waiter);
}

/* The request of a waiter, in the engine's scratch or decoded once and for all. */
static hf_reason read_again(struct call *call) {
  struct waiter *waiter = call->waiter;
  struct engine *engine = call->engine;
  Holdfast__Request *message = NULL;
  if (waiter->decoded) {
    message = waiter->decoded->message;
  } else if (waiter->body_len > 0) {
    struct bytes body = bytes_of(waiter->body, waiter->body_len);
    core_spend(engine, body.len / STEPS_BODY_BYTES);
    if (wire_unpack_request(body, &engine->scratch, &message)) {
      return HF_REASON_NO_MEMORY;
    }
  }
  call->message = message;
  return HF_REASON_NONE;
}

bool core_run_again(struct engine *engine, uint64_t now_ns, struct waiter *woken, bool timed_out) {
  struct waiter *waiter = waiter_principal(woken);
  struct call call = call_of(engine, now_ns, waiter);
  core_spend(engine, STEPS_OF_RUN);
  if (woken->object && woken->object->is_deleted) {
    core_end_wait_on_deleted(engine, now_ns, woken);
    return true;
  }
  if (core_is_lent(woken->object)) {
    if (timed_out) {
      core_end_wait(engine, now_ns, waiter, HF_REASON_TIMED_OUT);
    }
    return timed_out; /* all are woken when it is back */
  }
  if (woken->requirements && !timed_out && requirements_still_wait(&call, woken)) {
    return false;
  }
  call.heard = woken->principal ? woken : NULL;
  call.timed_out = timed_out;
  hf_reason reason = read_again(&call);
  reason = reason ? reason : waiter->operation->handle(&call);
  arena_reset(&engine->scratch);
  if (reason == REASON_PARKED) {
    hf_reason kept = core_keep_requirements(&call, waiter);
    reason = kept ? kept : REASON_PARKED;
  }
  if (reason == REASON_PARKED) {
    assert(!call.timed_out); /* a step that must not be cut short has taken it back */
    waiter->step = call.step;
    waiter->note = call.note;
    waiter->terms = call.terms;
    waiter->part = call.part;
    if (call.park_queue != waiter->queue) {
      wait_queue_remove(waiter->queue, waiter);
      wait_queue_insert(call.park_queue, waiter);
    }
    if (call.lends) {
      core_begin_job(engine, call.lends, waiter);
    }
    return false;
  }
  unlink_waiter(engine, waiter);
  if (reason == HF_REASON_NO_MEMORY) {
    leave_wait(engine, waiter);
  }
  finish(&call, reason);
  free(waiter);
  return true;
}

void core_end_job(struct engine *engine, uint64_t now_ns, struct waiter *requester,
                  struct job *job) {
  struct call call = call_of(engine, now_ns, requester);
  hf_reason reason = job->stop_reason;
  call.job = job;
  if (job->reason != HF_REASON_STOPPING) {
    reason = read_again(&call);
    reason = reason ? reason : requester->operation->handle(&call);
    arena_reset(&engine->scratch);
  }
  assert(reason != REASON_PARKED);
  unlink_waiter(engine, requester);
  finish(&call, reason);
  free(requester);
}

void core_time_out(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  if (waiter->suspended) {
    waiter->overdue = true; /* what it might still get would go to nobody */
  } else if (waiter->job) {
    core_stop_job(waiter->job, HF_REASON_TIMED_OUT); /* it answers, unless it is done already */
  } else {
    core_run_again(engine, now_ns, waiter, true);
  }
}

/* ---- first runs */

static hf_reason run_first(struct call *call) {
  hf_reason reason = admission_pass(call);
  bool looks_inside = call->object && call->operation->kinds != OPERATION_ANY_KIND;
  if (!reason && looks_inside && core_must_wait_for(call, call->object)) {
    return REASON_PARKED;
  }
  return reason ? reason : call->operation->handle(call);
}

/* It does not wait after all. */
static void drop_plans(struct call *call) {
  free(call->prepared);
  requirements_free(call->requirements);
  job_free(call->lends);
}

void core_run(struct call *call) {
  core_spend(call->engine, STEPS_OF_RUN + call->body.len / STEPS_BODY_BYTES);
  hf_reason reason = run_first(call);
  if (reason == REASON_PARKED) {
    reason = begin_wait(call);
    if (reason == HF_REASON_NONE) {
      return;
    }
    if (!call->park_queue) {
      ears_free(&call->ears);
    }
  }
  if (call->prepared || call->requirements || call->lends) {
    drop_plans(call);
  }
  finish(call, reason);
}
