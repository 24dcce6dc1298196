/* Taking back what a reply gave away, when nobody will ever look at the reply. */
#include "server/engine/takeback.h"

#include "server/engine/holding.h"
#include "server/engine/kinds/condition.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/steps.h"

#include <stdlib.h>

static void take_back_from(struct engine *engine, struct session *session, struct object *object,
                           const struct reply *reply) {
  const struct kind *kind = object->row;
  if (reply->operation == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN) {
    core_unhold(engine, object->id, session_unhold(session, object->id, 1));
  } else if (kind->revoke) {
    kind->revoke(engine, session, object, reply);
  }
}

struct unhold_context {
  struct engine *engine;
  struct session *session;
};

static void unhold_for_session(void *ctx, uint64_t object) {
  struct unhold_context *context = ctx;
  core_unhold(context->engine, object, session_unhold(context->session, object, 1));
}

/* The reply that says what was given: of a wait_any, the one inside. */
static struct reply *giving_reply(struct reply *reply) {
  return reply->shape == REPLY_FIRST ? reply->outcomes[0] : reply;
}

static void give_back(struct engine *engine, struct session *session, struct reply *reply) {
  bool is_session = reply->operation == HOLDFAST__REQUEST__OPERATION_FORK_SESSION;
  struct object *object = is_session ? NULL : registry_find(&engine->registry, reply->source);
  if (object) {
    take_back_from(engine, session, object, reply);
  }
  reply->source = 0;
}

static void pass_notification(struct engine *engine, struct reply *reply) {
  if (reply->notified_by) {
    core_pass_notification(engine, reply->notified_by);
    reply->notified_by = 0;
  }
}

bool core_take_back(struct engine *engine, struct session *session, struct reply *reply) {
  struct unhold_context context = {engine, session};
  if (reply->reason || reply->taken_back) {
    return false;
  }
  struct reply *giving = giving_reply(reply);
  bool gave = giving->source != 0;
  give_back(engine, session, giving);
  pass_notification(engine, giving);
  reply_each_reference(reply, unhold_for_session, &context);
  reply->taken_back = true;
  return gave;
}

/* ---- the end of a session */

static int compare_newest_first(const void *one, const void *other) {
  uint64_t a = (*(struct reply *const *)one)->sequence;
  uint64_t b = (*(struct reply *const *)other)->sequence;
  return (a < b) - (a > b);
}

/* What a session may have unacknowledged, and what waited beside that. */
#define UNSEEN_MAX (HF_WINDOW_COUNT_MAX + HF_SESSION_WAITERS_MAX)

bool core_take_back_unseen(struct engine *engine, struct session *session) {
  struct reply *unseen[UNSEEN_MAX];
  size_t count = 0;
  uint64_t position = 0, sequence;
  void *item;
  while (map64_next(&session->window, &position, &sequence, &item)) {
    struct reply *reply = item;
    const struct reply *giving = reply->pending ? NULL : giving_reply(reply);
    bool gave = giving && ((giving->gave_items && giving->source) || giving->notified_by);
    if (gave && count < UNSEEN_MAX) {
      unseen[count++] = reply;
    }
  }
  qsort(unseen, count, sizeof *unseen, compare_newest_first);
  for (size_t i = 0; i < count; i++) {
    if (!core_has_steps(engine)) {
      return false;
    }
    struct reply *giving = giving_reply(unseen[i]);
    core_spend(engine, 1 + reply_array_bytes(giving) / sizeof(struct value));
    if (giving->gave_items) {
      give_back(engine, session, giving);
    }
    pass_notification(engine, giving);
  }
  return true;
}
