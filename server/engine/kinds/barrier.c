#include "server/engine/kinds/barrier.h"

#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/parking.h"
#include "server/engine/sessions.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/steps.h"
#include "server/engine/wake.h"

/* Waiters of earlier rounds that have not run yet keep their step. */
static void give_step(struct engine *engine, struct waiter_list *waiters, unsigned step) {
  struct waiter *waiter;
  TAILQ_FOREACH(waiter, waiters, queue_link) {
    core_spend(engine, 1);
    if (waiter->step == STEP_WAITING) {
      waiter->step = step;
    }
  }
}

static void forget_actor(struct engine *engine, struct object *object) {
  struct session *actor = map64_get(&engine->sessions, object->barrier.actor_serial);
  if (actor) {
    session_remove(actor, &actor->acting, object->id);
  }
  object->barrier.actor_serial = 0;
}

void core_end_round(struct engine *engine, struct object *object, unsigned step) {
  struct wait_queue *parties = &object->waits[WAIT_BARRIER];
  give_step(engine, &parties->waiters, step);
  give_step(engine, &parties->suspended, step);
  forget_actor(engine, object);
  object->barrier.arrived = 0;
  object->barrier.ended_count++;
  object->barrier.state = step == STEP_BROKEN ? BARRIER_BROKEN : BARRIER_FILLING;
  core_wake(engine, parties);
  core_wake(engine, &object->waits[WAIT_BARRIER_ENTER]);
}

static uint64_t round_of(const struct barrier *barrier) {
  return barrier->ended_count + 1;
}

/* Threads of one session may act in several rounds: the number tells these apart. 0: from a client, or in a
 * snapshot, without numbers. */
static bool is_earlier(const struct barrier *barrier, uint64_t round) {
  return round != 0 && round != round_of(barrier);
}

/* acting_round: of who acts; else 0 */
static void answer_arrival(struct call *call, uint64_t index, uint64_t acting_round) {
  call->reply->shape = REPLY_ARRIVAL;
  call->reply->index = index;
  call->reply->acts = acting_round != 0;
  call->reply->round = acting_round;
}

/* The last of the round lets the others go, or sees to its action first. */
static hf_reason complete_round(struct call *call, uint64_t index) {
  struct object *object = call->object;
  struct barrier *barrier = &object->barrier;
  bool acts = call->message->barrier_wait->has_action;
  hf_reason reason =
      acts ? core_check_object_entry(call->engine, call->session, &call->session->acting, object)
           : HF_REASON_NONE;
  if (reason) {
    return reason;
  }
  if (acts && !session_set(call->session, &call->session->acting, object->id, object)) {
    return HF_REASON_NO_MEMORY;
  }
  barrier->arrived++;
  if (acts) {
    barrier->state = BARRIER_ACTING;
    barrier->actor_serial = call->session->serial;
  } else {
    core_end_round(call->engine, object, STEP_RELEASED);
  }
  answer_arrival(call, index, acts ? round_of(barrier) : 0);
  if (acts) {
    call_set_source(call, 0);
  }
  return HF_REASON_NONE;
}

static hf_reason break_barrier(struct call *call) {
  core_end_round(call->engine, call->object, STEP_BROKEN);
  return HF_REASON_BARRIER_BROKEN;
}

static hf_reason arrive(struct call *call) {
  struct object *object = call->object;
  struct barrier *barrier = &object->barrier;
  if (barrier->state == BARRIER_BROKEN) {
    return HF_REASON_BARRIER_BROKEN;
  }
  if (barrier->state == BARRIER_ACTING) {
    call->timed_out = false; /* its time begins when it can enter, as in Python */
    call->park_queue = &object->waits[WAIT_BARRIER_ENTER];
    return REASON_PARKED;
  }
  uint64_t index = barrier->arrived;
  if (index + 1 == barrier->parties) {
    return complete_round(call, index);
  }
  if (call_may_not_wait(call)) {
    return break_barrier(call);
  }
  hf_reason reason = call->waiter ? core_restart_time(call) : core_prepare_park(call);
  if (reason) {
    return reason;
  }
  barrier->arrived++;
  call->step = STEP_WAITING;
  call->progress = index;
  return call_park(call, &object->waits[WAIT_BARRIER], HF_REASON_BARRIER_BROKEN);
}

