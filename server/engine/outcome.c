/* Outcomes of operations: added to the window, counted, sent. */
#include "server/engine/outcome.h"

#include "server/engine/references.h"
#include "server/engine/rights.h"
#include "server/engine/wake.h"

struct reference_context {
  struct engine *engine;
  struct session *session;
  unsigned rights; /* that are handed with the references */
};

static void add_reference_of_session(void *ctx, uint64_t object) {
  struct reference_context *context = ctx;
  if (registry_find(&context->engine->registry, object) &&
      session_add_reference(context->session, object, context->rights)) {
    core_add_reference(context->engine, object);
  }
}

/* Each outcome is of an object of its own. */
static void hand_references(struct call *call, const struct reply *reply) {
  struct reference_context context = {call->engine, call->session, reply->handed};
  bool has_outcomes = reply->shape == REPLY_FIRST || reply->shape == REPLY_RESULTS;
  for (size_t i = 0; has_outcomes && i < reply->outcomes_count; i++) {
    context.rights = reply->outcomes[i]->handed;
    reply_each_reference(reply->outcomes[i], add_reference_of_session, &context);
  }
  if (!has_outcomes) {
    reply_each_reference(reply, add_reference_of_session, &context);
  }
}

static void count_reply(struct engine *engine, struct session *session, struct reply *reply) {
  size_t bytes = reply_memory_bytes(reply);
  session->window_bytes += bytes;
  memory_charge(&engine->memory, MEMORY_WINDOWS, bytes);
}

/* A small reply is kept also when memory is full: a window has room for HF_WINDOW_COUNT_MAX. */
static bool may_keep(const struct engine *engine, const struct reply *reply) {
  size_t bytes = reply_memory_bytes(reply);
  return bytes <= HF_SMALL_REPLY_BYTES || !core_check_memory(engine, bytes);
}

static void count_reference(void *ctx, uint64_t object) {
  (void)object;
  *(bool *)ctx = true;
}

/* Running a read again is harmless, but for the references it hands out: those are counted once. */
static hf_reason keep_references(struct call *call) {
  struct reply *reply = call->reply;
  bool has_reference = false;
  reply_each_reference(reply, count_reference, &has_reference);
  if (!has_reference) {
    return HF_REASON_NONE;
  }
  hf_reason reason = session_check_room(call->session, reply->sequence, false);
  if (!reason && !may_keep(call->engine, reply)) {
    reason = HF_REASON_MEMORY_FULL;
  }
  if (!reason) {
    reason = core_check_entry(call->engine, &call->session->references);
  }
  if (!reason && !session_keep_reply(call->session, reply)) {
    reason = HF_REASON_NO_MEMORY;
  }
  if (!reason) {
    count_reply(call->engine, call->session, reply);
  }
  return reason;
}

/* What the session keeps of an answer. */
static void keep_answer(struct call *call) {
  struct reply *reply = call->reply;
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
  hand_references(call, reply);
  if (reply->sequence &&
      reply->sequence <= call->session->acked) { /* acknowledged while it still waited */
    session_acknowledge(call->session, 0, &reply->sequence, 1);
  }
}

void core_record_end(struct call *call, hf_reason reason) {
  bool changes = call->operation->effect == EFFECT_OBJECT;
  if (call->object) {
    unsigned rights = call->user ? rights_of(call->user, call->session, call->object) : ACCESS_ALL;
    call->reply->handed = rights & (ACCESS_READ | ACCESS_WRITE);
  }
  if (call->object && changes) {
    call->object->changed = call->engine->index;
  }
  if (call->object && !call->object->is_deleted && changes) {
    registry_account(&call->engine->registry, call->object);
    if (!reason && !call->notified) {
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
    denial_explain(&engine->denial, reply);
  }
  reply->pending = NULL;
  core_record_end(call, reason);
  if (call->one_way) {
    if (session && reply->sequence) {
      if (reason) {
        session_record_failure(session, reply->sequence, reply);
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

/* What the reply of a request that only reads shows. Without an object it may be anything, but a ping is answered
 * with nothing. */
static void record_index(const struct call *call) {
  struct engine *engine = call->engine;
  if (call->operation->arm == HOLDFAST__REQUEST__OPERATION_PING) {
    engine->read_index = 0;
    return;
  }
  uint64_t changed = call->object ? call->object->changed : engine->logged;
  engine->read_index = changed > engine->changed ? changed : engine->changed;
}

void core_finish(struct call *call, hf_reason reason) {
  record_index(call);
  conclude(call, reason);
  if (call->session && call->session->has_sparse_tables) {
    session_trim(call->session);
  }
}
