#include "server/engine/enforcement.h"

#include "server/engine/lending.h"
#include "server/engine/locks.h"
#include "server/engine/nested.h"
#include "server/engine/parking.h"
#include "server/engine/require.h"
#include "server/engine/rights.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"

#include <stddef.h>

/* ---- waiting requests */

/* One that opens an object needs another right than one that makes it. */
static unsigned access_of(const struct operation *operation) {
  return operation->kinds ? operation->access : ACCESS_EITHER;
}

/* Settings give no rights to what has no name: what was allowed goes on, also without the reference that
 * allowed it. */
static bool may(const struct user *user, const struct object *object, unsigned access) {
  return !object || value_is_absent(object->name) ||
         rights_allow(user_rights(user, value_content(&object->name)), access);
}

/* HF_REASON_NONE | NO_RIGHT */
static hf_reason check_object(const struct call *call, const struct object *object,
                              unsigned access) {
  if (may(call->user, object, access)) {
    return HF_REASON_NONE;
  }
  struct bytes name = value_content(&object->name);
  return rights_refuse(call, name, user_rights(call->user, name), access);
}

/* The target of a waiter or wait entry, and the lock that a condition will take. HF_REASON_NONE |
 * NO_RIGHT */
static hf_reason check_target(struct call *call, const struct waiter *waiter) {
  struct object *object = waiter->object;
  if (!object || object->is_deleted) {
    return HF_REASON_NONE;
  }
  call->operation = waiter->operation;
  hf_reason reason = check_object(call, object, access_of(waiter->operation));
  struct object *guard = core_guard_of(call->engine, object);
  return reason || guard == object ? reason : check_object(call, guard, ACCESS_WRITE);
}

/* Of a wait-any. */
static hf_reason check_entries(struct call *call, const struct waiter *waiter) {
  const struct waiter *entry;
  hf_reason reason = HF_REASON_NONE;
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    if (!reason && (reason = check_target(call, entry))) {
      call->reply->part = entry->part;
    }
  }
  return reason;
}

static hf_reason check_transaction(struct call *call) {
  hf_reason reason = core_read_again(call);
  reason = reason ? reason : transaction_check_rights(call);
  arena_reset(&call->engine->scratch);
  return reason;
}

static hf_reason check_waiter(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  struct call call = core_call_of(engine, now_ns, waiter);
  if (waiter->operation->arm == HOLDFAST__REQUEST__OPERATION_TRANSACTION) {
    return check_transaction(&call);
  }
  hf_reason reason = check_target(&call, waiter);
  return reason ? reason : check_entries(&call, waiter);
}

static void check_waiters(struct engine *engine, uint64_t now_ns, struct waiter_list *waiters) {
  struct waiter *next, *waiter = TAILQ_FIRST(waiters);
  for (; waiter; waiter = next) {
    next = TAILQ_NEXT(waiter, owner_link);
    hf_reason reason = check_waiter(engine, now_ns, waiter);
    if (reason && waiter->job) {
      core_stop_job(waiter->job, reason); /* it answers, unless it is done already */
    } else if (reason) {
      core_end_wait(engine, now_ns, waiter, reason);
    }
  }
}

/* ---- sessions */

static bool may_write_all(const struct engine *engine, const struct session *session,
                          const struct map64 *objects, unsigned access) {
  uint64_t position = 0, id;
  void *item;
  bool is_allowed = true;
  while (is_allowed && map64_next(objects, &position, &id, &item)) {
    is_allowed = may(session->user, registry_find(&engine->registry, id), access);
  }
  return is_allowed;
}

static bool may_return_reserved(const struct session *session) {
  const struct task *task;
  bool is_allowed = true;
  TAILQ_FOREACH(task, &session->reserved, owner_link) {
    const char *queue = (const char *)task->queue;
    const struct object *object =
        (const struct object *)(const void *)(queue - offsetof(struct object, queue));
    is_allowed = is_allowed && may(session->user, object, ACCESS_WRITE);
  }
  return is_allowed;
}

static bool may_live(const struct engine *engine, const struct session *session) {
  return !session->user->is_gone && may_write_all(engine, session, &session->locks, ACCESS_WRITE) &&
         may_write_all(engine, session, &session->permits, ACCESS_WRITE) &&
         may_write_all(engine, session, &session->acting, ACCESS_WRITE) &&
         may_write_all(engine, session, &session->ends, ACCESS_WRITE) &&
         may_write_all(engine, session, &session->cells, ACCESS_READ | ACCESS_WRITE) &&
         may_return_reserved(session);
}

static void check_sessions(struct engine *engine, uint64_t now_ns) {
  uint64_t position = 0, serial;
  void *item;
  while (map64_next(&engine->sessions, &position, &serial, &item)) {
    struct session *session = item;
    if (!session->user) {
      continue;
    }
    if (may_live(engine, session)) {
      check_waiters(engine, now_ns, &session->waiters);
    } else {
      core_end_session(engine, now_ns, session, false);
    }
  }
}

/* ---- connections */

static void close_peer(struct engine *engine, struct peer *peer) {
  struct waiter *waiter;
  while ((waiter = TAILQ_FIRST(&peer->waiters))) {
    core_drop_waiter(engine, waiter);
  }
  peer->fenced = true;
  engine->sink.close(engine->sink.ctx, peer->id);
}

static void check_peers(struct engine *engine, uint64_t now_ns) {
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    struct peer *peer = item;
    if (!peer->user || peer->fenced) {
      continue;
    }
    if (peer->user->is_gone) {
      close_peer(engine, peer);
    } else {
      check_waiters(engine, now_ns, &peer->waiters);
    }
  }
}

void core_enforce_rights(struct engine *engine, uint64_t now_ns) {
  check_sessions(engine, now_ns);
  check_peers(engine, now_ns);
}