hf_reason handle_barrier_wait(struct call *call) {
  switch (call->step) {
    case STEP_RELEASED:
      answer_arrival(call, call->progress, 0);
      return HF_REASON_NONE;
    case STEP_BROKEN:
      return HF_REASON_BARRIER_BROKEN;
    case STEP_WAITING:
      if (call->timed_out) {
        return break_barrier(call);
      }
      return call_park(call, &call->object->waits[WAIT_BARRIER], HF_REASON_BARRIER_BROKEN);
    default:
      return arrive(call);
  }
}

hf_reason handle_barrier_done(struct call *call) {
  struct barrier *barrier = &call->object->barrier;
  if (barrier->state == BARRIER_BROKEN) {
    return HF_REASON_BARRIER_BROKEN;
  }
  if (barrier->state != BARRIER_ACTING || barrier->actor_serial != call->session->serial ||
      is_earlier(barrier, call->message->barrier_done->round)) {
    return HF_REASON_NOT_OWNER;
  }
  core_end_round(call->engine, call->object, STEP_RELEASED);
  return HF_REASON_NONE;
}

hf_reason handle_barrier_abort(struct call *call) {
  const struct barrier *barrier = &call->object->barrier;
  if (is_earlier(barrier, call->message->barrier_abort->round)) {
    return barrier->state == BARRIER_BROKEN ? HF_REASON_BARRIER_BROKEN : HF_REASON_NOT_OWNER;
  }
  core_end_round(call->engine, call->object, STEP_BROKEN);
  return HF_REASON_NONE;
}

hf_reason handle_barrier_reset(struct call *call) {
  core_end_round(call->engine, call->object, STEP_BROKEN);
  call->object->barrier.state = BARRIER_FILLING;
  return HF_REASON_NONE;
}

/* ---- the kind */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  shape->parties = message->parties;
  return shape->parties ? HF_REASON_NONE : HF_REASON_BAD_ARGUMENT;
}

static bool has_shape(const struct object *object, const struct object_shape *shape) {
  return object->barrier.parties == shape->parties;
}

static bool init_barrier(struct object *object, const struct object_shape *shape,
                         const struct value_hash_key *hash_key) {
  (void)hash_key;
  object->barrier.parties = shape->parties;
  object->waits[WAIT_BARRIER].broadcast = true;
  object->waits[WAIT_BARRIER_ENTER].broadcast = true;
  return true;
}

static void report_barrier(const struct object *object, struct reply_object *reported) {
  reported->parties = object->barrier.parties;
  reported->arrived = object->barrier.arrived;
  reported->broken = object->barrier.state == BARRIER_BROKEN;
}

static void revoke(struct engine *engine, struct session *session, struct object *object,
                   const struct reply *reply) {
  if (object->barrier.actor_serial == session->serial &&
      !is_earlier(&object->barrier, reply->round)) {
    core_end_round(engine, object, STEP_BROKEN);
  }
}

static void stop_barrier(struct engine *engine, struct object *object) {
  forget_actor(engine, object);
}

static void leave_wait(struct engine *engine, const struct waiter *waiter) {
  if (waiter->step == STEP_WAITING) {
    core_end_round(engine, waiter->object, STEP_BROKEN);
  }
}

static const struct snapshot_field barrier_rows[] = {
    SNAPSHOT_FIELD(1, struct object, barrier.state),
    SNAPSHOT_FIELD(2, struct object, barrier.parties),
    SNAPSHOT_FIELD(3, struct object, barrier.arrived),
    SNAPSHOT_FIELD(4, struct object, barrier.actor_serial),
    SNAPSHOT_FIELD(5, struct object, barrier.ended_count),
};
static const struct snapshot_fields barrier_fields = SNAPSHOT_FIELDS(barrier_rows);

static void snapshot_barrier(const struct object *object, struct snapshot_out *out) {
  snapshot_put_fields(out, &barrier_fields, object);
  snapshot_end_record(out, RECORD_CONTENT);
}

static bool restore_barrier(struct restoring *restoring, struct object *object,
                            const struct snapshot_record *record) {
  return snapshot_read(&restoring->in, record->body, &barrier_fields, object, NULL, NULL) &&
         (object->barrier.state <= BARRIER_BROKEN ||
          snapshot_fail(&restoring->in, "a barrier is in no state"));
}

const struct kind kind_barrier = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .init = init_barrier,
    .report = report_barrier,
    .revoke = revoke,
    .stop = stop_barrier,
    .snapshot = snapshot_barrier,
    .restore = restore_barrier,
    .leave_wait = leave_wait,
};
