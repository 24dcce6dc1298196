/* Revokes what unacknowledged replies took out of objects. */
#include "server/engine/revoke.h"

#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/notification.h"
#include "server/engine/references.h"
#include "server/engine/steps.h"

#include <stdlib.h>

static void revoke_from(struct engine *engine, struct session *session, struct object *object,
                        const struct reply *reply) {
  const struct kind *kind = object->row;
  if (reply->operation == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN) {
    core_drop_references(engine, object->id, session_drop_references(session, object->id, 1));
  } else if (kind->revoke) {
    kind->revoke(engine, session, object, reply);
  }
}

struct drop_context {
  struct engine *engine;
  struct session *session;
};

static void drop_reference_of_session(void *ctx, uint64_t object) {
  struct drop_context *context = ctx;
  core_drop_references(context->engine, object,
                       session_drop_references(context->session, object, 1));
}

/* The reply that says what was given: of a wait_any, the one inside. */
static struct reply *giving_reply(struct reply *reply) {
  return reply->shape == REPLY_FIRST ? reply->outcomes[0] : reply;
}

static void give_back(struct engine *engine, struct session *session, struct reply *reply) {
  bool is_session = reply->operation == HOLDFAST__REQUEST__OPERATION_FORK_SESSION;
  struct object *object = is_session ? NULL : registry_find(&engine->registry, reply->source);
  if (object) {
    revoke_from(engine, session, object, reply);
  }
  reply->source = 0;
}

static void pass_notification(struct engine *engine, struct reply *reply) {
  if (reply->notified_by) {
    core_pass_notification(engine, reply->notified_by);
    reply->notified_by = 0;
  }
}

bool core_revoke(struct engine *engine, struct session *session, struct reply *reply) {
  struct drop_context context = {engine, session};
  if (reply->reason || reply->revoked) {
    return false;
  }
  struct reply *giving = giving_reply(reply);
  bool gave = giving->source != 0;
  give_back(engine, session, giving);
  pass_notification(engine, giving);
  reply_each_reference(reply, drop_reference_of_session, &context);
  reply->revoked = true;
  return gave;
}

/* ---- the end of a session */

static int compare_newest_first(const void *one, const void *other) {
  uint64_t a = (*(struct reply *const *)one)->sequence;
  uint64_t b = (*(struct reply *const *)other)->sequence;
  return (a < b) - (a > b);
}

/* What a session may have unacknowledged, and what waited beside that. */
#define UNACKNOWLEDGED_MAX (HF_WINDOW_COUNT_MAX + HF_SESSION_WAITERS_MAX)

bool core_revoke_unacknowledged(struct engine *engine, struct session *session) {
  struct reply *unacknowledged[UNACKNOWLEDGED_MAX];
  size_t count = 0;
  uint64_t position = 0, sequence;
  void *item;
  while (map64_next(&session->window, &position, &sequence, &item)) {
    struct reply *reply = item;
    const struct reply *giving = reply->pending ? NULL : giving_reply(reply);
    bool gave = giving && ((giving->gave_items && giving->source) || giving->notified_by);
    if (gave && count < UNACKNOWLEDGED_MAX) {
      unacknowledged[count++] = reply;
    }
  }
  qsort(unacknowledged, count, sizeof *unacknowledged, compare_newest_first);
  for (size_t i = 0; i < count; i++) {
    if (!core_has_steps(engine)) {
      return false;
    }
    struct reply *giving = giving_reply(unacknowledged[i]);
    core_spend(engine, 1 + reply_array_bytes(giving) / sizeof(struct value));
    if (giving->gave_items) {
      give_back(engine, session, giving);
    }
    pass_notification(engine, giving);
  }
  return true;
}
