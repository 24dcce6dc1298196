#include "server/engine/parking.h"

#include "proto/base/chunk.h"
#include "proto/base/clock.h"
#include "server/engine/admit_waiter.h"
#include "server/engine/cells.h"
#include "server/engine/decoded.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/outcome.h"
#include "server/engine/require.h"
#include "server/engine/wait_entries.h"

#include <stdlib.h>
#include <string.h>

/* ---- the beginning */

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
      .thread = call->message->thread,
      .since_ns = call->now_ns,
      .connection = call->connection,
      .route = *call->route,
      .reply = call->reply,
      .step = call->step,
      .progress = call->progress,
      .key_hash = call->key_hash,
      .condition = call->condition,
      .terms = call->terms,
      .requirements = call->requirements,
      .part = call->part,
      .one_way = call->one_way,
      .decoded = keeps_decoded(call) ? call->decoded : NULL,
      .request_len = call->body.len,
      .body_len = kept_body_len(call),
  };
  TAILQ_INIT(&waiter->entries);
  memcpy(waiter->body, call->body.data, waiter->body_len);
}

/* The bytes of a waiter, with its reply and two slots of the timers' heap, which may be half empty. */
static size_t waiter_bytes(const struct call *call) {
  size_t decoded_bytes = call->requirements ? call->requirements->bytes : 0;
  decoded_bytes += keeps_decoded(call) ? call->decoded->memory_bytes : 0;
  return chunk_bytes(sizeof *call->waiter + kept_body_len(call)) + decoded_bytes +
         chunk_bytes(sizeof *call->reply) + 2 * sizeof(struct timer *) +
         wait_entries_bytes(&call->entries);
}

static void charge_waiter(struct engine *engine, struct waiter *waiter, size_t bytes) {
  core_charge_waiting(engine, waiter, bytes);
  if (waiter->session) {
    waiter->session->waiters_count++;
  }
  struct user *user = core_user_of(engine, waiter->session, waiter->connection);
  if (user) {
    user->waiting++;
  }
}

static void refund_waiter(struct engine *engine, struct waiter *waiter) {
  memory_refund(&engine->memory, MEMORY_WAITERS, waiter->memory_bytes);
  core_address_of(engine, waiter)->waiters_bytes -= waiter->memory_bytes;
  if (waiter->session) {
    waiter->session->waiters_count--;
  }
  struct user *user = core_user_of(engine, waiter->session, waiter->connection);
  if (user) {
    user->waiting--;
  }
}

/* One that a flush waits for. */
static bool is_numbered_one_way(const struct waiter *waiter) {
  return waiter->session && waiter->one_way && waiter->reply->sequence;
}

bool core_is_pending_in_window(const struct waiter *waiter) {
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

/* A read that waits is one that others must find when it comes again; not one that has no answer. */
static hf_reason keep_waiting_read(struct call *call) {
  struct reply *reply = call->reply;
  bool keeps = call->session && reply->sequence && call->operation->repeat == REPEAT_AGAIN &&
               !(call->operation->flags & OPERATION_SILENT);
  if (!keeps) {
    return HF_REASON_NONE;
  }
  hf_reason reason = session_check_room(call->session, reply->sequence, true);
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
  if (core_is_pending_in_window(waiter)) {
    session->pending_count++;
  }
}

hf_reason core_begin_wait(struct call *call) {
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
    wait_entries_start(waiter, &call->entries);
  }
  if (call->lends) {
    core_begin_job(engine, call->lends, waiter);
    call->lends = NULL;
  }
  return HF_REASON_NONE;
}

/* ---- the end */

void core_unlink_waiter(struct engine *engine, struct waiter *waiter) {
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
  if (core_is_pending_in_window(waiter)) {
    waiter->session->pending_count--;
  }
  if (peer) {
    peer->parked--;
  }
  timers_stop(&engine->timers, &waiter->timer);
  engine->waiting--;
  refund_waiter(engine, waiter);
  wait_entries_end(waiter);
  requirements_free(waiter->requirements);
  waiter->requirements = NULL;
  if (waiter->decoded) {
    waiter->decoded->next = engine->answered;
    engine->answered = waiter->decoded;
  }
}

void core_leave_wait(struct engine *engine, const struct waiter *waiter) {
  struct object *object = waiter->object;
  if (!object) {
    return;
  }
  const struct kind *kind = object->row;
  if (kind->leave_wait) {
    kind->leave_wait(engine, waiter);
  }
}

/* Whether the request has done a part already, which must not be called an error: that part is
 * answered. A one-way request has no answer: that it did no more is its failure. */
static bool answer_part(const struct waiter *waiter) {
  const struct object *object = waiter->object;
  const struct kind *kind = object && !waiter->one_way ? object->row : NULL;
  return kind && kind->answer_part && kind->answer_part(waiter);
}

struct call core_call_of(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  return (struct call){
      .engine = engine,
      .now_ns = now_ns,
      .operation = waiter->operation,
      .body = bytes_of(NULL, waiter->request_len),
      .connection = waiter->connection,
      .route = &waiter->route,
      .session = waiter->session,
      .user = core_user_of(engine, waiter->session, waiter->connection),
      .object = waiter->object,
      .reply = waiter->reply,
      .waiter = waiter,
      .step = waiter->step,
      .progress = waiter->progress,
      .key_hash = waiter->key_hash,
      .condition = waiter->condition,
      .terms = waiter->terms,
      .one_way = waiter->one_way,
  };
}

void core_end_wait(struct engine *engine, uint64_t now_ns, struct waiter *waiter,
                   hf_reason reason) {
  struct call call = core_call_of(engine, now_ns, waiter);
  core_unlink_waiter(engine, waiter);
  core_leave_wait(engine, waiter);
  core_finish(&call, answer_part(waiter) ? HF_REASON_NONE : reason);
  free(waiter);
}

void core_drop_waiter(struct engine *engine, struct waiter *waiter) {
  core_unlink_waiter(engine, waiter);
  core_leave_wait(engine, waiter);
  waiter->reply->pending = NULL;
  reply_release(waiter->reply);
  free(waiter);
}

/* The owner of a wait entry is answered with the entry's part. */
void core_end_wait_on_gone(struct engine *engine, uint64_t now_ns, struct waiter *waiter,
                           hf_reason reason) {
  struct waiter *owner = waiter_owner(waiter);
  owner->reply->part = waiter->part;
  owner->object = NULL;
  core_end_wait(engine, now_ns, owner, reason);
}
